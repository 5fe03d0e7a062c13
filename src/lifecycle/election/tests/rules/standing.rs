//! Who does not lead: when it waits, and when it takes the Lease.

use super::*;

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
