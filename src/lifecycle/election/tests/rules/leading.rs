//! Who leads: until when, and what ends it against its will.

use super::*;

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
