//! Owns the history: the last changes, what each asked for, which hooks ran for it and what came of it. Pure: it is told
//! what was rendered and every step of the life cycle, and never decides anything.

pub mod change;
pub mod difference;
mod follow;
pub mod lead;

use std::collections::VecDeque;
use std::sync::Arc;

pub use change::{Change, Decision, HookRun, Outcome, State};
pub use difference::{Difference, Kind};
pub use lead::LeadChange;

/// How many changes are kept.
pub const KEPT: usize = 100;

/// The last changes. Cheap to clone: the changes are shared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Oldest first.
    changes: VecDeque<Arc<Change>>,
    next_id: u64,
    /// Counts every addition and every update.
    revision: u64,
}

/// A rendering that was tried: what had changed, and how it was taken.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attempt {
    /// Why it was rendered.
    pub cause: String,
    /// Another one leads, or the own member does, or does not any more.
    pub lead: Option<LeadChange>,
    /// What had changed since the last attempt.
    pub differences: Vec<Difference>,
    /// Rendered files that are new, different or gone, when it was accepted.
    pub files: Vec<String>,
    /// The problems, when it was not.
    pub rejections: Vec<String>,
}

impl History {
    /// The changes, oldest first.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &Arc<Change>> + ExactSizeIterator {
        self.changes.iter()
    }

    /// Grows with every addition and update.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What was added or updated after this revision, in that order.
    pub fn since(&self, revision: u64) -> Vec<Arc<Change>> {
        let newer = self
            .changes
            .iter()
            .filter(|change| change.revision > revision);
        let mut newer: Vec<_> = newer.cloned().collect();
        newer.sort_by_key(|change| change.revision);
        newer
    }

    fn add(&mut self, cause: String, wall: u64) -> &mut Change {
        self.next_id += 1;
        self.revision += 1;
        if self.changes.len() >= KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(Arc::new(Change {
            id: self.next_id,
            revision: self.revision,
            at: wall,
            cause,
            changed: Vec::new(),
            files: Vec::new(),
            lead: None,
            decision: Decision::None,
            reason: None,
            hooks: Vec::new(),
            result: Outcome {
                state: State::Pending,
                problems: Vec::new(),
            },
        }));
        let last = self.changes.back_mut();
        Arc::make_mut(last.expect("invariant: one was pushed"))
    }

    /// Updates the newest change for which this holds.
    fn update(
        &mut self,
        which: impl Fn(&Change) -> bool,
        update: impl FnOnce(&mut Change),
    ) -> bool {
        let Some(change) = self.changes.iter_mut().rev().find(|change| which(change)) else {
            return false;
        };
        self.revision += 1;
        let change = Arc::make_mut(change);
        change.revision = self.revision;
        update(change);
        true
    }
}

#[cfg(test)]
mod tests;
