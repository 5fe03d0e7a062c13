//! Owns what kubesup tells the cluster about its service: the condition of the readiness gate, and the notes that become
//! Events. Pure: it looks at snapshots and the history, and never talks to the API server.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::history::lead::What;
use crate::history::{Change, Decision, Difference, History, LeadChange, State};
use crate::lifecycle::status::Health;
use crate::snapshot::Snapshot;

/// The condition `kubesup.dev/healthy` of the own Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Whether the program runs and is well.
    pub healthy: bool,
    /// Why, in one word.
    pub reason: &'static str,
}

/// The first that is written: a Pod that was ready before a restart of the container is not ready any more.
pub const STARTING: Condition = Condition {
    healthy: false,
    reason: "Starting",
};

/// The condition of a moment.
pub fn condition(snapshot: &Snapshot) -> Condition {
    let status = &snapshot.status;
    let unhealthy = |reason| Condition {
        healthy: false,
        reason,
    };
    if status.stopping && snapshot.view.departing.is_none() {
        // No endpoint says that this container ends.
        return unhealthy("Stopping");
    }
    if status.pid.is_none() {
        let started = status.last_process.is_some();
        return unhealthy(if started { "Down" } else { "Starting" });
    }
    match status.health {
        Health::Ok | Health::Warning => Condition {
            healthy: true,
            reason: "Healthy",
        },
        Health::Critical => unhealthy("HealthCritical"),
        Health::Unknown => unhealthy("HealthUnknown"),
    }
}

/// What becomes an Event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// `Warning`, or `Normal`.
    pub warning: bool,
    /// One word, as `kubectl get events` shows it.
    pub reason: &'static str,
    /// A sentence.
    pub text: String,
}

/// What the API takes of a note: 1024 bytes.
const LONGEST: usize = 1000;

/// Which changes have been told.
#[derive(Debug, Default)]
pub struct Teller {
    revision: u64,
    told: BTreeMap<u64, (Decision, State)>,
}

/// Changes older than this many are not updated any more.
const REMEMBERED: usize = 200;

impl Teller {
    /// What is new in the history. Each outcome of a change is told once.
    pub fn notes(&mut self, history: &History) -> Vec<Note> {
        let changes = history.since(self.revision);
        self.revision = history.revision();
        let mut notes = Vec::new();
        for change in changes {
            let outcome = (change.decision, change.result.state);
            let before = self.told.insert(change.id, outcome);
            if before.is_none() {
                notes.extend(change.lead.as_ref().and_then(led));
                notes.extend(ended(&change));
            }
            if before != Some(outcome) {
                notes.extend(note(&change));
            }
        }
        while self.told.len() > REMEMBERED {
            self.told.pop_first();
        }
        notes
    }
}

/// The program or `init` ended by itself: the cause has its exit code. Whatever comes of it is told besides.
fn ended(change: &Change) -> Option<Note> {
    let reason = change
        .reason
        .filter(|reason| reason.ends_with("_hook_failed"))?;
    Some(told(true, "Failed", format!("{} ({reason})", change.cause)))
}

/// Of a group's members only the one that is concerned tells.
fn led(lead: &LeadChange) -> Option<Note> {
    let (warning, reason) = match lead.what {
        What::Gained => (false, "BecameLeader"),
        What::GivenUp => (false, "GaveUpLead"),
        What::Lost => (true, "LostLease"),
        What::Other => return None,
    };
    Some(told(warning, reason, lead.to_string()))
}

fn note(change: &Change) -> Option<Note> {
    let problems = change.result.problems.join("; ");
    let about = if change.changed.is_empty() {
        change.cause.clone()
    } else {
        let objects: Vec<_> = change.changed.iter().map(place).collect();
        format!("{}: {}", change.cause, objects.join(", "))
    };
    Some(match (change.decision, change.result.state) {
        (Decision::Reject, _) => told(true, "ConfigurationRejected", problems),
        (Decision::Start, State::Applied) => told(false, "Started", about),
        (Decision::Restart, State::Applied) => {
            let why = change.reason.map(|why| format!(" ({why})"));
            told(
                false,
                "Restarted",
                format!("{about}{}", why.unwrap_or_default()),
            )
        }
        (Decision::Reconfigure, State::Applied) => told(false, "Reconfigured", about),
        (Decision::Reconfigure, State::Failed) => told(true, "ReconfigureFailed", problems),
        (Decision::RenderOnly, State::Applied) => told(false, "ConfigurationAccepted", about),
        (Decision::Stop, State::Pending) => told(false, "Stopping", about),
        _ => return None,
    })
}

fn place(difference: &Difference) -> String {
    let key = difference.key.as_ref().map(|key| format!(" {key}"));
    format!("{}{}", difference.object, key.unwrap_or_default())
}

fn told(warning: bool, reason: &'static str, mut text: String) -> Note {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    Note {
        warning,
        reason,
        text,
    }
}

/// How many Events may be written: a burst, then one for each period, so that a program that fails all day fills nobody's
/// etcd.
#[derive(Debug, Default)]
pub struct Allowance {
    spent: u32,
    since: Duration,
}

/// As client-go's: 25 at once …
const BURST: u32 = 25;
/// … and one more every five minutes.
const PERIOD: Duration = Duration::from_secs(300);

impl Allowance {
    /// Whether one more may be written now.
    pub fn take(&mut self, now: Duration) -> bool {
        let periods = now.saturating_sub(self.since).as_secs() / PERIOD.as_secs();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        if periods > 0 {
            self.spent = self.spent.saturating_sub(periods);
            self.since = now;
        }
        let may = self.spent < BURST;
        if may {
            self.spent += 1;
        }
        may
    }
}
