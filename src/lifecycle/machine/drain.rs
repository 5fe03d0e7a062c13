//! Owns the drain: at a stop the program serves on until its endpoints are gone, lingers, and only then is told. Never
//! looks at an endpoint: the supervisor has them watched, and says what became of them.

use super::super::stop;
use super::super::{Command, Drained, Job, Notice, Now};
use super::{Lifecycle, Stage};

impl Lifecycle {
    /// Begins to drain, where there is something to drain and time for it; else the stop signal comes at once.
    pub(super) fn drain(&mut self, now: Now, commands: &mut Vec<Command>) {
        let is_up = self
            .jobs
            .get(&Job::Main)
            .is_some_and(|main| main.pid.is_some());
        let longest = match (self.policy.drain, self.stop) {
            (Some(drain), Some(stop)) if is_up => stop::drain_time(
                now.mono,
                stop.deadline,
                drain.max,
                self.policy.shutdown_timeout,
                self.post_stop(),
            ),
            _ => return self.stop_main(now, commands),
        };
        if longest.is_zero() {
            return self.stop_main(now, commands);
        }
        self.restart_due = None;
        self.stage = Stage::Draining {
            until: now.mono + longest,
            seen: false,
        };
        commands.push(Command::Tell(Notice::Draining { longest }));
        commands.push(Command::Drain);
    }

    /// What became of the endpoints.
    pub(super) fn on_drained(&mut self, drained: Drained, now: Now, commands: &mut Vec<Command>) {
        let Stage::Draining { until, .. } = self.stage else {
            return;
        };
        let linger = self
            .policy
            .drain
            .map(|drain| drain.linger)
            .unwrap_or_default();
        commands.push(Command::Tell(Notice::Drained(drained)));
        if drained == Drained::InNoService || linger.is_zero() {
            self.stage = Stage::Draining { until, seen: true };
            self.stop_main(now, commands);
            return;
        }
        self.stage = Stage::Draining {
            until: until.min(now.mono + linger),
            seen: true,
        };
    }

    /// Nobody need look at the endpoints any more.
    pub(super) fn end_drain(&self, commands: &mut Vec<Command>) {
        if matches!(self.stage, Stage::Draining { seen: false, .. }) {
            commands.push(Command::EndDrain);
        }
    }
}
