//! Each rule of the election by itself.

mod bids;
mod handover;
mod leading;
mod standing;

use std::time::Duration;

use crate::config::LeaseTimes;
use crate::lifecycle::election::{
    Candidate, Election, Identity, Input, Lease, Leaving, Moment, Notice, OnLost, Order, Outcome,
    Output, Progress, Purpose, Record, Sighting, Suitability, Transfer, Write,
};

const S: Duration = Duration::from_secs(1);
const ME: &str = "db-0/db/u-0/now";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A candidate with the default times, and what it has asked for.
struct Test {
    election: Election,
    now: Duration,
    candidate: Candidate,
    writes: Vec<Write>,
    notices: Vec<Notice>,
}

impl Test {
    /// Without a hook it does not wait at all.
    fn new(on_lost: OnLost) -> Test {
        Test::with_step(on_lost, Duration::ZERO)
    }

    fn with_step(on_lost: OnLost, step: Duration) -> Test {
        let times = LeaseTimes {
            lease_duration: 15 * S,
            renew_deadline: 10 * S,
            renew_period: 5 * S,
            retry_period: 2 * S,
            demotion_timeout: 3 * S,
            margin: S,
        };
        let me = Identity::parse(ME).expect("an identity");
        let mut test = Test {
            election: Election::new(me, times, on_lost).with_step(step),
            now: 1000 * S,
            candidate: Candidate::default(),
            writes: Vec::new(),
            notices: Vec::new(),
        };
        test.candidate(|candidate| candidate.rendered = true);
        test
    }

    /// It leads in term 4, since time 1000.
    fn leading() -> Test {
        Test::leading_with(OnLost::Demote)
    }

    fn leading_with(on_lost: OnLost) -> Test {
        let mut test = Test::new(on_lost);
        test.see(released(3));
        let write = test.written();
        assert_eq!((write.purpose, write.record.term), (Purpose::Acquire, 4));
        test.ok(&write, "11");
        test.changed(Record {
            version: "11".into(),
            ..write.record
        });
        assert!(test.election.leads());
        test
    }

    fn moment(&self) -> Moment {
        Moment {
            boot: self.now,
            wall: i64::try_from(self.now.as_micros()).expect("small"),
        }
    }

    fn feed(&mut self, input: Input) {
        for output in self.election.step(input, self.moment()) {
            match output {
                Output::Write(write) => self.writes.push(write),
                Output::Tell(notice) => self.notices.push(notice),
            }
        }
    }

    fn candidate(&mut self, change: impl FnOnce(&mut Candidate)) {
        change(&mut self.candidate);
        self.feed(Input::Candidate(self.candidate.clone()));
    }

    fn see(&mut self, record: Record) {
        self.feed(Input::Seen(Lease::Present(record), Sighting::Listed));
    }

    fn changed(&mut self, record: Record) {
        self.feed(Input::Seen(Lease::Present(record), Sighting::Changed));
    }

    fn ok(&mut self, write: &Write, version: &str) {
        self.feed(Input::Written(write.id, Outcome::Ok(version.into())));
    }

    /// Time passes, with a tick whenever one is due.
    fn to(&mut self, until: Duration) {
        while let Some(at) = self.election.next_deadline(self.moment())
            && at <= until
        {
            self.now = at;
            self.feed(Input::Tick);
        }
        self.now = until;
        self.feed(Input::Tick);
    }

    fn until_just_before(&mut self, until: Duration) {
        self.to(until.saturating_sub(ms(1)));
    }

    /// The one write since the last look.
    fn written(&mut self) -> Write {
        let writes = std::mem::take(&mut self.writes);
        assert_eq!(writes.len(), 1, "{writes:?}");
        writes.into_iter().next().expect("one")
    }

    fn demoted(&mut self, term: u64) {
        self.candidate(|candidate| candidate.demoted = term);
    }
}

fn released(term: u64) -> Record {
    Record {
        version: "10".into(),
        term,
        released: Some(term),
        ..Record::default()
    }
}

fn held(by: &str, term: u64, version: &str) -> Record {
    Record {
        version: version.into(),
        holder: by.into(),
        term,
        duration: 15 * S,
        renewed: 1,
        ..Record::default()
    }
}
