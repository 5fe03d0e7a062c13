//! Owns the state of one candidate and [`Election::step`]. Never judges the age of the Lease: `sight` does.

#[cfg(test)]
pub(super) mod normal;

use std::time::Duration;

use super::lead::{Ending, Lead};
use super::sight::Sight;
use super::{
    Bids, Candidate, Identity, Input, Lease, Leaving, Moment, Notice, OnLost, Order, Outcome,
    Output, Progress, Purpose, Record, Sighting, Suitability, Transfer, Why, Write,
};
use crate::config::LeaseTimes;

/// A leader that is Critical for so long gives up: another may do better.
const CRITICAL: Duration = Duration::from_secs(30);
/// The candidate of rank k acquires after (k + 1) of these, and without a hook a random part of one: long enough for a
/// write and its event to reach the others, short enough for a new leader within half a second.
const STEP: Duration = Duration::from_millis(150);
/// When another Pod is asked to lead next, others give it this much time.
const COURTESY: Duration = Duration::from_secs(2);
/// Writes without an answer that are remembered; more would need an outage, in which none of them was written.
const DOUBTS: usize = 8;

/// One candidate's part in the election. See the module's theory of operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Election {
    me: Identity,
    /// `me` as text.
    name: String,
    times: LeaseTimes,
    on_lost: OnLost,
    step: Duration,
    sight: Sight,
    blind: bool,
    /// The version of the own newest write, until the watch has brought it: what comes before it is older.
    echo: Option<String>,
    candidate: Candidate,
    critical_since: Option<Duration>,
    state: State,
    pending: Option<Sent>,
    /// Writes that had no answer: they may have been written, or may be yet.
    doubts: Vec<Sent>,
    next_write_at: Duration,
    /// A write over this version was refused: there is a newer one, which the watch will bring.
    refused: Option<String>,
    stand_after: Duration,
    /// The last `renewTime` written; each is another one.
    stamp: i64,
    writes: u64,
    /// The holder that was known last, and its term: in force until another is known.
    holder: Option<(String, u64)>,
    #[cfg(test)]
    pub(super) flaw: Option<super::tests::Flaw>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    Following,
    /// There is a vacancy since then.
    Standing(Duration),
    Leading(Lead),
    /// The Lease names us, or a predecessor of ours, and nobody leads.
    Releasing,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sent {
    write: Write,
    at: Duration,
}

/// What the Lease says about the lead that is held.
enum Relation {
    Mine,
    /// Nobody's by the rules: it was deleted, or edited by hand. Others wait it out, so that it can be written anew.
    Odd,
    Lost,
}

impl Election {
    /// Nothing has been seen yet.
    pub fn new(me: Identity, times: LeaseTimes, on_lost: OnLost) -> Election {
        Election {
            name: me.to_string(),
            me,
            times,
            on_lost,
            step: STEP,
            sight: Sight::default(),
            blind: false,
            echo: None,
            candidate: Candidate::default(),
            critical_since: None,
            state: State::Following,
            pending: None,
            doubts: Vec::new(),
            next_write_at: Duration::ZERO,
            refused: None,
            stand_after: Duration::ZERO,
            stamp: 0,
            writes: 0,
            holder: None,
            #[cfg(test)]
            flaw: None,
        }
    }

    /// Another step between ranks, for a model with a coarse clock.
    #[cfg(test)]
    pub(super) fn with_step(mut self, step: Duration) -> Election {
        self.step = step;
        self
    }

    /// Takes in one input and says what to do. What was due while nobody looked comes before it.
    pub fn step(&mut self, input: Input, now: Moment) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.on_time(now, &mut outputs);
        match input {
            Input::Seen(lease, sighting) => self.on_seen(lease, sighting, now, &mut outputs),
            Input::Blind(blind) => self.blind = blind,
            Input::Candidate(candidate) => self.on_candidate(candidate, now),
            Input::Written(id, outcome) => self.on_written(id, outcome, now, &mut outputs),
            Input::Tick => {}
        }
        self.on_time(now, &mut outputs);
        outputs
    }

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
        self.pending.is_some() || matches!(self.state, State::Leading(_) | State::Releasing)
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

    /// When `Tick` is due at the latest.
    pub fn next_deadline(&self, now: Moment) -> Option<Duration> {
        let write = self.may_write_from();
        let critical = self.critical_since.map(|since| since + CRITICAL);
        let mut deadlines = vec![self.vacant_from()];
        match &self.state {
            State::Leading(lead) => {
                if lead.is_held() {
                    deadlines.extend([Some(lead.deadline(&self.times)), write]);
                }
                match &lead.ending {
                    None => deadlines.push(critical),
                    Some(ending) if !ending.killed => deadlines.push(ending.kill_at),
                    Some(_) => {}
                }
            }
            State::Releasing => deadlines.push(write),
            State::Standing(since) => {
                deadlines.push(write.map(|write| write.max(self.acquires_at(*since))));
            }
            State::Following => deadlines.push(Some(self.stand_after)),
        }
        let later = |at: &Duration| *at > now.boot;
        deadlines.into_iter().flatten().filter(later).min()
    }

    fn on_candidate(&mut self, candidate: Candidate, now: Moment) {
        self.critical_since = candidate
            .critical
            .then(|| self.critical_since.unwrap_or(now.boot));
        self.candidate = candidate;
    }

    fn on_seen(
        &mut self,
        lease: Lease,
        sighting: Sighting,
        now: Moment,
        outputs: &mut Vec<Output>,
    ) {
        if sighting == Sighting::Listed {
            self.echo = None;
        } else if let Some(echo) = &self.echo {
            if !matches!(&lease, Lease::Present(record) if record.version == *echo) {
                // Older than what we wrote ourselves: the watch is in order, and has not come to that yet.
                return;
            }
            self.echo = None;
        }
        self.sight.see(lease, now.boot);
        if let Some(sent) = self.take_confirmed() {
            let version = sent.1;
            self.succeeded(sent.0, version, now, outputs);
        }
        self.forget_refuted();
        self.note_holder(outputs);
        self.compare(now, outputs);
    }

    /// The own write that the Lease shows, if it was not known to be written, and the version that it has.
    fn take_confirmed(&mut self) -> Option<(Sent, String)> {
        let record = self.sight.record()?;
        let is_it = |sent: &Sent| {
            let written = &sent.write.record;
            sent.write.purpose != Purpose::Bid
                && (&written.holder, written.term, written.renewed)
                    == (&record.holder, record.term, record.renewed)
        };
        let version = record.version.clone();
        if let Some(sent) = self.pending.take_if(|sent| is_it(sent)) {
            return Some((sent, version));
        }
        let index = self.doubts.iter().position(is_it)?;
        Some((self.doubts.swap_remove(index), version))
    }

    /// A write over a version that is not the newest any more can never be written.
    fn forget_refuted(&mut self) {
        if let Some(newest) = self.newest_version().map(ToOwned::to_owned) {
            self.doubts
                .retain(|sent| sent.write.record.version == newest);
        }
    }

    /// The version that a write has to be over; empty when there is no Lease.
    fn newest_version(&self) -> Option<&str> {
        match self.sight.record() {
            Some(record) => Some(&record.version),
            None => self.sight.is_absent().then_some(""),
        }
    }

    fn note_holder(&mut self, outputs: &mut Vec<Output>) {
        let Some(record) = self.sight.record() else {
            return;
        };
        if record.holder.is_empty() || self.is_own_past(record) {
            return;
        }
        let seen = (record.holder.clone(), record.term);
        if self.holder.as_ref() != Some(&seen) {
            outputs.push(Output::Tell(Notice::Follows {
                holder: seen.0.clone(),
                term: seen.1,
            }));
            self.holder = Some(seen);
        }
    }

    /// Compares the newest sight with the lead that is held.
    fn compare(&mut self, now: Moment, outputs: &mut Vec<Output>) {
        let State::Leading(lead) = &self.state else {
            return;
        };
        if !lead.is_held() {
            return;
        }
        match self.relation(lead) {
            Relation::Mine => {}
            Relation::Odd if lead.ending.is_none() => self.next_write_at = now.boot,
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

    /// The Lease names us in a term that we do not lead in, or an earlier start in this container of this Pod.
    fn is_own_past(&self, record: &Record) -> bool {
        record.holder == self.name || self.me.is_successor_of(&record.holder)
    }

    fn on_written(&mut self, id: u64, outcome: Outcome, now: Moment, outputs: &mut Vec<Output>) {
        let Some(sent) = self.pending.take_if(|sent| sent.write.id == id) else {
            // The watch has told it already.
            return;
        };
        match outcome {
            Outcome::Ok(version) => {
                // Unless the watch has overtaken the answer: what it showed since is ours, or newer.
                if self.newest_version() == Some(sent.write.record.version.as_str()) {
                    let record = Record {
                        version: version.clone(),
                        ..sent.write.record.clone()
                    };
                    self.sight.see(Lease::Present(record), now.boot);
                    self.echo = Some(version.clone());
                    self.forget_refuted();
                }
                self.succeeded(sent, version, now, outputs);
                self.compare(now, outputs);
            }
            Outcome::Conflict => {
                self.refused = Some(sent.write.record.version);
                self.echo = None;
                self.next_write_at = now.boot;
            }
            Outcome::Unknown => {
                self.next_write_at = now.boot.max(sent.at + self.times.retry_period);
                if self.doubts.len() == DOUBTS {
                    self.doubts.remove(0);
                }
                self.doubts.push(sent);
            }
        }
    }

    fn succeeded(&mut self, sent: Sent, version: String, now: Moment, outputs: &mut Vec<Output>) {
        let sent_at = self.counted_from(&sent, now);
        let term = sent.write.record.term;
        match sent.write.purpose {
            Purpose::Bid => self.next_write_at = now.boot,
            // A release that was overtaken by a new lead of ours says nothing of that.
            Purpose::Release if matches!(self.state, State::Leading(_)) => {}
            Purpose::Release => {
                outputs.push(Output::Tell(Notice::Released { term }));
                self.state = State::Following;
                self.next_write_at = now.boot;
            }
            Purpose::Renew => {
                if let State::Leading(lead) = &mut self.state {
                    lead.renewed_at = lead.renewed_at.max(sent_at);
                    self.next_write_at = sent_at + self.times.renew_period;
                }
            }
            Purpose::Acquire => {
                self.next_write_at = sent_at + self.times.renew_period;
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
                    self.next_write_at = now.boot;
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
        if self.flaw == Some(super::tests::Flaw::CountsFromTheAnswer) {
            return now.boot;
        }
        sent.at.min(now.boot)
    }

    /// Whatever is due by now.
    fn on_time(&mut self, now: Moment, outputs: &mut Vec<Output>) {
        if let State::Leading(_) = self.state {
            self.while_leading(now, outputs);
        }
        if let State::Releasing = self.state {
            self.while_releasing(now, outputs);
        }
        if let State::Following | State::Standing(_) = self.state {
            self.while_following(now, outputs);
        }
    }

    fn while_leading(&mut self, now: Moment, outputs: &mut Vec<Output>) {
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
            self.next_write_at = now.boot;
        } else if !ending.killed && ending.kill_at.is_some_and(|at| at <= now.boot) {
            ending.killed = true;
            let term = ending.term;
            outputs.push(Output::Tell(Notice::Killing { term }));
        }
    }

    fn while_releasing(&mut self, now: Moment, outputs: &mut Vec<Output>) {
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

    fn while_following(&mut self, now: Moment, outputs: &mut Vec<Output>) {
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

    fn is_fit(&self, now: Moment) -> bool {
        let candidate = &self.candidate;
        candidate.rendered
            && !candidate.critical
            && !candidate.down
            && candidate.leaving.is_none()
            && self.stand_after <= now.boot
    }

    fn vacant_from(&self) -> Option<Duration> {
        #[cfg(test)]
        if self.flaw == Some(super::tests::Flaw::TakesAnEmptiedLease)
            && self
                .sight
                .record()
                .is_some_and(|record| record.holder.is_empty())
        {
            return Some(Duration::ZERO);
        }
        self.sight.vacant_from(self.times.lease_duration)
    }

    fn next_term(&self) -> u64 {
        #[cfg(test)]
        if self.flaw == Some(super::tests::Flaw::KeepsTheTerm) {
            return self.sight.highest_term;
        }
        self.sight.next_term()
    }

    /// When a candidate that stands since then may acquire.
    fn acquires_at(&self, since: Duration) -> Duration {
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

    fn raised_bids(&self) -> Option<Bids> {
        let Suitability::Value(value) = self.candidate.suitability else {
            return None;
        };
        let record = self.sight.record()?;
        let term = self.sight.next_term();
        record.bids.raised(term, value, &self.name)
    }

    /// What is left of the bids when the lead is taken: how well suited the new leader is, for whoever asks.
    fn own_bid(&self, term: u64) -> Bids {
        match self.candidate.suitability {
            Suitability::NoHook => Bids::default(),
            Suitability::Value(value) => Bids {
                term,
                bids: vec![(value, self.name.clone())],
            },
        }
    }

    /// From when on the Lease may be written; `None` while an answer, or a newer version, is to come first.
    fn may_write_from(&self) -> Option<Duration> {
        if self.pending.is_some() || self.candidate.leaving == Some(Leaving::Gone) {
            return None;
        }
        let version = self.newest_version()?;
        (self.refused.as_deref() != Some(version)).then_some(self.next_write_at)
    }

    /// Writes over the newest sight, when the time for it has come.
    fn write(&mut self, purpose: Purpose, now: Moment, outputs: &mut Vec<Output>) {
        if self.may_write_from().is_none_or(|at| at > now.boot) {
            return;
        }
        let seen = self.sight.record().cloned().unwrap_or_default();
        let stamp = now.wall.max(self.stamp + 1);
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
            record.renewed = stamp;
            record.duration = self.times.lease_duration;
            self.stamp = stamp;
        }
        self.writes += 1;
        let write = Write {
            id: self.writes,
            purpose,
            record,
        };
        self.pending = Some(Sent {
            write: write.clone(),
            at: now.boot,
        });
        outputs.push(Output::Write(write));
    }
}
