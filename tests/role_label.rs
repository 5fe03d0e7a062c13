//! The label `kubesup.dev/role` of the own Pod: who leads says so, and never two at a time after a hand-over.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::kubesup::Kubesup;
use crate::support::namespace::{Namespace, SERVICE};
use crate::support::package::Folder;
use crate::support::{block_on, wait_until};

const LEASE: &str = "kubesup.demo.default";
const ROLE: &str = "kubesup.dev/role";
const TERM: i32 = 15;
const KILL: i32 = 9;

/// Whether kubesup may patch Pods.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Granted,
    Missing,
}

fn group(right: Right) -> Namespace<'static> {
    let namespace = Namespace::new(ApiServer::shared());
    let mut rules = vec![
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}),
        json!({"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}),
        json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE], "verbs": ["list", "watch", "update"]}),
    ];
    if right == Right::Granted {
        rules.push(json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]}));
    }
    namespace.role(json!(rules));
    namespace.endpoints(&[]);
    namespace.put::<Lease>(json!({"metadata": {"name": LEASE}}));
    for number in 0..2 {
        pod(&namespace, number);
    }
    namespace
}

fn pod(namespace: &Namespace<'_>, number: u8) {
    let name = format!("demo-{number}");
    let annotations = json!({
        "kubesup.dev/topology": "leader",
        "kubesup.dev/role-label": "true",
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
    let status = Patch::Merge(json!({"status": {"podIP": ip, "podIPs": [{"ip": ip}]}}));
    let pods = namespace.api::<Pod>();
    block_on(pods.patch_status(&name, &PatchParams::default(), &status)).expect("a status");
}

fn package() -> Folder {
    let package = Folder::new();
    package
        .write("config/role", "{{kube.leader.is_me}}")
        .write("hooks/run", "#!/bin/sh\nexec sleep 60\n")
        .write("hooks/reconfigure", "#!/bin/sh\n");
    package
}

fn member(namespace: &Namespace<'_>, package: &Folder, number: u8) -> Kubesup {
    let kubesup = namespace
        .kubesup()
        .env("POD_NAME", &format!("demo-{number}"));
    kubesup.package(package.path()).start()
}

fn says(kubesup: &Kubesup, text: &str) {
    wait_until(text, || kubesup.log(), |log| log.contains(text));
}

fn wait_labels(namespace: &Namespace<'_>, wanted: [Option<&str>; 2]) {
    let labels = || {
        [0, 1].map(|number| {
            let pod = block_on(namespace.api::<Pod>().get(&format!("demo-{number}")));
            let labels = pod.expect("a Pod").metadata.labels;
            labels.unwrap_or_default().get(ROLE).cloned()
        })
    };
    wait_until(&format!("{wanted:?}"), labels, |labels| {
        labels.each_ref().map(Option::as_deref) == wanted
    });
}

/// What happened to the Pods' labels and to the Lease since `version`, in the order in which the store took it:
/// `demo-0 leader`, `released`.
fn story(namespace: &Namespace<'_>, version: &str) -> Vec<String> {
    let short = WatchParams::default().timeout(1);
    let mut story = Vec::new();
    for pod in events(&namespace.api::<Pod>(), &short, version) {
        let metadata = pod.metadata;
        let role = metadata.labels.unwrap_or_default().remove(ROLE);
        let text = format!(
            "{} {}",
            metadata.name.unwrap_or_default(),
            role.unwrap_or_default()
        );
        story.push((number(metadata.resource_version), text));
    }
    for lease in events(&namespace.api::<Lease>(), &short, version) {
        let holder = lease.spec.unwrap_or_default().holder_identity;
        if holder.unwrap_or_default().is_empty() {
            let version = number(lease.metadata.resource_version);
            story.push((version, "released".to_owned()));
        }
    }
    story.sort();
    story.into_iter().map(|(_, text)| text).collect()
}

fn number(version: Option<String>) -> u64 {
    version.expect("a version").parse().expect("a number")
}

fn events<K>(api: &kube::Api<K>, parameters: &WatchParams, version: &str) -> Vec<K>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    block_on(async {
        let stream = api.watch(parameters, version).await.expect("a watch");
        let seen: Vec<_> = futures::StreamExt::collect(stream).await;
        let object = |event| match event {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => Some(object),
            _ => None,
        };
        seen.into_iter().filter_map(object).collect()
    })
}

/// Where the story begins.
fn version(namespace: &Namespace<'_>) -> String {
    let pods = block_on(namespace.api::<Pod>().list(&ListParams::default())).expect("Pods");
    pods.metadata.resource_version.expect("a version")
}

#[test]
fn the_label_goes_before_the_lease_is_released_and_comes_with_the_new_lead() {
    let namespace = group(Right::Granted);
    let package = package();
    let first = member(&namespace, &package, 0);
    wait_labels(&namespace, [Some("leader"), None]);
    let _second = member(&namespace, &package, 1);
    wait_labels(&namespace, [Some("leader"), Some("follower")]);

    let before = version(&namespace);
    first.signal(TERM);
    wait_labels(&namespace, [Some("follower"), Some("leader")]);

    assert_eq!(
        story(&namespace, &before),
        ["demo-0 follower", "released", "demo-1 leader"]
    );
}

#[test]
fn a_new_start_in_the_pod_takes_its_predecessors_label_off_before_it_releases_that_term() {
    let namespace = group(Right::Granted);
    let package = package();
    let mut first = member(&namespace, &package, 0);
    wait_labels(&namespace, [Some("leader"), None]);
    first.signal(KILL);
    first.wait_exit();

    let before = version(&namespace);
    let again = member(&namespace, &package, 0);
    says(&again, "leading in term 2");
    wait_labels(&namespace, [Some("leader"), None]);

    assert_eq!(
        story(&namespace, &before),
        ["demo-0 follower", "released", "demo-0 leader"]
    );
}

#[test]
fn a_label_that_somebody_changed_comes_back_and_no_template_sees_it() {
    let namespace = group(Right::Granted);
    let package = package();
    package.write(
        "config/labels",
        "{{#each kube.pod.labels as |value name|}}{{name}}={{value}} {{/each}}",
    );
    let first = member(&namespace, &package, 0);
    wait_labels(&namespace, [Some("leader"), None]);
    for other in [json!("king"), Value::Null] {
        let patch = Patch::Merge(json!({"metadata": {"labels": {ROLE: other}}}));
        let pods = namespace.api::<Pod>();
        block_on(pods.patch("demo-0", &PatchParams::default(), &patch)).expect("patched");
        wait_labels(&namespace, [Some("leader"), None]);
    }
    assert_eq!(
        first.read("config/labels"),
        "app.kubernetes.io/name=demo ",
        "what kubesup writes is no input of a rendering"
    );
}

#[test]
fn without_the_right_it_is_said_once_and_the_lead_goes_on() {
    let namespace = group(Right::Missing);
    let package = package();
    let first = member(&namespace, &package, 0);
    says(&first, "leading in term 1");
    first.wait_ready();
    let said = || {
        let log = first.log();
        log.matches("the label kubesup.dev/role is not kept")
            .count()
    };
    wait_until("it is said", said, |said| *said == 1);
    let second = member(&namespace, &package, 1);
    first.signal(TERM);
    says(&second, "leading in term 2");
    assert_eq!(said(), 1, "{}", first.log());
    wait_labels(&namespace, [None, None]);
}
