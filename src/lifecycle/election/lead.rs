//! Owns the account of a lead that is held: until when, and how it ends. Never writes.

use std::time::Duration;

use super::Why;
use crate::config::LeaseTimes;

/// A lead of the own member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lead {
    pub(super) term: u64,
    pub(super) fence: String,
    /// When the last write that succeeded was sent.
    pub(super) renewed_at: Duration,
    /// The candidate's failures when it began to lead.
    pub(super) failures: u64,
    /// The program has been told that it is over.
    pub(super) ending: Option<Ending>,
}

/// The end of a lead, until the program is without it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ending {
    /// The term that the program knew.
    pub(super) term: u64,
    pub(super) why: Why,
    /// When the main process group is killed; `None`: it stops by itself, and the lead is held until then.
    pub(super) kill_at: Option<Duration>,
    pub(super) killed: bool,
    /// The Lease is another's, or may be: nothing is renewed.
    pub(super) lost: bool,
}

impl Lead {
    /// The program leads no longer than this.
    pub(super) fn deadline(&self, times: &LeaseTimes) -> Duration {
        self.renewed_at + times.renew_deadline
    }

    /// Whether the Lease is still held, so that it is renewed.
    pub(super) fn is_held(&self) -> bool {
        self.ending.as_ref().is_none_or(|ending| !ending.lost)
    }

    /// The program gives up the lead while the Lease is still held. When it is sick it has the time of a demotion; when
    /// it stops, the stop has its own limit.
    pub(super) fn yields(&mut self, why: Why, now: Duration, times: &LeaseTimes) {
        self.ending.get_or_insert(Ending {
            term: self.term,
            why,
            kill_at: (why != Why::Leaving).then_some(now + times.demotion_timeout),
            killed: false,
            lost: false,
        });
    }

    /// The Lease is another's, or may be. The time for the demotion counts from the deadline, also when that was missed.
    pub(super) fn lose(&mut self, why: Why, now: Duration, times: &LeaseTimes) {
        let kill_at = self.deadline(times).min(now) + times.demotion_timeout;
        let ending = self.ending.get_or_insert(Ending {
            term: self.term,
            why,
            kill_at: None,
            killed: false,
            lost: true,
        });
        ending.lost = true;
        ending.kill_at = Some(ending.kill_at.map_or(kill_at, |at| at.min(kill_at)));
    }
}
