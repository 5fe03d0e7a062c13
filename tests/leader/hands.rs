//! By whose hand the lead goes from one to another: the leader's own, an operator's, or nobody's.

use super::group::{CONTINUE, Group, STOP, TERM, Times};
use super::journal::{LONG, now};
use crate::support::{wait_for, wait_until};
use serde_json::{Value, json};

#[test]
fn a_leader_that_is_told_to_stop_hands_over_and_one_that_is_paused_is_replaced_and_demotes_itself()
{
    let group = Group::new(Times::Short);
    let members = group.members(2);
    let [first, second] = &members[..] else {
        panic!("two")
    };
    let (who, term) = group.holder();
    assert!(who.starts_with("demo-0/demo/"), "{who}");
    assert_eq!(term, 1);

    first.kubesup.signal(STOP);
    group.wait(second, "reconfigures leads 2");
    let told = group.told(first);
    assert_eq!(told.len(), 1, "who is stopped cannot demote: {told:?}");
    first.kubesup.signal(CONTINUE);
    group.wait_entry(first, "follows", |last| last.what.ends_with(" follows"));

    second.kubesup.signal(TERM);
    group.wait(first, "reconfigures leads 3");
    let (who, term) = group.holder();
    assert!(who.starts_with("demo-0/demo/"), "{who}");
    assert_eq!(term, 3);
}

#[test]
fn a_container_that_restarts_in_its_pod_does_not_resume_the_lead_but_stands_anew() {
    let group = Group::new(Times::Short);
    group.pod(0);
    let first = group.start(0);
    group.wait(&first, "starts leads 1");
    first.crash();
    let at = now();
    let again = group.start(0);
    let led = group.wait(&again, "starts leads 2");
    let took = led.at.saturating_sub(at);
    assert!(
        took < Times::Short.lease(),
        "what its predecessor held is released, not waited out: {took:?}"
    );

    // With others it is one candidate of several: whoever leads, leads in a new term.
    let others = group.more(1..3);
    let before = group.told(&again).len();
    again.crash();
    let again = group.start(0);
    group.wait_term(3);
    let started = wait_for("it has started again", LONG, || {
        let told = group.told(&again);
        told.get(before).cloned().ok_or(told)
    });
    assert_ne!(started.leads(), Some(2), "{:#?}", group.journal());
    group.assert_terms();
    drop(others);
}

#[test]
fn an_annotation_hands_the_lead_over_and_habitats_views_follow() {
    let group = Group::new(Times::Short);
    let members = group.members(2);
    let [first, second] = &members[..] else {
        panic!("two")
    };
    let pid = first.program();
    group.endpoints(2);

    group.edit(&json!({"metadata": {"annotations": {"kubesup.dev/transfer": "1 demo-1"}}}));

    group.wait(second, "reconfigures leads 2");
    group.wait(first, "reconfigures follows");
    first.kubesup.wait_readyz("[+]leader ok");
    assert_eq!(first.program(), pid, "demoted by reconfigure");
    let id = group.uid(1).replace('-', "");
    for member in &members {
        let leader = || {
            let census: Value =
                serde_json::from_str(&member.kubesup.get("/census").1).expect("json");
            let group = &census["census_groups"]["demo.default"];
            let id = group["leader_id"].as_str().unwrap_or_default().to_owned();
            (id, group["election_status"].clone())
        };
        wait_until(
            "the census has the new leader",
            leader,
            |(leader, status)| *leader == id && status == "ElectionFinished",
        );
        assert_eq!(member.kubesup.item()["topology"], "leader");
    }
}
