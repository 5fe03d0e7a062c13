//! Events on the own Pod, and the condition of its readiness gate.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::block_on;
use crate::support::namespace::{Namespace, POD};
use crate::support::package::{HEALTH_CHECK, demo_package};
use crate::support::wait_until;

const CONFIG: &str = "demo-config";
const LEASE: &str = "kubesup.demo.default";

fn namespace(more: &[Value]) -> Namespace<'static> {
    let config = json!({"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [CONFIG], "verbs": ["list", "watch"]});
    let namespace = Namespace::granting(&[&[config], more].concat());
    namespace.config_map(CONFIG, json!({"greeting": "hallo"}));
    namespace
}

fn may_write_events() -> Value {
    json!({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]})
}

/// `Normal Started: …` of each Event, with how often it came.
fn events(namespace: &Namespace<'_>) -> Vec<(String, i32)> {
    let events = block_on(namespace.api::<Event>().list(&ListParams::default())).expect("events");
    let text = |event: Event| {
        assert_eq!(event.regarding.expect("a Pod").name.as_deref(), Some(POD));
        let count = event.series.map_or(1, |series| series.count);
        let (type_, reason) = (
            event.type_.expect("a type"),
            event.reason.expect("a reason"),
        );
        let note = event.note.unwrap_or_default();
        (format!("{type_} {reason}: {note}"), count)
    };
    events.items.into_iter().map(text).collect()
}

#[test]
fn what_happens_to_the_service_stands_in_the_pods_events() {
    let namespace = namespace(&[may_write_events()]);
    namespace.pod(json!({"kubesup.dev/config": CONFIG}));
    let package = demo_package();
    package.write("hooks/reconfigure", "#!/bin/sh\n");
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let has = |start: &'static str| {
        wait_until(
            start,
            || events(&namespace),
            |events| events.iter().any(|(text, _)| text.starts_with(start)),
        )
    };
    has("Normal Started: ");
    namespace.config_map(CONFIG, json!({"greeting": "servus"}));
    has("Normal Reconfigured: ");
    namespace.config_map(CONFIG, json!({"a.toml": "= broken"}));
    let events = has("Warning ConfigurationRejected: ");
    let rejected = events
        .iter()
        .find(|(text, _)| text.contains("ConfigurationRejected"))
        .expect("an Event");
    assert!(
        rejected.0.contains(CONFIG) && rejected.0.contains("a.toml"),
        "{events:#?}"
    );
    let pid = i32::try_from(kubesup.main_pid()).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    let events = has("Warning Failed: ");
    assert!(
        events.iter().any(|(text, _)| text.contains("137")),
        "{events:#?}"
    );
}

#[test]
fn without_the_right_to_write_events_it_is_said_once_and_everything_works() {
    let namespace = namespace(&[]);
    namespace.pod(json!({"kubesup.dev/config": CONFIG}));
    let package = demo_package();
    package.write("hooks/reconfigure", "#!/bin/sh\n");
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let said = || {
        let log = kubesup.log();
        log.matches("there are no Events on the own Pod").count()
    };
    wait_until("it is said", said, |said| *said == 1);
    namespace.config_map(CONFIG, json!({"greeting": "servus"}));
    wait_until(
        "the edit is there",
        || kubesup.read("config/app.conf"),
        |text| text.contains("greeting=servus"),
    );
    assert_eq!(said(), 1, "{}", kubesup.log());
    assert_eq!(events(&namespace), []);
}

fn condition(namespace: &Namespace<'_>) -> Option<PodCondition> {
    let pod = block_on(namespace.api::<Pod>().get(POD)).expect("the Pod");
    let conditions = pod.status?.conditions?;
    conditions
        .into_iter()
        .find(|condition| condition.type_ == "kubesup.dev/healthy")
}

#[test]
fn the_readiness_gate_follows_the_health_of_the_program() {
    let may = json!({"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]});
    let namespace = namespace(&[may]);
    namespace.gated_pod(json!({"kubesup.dev/config": CONFIG}));
    let package = demo_package();
    package.write("hooks/health-check", HEALTH_CHECK);
    let kubesup = namespace
        .kubesup()
        .package(package.path())
        .flag("--health-check-interval", "1s")
        .start();
    let is = |status: &'static str, reason: &'static str| {
        wait_until(
            reason,
            || condition(&namespace),
            |condition| {
                condition.as_ref().is_some_and(|condition| {
                    condition.status == status && condition.reason.as_deref() == Some(reason)
                })
            },
        )
    };
    is("True", "Healthy");
    std::fs::write(kubesup.file("var/sick"), "").expect("a file");
    let sick = is("False", "HealthCritical").expect("a condition");
    assert!(sick.last_transition_time.is_some(), "{sick:?}");
    std::fs::remove_file(kubesup.file("var/sick")).expect("removed");
    is("True", "Healthy");
}

#[test]
fn a_gate_that_may_not_be_written_is_said_once_and_never_in_the_way() {
    let namespace = namespace(&[]);
    namespace.gated_pod(json!({"kubesup.dev/config": CONFIG}));
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    wait_until(
        "it is said",
        || kubesup.log(),
        |log| log.contains("the readiness gate kubesup.dev/healthy is not kept"),
    );
    assert_eq!(condition(&namespace), None);
}

#[test]
fn who_leads_and_who_does_not_any_more_says_so_in_its_pods_events() {
    let may = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE], "verbs": ["list", "watch", "update"]});
    let namespace = namespace(&[may_write_events(), may]);
    namespace.put::<Lease>(json!({"metadata": {"name": LEASE}}));
    namespace.pod(json!({
        "kubesup.dev/topology": "leader",
        "kubesup.dev/lease-duration": "3s", "kubesup.dev/renew-deadline": "1500ms",
        "kubesup.dev/renew-period": "500ms", "kubesup.dev/retry-period": "300ms",
        "kubesup.dev/demotion-timeout": "1s", "kubesup.dev/margin": "200ms",
    }));
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    let has = |wanted: &'static str| {
        wait_until(
            wanted,
            || (events(&namespace), kubesup.log()),
            |(events, _)| events.iter().any(|(text, _)| text == wanted),
        )
    };
    has("Normal BecameLeader: leading in term 1");

    // The Lease is given to somebody else, who does not renew it.
    let leases = namespace.api::<Lease>();
    let taken = Patch::Merge(
        json!({"spec": {"holderIdentity": "other/demo/u/n", "leaseTransitions": 7, "leaseDurationSeconds": 1}}),
    );
    block_on(leases.patch(LEASE, &PatchParams::default(), &taken)).expect("a Lease");
    has("Warning LostLease: lost the lead of term 1: the Lease is not ours any more");
    has("Normal BecameLeader: leading in term 8");

    let history: Value = serde_json::from_str(&kubesup.get("/v1/history").1).expect("JSON");
    let changes = history["changes"].as_array().expect("changes").iter();
    let mut leads: Vec<_> = changes
        .filter(|change| !change["lead"].is_null())
        .map(|change| {
            (
                change["lead"]["what"].clone(),
                change["lead"]["term"].clone(),
            )
        })
        .collect();
    leads.reverse();
    assert_eq!(
        json!(leads),
        json!([["gained", 1], ["lost", 1], ["other", 7], ["gained", 8]])
    );
    let metrics = kubesup.get("/metrics").1;
    for line in [
        "kubesup_leader 1",
        "kubesup_leader_term 8",
        "kubesup_leader_changes_total{change=\"gained\"} 2",
        "kubesup_leader_changes_total{change=\"lost\"} 1",
    ] {
        assert!(
            metrics.lines().any(|other| other == line),
            "{line}:\n{metrics}"
        );
    }
}
