//! Owns the normal form of a candidate for the model checker: times counted from now, versions and terms from the newest.
//! Candidates that behave the same from here on hash the same. For tests only.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::writes::Sent;
use super::{Election, State};
use crate::lifecycle::election::{Lease, Record};

/// What is counted from where.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Normal<'a> {
    pub(in super::super) now: Duration,
    pub(in super::super) version: u64,
    pub(in super::super) term: u64,
    /// Every `renewTime` that somebody may compare; they are compared for equality only.
    pub(in super::super) walls: &'a [i64],
}

impl Normal<'_> {
    /// A time in the past counts by its age, one that is to come by how far off it is.
    fn time(&self, time: Duration) -> (Duration, Duration) {
        (self.now.saturating_sub(time), time.saturating_sub(self.now))
    }

    /// A moment that counts only while it is to come.
    fn future(&self, time: Duration) -> Duration {
        time.saturating_sub(self.now)
    }

    pub(in super::super) fn version(&self, version: &str) -> Option<u64> {
        let number = version.parse::<u64>().ok()?;
        Some(self.version.wrapping_sub(number))
    }

    pub(in super::super) fn term(&self, term: u64) -> u64 {
        self.term.wrapping_sub(term)
    }

    fn wall(&self, wall: i64) -> Option<usize> {
        self.walls.iter().position(|known| *known == wall)
    }

    pub(in super::super) fn record<H: Hasher>(&self, record: &Record, state: &mut H) {
        self.version(&record.version).hash(state);
        self.term(record.term).hash(state);
        record.released.map(|term| self.term(term)).hash(state);
        self.wall(record.renewed).hash(state);
        (&record.holder, record.duration, &record.bids).hash(state);
    }

    fn sent<H: Hasher>(&self, sent: &Sent, state: &mut H) {
        (self.time(sent.at), sent.write.purpose).hash(state);
        self.record(&sent.write.record, state);
    }
}

impl Election {
    /// Hashes what matters from here on.
    pub(in super::super) fn hash_normal<H: Hasher>(&self, normal: &Normal<'_>, state: &mut H) {
        normal.term(self.sight.highest_term).hash(state);
        let age = normal.now.saturating_sub(self.sight.since);
        age.min(self.times.lease_duration).hash(state);
        match &self.sight.lease {
            Lease::Present(record) => normal.record(record, state),
            other => other.hash(state),
        }
        let writes = &self.writes;
        writes.pending.is_some().hash(state);
        for sent in writes.pending.iter().chain(&writes.doubts) {
            normal.sent(sent, state);
        }
        let echo = writes.echo.as_ref().map(|version| normal.version(version));
        echo.hash(state);
        // A version that is not the newest any more can never be equal to it again.
        (writes.refused.as_deref() == self.sight.newest_version()).hash(state);
        normal.future(writes.next_at).hash(state);
        normal.future(self.stand_after).hash(state);
        let candidate = &self.candidate;
        (candidate.rendered, candidate.leaving, candidate.failures).hash(state);
        match &self.state {
            State::Following => 0.hash(state),
            State::Standing(_) => 1.hash(state),
            State::Releasing => 2.hash(state),
            State::Leading(lead) => {
                (normal.term(lead.term), normal.time(lead.renewed_at)).hash(state);
                if let Some(ending) = &lead.ending {
                    let kill_at = ending.kill_at.map(|at| normal.future(at));
                    (normal.term(ending.term), ending.why, kill_at).hash(state);
                    (ending.killed, ending.lost).hash(state);
                }
            }
        }
    }
}
