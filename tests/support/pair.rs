//! A group of two Pods, demo-0 and demo-1, that elect a leader with short times: a lease of 3 s.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::api_server::ApiServer;
use super::kubesup::Kubesup;
use super::namespace::{Namespace, SERVICE};
use super::package::Folder;
use super::wait_until;

/// The group's Lease.
pub const LEASE: &str = "kubesup.demo.default";

/// The group's objects; kubesup is granted what every member needs, and these rules.
pub fn pair(more_rules: &[Value], annotations: &Value) -> Namespace<'static> {
    let namespace = Namespace::new(ApiServer::shared());
    let mut rules = vec![
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}),
        json!({"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}),
        json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE], "verbs": ["list", "watch", "update"]}),
    ];
    rules.extend_from_slice(more_rules);
    namespace.role(json!(rules));
    namespace.endpoints(&[]);
    namespace.put::<Lease>(json!({"metadata": {"name": LEASE}}));
    for number in 0..2 {
        pod(&namespace, number, annotations);
    }
    namespace
}

/// The annotations of a member with short times: a lease of 3 s.
pub fn short_lead() -> Value {
    json!({
        "kubesup.dev/topology": "leader",
        "kubesup.dev/lease-duration": "3s",
        "kubesup.dev/renew-deadline": "1500ms",
        "kubesup.dev/renew-period": "500ms",
        "kubesup.dev/retry-period": "300ms",
        "kubesup.dev/demotion-timeout": "1s",
        "kubesup.dev/margin": "200ms",
    })
}

fn pod(namespace: &Namespace<'_>, number: u8, more: &Value) {
    let name = format!("demo-{number}");
    let mut annotations = short_lead();
    for (key, value) in more.as_object().into_iter().flatten() {
        annotations[key] = value.clone();
    }
    namespace.put::<Pod>(json!({
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "demo"}, "annotations": annotations},
        "spec": {"hostname": name, "subdomain": SERVICE, "containers": [{"name": "demo", "image": "demo"}]},
    }));
    namespace.address(&name, &format!("10.1.0.{}", number + 1));
}

/// A program that takes over the lead, and gives it up, in its `reconfigure`.
pub fn package() -> Folder {
    let package = Folder::new();
    package
        .write("config/role", "{{kube.leader.is_me}}")
        .write("hooks/run", "#!/bin/sh\nexec sleep 60\n")
        .write("hooks/reconfigure", "#!/bin/sh\n");
    package
}

/// kubesup for the Pod of this number.
pub fn member(namespace: &Namespace<'_>, package: &Folder, number: u8) -> Kubesup {
    let name = format!("demo-{number}");
    let kubesup = namespace.kubesup().env("POD_NAME", &name);
    kubesup.package(package.path()).start()
}

/// Waits until it is in the log.
pub fn says(kubesup: &Kubesup, text: &str) {
    wait_until(text, || kubesup.log(), |log| log.contains(text));
}
