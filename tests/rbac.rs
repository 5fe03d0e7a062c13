//! `kubesup rbac`: the Role that it prints is enough for kubesup to run, and nothing of it can be left out.

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::kubesup::command;
use crate::support::namespace::Namespace;
use crate::support::package::{Folder, demo_package};

const CONFIG: &str = "demo-config";

/// The manifests of a Pod with one ConfigMap, one hook ConfigMap and one Secret.
fn manifests() -> Folder {
    let folder = Folder::new();
    folder.write(
        "demo.yaml",
        "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: demo}
spec:
  serviceName: demo
  template:
    metadata:
      labels: {app.kubernetes.io/name: demo}
      annotations:
        kubesup.dev/config: demo-config
        kubesup.dev/secrets: demo-secret
    spec:
      serviceAccountName: demo-account
      containers:
        - {name: demo, image: demo}
",
    );
    folder
}

/// The rules of the only Role that `kubesup rbac` prints.
fn printed() -> Vec<Value> {
    let folder = manifests();
    let path = folder.path().display().to_string();
    let outcome = command(&["rbac", "-f", &path], &[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let documents: Vec<Value> = serde_yaml::Deserializer::from_str(&outcome.stdout)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .collect();
    assert_eq!(documents.len(), 2, "{documents:#?}");
    assert_eq!(
        documents[1]["subjects"],
        json!([{"kind": "ServiceAccount", "name": "demo-account", "namespace": "default"}])
    );
    documents[0]["rules"].as_array().expect("rules").clone()
}

fn namespace_with_the_pod() -> Namespace<'static> {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.config_map(CONFIG, json!({"greeting": "hallo"}));
    namespace.put::<k8s_openapi::api::core::v1::Secret>(
        json!({"metadata": {"name": "demo-secret"}, "stringData": {"password": "hunter2"}}),
    );
    namespace.endpoints(&[("10.1.0.2", json!({"ready": true}))]);
    namespace.pod(json!({"kubesup.dev/config": CONFIG, "kubesup.dev/secrets": "demo-secret"}));
    namespace
}

#[test]
fn with_exactly_the_printed_role_kubesup_runs_without_a_denial() {
    let namespace = namespace_with_the_pod();
    namespace.role(json!(printed()));
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let log = kubesup.log();
    assert!(
        !log.contains("403") && !log.to_lowercase().contains("forbidden"),
        "{log}"
    );
    assert!(kubesup.read("config/app.conf").contains("greeting=hallo"));
}

#[test]
fn check_grants_the_printed_role_and_names_each_rule_that_is_taken_from_it() {
    let namespace = namespace_with_the_pod();
    let rules = printed();
    namespace.role(json!(rules));
    let whole = namespace.check();
    assert!(!whole.stdout.contains("denied"), "{whole:?}");
    assert!(
        whole
            .stdout
            .contains("ok       rbac: list, watch on secrets demo-secret"),
        "{whole:?}"
    );
    assert!(!whole.stdout.contains("hunter2"), "{whole:?}");
    for (index, rule) in rules.iter().enumerate() {
        let mut fewer = rules.clone();
        fewer.remove(index);
        namespace.role(json!(fewer));
        let outcome = namespace.check();
        let resource = rule["resources"][0].as_str().expect("a resource");
        let named = outcome.stdout.lines().any(|line| {
            line.contains(resource)
                && (line.contains("denied") || line.contains("cannot read the own Pod"))
        });
        assert!(named, "without {rule}: {outcome:#?}");
        let optional = resource == "events";
        assert_eq!(
            outcome.code == Some(0),
            optional,
            "without {rule}: {outcome:#?}"
        );
    }
}

#[test]
fn the_rights_of_a_pod_with_wrong_settings_are_not_guessed() {
    let folder = Folder::new();
    folder.write(
        "pod.yaml",
        "kind: Pod\nmetadata: {name: a, annotations: {kubesup.dev/on-exit: never}}\nspec: {containers: [{name: a}]}\n",
    );
    let path = folder.path().display().to_string();
    let outcome = command(&["rbac", "-f", &path], &[]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(outcome.stdout, "");
    assert!(outcome.log.contains("kubesup.dev/on-exit"), "{outcome:?}");
}
