//! Owns the account of a candidate's writes: the one under way, those that had no answer, and from when on there may be
//! another. Never decides what is written.

use std::time::Duration;

use crate::lifecycle::election::{Lease, Purpose, Record, Sighting, Write};

/// Writes without an answer that are remembered; more would need an outage, in which none of them was written.
const DOUBTS: usize = 8;

/// A write, and when it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) write: Write,
    pub(super) at: Duration,
}

/// The writes of one candidate, one at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Writes {
    /// There is no other before this.
    pub(super) next_at: Duration,
    pub(super) pending: Option<Sent>,
    /// Writes that had no answer: they may have been written, or may be yet.
    pub(super) doubts: Vec<Sent>,
    /// The version of the newest that went well, until the watch has brought it: what comes before it is older.
    pub(super) echo: Option<String>,
    /// A write over this version was refused: there is a newer one, which the watch will bring.
    pub(super) refused: Option<String>,
    /// The last `renewTime` written; each is another one.
    stamp: i64,
    count: u64,
}

impl Writes {
    /// When there may be one over this version; `None` while an answer, or a newer version, is to come first.
    pub(super) fn next_over(&self, version: &str) -> Option<Duration> {
        let waits = self.pending.is_some() || self.refused.as_deref() == Some(version);
        (!waits).then_some(self.next_at)
    }

    /// A `renewTime` that was never written before.
    pub(super) fn next_stamp(&mut self, wall: i64) -> i64 {
        self.stamp = wall.max(self.stamp + 1);
        self.stamp
    }

    /// Sends one.
    pub(super) fn send(&mut self, purpose: Purpose, record: Record, at: Duration) -> Write {
        self.count += 1;
        let write = Write {
            id: self.count,
            purpose,
            record,
        };
        self.pending = Some(Sent {
            write: write.clone(),
            at,
        });
        write
    }

    /// The one that is answered, unless the watch has told what became of it.
    pub(super) fn take_answered(&mut self, id: u64) -> Option<Sent> {
        self.pending.take_if(|sent| sent.write.id == id)
    }

    /// The one that the Lease shows, if it was not known to be written.
    pub(super) fn take_confirmed(&mut self, record: &Record) -> Option<Sent> {
        let is_it = |sent: &Sent| {
            let written = &sent.write.record;
            sent.write.purpose != Purpose::Bid
                && (&written.holder, written.term, written.renewed)
                    == (&record.holder, record.term, record.renewed)
        };
        if let Some(sent) = self.pending.take_if(|sent| is_it(sent)) {
            return Some(sent);
        }
        let index = self.doubts.iter().position(is_it)?;
        Some(self.doubts.swap_remove(index))
    }

    /// A write over a version that is not the newest any more can never be written.
    pub(super) fn forget_refuted(&mut self, newest: Option<&str>) {
        if let Some(newest) = newest {
            self.doubts
                .retain(|sent| sent.write.record.version == newest);
        }
    }

    /// There was a newer version than the one that this was over.
    pub(super) fn refuse(&mut self, sent: Sent) {
        self.refused = Some(sent.write.record.version);
        self.echo = None;
    }

    /// This had no answer.
    pub(super) fn doubt(&mut self, sent: Sent) {
        if self.doubts.len() == DOUBTS {
            self.doubts.remove(0);
        }
        self.doubts.push(sent);
    }

    /// Whether what is seen is older than what was written: the watch is in order, and has not come to that yet. What it has
    /// come to is not waited for any more.
    pub(super) fn are_newer_than(&mut self, lease: &Lease, sighting: Sighting) -> bool {
        if sighting == Sighting::Changed
            && let Some(echo) = &self.echo
            && !matches!(lease, Lease::Present(record) if record.version == *echo)
        {
            return true;
        }
        self.echo = None;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(version: &str, term: u64) -> Record {
        Record {
            version: version.into(),
            term,
            ..Record::default()
        }
    }

    fn send(writes: &mut Writes, version: &str, term: u64) -> Write {
        writes.send(Purpose::Renew, record(version, term), Duration::ZERO)
    }

    #[test]
    fn a_stamp_is_never_used_twice_whatever_the_clock_does() {
        let mut writes = Writes::default();
        let stamps = [7, 7, 3, 20].map(|wall| writes.next_stamp(wall));
        assert_eq!(stamps, [7, 8, 9, 20]);
    }

    #[test]
    fn the_next_write_waits_for_the_answer_and_for_a_newer_version_than_the_refused_one() {
        let mut writes = Writes::default();
        let write = send(&mut writes, "1", 1);
        assert_eq!(writes.next_over("1"), None);
        assert_eq!(writes.take_answered(write.id + 1), None);
        let sent = writes.take_answered(write.id).expect("the write");
        assert_eq!(writes.next_over("1"), Some(Duration::ZERO));
        writes.refuse(sent);
        assert_eq!(writes.next_over("1"), None);
        assert_eq!(writes.next_over("2"), Some(Duration::ZERO));
    }

    #[test]
    fn what_the_lease_shows_confirms_a_write_once_whether_it_waits_or_is_in_doubt() {
        let mut writes = Writes::default();
        let first = send(&mut writes, "1", 1);
        let sent = writes.take_answered(first.id).expect("the write");
        writes.doubt(sent);
        send(&mut writes, "1", 2);
        for term in [1, 2] {
            let seen = record("2", term);
            let confirmed = writes.take_confirmed(&seen).expect("a write");
            assert_eq!(confirmed.write.record.term, term);
            assert_eq!(writes.take_confirmed(&seen), None);
        }
    }

    #[test]
    fn a_doubt_ends_with_the_version_that_the_write_was_over() {
        let mut writes = Writes::default();
        for version in ["1", "2"] {
            let write = send(&mut writes, version, 1);
            let sent = writes.take_answered(write.id).expect("the write");
            writes.doubt(sent);
        }
        writes.forget_refuted(None);
        assert_eq!(writes.doubts.len(), 2);
        writes.forget_refuted(Some("2"));
        assert_eq!(writes.doubts.len(), 1);
        assert_eq!(writes.doubts[0].write.record.version, "2");
    }

    #[test]
    fn until_the_watch_brings_the_own_write_it_shows_what_is_older_and_a_list_never_does() {
        let seen = |version: &str| Lease::Present(record(version, 1));
        let mut writes = Writes::default();
        assert!(!writes.are_newer_than(&seen("1"), Sighting::Changed));
        writes.echo = Some("3".into());
        assert!(writes.are_newer_than(&seen("2"), Sighting::Changed));
        assert!(!writes.are_newer_than(&seen("3"), Sighting::Changed));
        assert!(!writes.are_newer_than(&seen("4"), Sighting::Changed));
        writes.echo = Some("5".into());
        assert!(!writes.are_newer_than(&seen("4"), Sighting::Listed));
        assert_eq!(writes.echo, None);
    }
}
