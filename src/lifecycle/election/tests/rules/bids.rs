//! What bids decide.

use super::*;

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
