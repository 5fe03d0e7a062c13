//! Objects that are replaced, injected into, huge or relabelled, and an API server whose history is gone: what runs keeps
//! running, and what is wrong is named.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::block_on;
use crate::support::namespace::{Namespace, POD, SERVICE};
use crate::support::package::{HEALTH_CHECK, RECONFIGURE, demo_package};
use crate::support::wait_until;

fn patch_pod(namespace: &Namespace<'_>, change: &Value) {
    let api = namespace.api::<Pod>();
    block_on(api.patch(POD, &PatchParams::default(), &Patch::Merge(change))).expect("a Pod");
}

fn conditions(namespace: &Namespace<'_>) -> Vec<String> {
    let pod = block_on(namespace.api::<Pod>().get(POD)).expect("the Pod");
    let conditions = pod.status.and_then(|status| status.conditions);
    let text = |condition: PodCondition| format!("{}={}", condition.type_, condition.status);
    let mut texts: Vec<_> = conditions.into_iter().flatten().map(text).collect();
    texts.sort();
    texts
}

#[test]
fn another_pod_under_the_own_name_is_never_written_to() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.role(json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
    ]));
    namespace.endpoints(&[]);
    namespace.gated_pod(json!({}));
    let package = demo_package();
    package.write("hooks/health-check", HEALTH_CHECK);
    let kubesup = namespace
        .kubesup()
        .package(package.path())
        .flag("--health-check-interval", "1s")
        .start();
    wait_until(
        "the gate is open, and the other condition is there",
        || conditions(&namespace),
        |conditions| *conditions == ["Initialized=True", "kubesup.dev/healthy=True"],
    );
    let pid = kubesup.main_pid();

    namespace.delete::<Pod>(POD);
    namespace.gated_pod(json!({}));
    wait_until(
        "it is noticed",
        || kubesup.log(),
        |log| log.contains("the own Pod is being deleted"),
    );
    std::fs::write(kubesup.file("var/sick"), "").expect("a file");
    let log = wait_until(
        "the gate is given up",
        || kubesup.log(),
        |log| log.contains("the readiness gate kubesup.dev/healthy is not kept"),
    );
    assert!(!log.contains("the API server refuses"), "{log}");
    assert!(
        log.contains("the Pod of this name is another one now (metadata.uid"),
        "{log}"
    );
    assert_eq!(conditions(&namespace), ["Initialized=True"]);
    assert_eq!(kubesup.main_pid(), pid);
}

#[test]
fn an_injected_sidecar_and_the_variables_of_a_service_named_kubesup_change_nothing() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&[]);
    namespace.endpoints(&[]);
    namespace.put::<Pod>(json!({
        "metadata": {"name": POD, "labels": {"app.kubernetes.io/name": "demo"}},
        "spec": {"hostname": POD, "subdomain": SERVICE,
            "initContainers": [{"name": "proxy-init", "image": "proxy", "restartPolicy": "Always"}],
            "containers": [
                {"name": "proxy", "image": "proxy", "ports": [{"name": "admin", "containerPort": 15000}]},
                {"name": "demo", "image": "demo", "ports": [{"name": "http", "containerPort": 8080}]},
            ]},
    }));
    namespace.address(POD, "10.1.0.1");
    let package = demo_package();
    package.write(
        "config/app.conf",
        "{{#each kube.container.ports as |port|}}{{@key}}={{port}}\n{{/each}}",
    );
    let mut builder = namespace.kubesup().package(package.path());
    for (name, value) in [
        ("KUBESUP_CONTAINER", "demo"),
        ("KUBESUP_SERVICE_HOST", "10.0.0.7"),
        ("KUBESUP_SERVICE_PORT", "9631"),
        ("KUBESUP_SERVICE_PORT_HTTP", "9631"),
        ("KUBESUP_PORT", "tcp://10.0.0.7:9631"),
        ("KUBESUP_PORT_9631_TCP", "tcp://10.0.0.7:9631"),
        ("KUBESUP_PORT_9631_TCP_PROTO", "tcp"),
        ("KUBESUP_PORT_9631_TCP_PORT", "9631"),
        ("KUBESUP_PORT_9631_TCP_ADDR", "10.0.0.7"),
    ] {
        builder = builder.env(name, value);
    }
    let kubesup = builder.start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "http=8080\n");
    assert!(!kubesup.log().contains("KUBESUP_"), "{}", kubesup.log());
}

#[test]
fn a_pod_that_loses_its_label_keeps_its_services_name_and_says_so() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&[]);
    namespace.endpoints(&[]);
    namespace.pod(json!({}));
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();
    let label = "app.kubernetes.io/name";
    patch_pod(&namespace, &json!({"metadata": {"labels": {label: null}}}));
    kubesup.wait_readyz("name is demo-0 in the own Pod now; it is read at the next start");
    assert_eq!(kubesup.get("/services/demo/default").0, 200);
    assert_eq!(kubesup.get("/readyz").0, 200);
    assert_eq!(kubesup.main_pid(), pid);
}

/// A ConfigMap as large as the API server takes them: 10,000 keys, and 1 MiB together with a document in `binaryData`.
fn huge(greeting: &str) -> ConfigMap {
    let mut data = BTreeMap::from([("greeting".to_owned(), greeting.to_owned())]);
    for number in 0..10_000 {
        data.insert(format!("many.k{number:05}"), number.to_string());
    }
    let taken: usize = data.values().map(String::len).sum();
    let (head, tail) = ("{\"big\": \"", "\"}");
    let fill = (1 << 20) - taken - head.len() - tail.len();
    let document = format!("{head}{}{tail}", "x".repeat(fill));
    ConfigMap {
        metadata: ObjectMeta {
            name: Some("huge".to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data),
        binary_data: Some([("big.json".to_owned(), ByteString(document.into()))].into()),
        immutable: Some(true),
    }
}

#[test]
fn an_immutable_config_map_of_a_mebibyte_and_ten_thousand_keys_is_in_force_and_can_be_made_anew() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&["huge", "blob"]);
    namespace.endpoints(&[]);
    let create = |map: &ConfigMap| {
        block_on(namespace.api().create(&PostParams::default(), map)).expect("a ConfigMap");
    };
    create(&huge("first"));
    let blob = vec![0xff; 1 << 20];
    namespace.put::<ConfigMap>(
        json!({"metadata": {"name": "blob"}, "binaryData": {"blob.bin": ByteString(blob.clone())}}),
    );
    namespace.pod(json!({"kubesup.dev/config": "huge", "kubesup.dev/files": "blob"}));
    let package = demo_package();
    package.write(
        "config/app.conf",
        "{{cfg.greeting}} {{cfg.many.k09999}} {{cfg.many.k00000}}\n",
    );
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "first 9999 0\n");
    let config = kubesup.config();
    let length = config["big"].as_str().map(str::len);
    assert!(length > Some(900_000), "{length:?}");
    let written = std::fs::read(kubesup.file("files/blob.bin")).expect("a file");
    assert!(written == blob, "{} bytes", written.len());

    // Nobody can edit it, so that it is replaced as a whole.
    namespace.delete::<ConfigMap>("huge");
    kubesup.wait_readyz(&format!("ConfigMap {}/huge does not exist", namespace.name));
    assert_eq!(kubesup.get("/readyz").0, 200);
    create(&huge("second"));
    wait_until(
        "the new one is in force",
        || kubesup.read("config/app.conf"),
        |text| text == "second 9999 0\n",
    );
    let report = kubesup.wait_readyz("[+]synced ok");
    assert!(report.contains("[+]accepted ok"), "{report}");
}

#[test]
fn what_was_deleted_while_the_history_was_compacted_is_missed_by_nobody() {
    let server = ApiServer::start();
    let namespace = Namespace::new(&server);
    namespace.grant(&["first", "second"]);
    namespace.endpoints(&[("10.1.0.2", json!({})), ("10.1.0.3", json!({}))]);
    namespace.config_map("first", json!({"greeting": "first"}));
    namespace.config_map("second", json!({"greeting": "second"}));
    namespace.pod(json!({"kubesup.dev/config": "first,second?"}));
    let package = demo_package();
    package.write("hooks/reconfigure", RECONFIGURE).write(
        "config/app.conf",
        "{{cfg.greeting}}{{#each svc.members as |m|}} {{m.sys.ip}}{{/each}}\n",
    );
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();
    let words = || {
        let text = kubesup.read("config/app.conf");
        let mut words: Vec<_> = text.split_whitespace().map(ToOwned::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(words(), ["10.1.0.1", "10.1.0.2", "10.1.0.3", "second"]);

    // It sees nothing of what follows, and what it could go on from is gone.
    kubesup.signal(19);
    // What is on the wire already would be read later: nothing is sent to who has gone.
    server.kill();
    server.resume();
    namespace.delete::<ConfigMap>("second");
    namespace.endpoints(&[("10.1.0.3", json!({}))]);
    server.kill();
    server.compact();
    server.resume();
    kubesup.signal(18);

    wait_until("all of it arrives", words, |words| {
        *words == ["10.1.0.1", "10.1.0.3", "first"]
    });
    let relists = || {
        let (_, status) = kubesup.get("/v1/status");
        let status: Value = serde_json::from_str(&status).expect("JSON");
        let watches = status["watches"].as_array().expect("watches");
        let relists = watches.iter().map(|watch| watch["relists"].clone());
        relists.collect::<Vec<_>>()
    };
    // The own Pod, the slices and both ConfigMaps; each in its own time.
    wait_until("each was listed anew, once", relists, |relists| {
        *relists == vec![json!(1); 4]
    });
    assert_eq!(kubesup.main_pid(), pid);
}
