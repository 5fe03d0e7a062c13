//! One member of a group leads, by its Lease: several kubesups against the real API server.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
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
    let before = Instant::now();
    wait_role(&second, "leads 3");
    assert!(before.elapsed() < Duration::from_secs(5), "lease + 2 s");
}

/// So many times its `suitability` hook has ended.
fn assessments(kubesup: &Kubesup) -> u32 {
    let metrics = kubesup.get("/metrics").1;
    let series = "hab_sup_hook_duration_seconds_count{hook=\"suitability\"} ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(series));
    count.map_or(0, |count| count.parse().expect("a count"))
}

#[test]
fn of_several_followers_the_one_that_is_suited_best_takes_over() {
    let namespace = Namespace::new(ApiServer::shared());
    group(&namespace);
    for number in 2..4 {
        pod(&namespace, number);
    }
    let package = package();
    package.write(
        "hooks/suitability",
        "#!/bin/sh\necho some words\necho more words >&2\necho \" $SUITABILITY\"\n",
    );
    let suited = |number, suitability: &str| {
        let name = format!("demo-{number}");
        let kubesup = namespace.kubesup().env("POD_NAME", &name);
        let kubesup = kubesup.env("SUITABILITY", suitability);
        kubesup.package(package.path()).start()
    };
    let first = suited(0, "1");
    wait_role(&first, "leads 1");
    let others = [suited(1, "5"), suited(2, "9"), suited(3, "7")];
    for other in &others {
        wait_role(other, "follows");
        let seen = || assessments(other);
        wait_until("its hook has ended", seen, |count| *count > 0);
    }
    let [fair, best, good] = &others;
    assert_eq!(best.read("logs/suitability.stdout.log"), "some words\n 9\n");
    assert_eq!(best.read("logs/suitability.stderr.log"), "more words\n");

    first.signal(TERM);
    wait_role(best, "leads 2");
    best.signal(TERM);
    wait_role(good, "leads 3");
    good.signal(TERM);
    wait_role(fair, "leads 4");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a promise in real time")]
fn a_suitability_hook_that_fails_counts_as_0_and_one_that_hangs_holds_up_nothing() {
    let namespace = Namespace::new(ApiServer::shared());
    group(&namespace);
    let package = package();
    package.write(
        "hooks/suitability",
        "#!/bin/sh\n[ -n \"$HANGS\" ] || exit 3\ntrap '' TERM\necho 1\nsleep 60\n",
    );
    let failing = member(&namespace, &package, 0);
    wait_role(&failing, "leads 1");
    assert!(
        failing.log().contains(
            "the suitability hook gives no value, which counts as 0: it ended with code 3"
        ),
        "{}",
        failing.log()
    );

    let hangs = namespace.kubesup().env("POD_NAME", "demo-1");
    let mut hangs = hangs
        .env("HANGS", "1")
        .flag("--suitability-timeout", "500ms")
        .flag("--suitability-interval", "600ms")
        .package(package.path())
        .start();
    wait_role(&hangs, "follows");
    let seen = || assessments(&hangs);
    wait_until("it was killed and started again", seen, |count| *count > 1);
    assert!(
        hangs.log().contains("it took too long and was killed"),
        "{}",
        hangs.log()
    );
    assert_eq!(failing.item()["process"]["state"], "up");
    let before = Instant::now();
    hangs.signal(TERM);
    assert_eq!(hangs.wait_exit(), 0);
    assert!(before.elapsed() < Duration::from_secs(3), "{}", hangs.log());
}

/// Writes this into the Lease, as somebody with kubectl would.
fn edit(namespace: &Namespace<'_>, change: &serde_json::Value) {
    let leases = namespace.api::<Lease>();
    let merge = Patch::Merge(change);
    block_on(leases.patch(LEASE, &PatchParams::default(), &merge)).expect("a Lease");
}

#[test]
fn an_annotation_hands_the_lead_over_and_habitats_views_follow() {
    let namespace = Namespace::new(ApiServer::shared());
    group(&namespace);
    let package = package();
    let first = member(&namespace, &package, 0);
    wait_role(&first, "leads 1");
    let second = member(&namespace, &package, 1);
    wait_role(&second, "follows");
    let pid = first.main_pid();
    let uid = |name: &str| {
        let pod = block_on(namespace.api::<Pod>().get(name)).expect("the Pod");
        pod.metadata.uid.expect("a uid")
    };
    let endpoint = |name: &str, address: &str| json!({"addresses": [address], "targetRef": {"kind": "Pod", "name": name, "uid": uid(name)}});
    namespace.put::<EndpointSlice>(json!({
        "metadata": {"name": "demo-1", "labels": {"kubernetes.io/service-name": SERVICE}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [endpoint("demo-0", "10.1.0.1"), endpoint("demo-1", "10.1.0.2")],
    }));

    edit(
        &namespace,
        &json!({"metadata": {"annotations": {"kubesup.dev/transfer": "1 demo-1"}}}),
    );

    wait_role(&second, "leads 2");
    wait_role(&first, "follows");
    first.wait_readyz("[+]leader ok");
    assert_eq!(first.main_pid(), pid, "demoted by reconfigure");
    for kubesup in [&first, &second] {
        let leader = || {
            let census: serde_json::Value =
                serde_json::from_str(&kubesup.get("/census").1).expect("json");
            let group = &census["census_groups"]["demo.default"];
            let id = group["leader_id"].as_str().unwrap_or_default().to_owned();
            (id, group["election_status"].clone())
        };
        let id = uid("demo-1").replace('-', "");
        wait_until(
            "the census has the new leader",
            leader,
            |(leader, status)| *leader == id && status == "ElectionFinished",
        );
        assert_eq!(kubesup.item()["topology"], "leader");
    }
}

#[test]
fn a_lease_that_is_emptied_edited_or_deleted_leaves_one_leader_and_a_higher_term() {
    let namespace = Namespace::new(ApiServer::shared());
    group(&namespace);
    namespace.role(json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list", "watch", "update", "create"]},
    ]));
    let package = package();
    let first = member(&namespace, &package, 0);
    wait_role(&first, "leads 1");
    let second = member(&namespace, &package, 1);
    wait_role(&second, "follows");
    let mut known = 1;
    let mut one_leads_with_a_higher_term = |what: &str| {
        let seen = || (role(&first), role(&second), holder(&namespace));
        let (_, _, (_, term)) = wait_until(what, seen, |(first, second, (_, term))| {
            let leads = format!("leads {term}");
            *term > known
                && ((*first == leads && second == "follows")
                    || (*second == leads && first == "follows"))
        });
        known = term;
    };

    edit(&namespace, &json!({"spec": {"holderIdentity": null}}));
    one_leads_with_a_higher_term("the holder was cleared");
    edit(
        &namespace,
        &json!({"spec": {"holderIdentity": "somebody/else", "leaseDurationSeconds": 1}}),
    );
    one_leads_with_a_higher_term("somebody else was written into it");
    edit(&namespace, &json!({"spec": {"leaseTransitions": 0}}));
    one_leads_with_a_higher_term("the term was put back");
    namespace.delete::<Lease>(LEASE);
    namespace.put::<Lease>(json!({"metadata": {"name": LEASE}}));
    one_leads_with_a_higher_term("it was deleted and made anew");
}

#[test]
fn without_a_cluster_it_leads_alone_and_without_a_service_it_says_what_is_missing() {
    let package = package();
    let manifests = Folder::new();
    let pod = |service: &str| {
        format!(
            "kind: Pod\nmetadata:\n  name: demo-0\n  labels: {{app.kubernetes.io/name: demo}}\n  annotations: {{kubesup.dev/topology: leader}}\n\
             spec: {{{service} containers: [{{name: main}}]}}\n"
        )
    };
    manifests.write("demo.yaml", &pod(""));
    let kubesup = Kubesup::builder()
        .manifests(manifests.path())
        .package(package.path())
        .start();
    kubesup.wait_readyz("topology leader needs a Service");

    manifests
        .write(
            "service.yaml",
            "kind: Service\nmetadata: {name: demo}\nspec: {selector: {app.kubernetes.io/name: demo}, ports: [{port: 80}]}\n",
        )
        .write("demo.yaml", &pod("subdomain: demo,"));

    kubesup.wait_ready();
    wait_role(&kubesup, "leads 1");
}
