//! Owns the runs of the `suitability` hook: it starts and kills what `lifecycle::suitability` asks for, and tells the lead
//! what came of it. Never takes part in the election.

use tracing::{debug, info, warn};

use super::Supervisor;
use super::jobs::Outcome;
use crate::lifecycle::suitability::{Ask, Cadence, Finding};
use crate::lifecycle::{Command, Event, Job};

const HOOK: Job = Job::Suitability;

impl Supervisor {
    /// A rendering is on disk.
    pub(super) fn suitability_rendered(&mut self) {
        let present = self.accepted.hook_text(HOOK.hook()).is_some();
        self.suitability.rendered(present && self.lead.stands());
        self.lead.suitability = self.suitability.suitability();
        self.assess();
    }

    /// Runs the hook when that is due.
    pub(super) fn assess(&mut self) {
        let now = self.now();
        let settings = self.accepted.settings();
        let cadence = Cadence {
            interval: settings.suitability_interval,
            timeout: settings.suitability_timeout,
        };
        let Some(ask) = self.suitability.step(now.mono, cadence) else {
            return;
        };
        if ask == Ask::Start {
            let command = [Command::Start(HOOK)];
            self.recorder.stepped(&Event::Tick, &command, now);
            if let Some(Event::Ended { code, .. }) = self.jobs.start(HOOK, &self.accepted) {
                self.assessed(code, "");
            }
        } else {
            self.jobs.kill(HOOK);
        }
    }

    /// The hook ended.
    pub(super) fn suitability_ended(&mut self, outcome: Outcome) {
        let stdout = match &outcome {
            Outcome::Exit(exit) => String::from_utf8_lossy(&exit.stdout_tail).into_owned(),
            Outcome::Probe(_) => String::new(),
        };
        let event = self.jobs.ended(HOOK, outcome, &self.accepted);
        self.recorder.stepped(&event, &[], self.now());
        if let Event::Ended { code, .. } = event {
            self.assessed(code, &stdout);
        }
    }

    fn assessed(&mut self, code: i32, stdout: &str) {
        match self.suitability.ended(code, stdout) {
            None => {}
            Some(Finding::Value(value)) => debug!(value, "suitability"),
            Some(Finding::Recovered(value)) => info!(value, "the suitability hook works again"),
            Some(Finding::Failing(why)) => {
                warn!("the suitability hook gives no value, which counts as 0: {why}");
            }
        }
        self.lead.suitability = self.suitability.suitability();
    }

    /// The own member will not lead any more: the hook must not hold up an end.
    pub(super) fn end_suitability(&mut self) {
        if self.suitability.end().is_some() {
            self.jobs.kill(HOOK);
        }
    }
}
