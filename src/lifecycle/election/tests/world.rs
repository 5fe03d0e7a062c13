//! A small world in discrete time: one Lease behind an API server, candidates with clocks of their own, their programs,
//! and messages that are late, lost or sent twice. The model checker explores it, the simulation plays it.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::Flaw;
use crate::config::LeaseTimes;
use crate::lifecycle::election::machine::normal::Normal;
use crate::lifecycle::election::{
    Candidate, Election, Identity, Input, Lease, Leaving, Moment, OnLost, Order, Outcome, Output,
    Record, Sighting, Suitability, Write,
};

pub(super) const TICK: Duration = Duration::from_secs(1);

/// What may go wrong, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Faults {
    /// kubesup and its program are killed, and start again in the same Pod.
    pub(super) crashes: u8,
    /// kubesup stands still for a tick while its program runs on.
    pub(super) pauses: u8,
    /// A clock goes one tick ahead, or stands for one.
    pub(super) drifts: u8,
    /// A request or an answer is lost.
    pub(super) losses: u8,
    /// A request is delivered twice.
    pub(super) duplicates: u8,
    /// A watch breaks and begins anew with a list.
    pub(super) gaps: u8,
    /// Somebody empties the Lease.
    pub(super) edits: u8,
    /// Somebody deletes the Lease.
    pub(super) deletions: u8,
    /// A stop signal: the member hands over and is gone.
    pub(super) leaves: u8,
}

/// The bounds of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Bounds {
    pub(super) candidates: u8,
    pub(super) times: LeaseTimes,
    /// A message, or an event of a watch, is no later than this, in ticks.
    pub(super) delay: u32,
    /// Candidates bid, the last one highest.
    pub(super) hooks: bool,
    pub(super) faults: Faults,
    pub(super) flaw: Option<Flaw>,
}

impl Bounds {
    /// Within how many calm ticks somebody leads: the Lease is waited out, and a write, its answer and its event may each
    /// be late.
    pub(super) fn patience(&self) -> u32 {
        let lease = u32::try_from(self.times.lease_duration.as_secs()).expect("short");
        lease + 3 * self.delay + 1
    }
}

/// Times in ticks.
pub(super) fn times(
    lease: u32,
    deadline: u32,
    renew: u32,
    retry: u32,
    demotion: u32,
    margin: u32,
) -> LeaseTimes {
    LeaseTimes {
        lease_duration: TICK * lease,
        renew_deadline: TICK * deadline,
        renew_period: TICK * renew,
        retry_period: TICK * retry,
        demotion_timeout: TICK * demotion,
        margin: TICK * margin,
    }
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// A tick passes everywhere.
    Tick,
    /// A tick passes, but not on this one's clock.
    TickBut(usize),
    /// The request reaches the API server, and its answer sets out.
    Deliver(usize),
    /// The same, and the request is on its way once more.
    DeliverTwice(usize),
    LoseRequest(usize),
    Answer(usize),
    LoseAnswer(usize),
    /// The next event of its watch reaches a candidate.
    Observe(usize),
    /// Its watch broke: it gets a list.
    Relist(usize),
    /// Its program has carried out the demotion.
    Demoted(usize),
    Crash(usize),
    Pause(usize),
    Resume(usize),
    Ahead(usize),
    Leave(usize),
    Empty,
    Delete,
}

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

/// One Pod: a candidate and its program.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    election: Election,
    candidate: Candidate,
    /// Counts starts.
    life: u32,
    /// Own clock minus the world's.
    offset: i64,
    /// Stands still, and has slept through a tick.
    paused: Option<bool>,
    gone: bool,
    /// The number of the version that it saw last.
    seen: u32,
    /// The write that waits for its answer, and since when.
    waits: Option<(u64, u32)>,
    /// The term that the program leads in.
    pub(super) leads: Option<u64>,
    demoting: Option<u64>,
}

/// Worlds that differ in nothing but how late it is, and how much has been written before, go on in the same way.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let newest = u64::from(self.next_version - 1);
        let walls = self.walls();
        let normal = |now: Duration| Normal {
            now,
            version: newest,
            term: self.term.map_or(1, |(term, _)| term),
            walls: &walls,
        };
        let shared = normal(Duration::ZERO);
        for (index, member) in self.members.iter().enumerate() {
            (member.gone, member.life).hash(state);
            if member.gone {
                continue;
            }
            (member.paused, newest - u64::from(member.seen)).hash(state);
            (
                member.leads.map(|term| shared.term(term)),
                member.demoting.is_some(),
            )
                .hash(state);
            member.waits.map(|(_, since)| self.time - since).hash(state);
            let now = self.now(index).boot;
            member.election.hash_normal(&normal(now), state);
        }
        for version in &self.history {
            (self.time - version.at).min(self.bounds.delay).hash(state);
            match &version.record {
                Some(record) => shared.record(record, state),
                None => newest.wrapping_sub(u64::from(version.number)).hash(state),
            }
        }
        for request in &self.requests {
            (
                request.from,
                request.write.purpose,
                self.time - request.sent,
            )
                .hash(state);
            self.is_awaited(request.from, request.write.id).hash(state);
            shared.record(&request.write.record, state);
        }
        for answer in &self.answers {
            (answer.to, self.time - answer.sent).hash(state);
            self.is_awaited(answer.to, answer.id).hash(state);
            match &answer.outcome {
                Outcome::Ok(version) => shared.version(version).hash(state),
                other => other.hash(state),
            }
        }
        (self.left, self.moved, self.broken).hash(state);
        let calm = self.time - self.calm_since;
        calm.min(self.bounds.patience() + 1).hash(state);
        self.term.map(|(_, who)| who).hash(state);
    }
}

fn candidate(index: usize, bounds: &Bounds) -> Candidate {
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

fn election(index: usize, life: u32, bounds: &Bounds) -> Election {
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

    fn now(&self, index: usize) -> Moment {
        let local = i64::from(self.time) + self.members[index].offset;
        Moment {
            boot: TICK * u32::try_from(local).expect("clocks begin later"),
            wall: local,
        }
    }

    fn is_awaited(&self, from: (usize, u32), id: u64) -> bool {
        let member = &self.members[from.0];
        member.life == from.1 && member.waits.is_some_and(|(waits, _)| waits == id)
    }

    /// Every `renewTime` that somebody may compare, in order.
    fn walls(&self) -> Vec<i64> {
        let seen = self
            .history
            .iter()
            .filter_map(|version| version.record.as_ref());
        let sent = self.requests.iter().map(|request| &request.write.record);
        let mut walls: Vec<i64> = seen.chain(sent).map(|record| record.renewed).collect();
        walls.sort_unstable();
        walls.dedup();
        walls
    }

    pub(super) fn leaders(&self) -> usize {
        self.members
            .iter()
            .filter(|member| member.leads.is_some())
            .count()
    }

    /// Everything that may happen next.
    pub(super) fn actions(&self, actions: &mut Vec<Action>) {
        let left = &self.left;
        for index in 0..self.requests.len() {
            actions.push(Action::Deliver(index));
            if left.losses > 0 {
                actions.push(Action::LoseRequest(index));
            }
            if left.duplicates > 0 {
                actions.push(Action::DeliverTwice(index));
            }
        }
        for index in 0..self.answers.len() {
            actions.push(Action::Answer(index));
            if left.losses > 0 {
                actions.push(Action::LoseAnswer(index));
            }
        }
        for (index, member) in self.members.iter().enumerate() {
            if member.gone {
                continue;
            }
            if member.paused.is_some() {
                actions.push(Action::Resume(index));
                continue;
            }
            if member.seen + 1 < self.next_version {
                actions.push(Action::Observe(index));
                if left.gaps > 0 {
                    actions.push(Action::Relist(index));
                }
            }
            if member.demoting.is_some() {
                actions.push(Action::Demoted(index));
            }
            if left.crashes > 0 {
                actions.push(Action::Crash(index));
            }
            if left.pauses > 0 {
                actions.push(Action::Pause(index));
            }
            if left.drifts > 0 {
                actions.push(Action::Ahead(index));
                if self.may_tick() {
                    actions.push(Action::TickBut(index));
                }
            }
            if left.leaves > 0 && member.leads.is_some() {
                actions.push(Action::Leave(index));
            }
        }
        if left.edits > 0 && self.newest().is_some() {
            actions.push(Action::Empty);
        }
        if left.deletions > 0 && self.newest().is_some() {
            actions.push(Action::Delete);
        }
        if self.may_tick() {
            actions.push(Action::Tick);
        }
    }

    /// What is as late as it may be has to happen first.
    fn may_tick(&self) -> bool {
        let late = |since: u32| self.time - since >= self.bounds.delay;
        let unseen = |member: &Member| {
            let next = self
                .history
                .iter()
                .find(|version| version.number > member.seen);
            !member.gone && member.paused.is_none() && next.is_some_and(|version| late(version.at))
        };
        !self.requests.iter().any(|request| late(request.sent))
            && !self
                .answers
                .iter()
                .any(|answer| late(answer.sent) && self.members[answer.to.0].paused.is_none())
            && !self.members.iter().any(unseen)
    }

    pub(super) fn apply(&mut self, action: Action) {
        match action {
            Action::Tick => self.tick(None),
            Action::TickBut(index) => {
                self.left.drifts -= 1;
                self.disturbed();
                self.tick(Some(index));
            }
            Action::Deliver(index) => {
                let request = self.requests.remove(index);
                self.deliver(&request);
            }
            Action::DeliverTwice(index) => {
                self.left.duplicates -= 1;
                self.disturbed();
                let request = self.requests[index].clone();
                self.deliver(&request);
            }
            Action::LoseRequest(index) => {
                self.left.losses -= 1;
                self.disturbed();
                self.requests.remove(index);
            }
            Action::Answer(index) => {
                let answer = self.answers.remove(index);
                self.answered(answer.to, answer.id, answer.outcome);
            }
            Action::LoseAnswer(index) => {
                self.left.losses -= 1;
                self.disturbed();
                self.answers.remove(index);
            }
            Action::Observe(index) => {
                self.members[index].seen += 1;
                self.see(index, Sighting::Changed);
            }
            Action::Relist(index) => {
                self.left.gaps -= 1;
                self.members[index].seen = self.next_version - 1;
                self.see(index, Sighting::Listed);
            }
            Action::Demoted(index) => {
                self.disturbed();
                self.demoted(index);
            }
            Action::Crash(index) => self.crash(index),
            Action::Pause(index) => {
                self.left.pauses -= 1;
                self.disturbed();
                self.members[index].paused = Some(false);
            }
            Action::Resume(index) => {
                self.disturbed();
                self.members[index].paused = None;
                self.feed(index, Input::Tick);
            }
            Action::Ahead(index) => {
                self.left.drifts -= 1;
                self.disturbed();
                self.members[index].offset += 1;
                self.feed(index, Input::Tick);
            }
            Action::Leave(index) => {
                self.left.leaves -= 1;
                self.disturbed();
                self.members[index].candidate.leaving = Some(Leaving::Stopping);
                let candidate = self.members[index].candidate.clone();
                self.feed(index, Input::Candidate(candidate));
            }
            Action::Empty => {
                self.left.edits -= 1;
                self.disturbed();
                let emptied = self.newest().map(|record| Record {
                    holder: String::new(),
                    released: None,
                    ..record.clone()
                });
                self.put(emptied);
            }
            Action::Delete => {
                self.left.deletions -= 1;
                self.disturbed();
                self.put(None);
            }
        }
        self.forget();
        self.check();
    }

    fn disturbed(&mut self) {
        self.calm_since = self.time;
    }

    fn tick(&mut self, but: Option<usize>) {
        self.time += 1;
        if let Some(index) = but {
            self.members[index].offset -= 1;
        }
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            if member.gone {
                continue;
            }
            match member.paused {
                Some(false) => {
                    member.paused = Some(true);
                    continue;
                }
                // No longer than a tick.
                Some(true) => {
                    member.paused = None;
                    self.disturbed();
                }
                None => {}
            }
            self.feed(index, Input::Tick);
            let retry = u32::try_from(self.bounds.times.retry_period.as_secs()).expect("short");
            let member = &self.members[index];
            if let Some((id, since)) = member.waits
                && self.time - since >= retry
            {
                self.answered((index, member.life), id, Outcome::Unknown);
            }
        }
    }

    fn deliver(&mut self, request: &Request) {
        let over = &request.write.record.version;
        let newest = self
            .newest()
            .map_or("", |record| record.version.as_str())
            .to_owned();
        let blind = self.bounds.flaw == Some(Flaw::WritesWithoutComparing);
        let outcome = if *over == newest || blind {
            self.put(Some(request.write.record.clone()));
            Outcome::Ok((self.next_version - 1).to_string())
        } else {
            Outcome::Conflict
        };
        self.answers.push(Reply {
            to: request.from,
            id: request.write.id,
            outcome,
            // There and back in the time of one delay.
            sent: request.sent,
        });
        self.answers.sort_by_key(|answer| (answer.to, answer.id));
    }

    fn put(&mut self, record: Option<Record>) {
        let number = self.next_version;
        self.next_version += 1;
        let record = record.map(|record| Record {
            version: number.to_string(),
            ..record
        });
        self.history.push(Version {
            number,
            at: self.time,
            record,
        });
    }

    fn newest(&self) -> Option<&Record> {
        self.history
            .last()
            .and_then(|version| version.record.as_ref())
    }

    /// Versions that everybody has seen are of no interest, but for the newest.
    fn forget(&mut self) {
        let seen = self
            .members
            .iter()
            .filter(|member| !member.gone)
            .map(|member| member.seen)
            .min();
        let newest = self.next_version - 1;
        let oldest = seen.unwrap_or(newest).min(newest);
        self.history.retain(|version| version.number >= oldest);
    }

    fn answered(&mut self, to: (usize, u32), id: u64, outcome: Outcome) {
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

    fn see(&mut self, index: usize, sighting: Sighting) {
        let number = self.members[index].seen;
        let version = self
            .history
            .iter()
            .find(|version| version.number == number)
            .expect("kept until seen");
        let lease = version.record.clone().map_or(Lease::Absent, Lease::Present);
        self.feed(index, Input::Seen(lease, sighting));
    }

    fn crash(&mut self, index: usize) {
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

    fn demoted(&mut self, index: usize) {
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
    fn feed(&mut self, index: usize, input: Input) {
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
