//! A leader that cannot go on leading gives the lead up by itself, so that nobody waits for its lease.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::group::{Group, KILL, Member, TERM, Times};
use super::journal::{Entry, now};
use crate::support::kubesup::signal_process;

/// Who is told of a release leads long before the lease is over.
const SOON: Duration = Duration::from_millis(1500);

fn pair(group: &Group) -> (Member, Member) {
    let mut members = group.members(2);
    let second = members.remove(1);
    (members.remove(0), second)
}

fn assert_soon(group: &Group, led: &Entry, since: Duration) {
    let took = led.at.saturating_sub(since);
    assert!(took < SOON, "{took:?} {:#?}", group.journal());
    group.assert_terms();
}

#[test]
fn a_leader_whose_pod_is_deleted_hands_over_before_its_signal_comes() {
    let group = Group::new(Times::Short);
    let (mut first, second) = pair(&group);
    let at = now();
    group.namespace.delete_gracefully::<Pod>(&first.pod, 30);
    let led = group.wait(&second, "reconfigures leads 2");
    assert_soon(&group, &led, at);
    let told = group.told(&first);
    let last = told.last().expect("an entry");
    assert_eq!(last.what, "reconfigures follows");
    assert!(last.at <= led.at, "{:#?}", group.journal());
    first.kubesup.signal(TERM);
    assert_eq!(first.kubesup.wait_exit(), 0, "{}", first.kubesup.log());
}

#[test]
fn a_leader_whose_program_ends_unexpectedly_gives_the_lead_up() {
    let group = Group::new(Times::Short);
    let (first, second) = pair(&group);
    let at = now();
    signal_process(first.program(), KILL);
    let led = group.wait(&second, "reconfigures leads 2");
    group.wait(&first, "starts follows");
    assert_soon(&group, &led, at);
}

#[test]
fn a_leader_that_ends_with_a_spent_budget_releases_the_lead() {
    let group = Group::with(Times::Short, &json!({"kubesup.dev/restart-budget": "1/5m"}));
    let (mut first, second) = pair(&group);
    let program = first.program();
    let at = now();
    signal_process(program, KILL);
    let led = group.wait(&second, "reconfigures leads 2");
    assert_soon(&group, &led, at);
    assert_eq!(first.kubesup.wait_exit(), 137, "{}", first.kubesup.log());
    assert_eq!(group.told(&first).len(), 1, "{:#?}", group.journal());
}

#[test]
fn a_leader_that_ends_with_its_program_releases_the_lead() {
    let group = Group::with(Times::Short, &json!({"kubesup.dev/on-exit": "exit"}));
    let (mut first, second) = pair(&group);
    let at = now();
    signal_process(first.program(), KILL);
    let led = group.wait(&second, "reconfigures leads 2");
    assert_soon(&group, &led, at);
    assert_eq!(first.kubesup.wait_exit(), 137, "{}", first.kubesup.log());
}

/// No setting makes this shorter.
const CRITICAL: Duration = Duration::from_secs(30);

#[test]
fn a_leader_whose_health_is_critical_for_half_a_minute_gives_the_lead_up() {
    let group = Group::with(
        Times::Short,
        &json!({"kubesup.dev/health-check-interval": "1s"}),
    );
    group.hook(
        "health-check",
        "[ ! -e {{pkg.svc_data_path}}/sick ] || exit 2\n",
    );
    let (first, second) = pair(&group);
    let at = now();
    std::fs::write(first.kubesup.file("data/sick"), "").expect("a file");
    let led = group.wait(&second, "reconfigures leads 2");
    let took = led.at.saturating_sub(at);
    assert!(took >= CRITICAL, "{took:?}");
    assert!(took < CRITICAL + Duration::from_secs(5), "{took:?}");
    let told = group.told(&first);
    assert_eq!(
        told.last().expect("an entry").what,
        "reconfigures follows",
        "{told:#?}"
    );
    group.assert_terms();
}
