//! Owns the way to the end: a stop waits until the lead is given up, the endpoints drain, and the last words and the exit
//! code are left behind. Never decides how long the program may take; `lifecycle` does.

use tokio::sync::oneshot;
use tracing::info;

use super::{DrainRequest, Supervisor, termination};
use crate::lifecycle::election::Leaving;
use crate::lifecycle::{Drained, Event};

impl Supervisor {
    /// A stop. A lead is given up first, while the program goes on; who asks twice does not want to wait for that.
    pub(super) fn stop(&mut self, signal: i32) {
        self.lead.leaving.get_or_insert(Leaving::Stopping);
        self.end_suitability();
        let first = self.held.is_none() && !self.lifecycle.is_stopping();
        if first && self.lead.is_involved() {
            info!("giving up the lead before the stop");
            self.held = Some((signal, self.now().mono + self.lead.longest_handover()));
            self.feed(Event::StopHeld);
        } else {
            self.held = None;
            self.feed(Event::Stop { signal });
        }
    }

    /// Stops what a lead has held up, when that is given up or its time is over.
    pub(super) fn end_hold(&mut self) {
        if let Some((signal, until)) = self.held
            && (!self.lead.is_involved() || until <= self.now().mono)
        {
            self.held = None;
            self.feed(Event::Stop { signal });
            self.publish();
        }
    }

    /// Has the own endpoints watched. Without anybody who could there is nothing to wait for.
    pub(super) fn begin_drain(&mut self) -> Option<Event> {
        let nothing = Some(Event::Drained(Drained::InNoService));
        let (Some(drains), Some(service)) = (&self.drains, self.accepted.service()) else {
            return nothing;
        };
        let (answer, draining) = oneshot::channel();
        let uid = service.world.pod.uid.clone();
        if drains.try_send(DrainRequest { uid, answer }).is_err() {
            return nothing;
        }
        self.draining = Some(draining);
        None
    }

    /// Nothing runs any more.
    pub(super) fn finish(&mut self, own_code: i32) {
        let settings = self.accepted.settings();
        let code = settings.remap_exit.apply(own_code);
        if let Some(text) = termination::report(&self.lifecycle.status(), own_code, code) {
            termination::write(&settings.termination_log, &text);
        }
        self.exit_code = Some(code);
    }
}
