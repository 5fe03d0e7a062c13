//! One member of a group leads, by its Lease: several kubesups against the real API server.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::api_server::ApiServer;
use crate::support::kubesup::Kubesup;
use crate::support::namespace::{Namespace, SERVICE};
use crate::support::package::Folder;
use crate::support::{block_on, wait_until};

const LEASE: &str = "kubesup.demo.default";
const STOP: i32 = 19;
const CONTINUE: i32 = 18;
const TERM: i32 = 15;
const KILL: i32 = 9;

/// Says in `role` what it is, and again at each `reconfigure`.
fn package() -> Folder {
    let package = Folder::new();
    let role = "{{#if kube.leader.is_me}}leads {{kube.leader.term}}{{else}}follows{{/if}}";
    package
        .write("config/role", role)
        .write(
            "hooks/run",
            "#!/bin/sh\ncp {{pkg.svc_config_path}}/role {{pkg.svc_path}}/role\nexec sleep 60\n",
        )
        .write(
            "hooks/reconfigure",
            "#!/bin/sh\ncp {{pkg.svc_config_path}}/role {{pkg.svc_path}}/role\n",
        );
    package
}

/// Short times: a lease of 3 s.
fn pod(namespace: &Namespace<'_>, number: u8) {
    let name = format!("demo-{number}");
    let annotations = json!({
        "kubesup.dev/topology": "leader",
        "kubesup.dev/lease-duration": "3s",
        "kubesup.dev/renew-deadline": "1500ms",
        "kubesup.dev/renew-period": "500ms",
        "kubesup.dev/retry-period": "300ms",
        "kubesup.dev/demotion-timeout": "1s",
        "kubesup.dev/margin": "200ms",
    });
    namespace.put::<Pod>(json!({
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "demo"}, "annotations": annotations},
        "spec": {"hostname": name, "subdomain": SERVICE, "containers": [{"name": "demo", "image": "demo"}]},
    }));
    let ip = format!("10.1.0.{}", number + 1);
    let status = json!({"status": {"podIP": ip, "podIPs": [{"ip": ip}]}});
    block_on(namespace.api::<Pod>().patch_status(
        &name,
        &PatchParams::default(),
        &Patch::Merge(&status),
    ))
    .expect("a status");
}

fn group(namespace: &Namespace<'_>) {
    namespace.role(json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE], "verbs": ["list", "watch", "update"]},
    ]));
    namespace.endpoints(&[]);
    namespace.put::<Lease>(json!({"metadata": {"name": LEASE}}));
    for number in 0..2 {
        pod(namespace, number);
    }
}

fn member(namespace: &Namespace<'_>, package: &Folder, number: u8) -> Kubesup {
    let name = format!("demo-{number}");
    let kubesup = namespace.kubesup().env("POD_NAME", &name);
    kubesup.package(package.path()).start()
}

fn role(kubesup: &Kubesup) -> String {
    std::fs::read_to_string(kubesup.file("role")).unwrap_or_default()
}

fn holder(namespace: &Namespace<'_>) -> (String, i32) {
    let lease = block_on(namespace.api::<Lease>().get(LEASE)).expect("the Lease");
    let spec = lease.spec.unwrap_or_default();
    (
        spec.holder_identity.unwrap_or_default(),
        spec.lease_transitions.unwrap_or_default(),
    )
}

fn wait_role(kubesup: &Kubesup, wanted: &str) {
    let seen = || (role(kubesup), kubesup.log());
    wait_until(wanted, seen, |(role, _)| role == wanted);
}

#[test]
fn a_leader_that_is_told_to_stop_hands_over_and_one_that_is_paused_is_replaced_and_demotes_itself()
{
    let namespace = Namespace::new(ApiServer::shared());
    group(&namespace);
    let package = package();
    let first = member(&namespace, &package, 0);
    wait_role(&first, "leads 1");
    let second = member(&namespace, &package, 1);
    wait_role(&second, "follows");
    let (who, term) = holder(&namespace);
    assert!(who.starts_with("demo-0/demo/"), "{who}");
    assert_eq!(term, 1);

    first.signal(STOP);
    wait_role(&second, "leads 2");
    assert_eq!(role(&first), "leads 1", "who is stopped cannot demote");
    first.signal(CONTINUE);
    wait_role(&first, "follows");

    second.signal(TERM);
    wait_role(&first, "leads 3");
    let (who, term) = holder(&namespace);
    assert!(who.starts_with("demo-0/demo/"), "{who}");
    assert_eq!(term, 3);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a promise in real time")]
fn a_killed_leader_is_replaced_and_a_new_start_in_its_pod_stands_anew() {
    let namespace = Namespace::new(ApiServer::shared());
    group(&namespace);
    let package = package();
    let mut first = member(&namespace, &package, 0);
    wait_role(&first, "leads 1");
    first.signal(KILL);
    first.wait_exit();
    let again = member(&namespace, &package, 0);
    wait_role(&again, "leads 2");
    let second = member(&namespace, &package, 1);
    wait_role(&second, "follows");
    again.signal(KILL);
    let before = std::time::Instant::now();
    wait_role(&second, "leads 3");
    assert!(before.elapsed() < Duration::from_secs(5), "lease + 2 s");
}
