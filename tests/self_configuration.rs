//! What the own Pod alone is enough for.

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use crate::support::account::{self, ACCOUNT};
use crate::support::api_server::ApiServer;
use crate::support::kubesup::Kubesup;
use crate::support::namespace::{Namespace, POD};
use crate::support::package::{Folder, demo_package};
use crate::support::wait_until;

/// The name of the Service, which nothing but the Pod's subdomain tells.
const PEERS: &str = "demo-peers";

/// The Pod as the controller makes the first one of `StatefulSet` demo, whose template has an image, a service account, a port, a
/// limit and two annotations; and as the kubelet tells that it has an address.
fn first_pod_of_a_stateful_set(namespace: &Namespace<'_>) -> String {
    namespace.put::<Pod>(json!({
        "metadata": {
            "name": POD,
            "labels": {
                "app": "demo", "controller-revision-hash": "demo-5d8c7f", "statefulset.kubernetes.io/pod-name": POD,
                "apps.kubernetes.io/pod-index": "0",
            },
            "annotations": {"kubesup.dev/config": "demo-config", "kubesup.dev/hooks": "demo-hooks"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "demo", "uid": "0c5f", "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "nodeName": "node", "hostname": POD, "subdomain": PEERS, "serviceAccountName": ACCOUNT,
            "containers": [{
                "name": "main", "image": "demo", "ports": [{"name": "http", "containerPort": 8080}],
                "resources": {"limits": {"memory": "64Mi", "cpu": "9m"}},
            }],
        },
    }));
    let pod = namespace.address(POD, "10.1.0.1");
    pod.metadata.uid.expect("a UID")
}

/// The Service of the set, with an endpoint for this Pod and one for another, which is not ready.
fn service(namespace: &Namespace<'_>, uid: &str) {
    namespace.put::<Service>(json!({
        "metadata": {"name": PEERS},
        "spec": {"clusterIP": "None", "selector": {"app": "demo"}, "ports": [{"name": "http", "port": 8080}]},
    }));
    let endpoint = |name: &str, uid: &str, address: &str| {
        json!({
            "addresses": [address], "hostname": name, "conditions": {"ready": false},
            "targetRef": {"kind": "Pod", "name": name, "uid": uid},
        })
    };
    namespace.put::<EndpointSlice>(json!({
        "metadata": {"name": "demo-peers-1", "labels": {"kubernetes.io/service-name": PEERS}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [endpoint(POD, uid, "10.1.0.1"), endpoint("demo-1", "another", "10.1.0.2")],
    }));
}

#[test]
fn a_stateful_sets_pod_needs_the_image_the_service_account_and_two_annotations() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&["demo-config", "demo-hooks"]);
    account::make(&namespace);
    let uid = first_pod_of_a_stateful_set(&namespace);
    service(&namespace, &uid);
    namespace.config_map("demo-config", json!({"greeting": "hello"}));
    let run = "#!/bin/sh\n\
        echo {{cfg.greeting}}{{#each svc.members as |m|}} {{m.sys.hostname}}:{{m.cfg.http}}{{/each}}\n\
        echo {{kube.container.name}} {{kube.container.ports.http}} {{kube.container.resources.limits.memory_bytes}} \
        {{kube.container.resources.limits.cpu_millis}}\n\
        exec sleep 1000\n";
    namespace.config_map("demo-hooks", json!({"run": run}));
    let folder = Folder::new();
    let kubesup = account::in_pod(&namespace, POD, &folder).start();
    kubesup.wait_ready();
    let output = wait_until(
        "the program says what it was given",
        || kubesup.output(),
        |output| output.lines().count() == 2,
    );
    let (first, second) = output.split_once('\n').expect("two lines");
    let mut words: Vec<_> = first.split(' ').collect();
    words.sort_unstable();
    assert_eq!(words, ["demo-0:8080", "demo-1:8080", "hello"]);
    assert_eq!(second, "main 8080 67108864 9\n");
    let item = kubesup.item();
    assert_eq!(item["sys"]["member_id"], uid.replace('-', ""));
    assert_eq!(item["service_group"], "demo.default");
    assert!(!kubesup.log().contains("WARN"), "{}", kubesup.log());
}

#[test]
fn what_is_no_setting_is_a_warning_and_in_nobodys_way() {
    let folder = demo_package();
    folder.write(
        "pod.yaml",
        "kind: Pod\nmetadata: {name: demo, annotations: {kubesup.dev/gruop: blue}}\nspec: {containers: [{name: demo}]}\n",
    );
    let kubesup = Kubesup::builder()
        .manifests(folder.path())
        .env("KUBESUP_TOPOLGY", "leader")
        .start();
    kubesup.wait_ready();
    let log = kubesup.log();
    for warning in [
        "unknown annotation kubesup.dev/gruop; did you mean group?",
        "unknown environment variable KUBESUP_TOPOLGY; did you mean KUBESUP_TOPOLOGY?",
    ] {
        let line = log.lines().find(|line| line.contains(warning));
        assert!(line.is_some_and(|line| line.contains("WARN")), "{log}");
    }
    let status: Value = serde_json::from_str(&kubesup.get("/v1/status").1).expect("JSON");
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("kubesup.dev/gruop"), "{status:#}");
}
