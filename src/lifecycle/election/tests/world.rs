//! A small world in discrete time: one Lease behind an API server, candidates with clocks of their own, their programs,
//! and messages that are late, lost or sent twice. The model checker explores it, the simulation plays it.

mod actions;
mod bounds;
mod members;
mod normal;
mod server;

use crate::lifecycle::election::{Input, Outcome, Record, Sighting, Write};
pub(super) use actions::Action;
pub(super) use bounds::{Bounds, Faults, times};
use members::{Member, candidate, election};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct World {
    pub(super) bounds: Bounds,
    pub(super) time: u32,
    pub(super) members: Vec<Member>,
    /// What the Lease was, from the oldest version that somebody has yet to see; the last one is in force.
    history: Vec<Version>,
    next_version: u32,
    requests: Vec<Request>,
    answers: Vec<Reply>,
    left: Faults,
    /// Since when nothing has gone wrong.
    pub(super) calm_since: u32,
    /// The last term in which a program led, and whose.
    pub(super) term: Option<(u64, usize)>,
    /// Another than the first has led.
    pub(super) moved: bool,
    /// A rule that was broken.
    pub(super) broken: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Version {
    number: u32,
    at: u32,
    record: Option<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Request {
    from: (usize, u32),
    write: Write,
    sent: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Reply {
    to: (usize, u32),
    id: u64,
    outcome: Outcome,
    sent: u32,
}

impl World {
    /// All candidates are there and have seen a Lease that was released in term 1.
    pub(super) fn new(bounds: Bounds) -> World {
        let released = Record {
            version: "1".into(),
            term: 1,
            released: Some(1),
            ..Record::default()
        };
        let mut world = World {
            bounds,
            // Clocks may go back a little, and begin at zero.
            time: 10,
            members: (0..usize::from(bounds.candidates))
                .map(|index| Member {
                    election: election(index, 0, &bounds),
                    candidate: candidate(index, &bounds),
                    life: 0,
                    offset: 0,
                    paused: None,
                    gone: false,
                    seen: 1,
                    waits: None,
                    leads: None,
                    demoting: None,
                })
                .collect(),
            history: vec![Version {
                number: 1,
                at: 10,
                record: Some(released),
            }],
            next_version: 2,
            requests: Vec::new(),
            answers: Vec::new(),
            left: bounds.faults,
            calm_since: 10,
            term: None,
            moved: false,
            broken: None,
        };
        for index in 0..world.members.len() {
            world.feed(index, Input::Candidate(candidate(index, &bounds)));
            world.see(index, Sighting::Listed);
        }
        world
    }

    pub(super) fn leaders(&self) -> usize {
        self.members
            .iter()
            .filter(|member| member.leads.is_some())
            .count()
    }

    /// The rules that hold at every moment.
    fn check(&mut self) {
        for (index, member) in self.members.iter().enumerate() {
            let Some(term) = member.leads else { continue };
            match self.term {
                Some((known, who)) if known == term && who != index => {
                    self.broken = Some("a term has two leaders");
                }
                Some((known, _)) if known > term => {
                    self.broken = Some("a term comes after a later one");
                }
                Some((_, who)) => {
                    self.moved |= who != index;
                    self.term = Some((term, index));
                }
                None => self.term = Some((term, index)),
            }
        }
        if self.leaders() > 1 {
            self.broken = Some("two programs lead at one instant");
        }
    }

    /// Everybody has left.
    pub(super) fn is_empty(&self) -> bool {
        self.members.iter().all(|member| member.gone)
    }
}
