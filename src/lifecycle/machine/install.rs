//! Owns the `install` hook: it runs once for a package, before the first start, and until it has succeeded nothing starts.
//! Never knows where it is noted that it has (that is the supervisor's).

use std::time::Duration;

use super::down::End;
use super::sweep::After;
use super::{Command, Job, Lifecycle, Notice, Now, Running, Stage, Then};
use crate::config::OnExit;

/// What is known of the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Install {
    /// It has succeeded for this package.
    done: bool,
    /// When a failed one is tried again.
    pub(super) again_at: Option<Duration>,
}

impl Lifecycle {
    /// The hook has succeeded for this package before.
    pub fn set_installed(&mut self) {
        self.install.done = true;
    }

    /// Begins the first start, or what has to come before it. A failed hook is tried again at once with a new rendering.
    pub(super) fn install_or_start(&mut self, now: Now, commands: &mut Vec<Command>) {
        if self.is_ending() || self.jobs.contains_key(&Job::Install) {
            return;
        }
        self.install.again_at = None;
        if self.has_hook(Job::Install) && !self.install.done {
            let kill_at = self.policy.init_timeout.map(|time| now.mono + time);
            self.begin(Job::Install, kill_at, now, commands);
        } else {
            self.start(now, commands);
        }
    }

    /// A failure counts like one of `init`.
    pub(super) fn install_ended(
        &mut self,
        ended: &Running,
        end: End,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        let End { code, output } = end;
        self.install.done = code == 0;
        if self.stage != Stage::Waiting {
            // A stop has begun, and sees to the rest.
            return;
        }
        if code == 0 {
            self.install_or_start(now, commands);
            return;
        }
        let job = Job::Install;
        commands.push(Command::Tell(Notice::Failed { job, code, output }));
        let ran = now.mono.saturating_sub(ended.since);
        let policy = &self.policy;
        if self.is_ending() || policy.on_exit == OnExit::Exit {
            self.sweep(Then::Finish(code), None, After::Follow, now, commands);
        } else if self
            .restarts
            .failed(now.mono, ran, policy.cooldown, policy.budget)
        {
            let (min, max) = (policy.min_backoff, policy.max_backoff);
            let pause = self.restarts.pause(min, max, &mut self.jitter);
            commands.push(Command::Tell(Notice::BackingOff(pause)));
            self.install.again_at = Some(now.mono + pause);
        } else {
            commands.push(Command::Tell(Notice::BudgetSpent { code }));
            self.sweep(Then::Finish(code), None, After::Follow, now, commands);
        }
    }
}
