//! `kubesup check`: what would be done, and everything that is wrong, with what to do about it.

use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::kubesup::command;
use crate::support::namespace::{Namespace, POD};
use crate::support::package::Folder;

const GOOD: &str = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: demo}
spec:
  serviceName: demo
  template:
    metadata:
      labels: {app.kubernetes.io/name: demo}
      annotations: {kubesup.dev/config: demo-config}
    spec:
      containers:
        - name: demo
          readinessProbe: {httpGet: {path: /readyz, port: 9631}}
---
apiVersion: v1
kind: Service
metadata: {name: demo}
spec: {clusterIP: None}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: demo-config}
";

#[test]
fn good_manifests_end_with_0_and_say_where_each_setting_comes_from() {
    let folder = Folder::new();
    folder.write("all.yaml", GOOD);
    let path = folder.path().display().to_string();
    let outcome = command(&["check", "-f", &path, "--group", "blue"], &[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    insta::assert_snapshot!(outcome.stdout);
}

#[test]
fn broken_manifests_end_with_1_and_all_problems_come_at_once_with_their_remedies() {
    let folder = Folder::new();
    let broken = GOOD
        .replace(
            "{kubesup.dev/config: demo-config}",
            "{kubesup.dev/confg: x, kubesup.dev/hooks: gone}",
        )
        .replace(
            "readinessProbe: {httpGet: {path: /readyz",
            "livenessProbe: {httpGet: {path: /readyz",
        )
        .replace("serviceName: demo", "serviceName: demos")
        .replace(
            "    spec:\n      containers",
            "    spec:\n      terminationGracePeriodSeconds: 5\n      containers",
        );
    folder.write("all.yaml", &broken);
    let path = folder.path().display().to_string();
    let outcome = command(
        &["check", "-f", &path, "--format", "json"],
        &[("KUBESUP_GRUOP", "x"), ("KUBESUP_SERVICE_HOST", "10.0.0.1")],
    );
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let document: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let findings = document["findings"].as_array().expect("findings");
    let errors: Vec<&str> = findings
        .iter()
        .filter(|finding| finding["level"] == "error")
        .map(|finding| finding["topic"].as_str().expect("a topic"))
        .collect();
    assert_eq!(
        errors,
        [
            "environment",
            "annotations",
            "probes",
            "grace period",
            "objects",
            "service"
        ],
        "{findings:#?}"
    );
    let without_remedy = |topic: &str| ["environment", "annotations"].contains(&topic);
    for finding in findings
        .iter()
        .filter(|finding| finding["level"] == "error")
    {
        let topic = finding["topic"].as_str().expect("a topic");
        assert!(
            without_remedy(topic) || finding["remedy"].is_array(),
            "{finding}"
        );
    }
}

#[test]
fn a_network_policy_that_closes_the_http_port_to_everybody_is_a_warning() {
    let folder = Folder::new();
    let policy = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed}\n\
        spec: {podSelector: {matchLabels: {app.kubernetes.io/name: demo}}, policyTypes: [Ingress]}\n";
    folder.write("all.yaml", &format!("{GOOD}{policy}"));
    let path = folder.path().display().to_string();
    let outcome = command(&["check", "-f", &path], &[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let text =
        "warning  network: NetworkPolicy default/closed: nobody but the kubelet reaches port 9631";
    assert!(outcome.stdout.contains(text), "{outcome:?}");
}

#[test]
fn in_a_cluster_a_missing_config_map_and_a_missing_pod_are_told() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&["gone"]);
    let outcome = namespace.check();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.stdout.contains("there is no such Pod"),
        "{outcome:?}"
    );
    namespace.pod(json!({"kubesup.dev/config": "gone"}));
    let outcome = namespace.check();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let text = format!("ConfigMap {}/gone: it is not there", namespace.name);
    assert!(outcome.stdout.contains(&text), "{outcome:?}");
    let settings = format!("Pod {}/{POD}", namespace.name);
    assert!(outcome.stdout.contains(&settings), "{outcome:?}");
}
