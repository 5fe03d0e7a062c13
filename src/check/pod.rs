//! Owns the checks of the own Pod but for its probes: annotations, gates, what makes it a member.

use k8s_openapi::api::core::v1::Pod;

use super::{Finding, HEALTHY};
use crate::config::keys::{self, ANNOTATION_PREFIX};
use crate::config::{RoleLabel, Settings, Topology};
use crate::rbac::Facts;
use crate::world::OwnPod;

pub(super) fn facts(pod: &Pod) -> Facts {
    Facts {
        readiness_gate: gates(pod).any(|gate| gate == HEALTHY),
    }
}

fn gates(pod: &Pod) -> impl Iterator<Item = &str> {
    let spec = pod.spec.as_ref();
    let gates = spec.and_then(|spec| spec.readiness_gates.as_deref());
    let gates = gates.unwrap_or_default().iter();
    gates.map(|gate| gate.condition_type.as_str())
}

/// `<container>.kubesup.dev/<key>` of a container that the Pod does not have.
pub(super) fn annotations_of_no_container(pod: &Pod, own: &OwnPod) -> Vec<Finding> {
    let spec = pod.spec.as_ref();
    let containers = spec.map(|spec| spec.containers.as_slice());
    let init = spec.and_then(|spec| spec.init_containers.as_deref());
    let names: Vec<&str> = containers
        .into_iter()
        .chain(init)
        .flatten()
        .map(|container| container.name.as_str())
        .collect();
    let marker = format!(".{ANNOTATION_PREFIX}");
    own.annotations
        .keys()
        .filter_map(|annotation| Some((annotation, annotation.split_once(&marker)?.0)))
        .filter(|(_, container)| !names.contains(container))
        .map(|(annotation, container)| {
            let hint = keys::hint(container, names.iter().copied());
            let text = format!("{annotation}: the Pod has no container {container}{hint}");
            Finding::error("annotations", text)
        })
        .collect()
}

pub(super) fn findings(pod: &Pod, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(gate_typos(pod));
    findings.extend(membership(settings));
    if settings.role_label == RoleLabel::Kept && settings.topology == Topology::Standalone {
        let text = "role-label has no effect: without topology leader nobody leads";
        findings.push(Finding::warning("role label", text).add(&[
            "metadata:",
            "  annotations:",
            "    kubesup.dev/topology: leader",
        ]));
    }
    let spec = pod.spec.as_ref();
    if spec.and_then(|spec| spec.automount_service_account_token) == Some(false) {
        findings.push(
            Finding::error(
                "identity",
                "automountServiceAccountToken is false: kubesup has no token for the API server",
            )
            .add(&["spec:", "  automountServiceAccountToken: true"]),
        );
    }
    findings
}

fn gate_typos(pod: &Pod) -> Vec<Finding> {
    gates(pod)
        .filter(|gate| gate.starts_with(ANNOTATION_PREFIX) && *gate != HEALTHY)
        .map(|gate| {
            let text = format!(
                "readiness gate {gate}: nobody sets this condition, so that the Pod is never ready{}",
                keys::hint(gate, [HEALTHY])
            );
            Finding::error("readiness gate", text)
                .add(&["readinessGates:", "  - conditionType: kubesup.dev/healthy"])
        })
        .collect()
}

fn membership(settings: &Settings) -> Option<Finding> {
    let lines = &[
        "metadata:",
        "  annotations:",
        "    kubesup.dev/service: NAME   # or spec.serviceName of a StatefulSet",
    ];
    match (&settings.service, settings.topology) {
        (Some(_), _) => None,
        (None, Topology::Leader) => Some(
            Finding::error(
                "service",
                "topology leader needs a Service: without one there is no group",
            )
            .add(lines),
        ),
        (None, Topology::Standalone) => Some(
            Finding::warning(
                "service",
                "no Service is named: the group is the own Pod alone",
            )
            .add(lines),
        ),
    }
}
