//! What a member asks the API server for, and what becomes of one that may not.

use std::time::Duration;

use serde_json::json;

use super::group::{Group, Times, rules};
use crate::support::api_server::User;
use crate::support::audit::requests;
use crate::support::namespace::least;
use crate::support::wait_until;

/// What somebody has asked for that is no watch.
fn besides_watches(group: &Group, user: User) -> Vec<String> {
    let mut all = requests(&group.namespace, user);
    all.retain(|request| !request.starts_with("watch "));
    all
}

#[test]
fn an_idle_follower_writes_nothing_and_lists_nothing_and_a_leader_only_renews() {
    let minutes = if std::env::var_os("KUBESUP_SOAK").is_some() {
        10
    } else {
        3
    };
    let quiet = Duration::from_mins(minutes);
    let group = Group::new(Times::Defaults);
    group.namespace.role_of(User::Second, rules());
    group.pod(0);
    group.pod(1);
    group.endpoints(2);
    let leader = group.start(0);
    group.wait(&leader, "starts leads 1");
    let follower = group.start_as(User::Second, 1);
    group.wait(&follower, "starts follows");
    follower.kubesup.wait_ready();
    let asked = wait_until(
        "the follower has listed what it watches",
        || besides_watches(&group, User::Second),
        |asked| asked.contains(&"list leases".to_owned()),
    );
    assert!(!asked.contains(&"update leases".to_owned()), "{asked:?}");
    // What a beginning asks for has come to its end: Events that may not be written, for example.
    let mut renewals = 0;
    wait_until(
        "the leader has renewed twice",
        || besides_watches(&group, User::Kubesup),
        |asked| {
            let renewed = asked
                .iter()
                .filter(|request| *request == "update leases")
                .count();
            renewed > 2
        },
    );
    let before = [User::Second, User::Kubesup].map(|user| besides_watches(&group, user).len());

    // The length of the quiet.
    std::thread::sleep(quiet);

    let quietly = besides_watches(&group, User::Second).split_off(before[0]);
    assert!(quietly.is_empty(), "{quietly:?}");
    for request in besides_watches(&group, User::Kubesup).split_off(before[1]) {
        assert_eq!(request, "update leases");
        renewals += 1;
    }
    // Every 5 s.
    let due = quiet.as_secs() / 5;
    assert!(
        (due - 2..=due + 1).contains(&renewals),
        "{renewals} of {due}"
    );
    assert_eq!(group.journal().len(), 2, "{:#?}", group.journal());
    assert!(!requests(&group.namespace, User::Second).is_empty());
}

#[test]
fn a_member_that_may_not_see_the_lease_names_the_rule_and_the_others_go_on() {
    let group = Group::new(Times::Short);
    group.namespace.role_of(User::Second, least(&[]));
    group.pod(0);
    group.pod(1);
    let blind = group.start_as(User::Second, 1);
    let says = "grant list and watch on coordination.k8s.io/leases";
    wait_until(
        "the rule is named",
        || blind.kubesup.log(),
        |log| log.contains(says),
    );
    let first = group.start(0);
    group.wait(&first, "starts leads 1");
    assert_eq!(group.told(&blind), [], "who leads is not known there");
    assert_eq!(blind.kubesup.get("/livez").0, 200);
    group.namespace.role_of(User::Second, rules());
    group.wait(&blind, "starts follows");
    group.assert_terms();
}

#[test]
fn a_member_that_may_not_write_the_lease_names_the_rule_once_and_follows_another() {
    let group = Group::new(Times::Short);
    group.namespace.role_of(User::Second, least(&[json!(
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list", "watch"]}
    )]));
    group.pod(0);
    group.pod(1);
    let reader = group.start_as(User::Second, 1);
    let says = "grant update on coordination.k8s.io/leases";
    wait_until(
        "it has tried several times",
        || {
            let asked = requests(&group.namespace, User::Second);
            let tried = asked.iter().filter(|request| *request == "update leases");
            (tried.count(), reader.kubesup.log())
        },
        |(tried, log)| *tried > 3 && log.contains(says),
    );
    let first = group.start(0);
    group.wait(&first, "starts leads 1");
    group.wait(&reader, "starts follows");
    let log = reader.kubesup.log();
    assert_eq!(log.matches(says).count(), 1, "{log}");
    reader.kubesup.wait_readyz(says);

    // It follows, and writes nothing by which it could find out.
    group.namespace.role_of(User::Second, rules());
    wait_until(
        "it is shown no more",
        || reader.kubesup.readyz(),
        |report| !report.contains(says),
    );
    let log = reader.kubesup.log();
    assert!(log.contains("the Lease may be written now"), "{log}");
    group.assert_terms();
}
