//! The kustomize base and components as kubectl renders them, and the Helm chart that is made from the same files: every name arrives where it is read, the API server takes the
//! whole, and Pod Security lets the restricted Pods in.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::kubectl::{helm, in_namespace, kubectl};
use crate::support::namespace::Namespace;

const OVERLAY: &str = "examples/injected";

fn rendered(folder: &str) -> Vec<Value> {
    objects(&kubectl(&["kustomize", folder]).expect("it renders"))
}

fn objects(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .collect()
}

/// The chart with the example's values; `more` arguments.
fn charted(more: &[&str]) -> Result<Vec<Value>, String> {
    let arguments = [
        "template",
        "shop",
        "manifests/helm",
        "--kube-version=1.34.0",
        "--values=examples/injected/values.yaml",
        "--set-file=templates.nginx\\.conf=examples/injected/nginx.conf",
        "--set-file=hooks.reconfigure=examples/injected/reconfigure",
    ];
    helm(&[&arguments, more].concat()).map(|text| objects(&text))
}

fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The ConfigMaps of a `kubesup.dev/…` annotation.
fn named(annotations: &Value, key: &str) -> BTreeSet<String> {
    let text = annotations[format!("kubesup.dev/{key}")]
        .as_str()
        .expect("an annotation");
    text.split(',')
        .map(|entry| entry.split('=').next().unwrap_or(entry).to_owned())
        .collect()
}

#[test]
fn a_name_prefix_reaches_every_place_that_names_an_object() {
    let objects = rendered(OVERLAY);
    let workload = one(&objects, "StatefulSet", "shop-web");
    let template = &workload["spec"]["template"];
    assert_eq!(template["spec"]["serviceAccountName"], "shop-kubesup");
    one(&objects, "ServiceAccount", "shop-kubesup");
    assert_eq!(workload["spec"]["serviceName"], "shop-peers");
    one(&objects, "Service", "shop-peers");
    // What kubesup is told to watch is there, under the same name at every build, and it may watch exactly that.
    let annotations = &template["metadata"]["annotations"];
    let watched: BTreeSet<String> = ["config", "hooks", "templates"]
        .iter()
        .flat_map(|key| named(annotations, key))
        .collect();
    for name in &watched {
        one(&objects, "ConfigMap", name);
    }
    assert_eq!(watched.len(), 3, "{watched:?}");
    let rules = one(&objects, "Role", "shop-kubesup")["rules"].clone();
    let granted = rules
        .as_array()
        .expect("rules")
        .iter()
        .find(|rule| rule["resources"] == json!(["configmaps"]))
        .expect("a rule")["resourceNames"]
        .as_array()
        .expect("names")
        .iter()
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect::<BTreeSet<_>>();
    assert_eq!(granted, watched);
    // kubesup.<Service>.<group>: where kubesup looks for it.
    one(&objects, "Lease", "kubesup.shop-peers.default");
    assert_eq!(
        one(&objects, "Role", "shop-kubesup-leader")["rules"][0]["resourceNames"],
        json!(["kubesup.shop-peers.default"])
    );
    for object in &objects {
        if object["kind"] == "RoleBinding" {
            assert_eq!(object["roleRef"]["name"], object["metadata"]["name"]);
            assert_eq!(object["subjects"][0]["name"], "shop-kubesup");
        }
        if object["kind"] == "ValidatingAdmissionPolicyBinding" {
            let policy = object["spec"]["policyName"].as_str().expect("a name");
            one(&objects, "ValidatingAdmissionPolicy", policy);
        }
    }
}

#[test]
fn the_services_peers_the_policy_and_the_budget_select_the_pods() {
    let objects = rendered(OVERLAY);
    let labels =
        &one(&objects, "StatefulSet", "shop-web")["spec"]["template"]["metadata"]["labels"];
    let selectors = [
        &one(&objects, "Service", "shop-peers")["spec"]["selector"],
        &one(&objects, "NetworkPolicy", "shop-kubesup")["spec"]["podSelector"]["matchLabels"],
        &one(&objects, "PodDisruptionBudget", "shop-kubesup")["spec"]["selector"]["matchLabels"],
    ];
    for selector in selectors {
        let pairs = selector.as_object().expect("a selector");
        assert!(!pairs.is_empty());
        for (key, value) in pairs {
            assert_eq!(&labels[key], value, "{key}");
        }
    }
}

#[test]
fn the_network_policy_opens_the_http_port_to_the_namespace_and_nothing_else() {
    let objects = rendered("manifests/base");
    let policy = one(&objects, "NetworkPolicy", "kubesup");
    assert_eq!(
        policy["spec"]["ingress"],
        json!([{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 9631}]}])
    );
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]));
}

#[test]
fn the_api_server_takes_the_whole_overlay() {
    let namespace = Namespace::new(ApiServer::shared());
    let arguments = [
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "-k",
        OVERLAY,
    ];
    let printed = in_namespace(&namespace, &arguments, "").expect("accepted");
    assert_eq!(
        printed.lines().count(),
        rendered(OVERLAY).len(),
        "{printed}"
    );
}

#[test]
fn the_chart_renders_the_same_objects_as_kustomize() {
    let sorted = |objects: Vec<Value>| -> BTreeMap<String, Value> {
        let key = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
        objects
            .into_iter()
            .map(|object| (key(&object), object))
            .collect()
    };
    let (chart, overlay) = (
        sorted(charted(&[]).expect("it renders")),
        sorted(rendered(OVERLAY)),
    );
    assert_eq!(
        chart.keys().collect::<Vec<_>>(),
        overlay.keys().collect::<Vec<_>>()
    );
    for (key, object) in &overlay {
        assert_eq!(&chart[key], object, "{key}");
    }
}

#[test]
fn a_chart_without_components_has_the_base_and_the_workload_as_it_is() {
    let off = [
        "components.leader",
        "components.roleLabel",
        "components.readinessGate",
        "components.events",
        "components.inject",
        "components.restricted",
    ]
    .map(|component| format!("--set={component}=false"));
    let off: Vec<&str> = off.iter().map(String::as_str).collect();
    let objects =
        charted(&[&off, &["--set=workload.kind=Deployment"][..]].concat()).expect("it renders");
    let roles = objects.iter().filter(|object| object["kind"] == "Role");
    assert_eq!(roles.count(), 1);
    let spec = &one(&objects, "Deployment", "shop-web")["spec"];
    assert_eq!(spec["serviceName"], Value::Null);
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["initContainers"], Value::Null);
    assert_eq!(pod["securityContext"], Value::Null);
    assert_eq!(pod["containers"][0]["command"], Value::Null);
    assert_eq!(pod["volumes"], json!([{"name": "tmp", "emptyDir": {}}]));
    // Without an image nothing can run, and helm says which value is missing.
    let refused = charted(&["--set=workload.image="]).expect_err("no image");
    assert!(refused.contains("workload.image"), "{refused}");
}

#[test]
fn a_charts_secrets_and_binds_are_the_names_that_its_roles_grant() {
    let objects = charted(&["--set=secrets={tls}", "--set=binds={db,cache}"]).expect("it renders");
    let names = |role| one(&objects, "Role", role)["rules"][0]["resourceNames"].clone();
    assert_eq!(names("shop-kubesup-secrets"), json!(["tls"]));
    assert_eq!(names("shop-kubesup-binds"), json!(["db", "cache"]));
}

/// The Pod that a workload's controller would make.
fn pod(objects: &[Value]) -> Value {
    let template = &one(objects, "StatefulSet", "shop-web")["spec"]["template"];
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-0", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    })
}

#[test]
fn pod_security_lets_restricted_pods_in_and_others_not() {
    let namespace = Namespace::new(ApiServer::shared());
    let label = [
        "label",
        "namespace",
        &namespace.name,
        "pod-security.kubernetes.io/enforce=restricted",
    ];
    in_namespace(&namespace, &label, "").expect("labelled");
    let create = |pod: &Value| {
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        in_namespace(&namespace, &arguments, &pod.to_string())
    };
    let mut pod = pod(&rendered(OVERLAY));
    create(&pod).expect("restricted");
    pod["spec"]["securityContext"] = json!({});
    let refused = create(&pod).expect_err("it is not restricted any more");
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}

#[test]
fn either_way_of_injecting_starts_the_container_by_kubesup_restricted_too() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    for (component, command) in [
        ("inject", "/kubesup/kubesup"),
        ("image-volume", "/kubesup-image/bin/kubesup"),
    ] {
        for kind in ["StatefulSet", "Deployment", "DaemonSet"] {
            let place = folder.path().join(format!("{component}-{kind}"));
            std::fs::create_dir(&place).expect("a folder");
            let manifests = pathdiff(&place, concat!(env!("CARGO_MANIFEST_DIR"), "/manifests"));
            let kustomization = format!(
                "resources: [workload.yaml]\ncomponents: [{manifests}/{component}, {manifests}/restricted]\n"
            );
            std::fs::write(place.join("kustomization.yaml"), kustomization).expect("a file");
            let workload = json!({
                "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"},
                "spec": {
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {
                        "metadata": {"labels": {"a": "b"}},
                        "spec": {"containers": [
                            {"name": "other", "image": "other"},
                            {"name": "main", "image": "nginx", "args": ["nginx", "-g", "daemon off;"]},
                        ]},
                    },
                },
            });
            std::fs::write(place.join("workload.yaml"), workload.to_string()).expect("a file");
            let objects = rendered(place.to_str().expect("a path"));
            let spec = &one(&objects, kind, "web")["spec"]["template"]["spec"];
            let main = spec["containers"]
                .as_array()
                .expect("containers")
                .iter()
                .find(|container| container["name"] == "main")
                .expect("main");
            assert_eq!(main["command"], json!([command, "run", "--"]), "{kind}");
            assert_eq!(main["args"], json!(["nginx", "-g", "daemon off;"]));
            assert_eq!(spec["enableServiceLinks"], json!(false));
            let namespace = Namespace::new(ApiServer::shared());
            let arguments = ["apply", "--dry-run=server", "-f", "-"];
            let text = serde_json::to_string(&objects[0]).expect("JSON");
            in_namespace(&namespace, &arguments, &text).expect("accepted");
        }
    }
}

/// kustomize takes components by relative paths only.
fn pathdiff(from: &std::path::Path, to: &str) -> String {
    let depth = from.components().count() - 1;
    format!("{}{}", "../".repeat(depth), to.trim_start_matches('/'))
}
