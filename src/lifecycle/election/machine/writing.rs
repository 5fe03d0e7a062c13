//! Owns what a candidate writes into the Lease, and what follows when that has gone well or not. Never decides that it is
//! time to lead or to end.

use std::time::Duration;

use super::writes::Sent;
use super::{Election, State};
use crate::lifecycle::election::lead::Lead;
use crate::lifecycle::election::{
    Lease, Leaving, Moment, Notice, Outcome, Output, Purpose, Record,
};

impl Election {
    /// From when on the Lease may be written; `None` while an answer, or a newer version, is to come first.
    pub(super) fn may_write_from(&self) -> Option<Duration> {
        if self.candidate.leaving == Some(Leaving::Gone) {
            return None;
        }
        self.writes.next_over(self.sight.newest_version()?)
    }

    /// Writes over the newest sight, when the time for it has come.
    pub(super) fn write(&mut self, purpose: Purpose, now: Moment, outputs: &mut Vec<Output>) {
        if self.may_write_from().is_none_or(|at| at > now.boot) {
            return;
        }
        let seen = self.sight.record().cloned().unwrap_or_default();
        let mut record = match purpose {
            Purpose::Acquire => {
                let term = self.next_term();
                Record {
                    version: seen.version,
                    holder: self.name.clone(),
                    term,
                    bids: self.own_bid(term),
                    ..Record::default()
                }
            }
            Purpose::Renew => seen,
            Purpose::Release => Record {
                holder: String::new(),
                released: Some(seen.term),
                ..seen
            },
            Purpose::Bid => match self.raised_bids() {
                Some(bids) => Record { bids, ..seen },
                None => return,
            },
        };
        if purpose != Purpose::Bid {
            record.renewed = self.writes.next_stamp(now.wall);
            record.duration = self.times.lease_duration;
        }
        let write = self.writes.send(purpose, record, now.boot);
        outputs.push(Output::Write(write));
    }

    pub(super) fn on_written(
        &mut self,
        id: u64,
        outcome: Outcome,
        now: Moment,
        outputs: &mut Vec<Output>,
    ) {
        let Some(sent) = self.writes.take_answered(id) else {
            // The watch has told it already.
            return;
        };
        match outcome {
            Outcome::Ok(version) => {
                // Unless the watch has overtaken the answer: what it showed since is ours, or newer.
                if self.sight.newest_version() == Some(sent.write.record.version.as_str()) {
                    let record = Record {
                        version: version.clone(),
                        ..sent.write.record.clone()
                    };
                    self.sight.see(Lease::Present(record), now.boot);
                    self.writes.echo = Some(version.clone());
                    self.writes.forget_refuted(self.sight.newest_version());
                }
                self.succeeded(sent, version, now, outputs);
                self.compare(now, outputs);
            }
            Outcome::Conflict => {
                self.writes.refuse(sent);
                self.writes.next_at = now.boot;
            }
            Outcome::Unknown => {
                self.writes.next_at = now.boot.max(sent.at + self.times.retry_period);
                self.writes.doubt(sent);
            }
        }
    }

    pub(super) fn succeeded(
        &mut self,
        sent: Sent,
        version: String,
        now: Moment,
        outputs: &mut Vec<Output>,
    ) {
        let sent_at = self.counted_from(&sent, now);
        let term = sent.write.record.term;
        match sent.write.purpose {
            Purpose::Bid => self.writes.next_at = now.boot,
            // A release that was overtaken by a new lead of ours says nothing of that.
            Purpose::Release if matches!(self.state, State::Leading(_)) => {}
            Purpose::Release => {
                outputs.push(Output::Tell(Notice::Released { term }));
                self.state = State::Following;
                self.writes.next_at = now.boot;
            }
            Purpose::Renew => {
                if let State::Leading(lead) = &mut self.state {
                    lead.renewed_at = lead.renewed_at.max(sent_at);
                    self.writes.next_at = sent_at + self.times.renew_period;
                }
            }
            Purpose::Acquire => {
                self.writes.next_at = sent_at + self.times.renew_period;
                let fence = version;
                if let State::Leading(lead) = &mut self.state {
                    lead.renewed_at = lead.renewed_at.max(sent_at);
                    (lead.term, lead.fence) = (term, fence.clone());
                } else if now.boot < sent_at + self.times.renew_deadline && self.is_fit(now) {
                    self.holder = None;
                    self.state = State::Leading(Lead {
                        term,
                        fence: fence.clone(),
                        renewed_at: sent_at,
                        failures: self.candidate.failures,
                        ending: None,
                    });
                } else {
                    // Too late to begin: it is given back.
                    self.state = State::Releasing;
                    self.writes.next_at = now.boot;
                    return;
                }
                outputs.push(Output::Tell(Notice::Leading { term, fence }));
            }
        }
    }

    /// From when a write that succeeded counts: from its sending, since it may have been seen that early.
    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, reason = "only tests have a flaw")
    )]
    fn counted_from(&self, sent: &Sent, now: Moment) -> Duration {
        #[cfg(test)]
        if self.flaw == Some(crate::lifecycle::election::tests::Flaw::CountsFromTheAnswer) {
            return now.boot;
        }
        sent.at.min(now.boot)
    }
}
