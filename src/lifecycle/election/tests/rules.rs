//! Each rule of the election by itself.

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

#[test]
fn a_released_lease_is_taken_within_a_step_with_the_next_term() {
    let mut test = Test::with_step(OnLost::Demote, ms(150));
    test.see(released(3));
    test.to(test.now + ms(150));
    let write = test.written();
    assert_eq!(write.record.holder, ME);
    assert_eq!(
        (write.record.term, write.record.version.as_str()),
        (4, "10")
    );
    assert_eq!(
        test.election.order(),
        Order::Follow,
        "not before it is written"
    );
    test.ok(&write, "11");
    let Order::Lead { term, fence, until } = test.election.order() else {
        panic!("{:?}", test.election.order());
    };
    assert_eq!((term, fence.as_str()), (4, "11"));
    assert!(
        until <= 1010 * S + ms(150),
        "ten seconds from the sending: {until:?}"
    );
    assert_eq!(test.election.progress(test.moment()), Progress::Finished);
}

#[test]
fn a_follower_writes_nothing_while_renewals_are_seen() {
    let mut test = Test::new(OnLost::Demote);
    test.see(held("a", 3, "10"));
    for renewal in 1..100 {
        test.to(test.now + 5 * S);
        test.changed(Record {
            renewed: 1 + renewal,
            ..held("a", 3, &format!("{}", 10 + renewal))
        });
    }
    assert_eq!(test.writes, []);
    assert_eq!(test.election.holder(), Some(("a", 3)));
    assert_eq!(test.election.progress(test.moment()), Progress::Finished);
}

#[test]
fn a_holder_whose_renewals_are_not_seen_is_followed_after_its_lease() {
    let mut test = Test::new(OnLost::Demote);
    test.see(held("a", 3, "10"));
    test.until_just_before(test.now + 15 * S);
    assert_eq!(test.writes, []);
    test.to(test.now + ms(1));
    assert_eq!(test.written().record.term, 4);
    assert_eq!(test.election.progress(test.moment()), Progress::InProgress);
    test.feed(Input::Blind(true));
    assert_eq!(test.election.progress(test.moment()), Progress::NoQuorum);
    assert_eq!(
        test.election.holder(),
        Some(("a", 3)),
        "until another is known"
    );
}

#[test]
fn an_empty_lease_that_nobody_released_and_a_missing_one_are_waited_out() {
    let mut test = Test::new(OnLost::Demote);
    test.see(Record {
        version: "5".into(),
        ..Record::default()
    });
    test.until_just_before(test.now + 15 * S);
    assert_eq!(test.writes, []);
    test.feed(Input::Seen(Lease::Absent, Sighting::Changed));
    test.until_just_before(test.now + 15 * S);
    assert_eq!(test.writes, []);
    test.to(test.now + ms(1));
    let write = test.written();
    assert_eq!((write.record.term, write.record.version.as_str()), (1, ""));
}

#[test]
fn who_has_not_rendered_is_critical_down_or_leaving_does_not_stand() {
    let unfit: [fn(&mut Candidate); 4] = [
        |candidate| candidate.rendered = false,
        |candidate| candidate.critical = true,
        |candidate| candidate.down = true,
        |candidate| candidate.leaving = Some(Leaving::Stopping),
    ];
    for change in unfit {
        let mut test = Test::new(OnLost::Demote);
        test.candidate(change);
        test.see(released(3));
        test.to(test.now + 60 * S);
        assert_eq!(test.writes, []);
    }
}

#[test]
fn a_new_start_releases_what_its_predecessor_held_and_stands_anew() {
    let mut test = Test::new(OnLost::Demote);
    test.see(held("db-0/db/u-0/before", 3, "10"));
    let write = test.written();
    assert_eq!(write.purpose, Purpose::Release);
    assert_eq!(
        (write.record.holder.as_str(), write.record.released),
        ("", Some(3))
    );
    assert_eq!(test.election.order(), Order::Follow);
    test.ok(&write, "11");
    let write = test.written();
    assert_eq!((write.purpose, write.record.term), (Purpose::Acquire, 4));
}

#[test]
fn a_lead_is_renewed_every_five_seconds_and_tried_again_after_two() {
    let mut test = Test::leading();
    test.to(1005 * S);
    let first = test.written();
    assert_eq!((first.purpose, test.now), (Purpose::Renew, 1005 * S));
    test.feed(Input::Written(first.id, Outcome::Unknown));
    test.until_just_before(1007 * S);
    assert_eq!(test.writes, []);
    test.to(1007 * S);
    let second = test.written();
    assert!(second.record.renewed > first.record.renewed);
    test.now = 1008 * S;
    test.ok(&second, "13");
    assert!(matches!(test.election.order(), Order::Lead { until, .. } if until == 1017 * S));
}

#[test]
fn a_renewal_without_an_answer_counts_when_the_watch_shows_it() {
    let mut test = Test::leading();
    test.to(1005 * S);
    let write = test.written();
    test.now = 1007 * S;
    test.feed(Input::Written(write.id, Outcome::Unknown));
    test.changed(Record {
        version: "12".into(),
        ..write.record
    });
    assert!(matches!(test.election.order(), Order::Lead { until, .. } if until == 1015 * S));
}

#[test]
fn at_the_deadline_the_program_is_demoted_and_three_seconds_later_killed() {
    let mut test = Test::leading();
    test.until_just_before(1010 * S);
    assert!(test.election.leads());
    test.to(1010 * S);
    assert_eq!(test.election.order(), Order::Demote { term: 4 });
    assert_eq!(test.election.holder(), None);
    test.until_just_before(1013 * S);
    assert_eq!(test.election.order(), Order::Demote { term: 4 });
    test.to(1013 * S);
    assert_eq!(test.election.order(), Order::Kill { term: 4 });
    test.writes.clear();
    test.feed(Input::Written(99, Outcome::Unknown));
    test.demoted(4);
    assert_eq!(test.election.order(), Order::Follow);
}

#[test]
fn who_stood_still_is_demoted_before_anything_else_and_without_more_time() {
    let mut test = Test::leading();
    test.to(1005 * S);
    let write = test.written();
    test.now = 1012 * S;
    // The answer to a renewal was there all the time.
    test.ok(&write, "12");
    assert_eq!(test.election.order(), Order::Demote { term: 4 });
    test.to(1013 * S);
    assert_eq!(test.election.order(), Order::Kill { term: 4 });
}

#[test]
fn on_lost_lease_kill_does_not_wait() {
    let mut test = Test::leading_with(OnLost::Kill);
    test.to(1010 * S);
    assert_eq!(test.election.order(), Order::Kill { term: 4 });
}

#[test]
fn a_lease_that_names_another_ends_the_lead_at_once() {
    let mut test = Test::leading();
    test.changed(held("db-1/db/u-1/x", 5, "12"));
    assert_eq!(test.election.order(), Order::Demote { term: 4 });
    test.demoted(4);
    assert_eq!(test.writes, [], "it is not ours to release");
    assert_eq!(test.election.holder(), Some(("db-1/db/u-1/x", 5)));
}

#[test]
fn a_lease_that_was_emptied_or_deleted_is_written_anew_with_a_new_term() {
    let emptied = Record {
        holder: String::new(),
        ..held("", 4, "12")
    };
    for lease in [Lease::Present(emptied), Lease::Absent] {
        let mut test = Test::leading();
        test.feed(Input::Seen(lease, Sighting::Changed));
        let write = test.written();
        assert_eq!((write.purpose, write.record.term), (Purpose::Acquire, 5));
        assert!(matches!(test.election.order(), Order::Lead { term: 4, .. }));
        test.ok(&write, "13");
        assert!(matches!(test.election.order(), Order::Lead { term: 5, .. }));
    }
}

#[test]
fn what_the_watch_brings_late_is_older_than_the_own_write() {
    let mut test = Test::leading();
    test.to(1005 * S);
    let renewal = test.written();
    test.ok(&renewal, "13");
    test.changed(Record {
        version: "12".into(),
        ..released(3)
    });
    assert!(test.election.leads(), "an event from before the renewal");
    test.changed(Record {
        version: "13".into(),
        ..renewal.record
    });
    test.changed(held("b", 5, "14"));
    assert!(!test.election.leads(), "an event from after it");
}

#[test]
fn who_leaves_hands_over_when_the_program_is_demoted() {
    let mut test = Test::leading();
    test.candidate(|candidate| candidate.leaving = Some(Leaving::Stopping));
    assert_eq!(test.election.order(), Order::Demote { term: 4 });
    test.to(1005 * S);
    let renewal = test.written();
    assert_eq!(
        renewal.purpose,
        Purpose::Renew,
        "held until the program is without it"
    );
    test.ok(&renewal, "12");
    test.demoted(4);
    let write = test.written();
    assert_eq!(
        (write.purpose, write.record.released),
        (Purpose::Release, Some(4))
    );
    assert!(test.election.is_involved());
    test.ok(&write, "13");
    assert!(!test.election.is_involved());
    test.to(test.now + 60 * S);
    assert_eq!(test.writes, [], "it does not stand again");
}

#[test]
fn a_program_that_stops_has_the_time_of_the_stop_while_the_lease_is_held() {
    let mut test = Test::leading();
    test.candidate(|candidate| candidate.leaving = Some(Leaving::Stopping));
    for second in (5..60).step_by(5) {
        test.to(1000 * S + S * second);
        let renewal = test.written();
        test.ok(&renewal, &format!("{}", 20 + second));
        assert_eq!(test.election.order(), Order::Demote { term: 4 });
    }
    test.to(test.now + 13 * S);
    assert_eq!(
        test.election.order(),
        Order::Kill { term: 4 },
        "not when it is lost"
    );
}

#[test]
fn another_pod_under_the_own_name_ends_the_lead_and_nothing_is_written() {
    let mut test = Test::leading();
    test.candidate(|candidate| candidate.leaving = Some(Leaving::Gone));
    assert_eq!(test.election.order(), Order::Demote { term: 4 });
    test.demoted(4);
    test.to(test.now + 60 * S);
    assert_eq!(test.writes, []);
}

#[test]
fn an_unexpected_end_of_the_program_and_half_a_minute_of_critical_health_give_the_lead_up() {
    let mut test = Test::leading();
    test.candidate(|candidate| (candidate.failures, candidate.down) = (1, true));
    assert_eq!(test.election.order(), Order::Demote { term: 4 });

    let mut test = Test::leading();
    test.candidate(|candidate| candidate.critical = true);
    for second in (5..30).step_by(5) {
        test.to(1000 * S + S * second);
        let renewal = test.written();
        test.ok(&renewal, &format!("{}", 20 + second));
    }
    test.until_just_before(1030 * S);
    assert!(test.election.leads());
    test.to(1030 * S);
    assert_eq!(test.election.order(), Order::Demote { term: 4 });
    test.to(1033 * S);
    assert_eq!(test.election.order(), Order::Kill { term: 4 }, "it is sick");
}

#[test]
fn a_transfer_gives_the_lead_up_and_lets_others_go_first() {
    let mut test = Test::leading();
    let holding = Record {
        transfer: Some(Transfer {
            term: 4,
            to: "db-2".into(),
        }),
        ..held(ME, 4, "12")
    };
    test.changed(holding.clone());
    assert_eq!(test.election.order(), Order::Demote { term: 4 });
    test.demoted(4);
    let release = test.written();
    assert_eq!(release.record.transfer, holding.transfer);
    test.ok(&release, "13");
    test.to(test.now + 14 * S);
    assert_eq!(test.writes, []);
    test.to(test.now + 4 * S);
    assert_eq!(test.written().purpose, Purpose::Acquire, "nobody else did");
}

#[test]
fn a_transfer_of_another_term_is_over() {
    let mut test = Test::leading();
    test.changed(Record {
        transfer: Some(Transfer {
            term: 3,
            to: String::new(),
        }),
        ..held(ME, 4, "12")
    });
    assert!(test.election.leads());
}

#[test]
fn the_pod_that_a_transfer_names_comes_first() {
    let asked = |to: &str| Record {
        transfer: Some(Transfer {
            term: 3,
            to: to.into(),
        }),
        ..released(3)
    };
    let mut test = Test::new(OnLost::Demote);
    test.see(asked("db-0"));
    assert_eq!(test.written().purpose, Purpose::Acquire);
    let mut test = Test::new(OnLost::Demote);
    test.see(asked("db-1"));
    test.until_just_before(test.now + 2 * S);
    assert_eq!(test.writes, []);
    test.to(test.now + ms(1));
    assert_eq!(test.written().purpose, Purpose::Acquire);
}

#[test]
fn a_bid_is_written_at_the_vacancy_and_the_rank_decides_when() {
    let mut test = Test::with_step(OnLost::Demote, ms(150));
    test.candidate(|candidate| candidate.suitability = Suitability::Value(7));
    test.see(released(3));
    let bid = test.written();
    assert_eq!(
        (bid.purpose, bid.record.bids.to_string()),
        (Purpose::Bid, format!("4 7@{ME}"))
    );
    test.ok(&bid, "11");
    let higher = Record {
        version: "12".into(),
        bids: format!("4 7@{ME} 9@db-1/db/u-1/x").parse().expect("always"),
        ..released(3)
    };
    test.changed(bid.record.clone());
    test.feed(Input::Seen(Lease::Present(higher), Sighting::Listed));
    test.to(1000 * S + ms(299));
    assert_eq!(test.writes, [], "second");
    test.to(1000 * S + ms(300));
    assert_eq!(
        test.written().purpose,
        Purpose::Acquire,
        "the first did not"
    );
}

#[test]
fn who_would_not_bid_higher_does_not_write() {
    let mut test = Test::with_step(OnLost::Demote, ms(150));
    test.candidate(|candidate| candidate.suitability = Suitability::Value(7));
    test.see(Record {
        bids: "4 7@db-1/db/u-1/x".parse().expect("always"),
        ..released(3)
    });
    test.to(1000 * S + ms(299));
    assert_eq!(test.writes, []);
}

#[test]
fn a_refused_write_waits_for_what_the_watch_brings() {
    let mut test = Test::new(OnLost::Demote);
    test.see(released(3));
    let write = test.written();
    test.feed(Input::Written(write.id, Outcome::Conflict));
    test.to(test.now + 60 * S);
    assert_eq!(test.writes, []);
    test.changed(held("b", 4, "11"));
    test.to(test.now + 14 * S);
    assert_eq!(test.writes, []);
}

#[test]
fn an_acquisition_that_turns_out_too_late_is_given_back() {
    let mut test = Test::new(OnLost::Demote);
    test.see(released(3));
    let write = test.written();
    test.feed(Input::Written(write.id, Outcome::Unknown));
    test.now += 11 * S;
    test.writes.clear();
    test.changed(Record {
        version: "11".into(),
        ..write.record
    });
    assert_eq!(test.election.order(), Order::Follow);
}
