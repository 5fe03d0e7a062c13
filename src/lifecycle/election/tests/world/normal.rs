//! What two worlds have in common that go on in the same way.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::World;
use crate::lifecycle::election::Outcome;
use crate::lifecycle::election::machine::normal::Normal;

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

impl World {
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
}
