//! Owns what the supervisor does when it hears of something: a new view, a signal, the end of a child. Says it in the life
//! cycle's words, and never decides what the service does about it.

use std::time::Duration;

use tracing::info;

use super::Supervisor;
use super::jobs::Outcome;
use super::waking::Heard;
use crate::config::supervision::Rewritten;
use crate::lifecycle::election::Leaving;
use crate::lifecycle::{Event, Job};
use crate::process::Signal;
use crate::world::Departing;

/// HUP.
const HUP: i32 = 1;
/// What ctrl-C and ctrl-\ send: INT and QUIT.
const INTERRUPTS: [i32; 2] = [2, 3];

impl Supervisor {
    pub(super) fn on_view(&mut self) {
        let view = self.views.borrow_and_update().clone();
        self.settle.changed(self.now().mono);
        if let Some(departing) = view.departing {
            self.on_departing(departing);
        }
    }

    /// A Pod may be deleted again, with less grace, and it may be gone at last.
    fn on_departing(&mut self, departing: Departing) {
        if self.departing == Some(departing) {
            return;
        }
        if self.departing.is_none() {
            info!(
                ?departing,
                "the own Pod is being deleted; nothing is restarted any more"
            );
            self.lead.leaving = Some(match departing {
                Departing::Deleted { .. } => Leaving::Stopping,
                Departing::Gone => Leaving::Gone,
            });
            self.end_suitability();
        } else if departing == Departing::Gone {
            info!("the own Pod is gone");
            self.lead.leaving = Some(Leaving::Gone);
        }
        self.departing = Some(departing);
        let grace = match departing {
            Departing::Deleted { grace_seconds } => {
                Duration::from_secs(u64::try_from(grace_seconds).unwrap_or_default())
            }
            Departing::Gone => self.lifecycle.grace(),
        };
        self.feed(Event::Deleted { grace });
    }

    pub(super) fn on_signal(&mut self, signal: Signal) -> Heard {
        match signal {
            Signal::Child => return self.reap(),
            Signal::Hangup if self.rewritten(HUP) != Rewritten::Same => self.forward(HUP),
            Signal::Hangup => {
                info!("HUP: rendering anew");
                self.accepted.forget_files();
                self.local.read_again();
                self.render();
            }
            Signal::Stop(signal) if self.rewritten(signal) == Rewritten::Dropped => {
                info!(signal, "stop signal; dropped, as rewrite-signal says");
            }
            Signal::Stop(signal) => {
                info!(signal, "stop signal");
                self.stop(signal);
            }
            Signal::Forward(signal) => self.forward(signal),
        }
        Heard::Something
    }

    fn rewritten(&self, signal: i32) -> Rewritten {
        self.accepted.settings().rewrite_signal.of(signal)
    }

    /// Passes a signal on to the main process, as the settings rewrite it.
    fn forward(&self, signal: i32) {
        match self.rewritten(signal) {
            Rewritten::Same => self.jobs.forward(signal),
            Rewritten::To(other) => self.jobs.forward(other),
            Rewritten::Dropped => {}
        }
    }

    /// What readers see does not change because somebody's orphan has ended: a storm of them is not published one by one.
    pub(super) fn reap(&mut self) -> Heard {
        self.jobs.reap();
        self.recorder
            .orphans_reaped(self.jobs.processes.orphans_reaped());
        match self.jobs.look_again() {
            Some(event) => {
                self.feed(event);
                Heard::Something
            }
            None => Heard::Nothing,
        }
    }

    pub(super) fn on_end(&mut self, job: Job, outcome: Outcome) {
        if job == Job::Suitability {
            return self.suitability_ended(outcome);
        }
        let event = self.jobs.ended(job, outcome, &self.accepted);
        if let Event::Ended {
            job: Job::Main,
            code,
            ..
        } = event
            && self.accepted.settings().tty
            && let Some(signal) = INTERRUPTS.into_iter().find(|signal| 128 + signal == code)
        {
            // On a terminal ctrl-C goes to the program alone; who presses it wants all of it to end.
            self.stop(signal);
        }
        self.feed(event);
    }
}
