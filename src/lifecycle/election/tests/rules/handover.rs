//! Who gives the lead up by itself, and to whom.

use super::*;

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
