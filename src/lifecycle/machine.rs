//! Owns the state of the service and [`Lifecycle::step`]. Never looks at the content of a rendering: `plan` compares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::health::{self, HealthChecks};
use super::reconfigure::Reconfigure;
use super::restart::{Jitter, Restarts};
use super::status::{Health, LastProcess, Phase, Status, TerminationReason};
use super::stop::{self, PostStop, Stop};
use super::{Command, Event, Files, Job, Notice, Now, Policy};
use crate::config::OnExit;
use crate::plan::{self, Applied, Reaction};

/// A restart in a group of n waits for a random part of min(this, 2 s × (n−1)).
const LONGEST_SPREAD: Duration = Duration::from_secs(10);
/// The pause after a failed `post-run`, which Habitat retries in a tight loop.
const POST_RUN_PAUSE: Duration = Duration::from_secs(1);
/// TERM, for a restart when the package names no signal.
const TERM: i32 = 15;

/// The service's life. See the module's theory of operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    policy: Policy,
    stage: Stage,
    jitter: Jitter,
    /// The newest rendering on disk.
    rendered: Option<Arc<Files>>,
    /// The one that the program runs with, as far as is known.
    applied: Applied,
    members: usize,
    /// Jobs that run, with when they are killed.
    jobs: BTreeMap<Job, Running>,
    restarts: Restarts,
    restart_due: Option<(Duration, TerminationReason)>,
    reconfigure: Reconfigure,
    /// Service files changed, and the `file-updated` hook has not been started for it.
    files_changed: bool,
    checks: HealthChecks,
    post_run_at: Option<Duration>,
    health: Health,
    stop: Option<Stop>,
    /// The grace period's end, from the first sight of the deletion; also says that nothing is restarted any more.
    deleted: Option<Duration>,
    pid_since: u64,
    last_process: Option<LastProcess>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Running {
    pid: Option<i32>,
    since: Duration,
    kill_at: Option<Duration>,
    killed: bool,
    /// It belongs to a run of the main process that is over: its result means nothing any more.
    abandoned: bool,
}

/// Where the service is, with what belongs to that place alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Initializing,
    /// The main process is being started or runs.
    Running,
    /// What runs (`init` or the main process) was told to stop.
    Stopping(Then),
    PostStop(Then),
    BackingOff {
        until: Duration,
        wall: u64,
    },
    Finished,
}

/// What follows a way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Restart,
    RestartAfter(Duration),
    Finish(i32),
}

impl Lifecycle {
    /// Nothing has been rendered yet.
    pub fn new(policy: Policy) -> Self {
        Lifecycle {
            stage: Stage::Waiting,
            jitter: Jitter::new(policy.seed),
            policy,
            rendered: None,
            applied: Applied::default(),
            members: 1,
            jobs: BTreeMap::new(),
            restarts: Restarts::default(),
            restart_due: None,
            reconfigure: Reconfigure::default(),
            files_changed: false,
            checks: HealthChecks::default(),
            post_run_at: None,
            health: Health::Unknown,
            stop: None,
            deleted: None,
            pid_since: 0,
            last_process: None,
        }
    }

    /// Another policy from now on: the first one comes before the settings of the own Pod are known.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// What is shown of it.
    pub fn status(&self) -> Status {
        let main = self.jobs.get(&Job::Main);
        Status {
            phase: match self.stage {
                Stage::Waiting => Phase::Waiting,
                Stage::Initializing => Phase::Initializing,
                Stage::Running => Phase::Running,
                Stage::Stopping(_) => Phase::Stopping,
                Stage::PostStop(_) => Phase::PostStop,
                Stage::BackingOff { .. } => Phase::BackingOff,
                Stage::Finished => Phase::Finished,
            },
            pid: main.and_then(|main| main.pid),
            process_state_entered: self.pid_since,
            initialized: main.is_some_and(|main| main.pid.is_some()),
            health: self.health,
            restart_count: self.restarts.count,
            next_restart_at: match self.stage {
                Stage::BackingOff { wall, .. } => Some(wall),
                _ => None,
            },
            stopping: self.is_stopping(),
            last_process: self.last_process,
            reconfigure_failure: self.reconfigure.failure(),
        }
    }

    /// When `Tick` is due at the latest.
    pub fn next_deadline(&self) -> Option<Duration> {
        let stage = match self.stage {
            Stage::BackingOff { until, .. } => Some(until),
            _ => None,
        };
        let kills = self
            .jobs
            .values()
            .filter(|job| !job.killed)
            .filter_map(|job| job.kill_at);
        // What waits for the end of its predecessor needs no clock.
        let free = |job: Job, at: Option<Duration>| at.filter(|_| !self.jobs.contains_key(&job));
        let running = match self.stage {
            Stage::Running => [
                self.restart_due
                    .map(|(at, _)| at)
                    .filter(|_| !self.is_ending()),
                self.reconfigure.retry_at,
                free(Job::HealthCheck, self.checks.next),
                free(Job::PostRun, self.post_run_at),
            ],
            _ => [None; 4],
        };
        kills
            .chain(stage)
            .chain(running.into_iter().flatten())
            .min()
    }

    /// Takes in one event and says what to do.
    pub fn step(&mut self, event: Event, now: Now) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.stage == Stage::Finished {
            return commands;
        }
        match event {
            Event::Rendered { files, members } => {
                self.on_rendered(files, members, now, &mut commands);
            }
            Event::FilesUpdated => self.on_files_updated(now, &mut commands),
            Event::Started { job, pid } => self.on_started(job, pid, now, &mut commands),
            Event::Ended { job, code } => self.on_ended(job, code, now, &mut commands),
            Event::Stop { signal } => self.on_stop(signal, now, &mut commands),
            Event::Deleted { grace } => self.deleted = self.deleted.or(Some(now.mono + grace)),
            Event::Tick => {}
        }
        self.on_time(now, &mut commands);
        commands
    }

    fn on_rendered(
        &mut self,
        files: Arc<Files>,
        members: usize,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        self.members = members.max(1);
        if self.rendered.as_ref() == Some(&files) {
            return;
        }
        self.rendered = Some(files);
        self.reconfigure.renewed();
        match self.stage {
            Stage::Waiting if !self.is_ending() => self.start(now, commands),
            Stage::Running => self.react(now, commands),
            _ => {}
        }
    }

    /// Begins a start: `init` first.
    fn start(&mut self, now: Now, commands: &mut Vec<Command>) {
        if let Some(rendered) = &self.rendered {
            self.applied.started(rendered);
        }
        self.reconfigure = Reconfigure::default();
        self.restart_due = None;
        // Whatever starts now finds the newest service files.
        self.files_changed = false;
        if self.has_hook(Job::Init) {
            self.stage = Stage::Initializing;
            self.begin(Job::Init, None, now, commands);
        } else {
            self.stage = Stage::Running;
            self.begin(Job::Main, None, now, commands);
        }
    }

    fn begin(
        &mut self,
        job: Job,
        kill_at: Option<Duration>,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        self.jobs.insert(
            job,
            Running {
                pid: None,
                since: now.mono,
                kill_at,
                killed: false,
                abandoned: false,
            },
        );
        commands.push(Command::Start(job));
    }

    fn on_started(&mut self, job: Job, pid: i32, now: Now, commands: &mut Vec<Command>) {
        let Some(running) = self.jobs.get_mut(&job) else {
            return;
        };
        running.pid = Some(pid);
        if job != Job::Main {
            return;
        }
        self.pid_since = now.wall;
        commands.push(Command::Tell(Notice::Started { pid }));
        if self.stage != Stage::Running {
            return;
        }
        // The `run` hook's newest text is what was just started.
        if let Some(rendered) = &self.rendered {
            self.applied.main_started(rendered);
        }
        if self.has_hook(Job::HealthCheck) {
            self.checks = HealthChecks::begin(now.mono);
        } else {
            self.set_health(Health::Ok, commands);
        }
        self.post_run_at = self.has_hook(Job::PostRun).then_some(now.mono);
        // What changed while `init` ran has not been seen by anybody yet.
        self.react(now, commands);
        self.run_file_updated(now, commands);
    }

    fn on_ended(&mut self, job: Job, code: i32, now: Now, commands: &mut Vec<Command>) {
        let Some(ended) = self.jobs.remove(&job) else {
            return;
        };
        if ended.abandoned {
            // A change may have waited for its end.
            if self.stage == Stage::Running {
                self.react(now, commands);
                self.run_file_updated(now, commands);
            }
            return;
        }
        match job {
            Job::Init => self.init_ended(&ended, code, now, commands),
            Job::Main => self.main_ended(&ended, code, now, commands),
            Job::PostStop => self.post_stop_ended(code, now, commands),
            Job::HealthCheck if self.stage == Stage::Running => {
                let health = if ended.killed {
                    Health::Unknown
                } else {
                    health::meaning(code)
                };
                self.set_health(health, commands);
                self.checks.finished(
                    now.mono,
                    health,
                    self.policy.health_interval,
                    &mut self.jitter,
                );
            }
            Job::Reconfigure if self.stage == Stage::Running => {
                self.reconfigure_ended(code, now, commands);
            }
            Job::FileUpdated if self.stage == Stage::Running => {
                self.file_updated_ended(code, now, commands);
            }
            Job::PostRun if self.stage == Stage::Running && code != 0 => {
                commands.push(Command::Tell(Notice::HookFailed { job, code }));
                self.post_run_at = Some(now.mono + POST_RUN_PAUSE);
            }
            Job::HealthCheck | Job::Reconfigure | Job::FileUpdated | Job::PostRun => {}
        }
    }

    fn init_ended(&mut self, ended: &Running, code: i32, now: Now, commands: &mut Vec<Command>) {
        match self.stage {
            Stage::Initializing if code == 0 => {
                self.stage = Stage::Running;
                self.begin(Job::Main, None, now, commands);
            }
            Stage::Stopping(then) => self.go_down(then, now, commands),
            _ => self.failed(Job::Init, None, ended, code, now, commands),
        }
    }

    fn main_ended(&mut self, ended: &Running, code: i32, now: Now, commands: &mut Vec<Command>) {
        self.pid_since = now.wall;
        self.checks = HealthChecks::default();
        self.post_run_at = None;
        let down = if self.has_hook(Job::HealthCheck) {
            Health::Unknown
        } else {
            Health::Critical
        };
        self.set_health(down, commands);
        self.abandon_hooks(commands);
        match self.stage {
            Stage::Stopping(then) => {
                let reason = self
                    .restart_due
                    .take()
                    .map_or(TerminationReason::RunHookFailed, |(_, reason)| reason);
                self.note_end(ended.pid, reason, now);
                let then = match then {
                    Then::Finish(_) if self.policy.on_exit == OnExit::Exit => Then::Finish(code),
                    then => then,
                };
                self.go_down(then, now, commands);
            }
            _ => self.failed(Job::Main, ended.pid, ended, code, now, commands),
        }
    }

    /// The end of `init` or of the main process that nobody asked for.
    fn failed(
        &mut self,
        job: Job,
        pid: Option<i32>,
        ended: &Running,
        code: i32,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        let reason = if job == Job::Init {
            TerminationReason::InitHookFailed
        } else {
            TerminationReason::RunHookFailed
        };
        self.note_end(pid, reason, now);
        commands.push(Command::Tell(Notice::Failed { job, code }));
        let ran = now.mono.saturating_sub(ended.since);
        let policy = &self.policy;
        let then = if self.is_ending() || policy.on_exit == OnExit::Exit {
            Then::Finish(code)
        } else if self
            .restarts
            .failed(now.mono, ran, policy.cooldown, policy.budget)
        {
            Then::RestartAfter(self.restarts.pause(
                policy.min_backoff,
                policy.max_backoff,
                &mut self.jitter,
            ))
        } else {
            commands.push(Command::Tell(Notice::BudgetSpent { code }));
            Then::Finish(code)
        };
        self.go_down(then, now, commands);
    }

    fn note_end(&mut self, pid: Option<i32>, reason: TerminationReason, now: Now) {
        self.last_process = Some(LastProcess {
            pid,
            reason,
            terminated_at: now.wall,
        });
    }

    /// The process is down: `post-stop` where there is one, then what follows.
    fn go_down(&mut self, then: Then, now: Now, commands: &mut Vec<Command>) {
        if self.has_hook(Job::PostStop) {
            self.stage = Stage::PostStop(then);
            let until = stop::post_stop_until(
                now.mono,
                self.final_deadline(),
                self.policy.post_stop_timeout,
            );
            self.begin(Job::PostStop, Some(until), now, commands);
        } else {
            self.follow(then, now, commands);
        }
    }

    fn post_stop_ended(&mut self, code: i32, now: Now, commands: &mut Vec<Command>) {
        if code != 0 {
            commands.push(Command::Tell(Notice::HookFailed {
                job: Job::PostStop,
                code,
            }));
        }
        if let Stage::PostStop(then) = self.stage {
            self.follow(then, now, commands);
        }
    }

    fn follow(&mut self, then: Then, now: Now, commands: &mut Vec<Command>) {
        match then {
            Then::Finish(code) => self.finish(code, commands),
            _ if self.is_ending() => self.finish(0, commands),
            Then::Restart => {
                self.restarts.intentional();
                self.start(now, commands);
            }
            Then::RestartAfter(pause) if pause.is_zero() => self.start(now, commands),
            Then::RestartAfter(pause) => {
                commands.push(Command::Tell(Notice::BackingOff(pause)));
                self.stage = Stage::BackingOff {
                    until: now.mono + pause,
                    wall: now.wall + pause.as_secs(),
                };
            }
        }
    }

    fn finish(&mut self, code: i32, commands: &mut Vec<Command>) {
        let left: Vec<Job> = self.jobs.keys().copied().collect();
        for job in left {
            self.kill(job, commands);
        }
        self.stage = Stage::Finished;
        commands.push(Command::Finish { code });
    }

    fn on_stop(&mut self, signal: i32, now: Now, commands: &mut Vec<Command>) {
        let again = self.stop.is_some();
        let deadline = stop::deadline(now.mono, self.deleted, self.policy.grace);
        let stop = *self.stop.get_or_insert(Stop { signal, deadline });
        match self.stage {
            Stage::Waiting | Stage::BackingOff { .. } => self.finish(0, commands),
            Stage::Initializing => {
                self.stop_job(Job::Init, stop.signal, Then::Finish(0), now, commands);
            }
            Stage::Running => {
                let signal = self.policy.stop_signal.unwrap_or(stop.signal);
                self.stop_job(Job::Main, signal, Then::Finish(0), now, commands);
            }
            Stage::Stopping(_) => {
                self.stage = Stage::Stopping(Then::Finish(0));
                self.shorten(again, now);
            }
            Stage::PostStop(then) => {
                let then = if matches!(then, Then::Finish(_)) {
                    then
                } else {
                    Then::Finish(0)
                };
                self.stage = Stage::PostStop(then);
                if let Some(hook) = self.jobs.get_mut(&Job::PostStop) {
                    let until = stop::post_stop_until(
                        now.mono,
                        Some(stop.deadline),
                        self.policy.post_stop_timeout,
                    );
                    hook.kill_at = hook.kill_at.map(|at| at.min(until));
                }
                self.shorten(again, now);
            }
            Stage::Finished => {}
        }
    }

    /// What is stopping already gets the deadline of the stop, and after a second signal a shorter one.
    fn shorten(&mut self, again: bool, now: Now) {
        let post_stop = self.post_stop();
        let Some(stop) = self.stop else { return };
        for job in [Job::Init, Job::Main] {
            if let Some(Running {
                kill_at: Some(at), ..
            }) = self.jobs.get_mut(&job)
            {
                *at = (*at).min(stop::kill_at(
                    now.mono,
                    stop.deadline,
                    self.policy.shutdown_timeout,
                    post_stop,
                ));
            }
        }
        if again {
            for Running { kill_at, .. } in self.jobs.values_mut() {
                *kill_at = kill_at.map(|at| stop::kill_at_sooner(now.mono, at));
            }
        }
    }

    fn stop_job(
        &mut self,
        job: Job,
        signal: i32,
        then: Then,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        self.stage = Stage::Stopping(then);
        let deadline = self
            .final_deadline()
            .unwrap_or(now.mono + self.policy.grace);
        let kill_at = stop::kill_at(
            now.mono,
            deadline,
            self.policy.shutdown_timeout,
            self.post_stop(),
        );
        if let Some(running) = self.jobs.get_mut(&job) {
            running.kill_at = Some(kill_at);
            commands.push(Command::Tell(Notice::Stopping {
                signal,
                grace: kill_at.saturating_sub(now.mono),
            }));
            commands.push(Command::Signal { job, signal });
        }
        self.abandon_hooks(commands);
    }

    /// Hooks that belong to a run of the main process end with it.
    fn abandon_hooks(&mut self, commands: &mut Vec<Command>) {
        for job in [
            Job::HealthCheck,
            Job::Reconfigure,
            Job::FileUpdated,
            Job::PostRun,
        ] {
            self.kill(job, commands);
            if let Some(running) = self.jobs.get_mut(&job) {
                running.abandoned = true;
            }
        }
    }

    fn kill(&mut self, job: Job, commands: &mut Vec<Command>) {
        if let Some(running) = self.jobs.get_mut(&job)
            && !running.killed
        {
            running.killed = true;
            commands.push(Command::Kill(job));
        }
    }

    /// Compares what the program runs with and what is on disk, and begins what that asks for.
    fn react(&mut self, now: Now, commands: &mut Vec<Command>) {
        let Some(rendered) = self.rendered.clone() else {
            return;
        };
        if self.is_ending()
            || self
                .jobs
                .get(&Job::Main)
                .is_none_or(|main| main.pid.is_none())
        {
            return;
        }
        let reaction = plan::reaction(&self.applied, &rendered);
        self.applied.written(&rendered);
        if !matches!(reaction, Reaction::Restart(_)) {
            self.restart_due = None;
        }
        match reaction {
            Reaction::None | Reaction::RenderOnly => self.reconfigure.retry_at = None,
            // One at a time: when it ends, this is looked at again.
            Reaction::Reconfigure if self.jobs.contains_key(&Job::Reconfigure) => {}
            Reaction::Reconfigure => {
                self.reconfigure.begin(rendered);
                self.begin(
                    Job::Reconfigure,
                    Some(now.mono + self.policy.reconfigure_timeout),
                    now,
                    commands,
                );
            }
            Reaction::Restart(reason) => self.due(reason, now, commands),
        }
    }

    fn due(&mut self, reason: TerminationReason, now: Now, commands: &mut Vec<Command>) {
        if let Some((_, known)) = &mut self.restart_due {
            *known = reason;
            return;
        }
        let others = u32::try_from(self.members.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = Duration::from_secs(2)
            .saturating_mul(others)
            .min(LONGEST_SPREAD);
        let after = self.jitter.between(Duration::ZERO, longest);
        commands.push(Command::Tell(Notice::RestartDue { reason, after }));
        self.restart_due = Some((now.mono + after, reason));
    }

    fn reconfigure_ended(&mut self, code: i32, now: Now, commands: &mut Vec<Command>) {
        if code == 0 {
            commands.push(Command::Tell(Notice::Reconfigured));
            if let Some(files) = self.reconfigure.succeeded() {
                self.applied.reconfigured(&files);
            }
            // As in Habitat: what the change did to the program's health shows at once.
            if self.has_hook(Job::HealthCheck) && !self.jobs.contains_key(&Job::HealthCheck) {
                self.checks.next = Some(now.mono);
            }
            self.react(now, commands);
            return;
        }
        let newer = self.reconfigure.under_way != self.rendered;
        self.applied.reconfigure_failed();
        let retry = self.reconfigure.failed(now.mono, code, &mut self.jitter);
        commands.push(Command::Tell(Notice::ReconfigureFailed { code, retry }));
        if newer {
            self.react(now, commands);
        }
    }

    fn on_time(&mut self, now: Now, commands: &mut Vec<Command>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now.mono);
        let late: Vec<Job> = self
            .jobs
            .iter()
            .filter(|(_, job)| !job.killed && is_due(job.kill_at))
            .map(|(job, _)| *job)
            .collect();
        for job in late {
            let notice = if matches!(job, Job::Init | Job::Main) {
                Notice::Killed(job)
            } else {
                Notice::TimedOut(job)
            };
            commands.push(Command::Tell(notice));
            self.kill(job, commands);
        }
        match self.stage {
            Stage::BackingOff { until, .. } if until <= now.mono => {
                if self.is_ending() {
                    self.finish(0, commands);
                } else {
                    self.start(now, commands);
                }
            }
            Stage::Running => self.while_running(now, commands),
            _ => {}
        }
    }

    fn while_running(&mut self, now: Now, commands: &mut Vec<Command>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now.mono);
        if is_due(self.restart_due.map(|(at, _)| at)) && !self.is_ending() {
            let signal = self.policy.stop_signal.unwrap_or(TERM);
            self.stop_job(Job::Main, signal, Then::Restart, now, commands);
            return;
        }
        if is_due(self.reconfigure.retry_at) {
            self.reconfigure.retry_at = None;
            self.react(now, commands);
        }
        if is_due(self.checks.next) && !self.jobs.contains_key(&Job::HealthCheck) {
            self.checks.next = None;
            self.begin(
                Job::HealthCheck,
                Some(now.mono + self.policy.health_timeout),
                now,
                commands,
            );
        }
        if is_due(self.post_run_at) && !self.jobs.contains_key(&Job::PostRun) {
            self.post_run_at = None;
            self.begin(Job::PostRun, None, now, commands);
        }
    }

    fn set_health(&mut self, health: Health, commands: &mut Vec<Command>) {
        if self.health != health {
            self.health = health;
            commands.push(Command::Tell(Notice::Health(health)));
        }
    }

    fn has_hook(&self, job: Job) -> bool {
        self.rendered
            .as_ref()
            .is_some_and(|files| files.contains_key(&format!("hooks/{}", job.hook())))
    }

    fn post_stop(&self) -> PostStop {
        if self.has_hook(Job::PostStop) {
            PostStop::Present
        } else {
            PostStop::Absent
        }
    }

    /// A stop of kubesup has begun.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    /// The Pod's whole grace period.
    pub fn grace(&self) -> Duration {
        self.policy.grace
    }

    /// Nothing is restarted any more: a stop has begun, or the own Pod is being deleted.
    pub fn is_ending(&self) -> bool {
        self.stop.is_some() || self.deleted.is_some()
    }

    fn final_deadline(&self) -> Option<Duration> {
        self.stop.map(|stop| stop.deadline).or(self.deleted)
    }
}

mod file_updated;
#[cfg(test)]
mod tests;
