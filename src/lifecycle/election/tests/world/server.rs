//! The API server with its one Lease.

use super::{Reply, Request, Version, World};
use crate::lifecycle::election::tests::Flaw;
use crate::lifecycle::election::{Outcome, Record};

impl World {
    pub(super) fn deliver(&mut self, request: &Request) {
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

    pub(super) fn put(&mut self, record: Option<Record>) {
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

    pub(super) fn newest(&self) -> Option<&Record> {
        self.history
            .last()
            .and_then(|version| version.record.as_ref())
    }

    /// Versions that everybody has seen are of no interest, but for the newest.
    pub(super) fn forget(&mut self) {
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
}
