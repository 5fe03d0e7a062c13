//! Owns every way down: what ended by itself, what is told to stop, and what follows. Never begins a way down by itself.

use std::time::Duration;

use super::super::health::HealthChecks;
use super::super::status::{Ended, Health, LastProcess, TerminationReason};
use super::super::stop::{self, PostStop, Stop};
use super::super::{Command, Job, Notice, Now};
use super::sweep::After;
use super::{Lifecycle, Running, Stage, Then};
use crate::config::OnExit;

/// What ends sooner than this after its start has not started at all.
const STARTED: Duration = Duration::from_secs(1);

/// How something ended.
pub(super) struct End {
    pub(super) code: i32,
    /// Its last lines.
    pub(super) output: Vec<String>,
}

impl Lifecycle {
    pub(super) fn init_ended(
        &mut self,
        ended: &Running,
        end: End,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        match self.stage {
            Stage::Initializing if end.code == 0 => {
                self.stage = Stage::Running;
                self.begin(Job::Main, None, now, commands);
            }
            Stage::Stopping(then) => self.go_down(then, Some(ended), now, commands),
            _ => self.failed(Job::Init, ended, end, None, now, commands),
        }
    }

    pub(super) fn main_ended(
        &mut self,
        ended: &Running,
        end: End,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        self.pid_since = now.wall;
        self.checks = HealthChecks::default();
        self.post_run_at = None;
        self.post_run_tries = 0;
        let down = if self.has_check() {
            Health::Unknown
        } else {
            Health::Critical
        };
        self.set_health(down, commands);
        self.abandon_hooks(commands);
        match self.stage {
            Stage::Stopping(Then::Unhealthy) => {
                self.failed(Job::Main, ended, end, Some(ended), now, commands);
            }
            Stage::Stopping(then) => {
                let reason = self
                    .restart_due
                    .take()
                    .map_or(TerminationReason::RunHookFailed, |(_, reason)| reason);
                let code = end.code;
                self.note_end(Job::Main, ended, end, reason, Wanted::Yes, now);
                let then = match then {
                    Then::Finish(_) if self.policy.on_exit == OnExit::Exit => Then::Finish(code),
                    then => then,
                };
                self.go_down(then, Some(ended), now, commands);
            }
            _ => {
                self.end_drain(commands);
                self.failed(Job::Main, ended, end, None, now, commands);
            }
        }
    }

    /// The end of `init` or of the main process that nobody asked for, or that its health asked for.
    fn failed(
        &mut self,
        job: Job,
        ended: &Running,
        end: End,
        told: Option<&Running>,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        let reason = if job == Job::Init {
            TerminationReason::InitHookFailed
        } else {
            TerminationReason::RunHookFailed
        };
        let End { code, output } = end;
        let ran = now.mono.saturating_sub(ended.since);
        let wanted = if told.is_some() {
            Wanted::Yes
        } else {
            Wanted::No
        };
        if wanted == Wanted::No {
            let (output, started) = (output.clone(), ran >= STARTED);
            commands.push(Command::Tell(
                if job == Job::Main && !started && code != 0 {
                    Notice::FailedToStart { code, ran, output }
                } else {
                    Notice::Failed { job, code, output }
                },
            ));
        }
        self.note_end(job, ended, End { code, output }, reason, wanted, now);
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
        self.go_down(then, told, now, commands);
    }

    fn note_end(
        &mut self,
        job: Job,
        ended: &Running,
        end: End,
        reason: TerminationReason,
        wanted: Wanted,
        now: Now,
    ) {
        self.last_process = Some(LastProcess {
            pid: ended.pid.filter(|_| job == Job::Main),
            reason,
            terminated_at: now.wall,
        });
        let ran = now.mono.saturating_sub(ended.since);
        self.last_end = Some(std::sync::Arc::new(Ended {
            job,
            code: end.code,
            ran,
            failed_to_start: job == Job::Main
                && wanted == Wanted::No
                && end.code != 0
                && ran < STARTED,
            wanted: wanted == Wanted::Yes,
            killed: ended.killed,
            output: end.output,
            at: now.wall,
        }));
    }

    /// What ran has ended. `told` is the one that got the stop signal, with its group.
    fn go_down(
        &mut self,
        then: Then,
        told: Option<&Running>,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        let then = match then {
            Then::Finish(code) => Then::Finish(code),
            _ if self.is_ending() => Then::Finish(0),
            then => then,
        };
        self.sweep(then, told, After::PostStop, now, commands);
    }

    /// Nothing of the program is left: `post-stop` where there is one, then what follows.
    pub(super) fn after_program(&mut self, then: Then, now: Now, commands: &mut Vec<Command>) {
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

    pub(super) fn post_stop_ended(&mut self, code: i32, now: Now, commands: &mut Vec<Command>) {
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

    pub(super) fn follow(&mut self, then: Then, now: Now, commands: &mut Vec<Command>) {
        match then {
            Then::Finish(code) => self.finish(code, commands),
            _ if self.is_ending() => self.finish(0, commands),
            Then::Restart | Then::Unhealthy => {
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

    pub(super) fn finish(&mut self, code: i32, commands: &mut Vec<Command>) {
        let left: Vec<Job> = self.jobs.keys().copied().collect();
        for job in left {
            self.kill(job, commands);
        }
        self.stage = Stage::Finished;
        commands.push(Command::Finish { code });
    }

    pub(super) fn on_stop(&mut self, signal: i32, now: Now, commands: &mut Vec<Command>) {
        let again = self.stop.is_some();
        // The kubelet counts from the signal, whatever it waited for here.
        let since = self.held_since.unwrap_or(now.mono);
        let deadline = stop::deadline(since, self.deleted, self.policy.grace);
        let stop = *self.stop.get_or_insert(Stop {
            signal,
            since,
            deadline,
        });
        match self.stage {
            Stage::Waiting | Stage::BackingOff { .. } => {
                self.sweep(Then::Finish(0), None, After::Follow, now, commands);
            }
            Stage::Initializing => {
                let signal = self.policy.rewrite.for_program(stop.signal);
                self.stop_job(Job::Init, signal, Then::Finish(0), now, commands);
            }
            Stage::Running => self.leave(now, commands),
            // Who asks twice does not want to wait for load balancers.
            Stage::Draining { .. } => {
                self.stop_main(now, commands);
                self.shorten(again, now);
            }
            Stage::Stopping(_) => {
                self.stage = Stage::Stopping(Then::Finish(0));
                self.shorten(again, now);
            }
            Stage::Sweeping { .. } => self.sweep_to_the_end(again, now, commands),
            Stage::PostStop(then) => {
                let then = if matches!(then, Then::Finish(_)) {
                    then
                } else {
                    Then::Finish(0)
                };
                self.stage = Stage::PostStop(then);
                self.hurry_post_stop(stop.deadline, now);
                self.shorten(again, now);
            }
            Stage::Finished => {}
        }
    }

    /// The own Pod is being deleted, with this grace. It may be seen after the stop signal, and again with another grace: who
    /// deletes once more with less does not wait longer, and nobody gets more than was said before.
    pub(super) fn on_deleted(&mut self, grace: Duration, now: Now) {
        let seen = *self.deleted_since.get_or_insert(now.mono);
        let stop = self.stop.map(|stop| stop.since);
        let first = [stop, self.held_since].into_iter().flatten();
        let until = first.fold(seen, Duration::min) + grace;
        let until = self.deleted.map_or(until, |known| known.min(until));
        self.deleted = Some(until);
        if let Some(stop) = &mut self.stop {
            let deadline = stop::deadline(now.mono, Some(until), grace);
            stop.deadline = stop.deadline.min(deadline);
            self.hurry(now);
        }
    }

    /// What is under way of a stop keeps its new deadline.
    fn hurry(&mut self, now: Now) {
        self.shorten(false, now);
        let Some(stop) = self.stop else { return };
        let post_stop = self.post_stop();
        match &mut self.stage {
            Stage::Draining { until, .. } => {
                let max = self.policy.drain.map(|drain| drain.max);
                let longest = stop::drain_time(
                    now.mono,
                    stop.deadline,
                    max.unwrap_or_default(),
                    self.policy.shutdown_timeout,
                    post_stop,
                );
                *until = (*until).min(now.mono + longest);
            }
            Stage::Sweeping(..) => self.hurry_sweep(now),
            Stage::PostStop(_) => self.hurry_post_stop(stop.deadline, now),
            _ => {}
        }
    }

    fn hurry_post_stop(&mut self, deadline: Duration, now: Now) {
        if let Some(hook) = self.jobs.get_mut(&Job::PostStop) {
            let until =
                stop::post_stop_until(now.mono, Some(deadline), self.policy.post_stop_timeout);
            hook.kill_at = hook.kill_at.map(|at| at.min(until));
        }
    }

    /// The running service is to end. What others have to know before it drains (a lead that is given up) comes first,
    /// here.
    fn leave(&mut self, now: Now, commands: &mut Vec<Command>) {
        self.drain(now, commands);
    }

    /// The drain is over, or there was none: the stop signal.
    pub(super) fn stop_main(&mut self, now: Now, commands: &mut Vec<Command>) {
        self.end_drain(commands);
        let came = self.stop.map_or(super::TERM, |stop| stop.signal);
        let signal = self.stop_signal(came);
        self.stop_job(Job::Main, signal, Then::Finish(0), now, commands);
    }

    /// The signal that stops the main process: the package's own, else the one that came, as the settings rewrite it.
    pub(super) fn stop_signal(&self, came: i32) -> i32 {
        self.policy
            .stop_signal
            .unwrap_or_else(|| self.policy.rewrite.for_program(came))
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

    pub(super) fn stop_job(
        &mut self,
        job: Job,
        signal: i32,
        then: Then,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        self.stage = Stage::Stopping(then);
        let kill_at = self.kill_at(now);
        if let Some(running) = self.jobs.get_mut(&job) {
            running.kill_at = Some(running.kill_at.map_or(kill_at, |at| at.min(kill_at)));
            commands.push(Command::Tell(Notice::Stopping {
                signal,
                grace: kill_at.saturating_sub(now.mono),
            }));
            commands.push(Command::Signal { job, signal });
        }
        self.abandon_hooks(commands);
    }

    /// When what is told to stop now is killed.
    pub(super) fn kill_at(&self, now: Now) -> Duration {
        let deadline = self
            .final_deadline()
            .unwrap_or(now.mono + self.policy.grace);
        stop::kill_at(
            now.mono,
            deadline,
            self.policy.shutdown_timeout,
            self.post_stop(),
        )
    }

    pub(super) fn post_stop(&self) -> PostStop {
        if self.has_hook(Job::PostStop) {
            PostStop::Present
        } else {
            PostStop::Absent
        }
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

    pub(super) fn kill(&mut self, job: Job, commands: &mut Vec<Command>) {
        if let Some(running) = self.jobs.get_mut(&job)
            && !running.killed
        {
            running.killed = true;
            commands.push(Command::Kill(job));
        }
    }
}

/// Whether an end was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Yes,
    No,
}
