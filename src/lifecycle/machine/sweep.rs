//! Owns what is done about the rest of the program: processes that outlive the one that kubesup started, in its group or
//! outside. Never looks for them: the supervisor does, and says when there are none.

use std::time::Duration;

use super::super::stop;
use super::super::{Command, Notice, Now};
use super::{Lifecycle, Running, Stage, TERM, Then};

/// For what is left behind when the end was not asked for: a Job should not wait long for what its program forgot.
const FORGOTTEN: Duration = Duration::from_secs(5);
/// After KILL: what is not gone by then hangs in the kernel, and is not worth more of the grace period.
const AFTER_KILL: Duration = Duration::from_millis(200);
/// What is left has this much at least, though the program has used up its time: it may not have been told yet. This and
/// [`AFTER_KILL`] fit into the margin that a stop keeps free.
const LEAST: Duration = Duration::from_millis(200);

/// What follows when nothing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The program was up: `post-stop`.
    PostStop,
    /// It was not: what is to follow.
    Follow,
}

/// A sweep that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sweep {
    after: After,
    /// The group that has the stop signal already.
    told: Option<i32>,
    pub(super) until: Duration,
    killed: bool,
}

impl Lifecycle {
    /// Waits for the rest of the group that was told to stop; at the end of kubesup also tells all others and waits for
    /// them.
    pub(super) fn sweep(
        &mut self,
        then: Then,
        told: Option<&Running>,
        after: After,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        let kill_at = match told {
            Some(Running {
                kill_at: Some(at), ..
            }) => *at,
            _ if self.stop.is_some() => self.kill_at(now),
            _ => self.kill_at(now).min(now.mono + FORGOTTEN),
        };
        let sweep = Sweep {
            after,
            told: told.and_then(|told| told.pid),
            until: kill_at.max(now.mono + LEAST),
            killed: false,
        };
        if sweep.told.is_none() && !matches!(then, Then::Finish(_)) {
            return self.swept(then, after, now, commands);
        }
        self.ask(sweep, then, commands);
    }

    fn ask(&mut self, sweep: Sweep, then: Then, commands: &mut Vec<Command>) {
        let came = self.stop.map_or(TERM, |stop| stop.signal);
        let others = matches!(then, Then::Finish(_)).then(|| self.policy.rewrite.for_program(came));
        self.stage = Stage::Sweeping(then, sweep);
        commands.push(Command::Sweep {
            told: sweep.told,
            others,
        });
    }

    /// A stop of kubesup while the rest of a restart is waited for.
    pub(super) fn sweep_to_the_end(&mut self, again: bool, now: Now, commands: &mut Vec<Command>) {
        let Stage::Sweeping(then, mut sweep) = self.stage else {
            return;
        };
        if again {
            sweep.until = stop::kill_at_sooner(now.mono, sweep.until);
        }
        sweep.until = sweep.until.min(self.kill_at(now));
        match then {
            Then::Finish(_) => self.stage = Stage::Sweeping(then, sweep),
            _ => self.ask(sweep, Then::Finish(0), commands),
        }
    }

    /// The stop has less time now.
    pub(super) fn hurry_sweep(&mut self, now: Now) {
        let kill_at = self.kill_at(now).max(now.mono + LEAST);
        if let Stage::Sweeping(_, sweep) = &mut self.stage
            && !sweep.killed
        {
            sweep.until = sweep.until.min(kill_at);
        }
    }

    /// Nothing is left.
    pub(super) fn on_swept(&mut self, now: Now, commands: &mut Vec<Command>) {
        if let Stage::Sweeping(then, sweep) = self.stage {
            self.swept(then, sweep.after, now, commands);
        }
    }

    /// The time for what is left may be over.
    pub(super) fn while_sweeping(
        &mut self,
        then: Then,
        sweep: Sweep,
        now: Now,
        commands: &mut Vec<Command>,
    ) {
        if sweep.until > now.mono {
            return;
        }
        if sweep.killed {
            commands.push(Command::Tell(Notice::LeftBehind));
            return self.swept(then, sweep.after, now, commands);
        }
        let killed = Sweep {
            until: now.mono + AFTER_KILL,
            killed: true,
            ..sweep
        };
        self.stage = Stage::Sweeping(then, killed);
        commands.push(Command::KillRest);
    }

    fn swept(&mut self, then: Then, after: After, now: Now, commands: &mut Vec<Command>) {
        match after {
            After::PostStop => self.after_program(then, now, commands),
            After::Follow => self.follow(then, now, commands),
        }
    }
}
