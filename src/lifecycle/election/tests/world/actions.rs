//! What may happen next in a world, and what it does to it.

use super::{Member, World};
use crate::lifecycle::election::{Input, Leaving, Outcome, Record, Sighting};

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum Action {
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

impl World {
    /// Everything that may happen next.
    pub(in super::super) fn actions(&self, actions: &mut Vec<Action>) {
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

    pub(in super::super) fn apply(&mut self, action: Action) {
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

    pub(super) fn disturbed(&mut self) {
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
}
