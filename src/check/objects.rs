//! Owns the checks of what the settings name: ConfigMaps, Secrets, the Lease, the policy for the role label.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;

use super::{Finding, Inventory, network, services};
use crate::config::{ObjectKind, ObjectRef, Settings, Topology};
use crate::rbac::lease_name;

pub(super) fn findings(
    pod: &Pod,
    settings: &Settings,
    namespace: &str,
    seen: &Inventory,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (kind, object) in references(settings) {
        let known = match kind {
            ObjectKind::ConfigMap => &seen.config_maps,
            ObjectKind::Secret => &seen.secrets,
        };
        findings.extend(reference(kind, object, namespace, known.as_ref()));
    }
    findings.extend(services::findings(pod, settings, namespace, seen));
    let network = network::finding(pod, settings, namespace, &seen.network_policies);
    findings.extend(network);
    if settings.topology == Topology::Leader {
        findings.extend(lease(settings, namespace, seen.leases.as_ref()));
    }
    if settings.keeps_role_label() {
        findings.push(policy(seen.policies.as_ref()));
    }
    findings
}

fn references(settings: &Settings) -> Vec<(ObjectKind, &ObjectRef)> {
    let live = [&settings.config, &settings.hooks, &settings.templates];
    let config_maps = live.into_iter().flatten();
    let config_maps = config_maps.map(|object| (ObjectKind::ConfigMap, object));
    let secrets = settings.secrets.iter();
    let secrets = secrets.map(|object| (ObjectKind::Secret, object));
    let files = settings
        .files
        .iter()
        .map(|files| (files.kind, &files.object));
    let mut all = Vec::new();
    for (kind, object) in config_maps.chain(secrets).chain(files) {
        if !all.contains(&(kind, object)) {
            all.push((kind, object));
        }
    }
    all
}

fn reference(
    kind: ObjectKind,
    object: &ObjectRef,
    namespace: &str,
    known: Option<&BTreeSet<String>>,
) -> Option<Finding> {
    let (what, name) = (kind.name(), &object.name);
    let known = known?;
    let there = known.contains(name);
    let text = |tail: &str| format!("{what} {namespace}/{name}: {tail}");
    Some(match (there, object.optional) {
        (true, _) => Finding::ok("objects", text("it is there")),
        (false, true) => Finding::ok("objects", text("it is not there, and may be missing")),
        (false, false) => {
            let create = match kind {
                ObjectKind::ConfigMap => format!("kubectl create configmap {name} -n {namespace}"),
                ObjectKind::Secret => {
                    format!("kubectl create secret generic {name} -n {namespace}")
                }
            };
            let optional =
                format!("or mark it in the annotation as one that may be missing: {name}?");
            Finding::error(
                "objects",
                text("it is not there, and the start waits for it"),
            )
            .add(&[&create, &optional])
        }
    })
}

fn lease(
    settings: &Settings,
    namespace: &str,
    known: Option<&BTreeSet<String>>,
) -> Option<Finding> {
    let name = lease_name(settings.service.as_ref()?, &settings.group);
    Some(if known?.contains(&name) {
        Finding::ok("leader", format!("Lease {namespace}/{name}"))
    } else {
        let text =
            format!("Lease {namespace}/{name}: it is not there, and kubesup may not create it");
        Finding::error("leader", text).add(&[
            "apiVersion: coordination.k8s.io/v1",
            "kind: Lease",
            &format!("metadata: {{name: {name}, namespace: {namespace}}}"),
        ])
    })
}

/// Patching Pods is a great power: the policy narrows it to the own label.
fn policy(known: Option<&BTreeSet<String>>) -> Finding {
    let is_ours = |name: &String| name.contains("kubesup");
    match known {
        Some(known) if known.iter().any(is_ours) => Finding::ok(
            "role label",
            "a ValidatingAdmissionPolicy narrows the right to patch Pods",
        ),
        Some(_) => Finding::warning(
            "role label",
            "no ValidatingAdmissionPolicy of kubesup's: who has this Pod's token can change every Pod of the namespace",
        ),
        None => Finding::warning(
            "role label",
            "whether a ValidatingAdmissionPolicy narrows the right to patch Pods could not be told",
        ),
    }
}
