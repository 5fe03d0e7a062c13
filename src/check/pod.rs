//! Owns the checks of the own Pod but for its probes: annotations, gates, the grace period, what makes it a member.

use k8s_openapi::api::core::v1::Pod;

use super::{Finding, HEALTHY};
use crate::config::keys::{self, ANNOTATION_PREFIX};
use crate::config::{RoleLabel, Settings, Topology};
use crate::rbac::Facts;
use crate::world::{DEFAULT_GRACE_SECONDS, OwnPod};

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
    let names: Vec<&str> = containers
        .unwrap_or_default()
        .iter()
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
    findings.push(grace(pod, settings));
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

/// The stop has to fit: what is left after the drain is all that the program gets.
fn grace(pod: &Pod, settings: &Settings) -> Finding {
    let spec = pod.spec.as_ref();
    let grace = spec
        .and_then(|spec| spec.termination_grace_period_seconds)
        .unwrap_or(DEFAULT_GRACE_SECONDS);
    let grace = std::time::Duration::from_secs(u64::try_from(grace).unwrap_or_default());
    let drain = settings.drain_max;
    let stop = settings.shutdown_timeout.unwrap_or_default();
    let needed = drain + stop;
    // Rounded up to the seconds of the manifest, with one more to end in.
    let seconds = needed.as_secs() + 1 + u64::from(needed.subsec_nanos() > 0);
    let line = format!("  terminationGracePeriodSeconds: {seconds}");
    let parts = match settings.shutdown_timeout {
        None => format!("drain-max {drain:?}"),
        Some(stop) => format!("drain-max {drain:?} and shutdown-timeout {stop:?}"),
    };
    if grace < needed || (settings.shutdown_timeout.is_none() && grace <= drain) {
        let text = format!(
            "the grace period of {grace:?} is shorter than the stop, {parts}: the program is killed before it has ended"
        );
        return Finding::error("grace period", text).add(&["spec:", &line]);
    }
    let left = grace.saturating_sub(drain).as_secs();
    Finding::ok(
        "grace period",
        format!(
            "{grace:?}; {parts}; the program and its post-stop hook have {left}s after the drain"
        ),
    )
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
