//! Owns what others may ask a candidate: what the program may do, who leads, and where the election is. Never changes it.

use super::{Election, State};
use crate::lifecycle::election::lead::Ending;
use crate::lifecycle::election::{Moment, Order, Progress};

impl Election {
    /// What the program may do now.
    pub fn order(&self) -> Order {
        match &self.state {
            State::Leading(lead) => match &lead.ending {
                None => Order::Lead {
                    term: lead.term,
                    fence: lead.fence.clone(),
                    until: lead.deadline(&self.times),
                },
                Some(Ending {
                    term, killed: true, ..
                }) => Order::Kill { term: *term },
                Some(Ending { term, .. }) => Order::Demote { term: *term },
            },
            _ => Order::Follow,
        }
    }

    /// Whether it leads in the eyes of the world: the order is [`Order::Lead`].
    pub fn leads(&self) -> bool {
        matches!(&self.state, State::Leading(lead) if lead.ending.is_none())
    }

    /// Whether the Lease is known to name the own member, or a write is under way: what an orderly end waits for.
    pub fn is_involved(&self) -> bool {
        self.writes.pending.is_some() || matches!(self.state, State::Leading(_) | State::Releasing)
    }

    /// Where the election is. A vacancy keeps the last holder in mind: it is who leads until another is known, so that a
    /// failover changes a follower's rendering once.
    pub fn progress(&self, now: Moment) -> Progress {
        if self.leads() {
            return Progress::Finished;
        }
        if !self.sight.is_known() {
            return Progress::None;
        }
        let valid = self
            .sight
            .record()
            .is_some_and(|record| !record.holder.is_empty() && !self.is_own_past(record))
            && self.vacant_from().is_some_and(|at| now.boot < at);
        match (valid, self.blind) {
            (true, _) => Progress::Finished,
            (false, true) => Progress::NoQuorum,
            (false, false) => Progress::InProgress,
        }
    }

    /// Who leads, as far as is known, and in which term; the own member only while the program may lead.
    pub fn holder(&self) -> Option<(&str, u64)> {
        match &self.state {
            State::Leading(lead) if lead.ending.is_none() => Some((&self.name, lead.term)),
            State::Leading(_) => None,
            _ => self
                .holder
                .as_ref()
                .map(|(holder, term)| (holder.as_str(), *term)),
        }
    }

    /// What the holder has bid for its term; 0 without a bid.
    pub fn suitability(&self) -> u64 {
        let (Some(record), Some((holder, term))) = (self.sight.record(), self.holder()) else {
            return 0;
        };
        record.bids.bid_of(term, holder)
    }
}
