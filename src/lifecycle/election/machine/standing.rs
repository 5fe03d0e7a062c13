//! Owns what a candidate does while it does not lead: it gives back a Lease that names it, and stands for one that is vacant,
//! in its turn. Never ends a lead.

use std::time::Duration;

use super::{Election, State};
use crate::lifecycle::election::{Bids, Moment, Notice, Output, Purpose, Suitability};

/// The candidate of rank k acquires after (k + 1) of these, and without a hook a random part of one: long enough for a
/// write and its event to reach the others, short enough for a new leader within half a second.
pub(super) const STEP: Duration = Duration::from_millis(150);
/// When another Pod is asked to lead next, others give it this much time.
const COURTESY: Duration = Duration::from_secs(2);

impl Election {
    pub(super) fn while_following(&mut self, now: Moment, outputs: &mut Vec<Output>) {
        if let Some(record) = self.sight.record()
            && self.is_own_past(record)
        {
            if record.holder != self.name {
                outputs.push(Output::Tell(Notice::Predecessor {
                    holder: record.holder.clone(),
                    term: record.term,
                }));
            }
            self.state = State::Releasing;
            self.write(Purpose::Release, now, outputs);
            return;
        }
        let vacant = self.vacant_from().is_some_and(|at| at <= now.boot);
        if !vacant || !self.is_fit(now) {
            self.state = State::Following;
            return;
        }
        let since = match self.state {
            State::Standing(since) => since,
            _ => now.boot,
        };
        self.state = State::Standing(since);
        if self.acquires_at(since) <= now.boot {
            self.write(Purpose::Acquire, now, outputs);
        } else if self.raised_bids().is_some() {
            self.write(Purpose::Bid, now, outputs);
        }
    }

    pub(super) fn while_releasing(&mut self, now: Moment, outputs: &mut Vec<Output>) {
        let names_us = self
            .sight
            .record()
            .is_some_and(|record| self.is_own_past(record));
        if names_us {
            self.write(Purpose::Release, now, outputs);
        } else {
            self.state = State::Following;
        }
    }

    pub(super) fn is_fit(&self, now: Moment) -> bool {
        let candidate = &self.candidate;
        candidate.rendered
            && !candidate.critical
            && !candidate.down
            && candidate.leaving.is_none()
            && self.stand_after <= now.boot
    }

    /// When a candidate that stands since then may acquire.
    pub(super) fn acquires_at(&self, since: Duration) -> Duration {
        let record = self.sight.record();
        let term = self.sight.next_term();
        let asked = record
            .and_then(|record| record.transfer.as_ref())
            .filter(|transfer| transfer.term + 1 == term && !transfer.to.is_empty());
        let wait = match (asked, self.candidate.suitability) {
            (Some(asked), _) if asked.to == self.me.pod => Duration::ZERO,
            (Some(_), _) => COURTESY + self.part_of_step(term),
            (None, Suitability::NoHook) => self.part_of_step(term),
            (None, Suitability::Value(value)) => {
                let rank = record.map_or(0, |record| record.bids.rank(term, value, &self.name));
                self.step.saturating_mul(rank.saturating_add(1))
            }
        };
        since + wait
    }

    /// A part of the step that differs by candidate and term, so that not all write at once.
    fn part_of_step(&self, term: u64) -> Duration {
        let bytes = self.name.bytes().chain(term.to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let part = u32::try_from((hash >> 32) & 0x3ff).unwrap_or_default();
        self.step.saturating_mul(part) / 1024
    }

    pub(super) fn raised_bids(&self) -> Option<Bids> {
        let Suitability::Value(value) = self.candidate.suitability else {
            return None;
        };
        let record = self.sight.record()?;
        let term = self.sight.next_term();
        record.bids.raised(term, value, &self.name)
    }

    /// What is left of the bids when the lead is taken: how well suited the new leader is, for whoever asks.
    pub(super) fn own_bid(&self, term: u64) -> Bids {
        match self.candidate.suitability {
            Suitability::NoHook => Bids::default(),
            Suitability::Value(value) => Bids {
                term,
                bids: vec![(value, self.name.clone())],
            },
        }
    }

    pub(super) fn vacant_from(&self) -> Option<Duration> {
        #[cfg(test)]
        if self.flaw == Some(crate::lifecycle::election::tests::Flaw::TakesAnEmptiedLease)
            && self
                .sight
                .record()
                .is_some_and(|record| record.holder.is_empty())
        {
            return Some(Duration::ZERO);
        }
        self.sight.vacant_from(self.times.lease_duration)
    }

    pub(super) fn next_term(&self) -> u64 {
        #[cfg(test)]
        if self.flaw == Some(crate::lifecycle::election::tests::Flaw::KeepsTheTerm) {
            return self.sight.highest_term;
        }
        self.sight.next_term()
    }
}
