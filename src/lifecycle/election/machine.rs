//! Owns the state of one candidate and [`Election::step`]. Never judges the age of the Lease: `sight` does.

mod answers;
mod leading;
#[cfg(test)]
pub(super) mod normal;
mod standing;
mod writes;
mod writing;

use std::time::Duration;

use super::lead::Lead;
use super::sight::Sight;
use super::{Candidate, Identity, Input, Lease, Moment, Notice, OnLost, Output, Record, Sighting};
use crate::config::LeaseTimes;
use standing::STEP;
use writes::Writes;

/// A leader that is Critical for so long gives up: another may do better.
const CRITICAL: Duration = Duration::from_secs(30);

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
    candidate: Candidate,
    critical_since: Option<Duration>,
    state: State,
    writes: Writes,
    stand_after: Duration,
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
            candidate: Candidate::default(),
            critical_since: None,
            state: State::Following,
            writes: Writes::default(),
            stand_after: Duration::ZERO,
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
        if self.writes.are_newer_than(&lease, sighting) {
            return;
        }
        self.sight.see(lease, now.boot);
        if let Some(record) = self.sight.record()
            && let Some(sent) = self.writes.take_confirmed(record)
        {
            let version = record.version.clone();
            self.succeeded(sent, version, now, outputs);
        }
        self.writes.forget_refuted(self.sight.newest_version());
        self.note_holder(outputs);
        self.compare(now, outputs);
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

    /// The Lease names us in a term that we do not lead in, or an earlier start in this container of this Pod.
    fn is_own_past(&self, record: &Record) -> bool {
        record.holder == self.name || self.me.is_successor_of(&record.holder)
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
}
