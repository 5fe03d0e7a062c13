//! Owns the loop that holds the parts together while the service lives: it renders what the view says, executes the life
//! cycle's commands and feeds what happened back. Decides nothing that `revision`, `plan` or `lifecycle` can decide.

mod accept;
mod dependencies;
mod hearing;
mod jobs;
mod lead;
mod leading;
mod local;
mod places;
mod policy;
mod probe;
mod record;
mod rendering;
mod stopping;
mod suitability;
mod telling;
pub mod termination;
mod waking;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::settle::Settle;
use crate::lifecycle::suitability::SuitabilityHook;
use crate::lifecycle::{Command, Drained, Event, Job, Lifecycle, Notice, Now};
use crate::process::Signals;
use crate::snapshot::Snapshot;
use crate::world::{Departing, View};
use accept::Accepted;
pub use dependencies::{Base, Dependencies, DrainRequest};
use jobs::Jobs;
pub use lead::Election;
use lead::Lead;
use local::Local;
pub use local::lay_once;
pub use places::{paths, user_toml};
use policy::policy;
use record::Recorder;
pub use record::Reports;
use waking::{Heard, Woken, answer, sleep_until};

/// Runs the service until it has ended. The exit code of kubesup.
pub async fn run(dependencies: Dependencies) -> i32 {
    Supervisor::new(dependencies).run().await
}

struct Supervisor {
    views: watch::Receiver<Arc<View>>,
    reads_leaders: watch::Sender<bool>,
    base: watch::Receiver<Base>,
    snapshots: watch::Sender<Snapshot>,
    signals: Signals,
    enough: CancellationToken,
    shutdown: CancellationToken,
    start: Instant,
    lifecycle: Lifecycle,
    settle: Settle,
    accepted: Accepted,
    local: Local,
    jobs: Jobs,
    recorder: Recorder,
    departing: Option<Departing>,
    exit_code: Option<i32>,
    drains: Option<mpsc::Sender<DrainRequest>>,
    /// The answer that a drain waits for.
    draining: Option<oneshot::Receiver<Drained>>,
    lead: Lead,
    suitability: SuitabilityHook,
    /// The life cycle has been given a rendering.
    begun: bool,
    /// A stop signal that waits until the lead is handed over, at most until then.
    held: Option<(i32, Duration)>,
}

/// How long the last output may take to leave.
const FLUSH: Duration = Duration::from_millis(250);
/// TERM, for an end that another part asks for.
const TERM: i32 = 15;

impl Supervisor {
    fn new(dependencies: Dependencies) -> Self {
        let Dependencies {
            views,
            reads_leaders,
            base,
            snapshots,
            reports,
            processes,
            signals,
            settings,
            http,
            environment,
            variables,
            drains,
            election,
            enough,
            shutdown,
        } = dependencies;
        let policy = policy(&settings, None, None);
        Supervisor {
            views,
            reads_leaders,
            base,
            snapshots,
            signals,
            enough,
            shutdown,
            start: Instant::now(),
            lifecycle: Lifecycle::new(policy),
            settle: Settle::default(),
            accepted: Accepted::new(settings, http),
            local: Local::new(variables),
            jobs: Jobs::new(processes, environment),
            recorder: Recorder::new(reports),
            departing: None,
            exit_code: None,
            drains,
            draining: None,
            lead: Lead::new(election),
            suitability: SuitabilityHook::default(),
            begun: false,
            held: None,
        }
    }

    async fn run(mut self) -> i32 {
        self.settle.changed(Duration::ZERO);
        let mut looked = false;
        loop {
            // Before anything else: whoever was stopped may have lost the lead meanwhile.
            self.look_at_the_lead();
            self.let_go_of_files();
            if let Some(code) = self.exit_code {
                // A reader of ours that is stuck must not hold up the end.
                let _ = tokio::time::timeout(FLUSH, self.jobs.flush()).await;
                self.lead.release(&self.lifecycle.status()).await;
                return code;
            }
            let deadline = self.next_deadline();
            if deadline.is_some_and(|at| at <= self.now().mono) && !looked {
                // Not through the timer, which rounds up to a whole millisecond; and not twice in a row, so that signals
                // and exits have their turn whatever is due.
                looked = true;
                self.on_time();
                self.publish();
                continue;
            }
            looked = false;
            let stops = !self.lifecycle.is_stopping() && self.held.is_none();
            let woken = tokio::select! {
                Some((job, outcome)) = self.jobs.running.next() => Woken::Ended(job, outcome),
                Some(()) = self.jobs.late_output.next() => Woken::Told,
                Ok(drained) = answer(&mut self.draining) => Woken::Drained(drained),
                signal = self.signals.recv() => Woken::Signal(signal),
                changed = self.views.changed() => {
                    if changed.is_ok() { Woken::View } else { Woken::NoMoreViews }
                }
                Ok(()) = self.base.changed() => Woken::Files,
                () = self.local.changed() => Woken::Files,
                () = self.lead.changed() => Woken::Told,
                () = self.shutdown.cancelled(), if stops => Woken::Shutdown,
                () = tokio::task::yield_now(), if self.jobs.reap_more => Woken::Reap,
                () = sleep_until(self.start, deadline) => Woken::Time,
            };
            // Here again: what has woken us may have waited as long as we stood still.
            self.look_at_the_lead();
            if self.on(woken) == Heard::Something {
                self.publish();
            }
        }
    }

    fn on(&mut self, woken: Woken) -> Heard {
        match woken {
            Woken::Ended(job, outcome) => self.on_end(job, outcome),
            Woken::Drained(drained) => self.feed(Event::Drained(drained)),
            Woken::Signal(signal) => return self.on_signal(signal),
            Woken::View => self.on_view(),
            Woken::NoMoreViews => self.shutdown.cancel(),
            Woken::Files => self.settle.changed(self.now().mono),
            Woken::Shutdown => self.stop(TERM),
            Woken::Reap => return self.reap(),
            Woken::Time => self.on_time(),
            Woken::Told => {}
        }
        Heard::Something
    }

    fn now(&self) -> Now {
        let wall = jiff::Timestamp::now().as_second();
        Now {
            mono: self.start.elapsed(),
            wall: u64::try_from(wall).unwrap_or_default(),
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.render_deadline()
            .into_iter()
            .chain(self.lifecycle.next_deadline())
            .chain(self.held.map(|(_, until)| until))
            .chain(self.suitability.next_deadline())
            .chain(self.lead.next_look().map(|pause| self.now().mono + pause))
            .min()
    }

    fn on_time(&mut self) {
        let now = self.now().mono;
        if self.render_deadline().is_some_and(|at| at <= now) {
            self.render();
        }
        self.assess();
        self.feed(Event::Tick);
    }

    /// Feeds one event, executes what it asks for, and feeds back what that leads to.
    fn feed(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            if let Event::Ended {
                job: Job::Install,
                code,
                ..
            } = &event
            {
                self.accepted.note_install(*code);
            }
            let now = self.now();
            let commands = self.lifecycle.step(event.clone(), now);
            self.recorder.stepped(&event, &commands, now);
            for command in commands {
                match command {
                    Command::Start(job) => events.extend(self.jobs.start(job, &self.accepted)),
                    Command::Signal { job, signal } => self.jobs.stop(job, signal),
                    Command::Kill(job) => self.jobs.kill(job),
                    Command::Drain => events.extend(self.begin_drain()),
                    Command::EndDrain => self.draining = None,
                    Command::Sweep { told, others } => {
                        if others.is_some() {
                            self.end_suitability();
                        }
                        events.extend(self.jobs.begin_sweep(told, others));
                    }
                    Command::KillRest => self.jobs.kill_rest(),
                    Command::Tell(notice) => {
                        if matches!(notice, Notice::Failed { .. } | Notice::FailedToStart { .. }) {
                            self.lead.failures += 1;
                        }
                        telling::log(&notice);
                    }
                    Command::Finish { code } => self.finish(code),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
