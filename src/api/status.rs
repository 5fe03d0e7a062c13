//! Owns `/v1/status` and `/v1/history`: what kubesup sees, what is in force and why something newer is not, and what it did
//! last. Never shows a value of the configuration.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::readiness::{self, Gating};
use crate::history::{Change, History};
use crate::lifecycle::status::{Health, Phase};
use crate::snapshot::Snapshot;

/// Looks at the watches when somebody asks: their ages move without an event.
#[derive(Clone)]
pub struct Watches(Arc<dyn Fn() -> Vec<WatchAge> + Send + Sync>);

impl Watches {
    /// With this look.
    pub fn new(look: impl Fn() -> Vec<WatchAge> + Send + Sync + 'static) -> Watches {
        Watches(Arc::new(look))
    }

    pub(super) fn look(&self) -> Vec<WatchAge> {
        (self.0)()
    }
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watches")
    }
}

/// How fresh one watch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchAge {
    /// What it looks at: `ConfigMap demo-config`.
    pub watch: String,
    /// The resource, as `kubectl get` takes it.
    pub resource: &'static str,
    /// The selector, as `kubectl get --selector` or `--field-selector` takes it.
    pub selector: String,
    /// Since the API server was last heard; `None` before the first time.
    pub age: Option<Duration>,
    /// Complete lists after the first.
    pub relists: u64,
    /// Failures.
    pub errors: u64,
}

/// `/v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct StatusBody<'a> {
    service_group: Option<String>,
    ready: bool,
    checks: Vec<CheckBody>,
    phase: &'static str,
    health: &'static str,
    pid: Option<i32>,
    stopping: bool,
    restart_count: u64,
    configuration: Configuration<'a>,
    /// Annotations of the own Pod that mean nothing.
    warnings: &'a [String],
    watches: Vec<WatchBody>,
    last_changes: Vec<&'a Change>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct CheckBody {
    name: &'static str,
    ok: bool,
    gating: bool,
    reasons: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Configuration<'a> {
    /// Counts accepted configurations; 0 before the first.
    incarnation: u64,
    /// Why the newest one was not accepted.
    rejections: &'a [String],
    /// What was edited but is read at the next start.
    pending: &'a [String],
    /// Why the program has not taken it over.
    reconfigure_failure: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct WatchBody {
    watch: String,
    resource: &'static str,
    selector: String,
    age_seconds: Option<f64>,
    relists: u64,
    errors: u64,
    trouble: Option<String>,
}

/// Of the changes so many are in the status; the history has the rest.
const LAST: usize = 10;

impl<'a> StatusBody<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        history: &'a History,
        watches: Vec<WatchAge>,
    ) -> StatusBody<'a> {
        let checks = readiness::checks(snapshot);
        let status = &snapshot.status;
        let service = snapshot.service.as_deref();
        let settings = service
            .map(|service| &service.settings)
            .or(snapshot.view.settings.as_ref());
        let troubles = &snapshot.view.troubles;
        let trouble = |watch: &str| {
            let found = troubles.iter().find(|(key, _)| key.to_string() == watch);
            found.map(|(_, problem)| problem.clone())
        };
        StatusBody {
            service_group: settings.map(|settings| settings.service_group()),
            ready: readiness::is_ready(&checks),
            checks: checks
                .into_iter()
                .map(|check| CheckBody {
                    name: check.name,
                    ok: check.reasons.is_empty(),
                    gating: check.gating == Gating::Gates,
                    reasons: check.reasons,
                })
                .collect(),
            phase: phase(status.phase),
            health: match status.health {
                Health::Ok => "OK",
                Health::Warning => "WARNING",
                Health::Critical => "CRITICAL",
                Health::Unknown => "UNKNOWN",
            },
            pid: status.pid,
            stopping: status.stopping,
            restart_count: status.restart_count,
            configuration: Configuration {
                incarnation: service.map_or(0, |service| service.incarnation),
                rejections: &snapshot.rejections,
                pending: &snapshot.pending,
                reconfigure_failure: status.reconfigure_failure.as_deref(),
            },
            warnings: &snapshot.view.warnings,
            watches: watches
                .into_iter()
                .map(|watch| WatchBody {
                    trouble: trouble(&watch.watch),
                    watch: watch.watch,
                    resource: watch.resource,
                    selector: watch.selector,
                    age_seconds: watch.age.map(|age| age.as_secs_f64()),
                    relists: watch.relists,
                    errors: watch.errors,
                })
                .collect(),
            last_changes: history
                .changes()
                .rev()
                .take(LAST)
                .map(|change| &**change)
                .collect(),
        }
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::Initializing => "initializing",
        Phase::Running => "running",
        Phase::Draining => "draining",
        Phase::Stopping => "stopping",
        Phase::PostStop => "post_stop",
        Phase::BackingOff => "backing_off",
        Phase::Finished => "finished",
    }
}

/// `/v1/history`: the newest change first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct HistoryBody<'a> {
    changes: Vec<&'a Change>,
}

impl<'a> HistoryBody<'a> {
    pub(super) fn new(history: &'a History) -> HistoryBody<'a> {
        HistoryBody {
            changes: history.changes().rev().map(|change| &**change).collect(),
        }
    }
}
