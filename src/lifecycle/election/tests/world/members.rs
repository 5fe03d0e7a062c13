//! The candidates, each with its clock and its program.

use std::time::Duration;

use super::bounds::{Bounds, TICK};
use super::{Reply, Request, World};
use crate::lifecycle::election::{
    Candidate, Election, Identity, Input, Lease, Moment, OnLost, Order, Outcome, Output, Sighting,
    Suitability,
};

/// One Pod: a candidate and its program.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Member {
    pub(super) election: Election,
    pub(super) candidate: Candidate,
    /// Counts starts.
    pub(super) life: u32,
    /// Own clock minus the world's.
    pub(super) offset: i64,
    /// Stands still, and has slept through a tick.
    pub(super) paused: Option<bool>,
    pub(super) gone: bool,
    /// The number of the version that it saw last.
    pub(super) seen: u32,
    /// The write that waits for its answer, and since when.
    pub(super) waits: Option<(u64, u32)>,
    /// The term that the program leads in.
    pub(in super::super) leads: Option<u64>,
    pub(super) demoting: Option<u64>,
}

impl World {
    pub(super) fn now(&self, index: usize) -> Moment {
        let local = i64::from(self.time) + self.members[index].offset;
        Moment {
            boot: TICK * u32::try_from(local).expect("clocks begin later"),
            wall: local,
        }
    }

    pub(super) fn answered(&mut self, to: (usize, u32), id: u64, outcome: Outcome) {
        let member = &mut self.members[to.0];
        if member.life != to.1 || member.gone || member.waits.is_none_or(|(waits, _)| waits != id) {
            // A connection of an earlier life, or one that was given up.
            return;
        }
        if member.paused.is_some() {
            // It lies in the socket until somebody reads it.
            self.answers.push(Reply {
                to,
                id,
                outcome,
                sent: self.time,
            });
            return;
        }
        member.waits = None;
        self.feed(to.0, Input::Written(id, outcome));
    }

    pub(super) fn see(&mut self, index: usize, sighting: Sighting) {
        let number = self.members[index].seen;
        let version = self
            .history
            .iter()
            .find(|version| version.number == number)
            .expect("kept until seen");
        let lease = version.record.clone().map_or(Lease::Absent, Lease::Present);
        self.feed(index, Input::Seen(lease, sighting));
    }

    pub(super) fn crash(&mut self, index: usize) {
        self.left.crashes -= 1;
        self.disturbed();
        let newest = self.next_version - 1;
        let bounds = self.bounds;
        let member = &mut self.members[index];
        member.life += 1;
        member.election = election(index, member.life, &bounds);
        member.candidate = candidate(index, &bounds);
        (member.waits, member.leads, member.demoting) = (None, None, None);
        member.seen = newest;
        member.paused = None;
        self.feed(index, Input::Candidate(candidate(index, &bounds)));
        self.see(index, Sighting::Listed);
    }

    pub(super) fn demoted(&mut self, index: usize) {
        let member = &mut self.members[index];
        let Some(term) = member.demoting.take() else {
            return;
        };
        member.leads = None;
        member.candidate.demoted = term;
        let candidate = member.candidate.clone();
        self.feed(index, Input::Candidate(candidate));
    }

    /// One step of a candidate; its program obeys at once, or takes its time for a demotion.
    pub(super) fn feed(&mut self, index: usize, input: Input) {
        let (time, now) = (self.time, self.now(index));
        let member = &mut self.members[index];
        for output in member.election.step(input, now) {
            if let Output::Write(write) = output {
                member.waits = Some((write.id, time));
                self.requests.push(Request {
                    from: (index, member.life),
                    write,
                    sent: time,
                });
            }
        }
        match member.election.order() {
            Order::Follow => {
                member.leads = None;
                member.demoting = None;
            }
            Order::Lead { term, .. } => member.leads = Some(term),
            Order::Demote { term } => member.demoting = Some(term),
            Order::Kill { term } => {
                member.demoting = Some(term);
                self.demoted(index);
                return;
            }
        }
        let member = &mut self.members[index];
        if member.candidate.leaving.is_some() && !member.election.is_involved() {
            member.gone = true;
        }
    }
}

pub(super) fn candidate(index: usize, bounds: &Bounds) -> Candidate {
    Candidate {
        rendered: true,
        suitability: if bounds.hooks {
            Suitability::Value(u64::try_from(index).expect("few"))
        } else {
            Suitability::NoHook
        },
        ..Candidate::default()
    }
}

pub(super) fn election(index: usize, life: u32, bounds: &Bounds) -> Election {
    let me = Identity {
        pod: format!("p{index}"),
        container: "c".into(),
        uid: format!("u{index}"),
        nonce: life.to_string(),
    };
    // With bids a step is long enough for a message, without them all write at once.
    let step = if bounds.hooks { TICK } else { Duration::ZERO };
    let mut election = Election::new(me, bounds.times, OnLost::Demote).with_step(step);
    election.flaw = bounds.flaw;
    election
}
