//! Owns what happens while the main process runs: reactions to new renderings, health checks, `post-run`. Never ends the
//! service: what asks for that goes to `down`.

use std::time::Duration;

use super::super::health::{self, Checked};
use super::super::restart::growing_pause;
use super::super::status::{Health, TerminationReason};
use super::super::{CheckKind, Command, Job, Notice, Now};
use super::{Lifecycle, Running, Stage, TERM, Then};
use crate::config::OnHealthFailure;
use crate::plan::{self, Reaction};

/// A restart in a group of n waits for a random part of min(this, 2 s × (n−1)).
const LONGEST_SPREAD: Duration = Duration::from_secs(10);

impl Lifecycle {
    /// Compares what the program runs with and what is on disk, and begins what that asks for.
    pub(super) fn react(&mut self, now: Now, commands: &mut Vec<Command>) {
        let Some(rendered) = self.rendered.clone() else {
            return;
        };
        if (self.is_ending() && !self.demoting)
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
        if let Some((at, known)) = &mut self.restart_due {
            *known = reason;
            if self.members == 1 {
                // There is nobody any more whom it would have to be spread with.
                *at = (*at).min(now.mono);
            }
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

    pub(super) fn reconfigure_ended(&mut self, code: i32, now: Now, commands: &mut Vec<Command>) {
        if code == 0 {
            commands.push(Command::Tell(Notice::Reconfigured));
            if let Some(files) = self.reconfigure.succeeded() {
                self.applied.reconfigured(&files);
            }
            // As in Habitat: what the change did to the program's health shows at once.
            if self.has_check() {
                let under_way = self.jobs.contains_key(&Job::HealthCheck);
                self.checks.changed(now.mono, under_way);
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

    pub(super) fn while_running(&mut self, now: Now, commands: &mut Vec<Command>) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now.mono);
        if is_due(self.restart_due.map(|(at, _)| at)) && (!self.is_ending() || self.demoting) {
            let signal = self.stop_signal(TERM);
            self.stop_job(Job::Main, signal, Then::Restart, now, commands);
            return;
        }
        if is_due(self.reconfigure.retry_at) {
            self.reconfigure.retry_at = None;
            self.react(now, commands);
        }
        self.check_when_due(now, commands);
        if is_due(self.post_run_at)
            && !self.is_held_by_demotion()
            && !self.jobs.contains_key(&Job::PostRun)
        {
            self.post_run_at = None;
            let kill_at = self.policy.post_run_timeout.map(|time| now.mono + time);
            self.begin(Job::PostRun, kill_at, now, commands);
        }
    }

    /// Health is checked while the program serves, also while it drains.
    pub(super) fn check_when_due(&mut self, now: Now, commands: &mut Vec<Command>) {
        let is_due = self.checks.next.is_some_and(|at| at <= now.mono);
        if is_due && !self.is_held_by_demotion() && !self.jobs.contains_key(&Job::HealthCheck) {
            self.checks.next = None;
            self.begin(
                Job::HealthCheck,
                Some(now.mono + self.policy.health_timeout),
                now,
                commands,
            );
        }
    }

    pub(super) fn health_check_ended(
        &mut self,
        ended: &Running,
        code: i32,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        let result = match (ended.killed, self.policy.check) {
            (false, _) => health::meaning(code),
            (true, CheckKind::Setting) => Health::Critical,
            (true, CheckKind::Hook) => Health::Unknown,
        };
        let shown = self.checks.take(
            now.mono,
            result,
            self.health,
            self.policy.check,
            self.policy.health_threshold,
        );
        self.set_health(shown, commands);
        self.checks.schedule(
            now.mono,
            Checked {
                result,
                hung: ended.killed,
            },
            self.policy.health_interval,
            &mut self.jitter,
        );
        let failures = self.checks.failures();
        if failures >= self.policy.health_threshold
            && self.policy.on_health_failure == OnHealthFailure::Restart
            && self.stage == Stage::Running
            && !self.is_ending()
        {
            commands.push(Command::Tell(Notice::Unhealthy { failures }));
            let signal = self.stop_signal(TERM);
            self.stop_job(Job::Main, signal, Then::Unhealthy, now, commands);
        }
    }

    pub(super) fn post_run_ended(&mut self, code: i32, now: Now, commands: &mut Vec<Command>) {
        if code == 0 {
            return;
        }
        let job = Job::PostRun;
        commands.push(Command::Tell(Notice::HookFailed { job, code }));
        self.post_run_at = Some(now.mono + growing_pause(self.post_run_tries, &mut self.jitter));
        self.post_run_tries += 1;
    }

    pub(super) fn set_health(&mut self, health: Health, commands: &mut Vec<Command>) {
        if self.health != health {
            self.health = health;
            commands.push(Command::Tell(Notice::Health(health)));
        }
    }

    /// There is something that tells how the program does.
    pub(super) fn has_check(&self) -> bool {
        self.policy.check == CheckKind::Setting || self.has_hook(Job::HealthCheck)
    }
}
