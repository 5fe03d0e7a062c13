//! Owns the state of the service and [`Lifecycle::step`]. Never looks at the content of a rendering: `plan` compares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::health::HealthChecks;
use super::reconfigure::Reconfigure;
use super::restart::{Jitter, Restarts};
use super::status::{Ended, Health, LastProcess, Phase, Status, TerminationReason};
use super::stop::Stop;
use super::{Command, Event, Files, Job, Notice, Now, Policy};
use crate::plan::Applied;
use down::End;
use install::Install;
use sweep::Sweep;

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
    /// A lead is being given up: what that asks for is done though a stop has begun.
    demoting: bool,
    /// Jobs that run, with when they are killed.
    jobs: BTreeMap<Job, Running>,
    restarts: Restarts,
    restart_due: Option<(Duration, TerminationReason)>,
    reconfigure: Reconfigure,
    /// Service files changed, and the `file-updated` hook has not been started for it.
    files_changed: bool,
    install: Install,
    checks: HealthChecks,
    post_run_at: Option<Duration>,
    post_run_tries: u32,
    health: Health,
    stop: Option<Stop>,
    /// The grace period's end, from the first sight of the deletion or of the stop; also says that nothing is restarted any more.
    deleted: Option<Duration>,
    /// When the deletion was seen first.
    deleted_since: Option<Duration>,
    /// When a stop signal came that was held.
    held_since: Option<Duration>,
    pid_since: u64,
    last_process: Option<LastProcess>,
    last_end: Option<Arc<Ended>>,
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
    /// A stop has begun; the program serves on until this time at the latest.
    Draining {
        until: Duration,
        /// What became of the endpoints is known.
        seen: bool,
    },
    /// What runs (`init` or the main process) was told to stop.
    Stopping(Then),
    /// It has ended; the rest of it is waited for.
    Sweeping(Then, Sweep),
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
    /// A restart that counts as a failure: the health asked for it.
    Unhealthy,
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
            demoting: false,
            jobs: BTreeMap::new(),
            restarts: Restarts::default(),
            restart_due: None,
            reconfigure: Reconfigure::default(),
            files_changed: false,
            install: Install::default(),
            checks: HealthChecks::default(),
            post_run_at: None,
            post_run_tries: 0,
            health: Health::Unknown,
            stop: None,
            deleted: None,
            deleted_since: None,
            held_since: None,
            pid_since: 0,
            last_process: None,
            last_end: None,
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
                Stage::Draining { .. } => Phase::Draining,
                Stage::Stopping(_) | Stage::Sweeping(..) => Phase::Stopping,
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
            last_end: self.last_end.clone(),
            reconfigure_failure: self.reconfigure.failure(),
        }
    }

    /// When `Tick` is due at the latest.
    pub fn next_deadline(&self) -> Option<Duration> {
        let stage = match self.stage {
            Stage::BackingOff { until, .. } | Stage::Draining { until, .. } => Some(until),
            Stage::Sweeping(_, sweep) => Some(sweep.until),
            Stage::Waiting => self.install.again_at,
            _ => None,
        };
        let kills = self
            .jobs
            .values()
            .filter(|job| !job.killed)
            .filter_map(|job| job.kill_at);
        // What waits for the end of its predecessor needs no clock.
        let free = |job: Job, at: Option<Duration>| {
            at.filter(|_| !self.jobs.contains_key(&job) && !self.is_held_by_demotion())
        };
        let running = match self.stage {
            Stage::Running => [
                self.restart_due
                    .map(|(at, _)| at)
                    .filter(|_| !self.is_ending() || self.demoting),
                self.reconfigure.retry_at,
                free(Job::HealthCheck, self.checks.next),
                free(Job::PostRun, self.post_run_at),
            ],
            Stage::Draining { .. } => [free(Job::HealthCheck, self.checks.next), None, None, None],
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
            Event::Demote { files } => self.on_demote(files, now, &mut commands),
            Event::KillProgram => self.on_kill(now, &mut commands),
            Event::FilesUpdated => self.on_files_updated(now, &mut commands),
            Event::Started { job, pid } => self.on_started(job, pid, now, &mut commands),
            Event::Ended { job, code, output } => {
                self.on_ended(job, End { code, output }, now, &mut commands);
            }
            Event::Drained(drained) => self.on_drained(drained, now, &mut commands),
            Event::Swept => self.on_swept(now, &mut commands),
            Event::Stop { signal } => self.on_stop(signal, now, &mut commands),
            Event::Deleted { grace } => self.on_deleted(grace, now),
            Event::StopHeld => drop(self.held_since.get_or_insert(now.mono)),
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
        // A demotion that is under way stays one.
        self.demoting &= !self.has_taken_over();
        if self.rendered.as_ref() == Some(&files) {
            return;
        }
        self.rendered = Some(files);
        self.reconfigure.renewed();
        match self.stage {
            Stage::Waiting => self.install_or_start(now, commands),
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
            let kill_at = self.policy.init_timeout.map(|time| now.mono + time);
            self.begin(Job::Init, kill_at, now, commands);
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
        if self.has_check() {
            self.checks = HealthChecks::begin(now.mono + self.policy.health_start_delay);
        } else {
            self.set_health(Health::Ok, commands);
        }
        self.post_run_at = self.has_hook(Job::PostRun).then_some(now.mono);
        // What changed while `init` ran has not been seen by anybody yet.
        self.react(now, commands);
        self.run_file_updated(now, commands);
    }

    fn on_ended(&mut self, job: Job, end: End, now: Now, commands: &mut Vec<Command>) {
        let code = end.code;
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
            Job::Install => self.install_ended(&ended, end, now, commands),
            Job::Init => self.init_ended(&ended, end, now, commands),
            Job::Main => self.main_ended(&ended, end, now, commands),
            Job::PostStop => self.post_stop_ended(code, now, commands),
            Job::HealthCheck if matches!(self.stage, Stage::Running | Stage::Draining { .. }) => {
                self.health_check_ended(&ended, code, now, commands);
            }
            Job::Reconfigure if matches!(self.stage, Stage::Running | Stage::Draining { .. }) => {
                self.reconfigure_ended(code, now, commands);
            }
            Job::FileUpdated if self.stage == Stage::Running => {
                self.file_updated_ended(code, now, commands);
            }
            Job::PostRun if self.stage == Stage::Running => {
                self.post_run_ended(code, now, commands);
            }
            Job::HealthCheck
            | Job::Reconfigure
            | Job::FileUpdated
            | Job::PostRun
            | Job::Suitability => {}
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
            let notice = match (job, self.stage) {
                (Job::Init | Job::Main, Stage::Stopping(_)) => Notice::Killed(job),
                _ => Notice::TimedOut(job),
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
            Stage::Waiting if is_due(self.install.again_at) => {
                self.install_or_start(now, commands);
            }
            Stage::Draining { until, .. } if until <= now.mono => self.stop_main(now, commands),
            Stage::Draining { .. } => self.check_when_due(now, commands),
            Stage::Sweeping(then, sweep) => self.while_sweeping(then, sweep, now, commands),
            _ => {}
        }
    }

    fn has_hook(&self, job: Job) -> bool {
        self.rendered
            .as_ref()
            .is_some_and(|files| files.contains_key(&format!("hooks/{}", job.hook())))
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

mod down;
mod drain;
mod file_updated;
mod install;
mod lead;
mod running;
mod sweep;
#[cfg(test)]
mod tests;
