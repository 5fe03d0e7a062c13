//! Owns what is known of the Lease: its newest record, since when it has stood unchanged on the own clock, and the
//! highest term ever seen. Never asks for it.

use std::time::Duration;

use super::{Lease, Record};

/// A Lease edited by hand into years keeps nobody waiting longer than this, the longest lease duration that settings may
/// have.
const LONGEST: Duration = Duration::from_secs(300);

/// The newest sight of the Lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Sight {
    pub(super) lease: Lease,
    /// When its last change was seen that a holder may have made.
    pub(super) since: Duration,
    pub(super) highest_term: u64,
}

impl Sight {
    /// Takes in an observation. A change of the bids alone is no sign of life of the holder; everything else is, also a
    /// deletion and what somebody edited: whoever led before may still lead.
    pub(super) fn see(&mut self, lease: Lease, now: Duration) {
        let same = match (&self.lease, &lease) {
            (Lease::Present(old), Lease::Present(new)) => is_same_holding(old, new),
            (Lease::Absent, Lease::Absent) => true,
            _ => false,
        };
        if !same {
            self.since = now;
        }
        if let Lease::Present(record) = &lease {
            self.highest_term = self.highest_term.max(record.term);
        }
        self.lease = lease;
    }

    pub(super) fn record(&self) -> Option<&Record> {
        match &self.lease {
            Lease::Present(record) => Some(record),
            Lease::Unknown | Lease::Absent => None,
        }
    }

    /// The version that a write has to be over; empty when there is no Lease.
    pub(super) fn newest_version(&self) -> Option<&str> {
        match &self.lease {
            Lease::Present(record) => Some(&record.version),
            Lease::Absent => Some(""),
            Lease::Unknown => None,
        }
    }

    pub(super) fn is_known(&self) -> bool {
        self.lease != Lease::Unknown
    }

    /// The term of the next acquisition: one more than any that was ever seen, also after the Lease was made anew.
    pub(super) fn next_term(&self) -> u64 {
        self.highest_term.saturating_add(1)
    }

    /// From when on the Lease is vacant, if nothing more is seen of it; `None` when it is not known.
    pub(super) fn vacant_from(&self, own_duration: Duration) -> Option<Duration> {
        match &self.lease {
            Lease::Unknown => None,
            Lease::Present(record) if record.is_released() && record.term >= self.highest_term => {
                Some(self.since)
            }
            Lease::Present(record) => {
                Some(self.since + own_duration.max(record.duration.min(LONGEST)))
            }
            Lease::Absent => Some(self.since + own_duration),
        }
    }
}

fn is_same_holding(old: &Record, new: &Record) -> bool {
    (
        &old.holder,
        old.term,
        old.renewed,
        old.duration,
        old.released,
    ) == (
        &new.holder,
        new.term,
        new.renewed,
        new.duration,
        new.released,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const OWN: Duration = Duration::from_secs(15);

    fn held(renewed: i64) -> Record {
        Record {
            version: renewed.to_string(),
            holder: "a".into(),
            term: 3,
            duration: OWN,
            renewed,
            ..Record::default()
        }
    }

    fn seen(lease: Lease, at: Duration) -> Sight {
        let mut sight = Sight::default();
        sight.see(lease, at);
        sight
    }

    #[test]
    fn a_lease_is_vacant_when_no_renewal_was_seen_for_its_duration() {
        let mut sight = seen(Lease::Present(held(1)), 10 * S);
        assert_eq!(sight.vacant_from(OWN), Some(25 * S));
        sight.see(Lease::Present(held(1)), 12 * S);
        assert_eq!(sight.vacant_from(OWN), Some(25 * S), "the same sight again");
        sight.see(Lease::Present(held(2)), 15 * S);
        assert_eq!(sight.vacant_from(OWN), Some(30 * S));
    }

    #[test]
    fn the_longer_of_the_holders_and_the_own_duration_counts_but_not_years() {
        let with = |duration| Record {
            duration,
            ..held(1)
        };
        let vacant = |duration| seen(Lease::Present(with(duration)), S).vacant_from(OWN);
        assert_eq!(vacant(Duration::ZERO), Some(16 * S));
        assert_eq!(vacant(20 * S), Some(21 * S));
        assert_eq!(vacant(Duration::from_secs(u64::MAX)), Some(301 * S));
    }

    #[test]
    fn a_released_lease_is_vacant_at_once_and_an_emptied_one_is_waited_out() {
        let released = Record {
            holder: String::new(),
            released: Some(3),
            ..held(1)
        };
        let emptied = Record {
            released: None,
            ..released.clone()
        };
        let other_term = Record {
            released: Some(2),
            ..released.clone()
        };
        let vacant = |record: &Record| seen(Lease::Present(record.clone()), S).vacant_from(OWN);
        assert_eq!(vacant(&released), Some(S));
        assert_eq!(vacant(&emptied), Some(16 * S));
        assert_eq!(vacant(&other_term), Some(16 * S));
    }

    #[test]
    fn bids_are_no_sign_of_life() {
        let mut sight = seen(Lease::Present(held(1)), S);
        let bid = Record {
            version: "9".into(),
            bids: "4 1@b".parse().expect("always"),
            ..held(1)
        };
        sight.see(Lease::Present(bid), 5 * S);
        assert_eq!(sight.vacant_from(OWN), Some(16 * S));
        assert_eq!(
            sight.record().map(|record| record.version.as_str()),
            Some("9")
        );
    }

    #[test]
    fn a_deleted_lease_and_one_made_anew_are_waited_out_and_the_term_goes_on() {
        let mut sight = seen(Lease::Present(held(1)), S);
        sight.see(Lease::Absent, 5 * S);
        sight.see(Lease::Absent, 6 * S);
        assert_eq!(sight.vacant_from(OWN), Some(20 * S));
        sight.see(
            Lease::Present(Record {
                released: Some(0),
                ..Record::default()
            }),
            7 * S,
        );
        assert_eq!(
            sight.vacant_from(OWN),
            Some(22 * S),
            "a release of a term before the highest seen says nothing of that one"
        );
        assert_eq!(sight.next_term(), 4);
    }
}
