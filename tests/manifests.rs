//! What is shipped for clusters: the reusable base and the demo's manifests. They grant what the code uses and no more, and
//! a real API server takes them as they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde::Deserialize as _;
use serde_json::Value;

use crate::support::api_server::ApiServer;
use crate::support::block_on;
use crate::support::namespace::Namespace;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// All documents of a folder's YAML files.
fn documents(folder: &str) -> Vec<Value> {
    let files = std::fs::read_dir(root(folder)).expect("a folder").flatten();
    let files = files.map(|entry| entry.path()).filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files
        .flat_map(|path| {
            let text = std::fs::read_to_string(&path).expect("a file");
            serde_yaml::Deserializer::from_str(&text)
                .map(|document| Value::deserialize(document).expect("YAML"))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// `"<group>" <resource> <verbs>` of each rule of the folder's Roles.
fn granted(folder: &str) -> BTreeSet<String> {
    let texts = |rule: &Value, name: &str| -> Vec<String> {
        let list = rule[name].as_array().expect("a list");
        list.iter()
            .map(|text| text.as_str().expect("a text").to_owned())
            .collect()
    };
    let roles = documents(folder)
        .into_iter()
        .filter(|document| document["kind"] == "Role");
    let granted = roles.flat_map(|role| role["rules"].as_array().expect("rules").clone());
    granted
        .flat_map(|rule| {
            let verbs = texts(&rule, "verbs").join(",");
            let groups = texts(&rule, "apiGroups");
            let resources = texts(&rule, "resources");
            groups
                .into_iter()
                .flat_map(move |group| {
                    let verbs = verbs.clone();
                    resources
                        .clone()
                        .into_iter()
                        .map(move |resource| format!("{group:?} {resource} {verbs}"))
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The rules in the docs of the functions that call the API server: those that everybody needs are marked `rbac:`.
fn documented(mark: &str) -> BTreeSet<String> {
    let mut rules = BTreeSet::new();
    let mut folders = vec![root("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("src").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let lines = text
                    .lines()
                    .filter_map(|line| line.trim().strip_prefix(mark));
                rules.extend(lines.map(|rule| rule.trim().to_owned()));
            }
        }
    }
    rules
}

#[test]
fn the_base_and_the_demo_grant_exactly_what_the_code_says_it_uses() {
    let documented = documented("/// rbac:");
    assert!(
        documented.len() >= 3,
        "the docs are not found: {documented:?}"
    );
    assert_eq!(granted("manifests/base"), documented);
    assert_eq!(granted("examples/demo"), documented);
}

#[test]
fn secrets_are_granted_by_the_component_for_them_and_by_nothing_else() {
    let documented = documented("/// rbac, opt-in:");
    let secrets = "\"\" secrets list,watch";
    assert!(documented.contains(secrets), "{documented:?}");
    assert_eq!(granted("manifests/secrets"), [secrets.to_owned()].into());
    let role = documents("manifests/secrets")
        .into_iter()
        .find(|document| document["kind"] == "Role")
        .expect("a Role");
    assert!(
        role["rules"][0]["resourceNames"].is_array(),
        "never a namespace's Secrets"
    );
}

/// Lists and watches, and writes of the same resource, may be marked apart.
#[test]
fn what_kubesup_rbac_prints_is_made_of_the_rights_in_the_docs() {
    let printed: BTreeSet<String> = kubesup::rbac::ALL.iter().map(ToString::to_string).collect();
    let marks = [
        ("rbac:", "/// rbac:"),
        ("rbac, opt-in:", "/// rbac, opt-in:"),
        ("rbac, leader:", "/// rbac, leader:"),
        ("rbac, bind:", "/// rbac, bind:"),
    ];
    for (part, mark) in marks {
        for rule in documented(mark) {
            if rule == CREATE_LEASE {
                continue;
            }
            let right = format!("{part} {rule}");
            assert!(printed.contains(&right), "{right} is not in {printed:#?}");
        }
    }
}

/// The manifests make the Lease, so that nobody needs this right.
const CREATE_LEASE: &str = "\"coordination.k8s.io\" leases create";

#[test]
fn binds_are_granted_by_the_component_for_them_and_services_by_nothing_else() {
    let documented = documented("/// rbac, bind:");
    assert_eq!(documented.len(), 3, "{documented:?}");
    assert_eq!(granted("manifests/binds"), documented);
    let all = documents("manifests/binds");
    let rules = all
        .iter()
        .filter(|document| document["kind"] == "Role")
        .flat_map(|role| role["rules"].as_array().expect("rules"));
    for rule in rules.filter(|rule| rule["resources"][0] != "endpointslices") {
        assert!(
            rule["resourceNames"].is_array(),
            "never a namespace's Services or Leases"
        );
    }
}

#[test]
fn each_component_grants_what_its_feature_uses_and_no_more() {
    for (component, granted_rules) in [
        (
            "leader",
            &["\"coordination.k8s.io\" leases list,watch,update"][..],
        ),
        ("role-label", &["\"\" pods patch"]),
        ("readiness-gate", &["\"\" pods/status patch"]),
        ("events", &["\"events.k8s.io\" events create,patch"]),
    ] {
        let folder = format!("manifests/{component}");
        let expected = granted_rules.iter().map(|rule| (*rule).to_owned());
        assert_eq!(granted(&folder), expected.collect(), "{component}");
    }
    // What is opt-in has a component each, and nothing is granted that no function is marked with.
    let opt_in = ["secrets", "role-label", "readiness-gate", "events"];
    let opt_in = opt_in
        .iter()
        .flat_map(|component| granted(&format!("manifests/{component}")));
    assert_eq!(
        opt_in.collect::<BTreeSet<_>>(),
        documented("/// rbac, opt-in:")
    );
}

#[test]
fn the_redis_example_grants_what_every_member_uses_what_a_leader_does_and_the_role_label() {
    let mut used = documented("/// rbac:");
    used.extend(granted("manifests/leader"));
    used.extend(granted("manifests/role-label"));
    assert_eq!(granted("examples/redis"), used);
}

#[test]
fn what_a_leader_writes_is_granted_but_for_creating_the_lease_which_is_there() {
    let mut verbs = BTreeSet::new();
    for rule in documented("/// rbac, leader:") {
        let words: Vec<&str> = rule.split(' ').collect();
        assert_eq!(words[..2], ["\"coordination.k8s.io\"", "leases"], "{rule}");
        verbs.extend(words[2].split(',').map(str::to_owned));
    }
    assert!(verbs.remove("create"), "{verbs:?}");
    assert!(verbs.contains("update"), "{verbs:?}");
    let allowed = ["list", "watch", "update"];
    assert!(
        verbs.iter().all(|verb| allowed.contains(&verb.as_str())),
        "{verbs:?}"
    );
    let objects = documents("manifests/leader");
    let find = |kind: &str| {
        objects
            .iter()
            .find(|object| object["kind"] == kind)
            .expect("an object")
    };
    let lease = find("Lease")["metadata"]["name"].as_str().expect("a name");
    assert_eq!(
        find("Role")["rules"][0]["resourceNames"],
        serde_json::json!([lease]),
        "never a namespace's Leases"
    );
}

#[test]
fn the_api_server_takes_the_base_and_the_examples_as_they_are() {
    let namespace = Namespace::new(ApiServer::shared());
    for folder in [
        "manifests/base",
        "manifests/secrets",
        "manifests/binds",
        "manifests/leader",
        "manifests/events",
        "examples/demo",
        "examples/nginx",
        "examples/redis",
    ] {
        let all = documents(folder);
        let objects = all.into_iter().filter(|document| {
            !["Kustomization", "Component"]
                .iter()
                .any(|kind| document["kind"] == *kind)
        });
        for object in objects {
            apply(&namespace, object);
        }
    }
}

/// Server-side apply with strict validation: an unknown field is an error.
fn apply(namespace: &Namespace<'_>, object: Value) {
    let (api_version, kind) = (
        object["apiVersion"].as_str().expect("a version"),
        object["kind"].as_str().expect("a kind"),
    );
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let name = object["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    let what = format!("{kind} {name}");
    let api: Api<DynamicObject> =
        Api::namespaced_with(namespace.client(), &namespace.name, &resource);
    let parameters = PatchParams::apply("kubesup-tests").validation_strict();
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    let applied = block_on(api.patch(&name, &parameters, &Patch::Apply(&object)));
    assert!(applied.is_ok(), "{what}: {applied:?}");
}
