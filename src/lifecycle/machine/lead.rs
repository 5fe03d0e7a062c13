//! Owns what losing a lead means for the program: it takes over the rendering without the lead at once, whatever else is
//! going on, or is killed. Never decides that a lead is lost.

use std::sync::Arc;

use super::super::{Command, Files, Job, Now};
use super::{Lifecycle, Stage, Then};
use crate::plan::{self, Reaction};

/// KILL.
const KILL: i32 = 9;

impl Lifecycle {
    /// The program is to run with these files, which do not let it lead: no pause spreads that, and no stop holds it up.
    pub(super) fn on_demote(&mut self, files: Arc<Files>, now: Now, commands: &mut Vec<Command>) {
        self.members = 1;
        self.demoting = true;
        self.rendered = Some(files);
        self.reconfigure.renewed();
        if let Some((at, _)) = &mut self.restart_due {
            *at = (*at).min(now.mono);
        }
        if matches!(self.stage, Stage::Running | Stage::Draining { .. }) {
            self.react(now, commands);
        }
    }

    /// The program is killed. That is no failure of its own.
    pub(super) fn on_kill(&mut self, now: Now, commands: &mut Vec<Command>) {
        let then = if self.is_ending() {
            Then::Finish(0)
        } else {
            Then::Restart
        };
        match self.stage {
            Stage::Initializing => self.stop_job(Job::Init, KILL, then, now, commands),
            Stage::Running | Stage::Draining { .. } => {
                self.stop_job(Job::Main, KILL, then, now, commands);
            }
            Stage::Sweeping(..) => commands.push(Command::KillRest),
            _ => {}
        }
        self.kill(Job::Init, commands);
        self.kill(Job::Main, commands);
    }

    /// Until the program is without the lead nothing else is begun.
    pub(super) fn is_held_by_demotion(&self) -> bool {
        self.demoting && !self.has_taken_over()
    }

    /// Whether nothing runs with another rendering than the newest one.
    pub fn has_taken_over(&self) -> bool {
        let Some(rendered) = &self.rendered else {
            return true;
        };
        match self.stage {
            Stage::Waiting | Stage::PostStop(_) | Stage::BackingOff { .. } | Stage::Finished => {
                true
            }
            Stage::Sweeping(..) => false,
            Stage::Initializing | Stage::Running | Stage::Draining { .. } | Stage::Stopping(_) => {
                self.restart_due.is_none()
                    && !self.jobs.contains_key(&Job::Reconfigure)
                    && matches!(
                        plan::reaction(&self.applied, rendered),
                        Reaction::None | Reaction::RenderOnly
                    )
            }
        }
    }
}
