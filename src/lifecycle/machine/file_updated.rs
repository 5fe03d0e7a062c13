//! Owns when the `file-updated` hook runs: once for each change of service files while the main process is up. Never looks
//! at the files.

use super::{Command, Job, Lifecycle, Notice, Now, Stage};

impl Lifecycle {
    /// Service files changed. Before a start is through nobody has to be told: what starts finds the new ones, and a
    /// change while `init` runs is told when the main process is up.
    pub(super) fn on_files_updated(&mut self, now: Now, commands: &mut Vec<Command>) {
        self.files_changed = matches!(self.stage, Stage::Initializing | Stage::Running);
        self.run_file_updated(now, commands);
    }

    /// Starts the hook when a change waits for it. One at a time: when it ends, this is looked at again.
    pub(super) fn run_file_updated(&mut self, now: Now, commands: &mut Vec<Command>) {
        let is_up = self.stage == Stage::Running
            && self
                .jobs
                .get(&Job::Main)
                .is_some_and(|main| main.pid.is_some());
        if !self.files_changed
            || !is_up
            || self.is_ending()
            || self.jobs.contains_key(&Job::FileUpdated)
        {
            return;
        }
        self.files_changed = false;
        if self.has_hook(Job::FileUpdated) {
            let kill_at = now.mono + self.policy.file_updated_timeout;
            self.begin(Job::FileUpdated, Some(kill_at), now, commands);
        }
    }

    /// As in Habitat nothing follows a failure, but the operator is told.
    pub(super) fn file_updated_ended(&mut self, code: i32, now: Now, commands: &mut Vec<Command>) {
        if code != 0 {
            let job = Job::FileUpdated;
            commands.push(Command::Tell(Notice::HookFailed { job, code }));
        }
        self.run_file_updated(now, commands);
    }
}
