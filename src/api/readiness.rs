//! Owns what `/readyz` says: one check for each thing that a ready service needs, with its reason. Pure.

use std::fmt::Write as _;

use crate::config::Topology;
use crate::lifecycle::status::{Health, Phase};
use crate::package::binds;
use crate::snapshot::Snapshot;
use crate::world::{Progress, WatchKey};

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name in the report.
    pub name: &'static str,
    /// Why it fails; empty when it is fine.
    pub reasons: Vec<String>,
    /// Whether a failure makes the whole not ready.
    pub gating: Gating,
}

/// Whether a failed check counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gating {
    /// It does.
    Gates,
    /// It is shown only, so that an outage of the API server or a rejected edit does not empty a Service.
    Shown,
}

/// All checks of a moment.
pub fn checks(snapshot: &Snapshot) -> Vec<Check> {
    let gate = |name, reasons| Check {
        name,
        reasons,
        gating: Gating::Gates,
    };
    let show = |name, reasons| Check {
        name,
        reasons,
        gating: Gating::Shown,
    };
    let mut checks = vec![
        gate("synced", synced(snapshot)),
        Check {
            name: "binds",
            reasons: binds(snapshot),
            gating: if snapshot.waiting_for_binds {
                Gating::Gates
            } else {
                Gating::Shown
            },
        },
        gate("rendered", rendered(snapshot)),
        gate("running", running(snapshot)),
        gate("healthy", healthy(snapshot)),
        show(
            "fresh",
            snapshot
                .view
                .troubles
                .iter()
                .map(|(watch, trouble)| format!("{watch}: {trouble}"))
                .collect(),
        ),
        show("accepted", accepted(snapshot)),
    ];
    // What never starts without a leader is held back by `running`; later a failover must not empty a Service.
    checks.extend(leader(snapshot).map(|reasons| show("leader", reasons)));
    checks
}

/// Whether nothing that gates fails.
pub fn is_ready(checks: &[Check]) -> bool {
    checks
        .iter()
        .all(|check| check.reasons.is_empty() || check.gating == Gating::Shown)
}

/// A line for each check, as the API server's `?verbose` has them.
pub fn report(checks: &[Check]) -> String {
    let mut report = String::new();
    for check in checks {
        // Writing to a String cannot fail.
        let _ = if check.reasons.is_empty() {
            writeln!(report, "[+]{} ok", check.name)
        } else {
            let note = if check.gating == Gating::Shown {
                " (not gating)"
            } else {
                ""
            };
            writeln!(
                report,
                "[-]{} failed{note}: {}",
                check.name,
                check.reasons.join("; ")
            )
        };
    }
    let _ = writeln!(
        report,
        "readyz check {}",
        if is_ready(checks) { "passed" } else { "failed" }
    );
    report
}

/// Once everything was seen it stays so: what goes away later is shown by `fresh` and `accepted`.
fn synced(snapshot: &Snapshot) -> Vec<String> {
    if snapshot.service.is_some() || snapshot.view.world.is_some() {
        return Vec::new();
    }
    if snapshot.view.problems.is_empty() {
        return vec!["nothing has been observed yet".to_owned()];
    }
    snapshot.view.problems.clone()
}

/// Whether somebody leads; `None` where nobody is to.
fn leader(snapshot: &Snapshot) -> Option<Vec<String>> {
    let service = snapshot.service.as_ref()?;
    let lease = service
        .settings
        .lease_name()
        .map(|name| WatchKey::Lease { name });
    let trouble = lease.and_then(|lease| snapshot.view.troubles.get(&lease));
    (service.settings.topology == Topology::Leader).then(|| match service.world.election.progress {
        Progress::Finished => Vec::new(),
        _ if trouble.is_some() => vec![format!(
            "nobody leads: {}",
            trouble.map_or("", String::as_str)
        )],
        Progress::NoQuorum => vec!["nobody leads, and the API server cannot be asked".to_owned()],
        Progress::None | Progress::InProgress => {
            vec!["nobody leads yet: the election goes on".to_owned()]
        }
    })
}

/// In the binding mode strict they hold back the first start; after it, and in the mode relaxed, they are shown.
fn binds(snapshot: &Snapshot) -> Vec<String> {
    let statuses = snapshot.binds.iter();
    statuses
        .flat_map(binds::Status::problems)
        .cloned()
        .collect()
}

fn rendered(snapshot: &Snapshot) -> Vec<String> {
    if snapshot.waiting_for_binds {
        return vec!["nothing is rendered before the binds are satisfied".to_owned()];
    }
    match (&snapshot.service, snapshot.rejections.is_empty()) {
        (Some(_), _) => Vec::new(),
        (None, true) => vec!["nothing has been rendered yet".to_owned()],
        (None, false) => snapshot.rejections.clone(),
    }
}

fn running(snapshot: &Snapshot) -> Vec<String> {
    let status = &snapshot.status;
    if status.stopping && snapshot.view.departing.is_none() {
        // The kubelet is about to restart the container, or the node goes down: no endpoint says so but we.
        return vec!["stopping".to_owned()];
    }
    if status.pid.is_some() {
        return Vec::new();
    }
    vec![match status.phase {
        Phase::Waiting => "not started".to_owned(),
        Phase::Initializing => "the init hook runs".to_owned(),
        Phase::BackingOff => {
            let last = status
                .last_process
                .map(|last| last.reason.as_str())
                .unwrap_or_default();
            format!(
                "down, waiting for the next start ({last}, {} restarts)",
                status.restart_count
            )
        }
        _ => "down".to_owned(),
    }]
}

fn healthy(snapshot: &Snapshot) -> Vec<String> {
    match snapshot.status.health {
        Health::Ok | Health::Warning => Vec::new(),
        Health::Critical => vec!["health is CRITICAL".to_owned()],
        Health::Unknown => vec!["health is UNKNOWN".to_owned()],
    }
}

fn accepted(snapshot: &Snapshot) -> Vec<String> {
    if snapshot.service.is_none() {
        return Vec::new();
    }
    let parts = [
        &snapshot.rejections,
        &snapshot.view.problems,
        &snapshot.pending,
    ];
    let reasons = parts
        .into_iter()
        .flatten()
        .chain(&snapshot.status.reconfigure_failure);
    reasons.cloned().collect()
}
