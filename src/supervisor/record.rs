//! Owns the reports of what the supervisor does: to the history and to the metrics. Never has an effect on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Base;
use super::accept::Accepted;
use crate::history::difference::{between, of_files, of_packages};
use crate::history::{Attempt, History, lead};
use crate::lifecycle::election::Why;
use crate::lifecycle::{Command, Event, Files, Job, Notice, Now};
use crate::metrics::Metrics;
use crate::world::{View, World};

/// Where reports go.
#[derive(Debug)]
pub struct Reports {
    /// What `/v1/history` shows.
    pub history: watch::Sender<Arc<History>>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
}

/// Follows the supervisor.
pub(super) struct Recorder {
    reports: Reports,
    history: History,
    /// What the last attempt was made from.
    world: Option<Arc<World>>,
    base: Option<Base>,
    /// When each job was started.
    running: BTreeMap<Job, Duration>,
    /// What ended by itself and has not been started again.
    failed: Option<Job>,
    /// Why the last lead of the own member ended.
    lead_ends: Why,
}

impl Recorder {
    pub(super) fn new(reports: Reports) -> Self {
        Recorder {
            reports,
            history: History::default(),
            world: None,
            base: None,
            running: BTreeMap::new(),
            failed: None,
            lead_ends: Why::Deadline,
        }
    }

    /// The next rendering is without the lead, because of this.
    pub(super) fn lead_ends(&mut self, why: Why) {
        self.lead_ends = why;
    }

    /// A rendering was tried; `before` are the files as they were.
    pub(super) fn tried(
        &mut self,
        view: &View,
        base: &Base,
        before: &Files,
        accepted: &Accepted,
        took: Duration,
        now: Now,
    ) {
        let Some(world) = &view.world else { return };
        let first = self.world.is_none();
        let mut differences = match &self.world {
            Some(known) if Arc::ptr_eq(known, world) => Vec::new(),
            known => between(known.as_deref(), world),
        };
        if let (Some(Ok(old)), Ok(new)) = (&self.base, base)
            && !Arc::ptr_eq(old, new)
        {
            differences.extend(of_packages(old, new));
        }
        let known = self.world.as_deref().map(|known| &known.election);
        let known = known.and_then(|election| election.leader.as_ref());
        let lead = lead::between(known, world.election.leader.as_ref(), self.lead_ends);
        if let Some(lead) = &lead {
            self.reports.metrics.led(lead.what.as_str());
        }
        let rejections = accepted.rejections().to_vec();
        let rejected = !rejections.is_empty();
        self.history.tried(
            Attempt {
                cause: match &lead {
                    Some(lead) => lead.to_string(),
                    None if first => "the first complete view".to_owned(),
                    None => "the view or the package changed".to_owned(),
                },
                lead,
                differences,
                files: if rejected {
                    Vec::new()
                } else {
                    of_files(before, accepted.on_disk())
                },
                rejections,
            },
            now,
        );
        self.world = Some(Arc::clone(world));
        self.base = Some(base.clone());
        let result = if rejected { "rejected" } else { "accepted" };
        self.reports.metrics.rendered(result, took);
    }

    /// The life cycle took in an event and said what to do.
    pub(super) fn stepped(&mut self, event: &Event, commands: &[Command], now: Now) {
        self.history.stepped(event, commands, now);
        self.count(event, commands, now);
    }

    /// So many orphans have been reaped so far.
    pub(super) fn orphans_reaped(&self, count: u64) {
        self.reports.metrics.orphans_reaped(count);
    }

    /// Shows what has been added since the last time.
    pub(super) fn publish(&self) {
        self.reports.history.send_if_modified(|known| {
            let newer = known.revision() != self.history.revision();
            if newer {
                *known = Arc::new(self.history.clone());
            }
            newer
        });
    }

    fn count(&mut self, event: &Event, commands: &[Command], now: Now) {
        let metrics = &self.reports.metrics;
        if let Event::Ended { job, code, .. } = event
            && let Some(since) = self.running.remove(job)
            && *job != Job::Main
        {
            metrics.hook_ended(job.hook(), *code, now.mono.saturating_sub(since));
        }
        let mut reaction = match event {
            Event::Rendered { .. } => Some("none"),
            _ => None,
        };
        for command in commands {
            match command {
                Command::Start(job) => {
                    self.running.insert(*job, now.mono);
                    match job {
                        Job::Reconfigure => reaction = Some("reconfigure"),
                        Job::Init | Job::Main => {
                            if let Some(failed) = self.failed.take() {
                                metrics.restarted(match failed {
                                    Job::Init => "init_hook_failed",
                                    _ => "run_hook_failed",
                                });
                            } else if reaction.is_some() {
                                reaction = Some("start");
                            }
                        }
                        _ => {}
                    }
                }
                Command::Tell(Notice::Failed { job, .. }) => self.failed = Some(*job),
                Command::Tell(Notice::FailedToStart { .. }) => self.failed = Some(Job::Main),
                Command::Tell(Notice::RestartDue { reason, .. }) => {
                    reaction = Some("restart");
                    metrics.restarted(reason.as_str());
                }
                _ => {}
            }
        }
        if let Some(reaction) = reaction {
            metrics.reacted(reaction);
        }
    }
}
