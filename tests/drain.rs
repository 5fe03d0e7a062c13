//! The drain at a stop, against a real API server.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::kubesup::Kubesup;
use crate::support::namespace::{Namespace, POD};
use crate::support::package::{Folder, demo_package};
use crate::support::wait_until;

/// What the program says when its stop signal has come.
const RUN: &str =
    "#!/bin/bash\ntrap 'echo told; exit 0' TERM\necho up\nwhile :; do sleep 0.05; done\n";

/// A slice of a Service that has the Pod with these conditions; `publishNotReadyAddresses` keeps `ready` true.
fn slice(namespace: &Namespace<'_>, service: &str, uid: &str, conditions: &Value) {
    namespace.put::<EndpointSlice>(json!({
        "metadata": {"name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.0.1"], "conditions": conditions, "targetRef": {"kind": "Pod", "name": "demo-0", "uid": uid}}],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }));
}

struct Run {
    kubesup: Kubesup,
    _package: Folder,
    uid: String,
}

fn start(namespace: &Namespace<'_>, services: &[&str], linger: &str, max: &str) -> Run {
    let uid = namespace.pod(json!({})).uid().expect("a uid");
    namespace.endpoints(&[]);
    namespace.grant(&[]);
    for service in services {
        slice(
            namespace,
            service,
            &uid,
            &json!({"ready": true, "serving": true}),
        );
    }
    let package = demo_package();
    package.write("hooks/run", RUN);
    let kubesup = namespace
        .kubesup()
        .package(package.path())
        .flag("--drain-linger", linger)
        .flag("--drain-max", max)
        .start();
    kubesup.wait_ready();
    wait_until("it is up", || kubesup.output(), |output| output == "up\n");
    Run {
        kubesup,
        _package: package,
        uid,
    }
}

fn wait_log(run: &Run, text: &str) {
    wait_until(text, || run.kubesup.log(), |log| log.contains(text));
}

#[test]
fn a_pod_in_no_service_does_not_wait() {
    let namespace = Namespace::new(ApiServer::shared());
    let mut run = start(&namespace, &[], "60s", "60s");
    run.kubesup.signal(15);
    assert_eq!(run.kubesup.wait_exit(), 0);
    assert!(
        run.kubesup.log().contains("nothing to drain"),
        "{}",
        run.kubesup.log()
    );
}

#[test]
fn the_program_is_told_when_every_service_shows_it_as_terminating_also_with_not_ready_addresses() {
    let namespace = Namespace::new(ApiServer::shared());
    let mut run = start(&namespace, &["demo", "other"], "10ms", "14s");
    run.kubesup.signal(15);
    wait_log(&run, "draining");
    // With publishNotReadyAddresses ready stays true: terminating is what counts.
    slice(
        &namespace,
        "demo",
        &run.uid,
        &json!({"ready": true, "serving": true, "terminating": true}),
    );
    assert_eq!(
        run.kubesup.output(),
        "up\n",
        "the other Service still sends"
    );
    // Nobody deleted the Pod: no endpoint would say that it stops but this.
    run.kubesup.wait_readyz("[-]running failed: stopping");
    slice(
        &namespace,
        "other",
        &run.uid,
        &json!({"ready": false, "serving": false}),
    );
    assert_eq!(run.kubesup.wait_exit(), 0);
    assert!(
        run.kubesup
            .log()
            .contains("INFO the own endpoints are gone"),
        "{}",
        run.kubesup.log()
    );
    assert_eq!(run.kubesup.output(), "up\ntold\n");
}

#[test]
fn a_slice_that_goes_away_is_gone_too() {
    let namespace = Namespace::new(ApiServer::shared());
    let mut run = start(&namespace, &["demo"], "10ms", "14s");
    run.kubesup.signal(15);
    wait_log(&run, "draining");
    namespace.delete::<EndpointSlice>("demo-1");
    assert_eq!(run.kubesup.wait_exit(), 0);
    assert!(
        run.kubesup
            .log()
            .contains("INFO the own endpoints are gone"),
        "{}",
        run.kubesup.log()
    );
}

#[test]
fn a_drain_that_nobody_ends_is_over_in_time_and_a_second_signal_ends_it_at_once() {
    let namespace = Namespace::new(ApiServer::shared());
    let mut run = start(&namespace, &["demo"], "1s", "700ms");
    run.kubesup.signal(15);
    assert_eq!(run.kubesup.wait_exit(), 0);
    assert!(
        !run.kubesup
            .log()
            .contains("INFO the own endpoints are gone"),
        "{}",
        run.kubesup.log()
    );
    let other = Namespace::new(ApiServer::shared());
    let mut run = start(&other, &["demo"], "1s", "14s");
    run.kubesup.signal(15);
    wait_log(&run, "draining");
    run.kubesup.signal(15);
    assert_eq!(run.kubesup.wait_exit(), 0);
    assert_eq!(run.kubesup.output(), "up\ntold\n");
}

/// As the kubelet sees it: the deletion comes over the watch, the signal after it, and both are one stop.
#[test]
fn a_deletion_that_is_seen_before_and_during_a_drain_leaves_it_ready_and_starts_nothing_again() {
    let namespace = Namespace::new(ApiServer::shared());
    let mut run = start(&namespace, &["demo"], "10ms", "14s");
    namespace.delete_gracefully::<Pod>(POD, 30);
    wait_log(&run, "the own Pod is being deleted");
    run.kubesup.signal(15);
    wait_log(&run, "draining");
    // Its endpoint says that it ends: until nobody sends any more it is a fallback, and must not be unready.
    run.kubesup.wait_ready();
    assert_eq!(run.kubesup.output(), "up\n");
    slice(
        &namespace,
        "demo",
        &run.uid,
        &json!({"ready": false, "serving": true, "terminating": true}),
    );
    assert_eq!(run.kubesup.wait_exit(), 0);
    assert_eq!(run.kubesup.output(), "up\ntold\n");

    // The other way round: the signal, then the deletion while it drains.
    let other = Namespace::new(ApiServer::shared());
    let mut run = start(&other, &["demo"], "10ms", "14s");
    run.kubesup.signal(15);
    wait_log(&run, "draining");
    run.kubesup.wait_readyz("[-]running failed: stopping");
    other.delete_gracefully::<Pod>(POD, 30);
    wait_log(&run, "the own Pod is being deleted");
    run.kubesup.wait_ready();
    assert_eq!(run.kubesup.output(), "up\n", "it drains on");
    slice(
        &other,
        "demo",
        &run.uid,
        &json!({"ready": false, "serving": true, "terminating": true}),
    );
    assert_eq!(run.kubesup.wait_exit(), 0);
    assert_eq!(run.kubesup.output(), "up\ntold\n");
}
