//! Owns what a candidate does while it leads: it renews, yields when another should lead, and ends a lead that is lost. Never
//! takes one.

use std::time::Duration;

use super::{CRITICAL, Election, State};
use crate::lifecycle::election::lead::Lead;
use crate::lifecycle::election::{Leaving, Moment, Notice, OnLost, Output, Purpose, Transfer, Why};

/// What the Lease says about the lead that is held.
enum Relation {
    Mine,
    /// Nobody's by the rules: it was deleted, or edited by hand. Others wait it out, so that it can be written anew.
    Odd,
    Lost,
}

impl Election {
    /// Compares the newest sight with the lead that is held.
    pub(super) fn compare(&mut self, now: Moment, outputs: &mut Vec<Output>) {
        let State::Leading(lead) = &self.state else {
            return;
        };
        if !lead.is_held() {
            return;
        }
        match self.relation(lead) {
            Relation::Mine => {}
            Relation::Odd if lead.ending.is_none() => self.writes.next_at = now.boot,
            Relation::Odd | Relation::Lost => self.lose(Why::TakenOver, now, outputs),
        }
    }

    fn relation(&self, lead: &Lead) -> Relation {
        match self.sight.record() {
            Some(record) if record.holder == self.name && record.term == lead.term => {
                Relation::Mine
            }
            Some(record) if record.holder == self.name => Relation::Odd,
            Some(record) if record.holder.is_empty() && !record.is_released() => Relation::Odd,
            Some(_) => Relation::Lost,
            None => Relation::Odd,
        }
    }

    pub(super) fn while_leading(&mut self, now: Moment, outputs: &mut Vec<Output>) {
        let State::Leading(lead) = &self.state else {
            return;
        };
        if lead.is_held() && lead.deadline(&self.times) <= now.boot {
            self.lose(Why::Deadline, now, outputs);
        } else if self.candidate.leaving == Some(Leaving::Gone) && lead.is_held() {
            self.lose(Why::Gone, now, outputs);
        } else if lead.ending.is_none()
            && let Some(why) = self.reason_to_yield(lead, now)
        {
            self.yields(why, now, outputs);
        }
        self.finish_ending(now, outputs);
        let State::Leading(lead) = &self.state else {
            return;
        };
        if lead.is_held() {
            let purpose = match self.relation(lead) {
                Relation::Mine => Purpose::Renew,
                _ if lead.ending.is_none() => Purpose::Acquire,
                _ => return,
            };
            self.write(purpose, now, outputs);
        }
    }

    fn reason_to_yield(&self, lead: &Lead, now: Moment) -> Option<Why> {
        let candidate = &self.candidate;
        let critical = |since: Duration| since + CRITICAL <= now.boot;
        let transfer =
            |transfer: &Transfer| transfer.term == lead.term && transfer.to != self.me.pod;
        let record = self.sight.record();
        if candidate.leaving.is_some() {
            Some(Why::Leaving)
        } else if candidate.failures > lead.failures {
            Some(Why::Failed)
        } else if self.critical_since.is_some_and(critical) {
            Some(Why::Critical)
        } else if record
            .and_then(|record| record.transfer.as_ref())
            .is_some_and(transfer)
        {
            Some(Why::Transfer)
        } else {
            None
        }
    }

    fn yields(&mut self, why: Why, now: Moment, outputs: &mut Vec<Output>) {
        let State::Leading(lead) = &mut self.state else {
            return;
        };
        let term = lead.term;
        lead.yields(why, now.boot, &self.times);
        outputs.push(Output::Tell(Notice::Demoting { term, why }));
    }

    fn lose(&mut self, why: Why, now: Moment, outputs: &mut Vec<Output>) {
        let State::Leading(lead) = &mut self.state else {
            return;
        };
        if lead.ending.is_none() {
            let term = lead.term;
            outputs.push(Output::Tell(Notice::Demoting { term, why }));
        }
        lead.lose(why, now.boot, &self.times);
        if self.on_lost == OnLost::Kill
            && let Some(ending) = &mut lead.ending
        {
            ending.kill_at = Some(now.boot);
        }
    }

    /// Kills what does not come to its end, and goes on when the program is without the lead.
    fn finish_ending(&mut self, now: Moment, outputs: &mut Vec<Output>) {
        let State::Leading(lead) = &mut self.state else {
            return;
        };
        let Some(ending) = &mut lead.ending else {
            return;
        };
        if self.candidate.demoted >= ending.term {
            if ending.why == Why::Transfer {
                // Others first.
                self.stand_after = now.boot + self.times.lease_duration;
            }
            self.state = State::Following;
            self.writes.next_at = now.boot;
        } else if !ending.killed && ending.kill_at.is_some_and(|at| at <= now.boot) {
            ending.killed = true;
            let term = ending.term;
            outputs.push(Output::Tell(Notice::Killing { term }));
        }
    }
}
