//! Owns what `kubesup check` finds: every problem of the own Pod's manifest and settings, with what to do, and what is well.
//! Pure: it is given what was seen, and never looks itself.

mod grace;
mod network;
mod objects;
mod pod;
mod probes;
mod services;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde::Serialize;

use crate::config::{Layers, Settings, load, resolve};
use crate::rbac::{self, Facts, Rule};
use crate::world::pod::layer;
use crate::world::{Identity, OwnPod};

pub use grace::PostStop;
pub use text::text;

/// The condition of the readiness gate.
pub const HEALTHY: &str = "kubesup.dev/healthy";

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// What was looked at: `probes`, `rbac`, …
    pub topic: &'static str,
    /// What is so, in one line.
    pub text: String,
    /// Lines for the manifest, or another remedy; empty when there is nothing to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedy: Vec<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It does not work so.
    Error,
    /// It works, but probably not as meant; or it could not be told.
    Warning,
    /// It is well.
    Ok,
}

impl Finding {
    fn new(level: Level, topic: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            level,
            topic,
            text: text.into(),
            remedy: Vec::new(),
        }
    }

    fn error(topic: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Level::Error, topic, text)
    }

    fn warning(topic: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Level::Warning, topic, text)
    }

    fn ok(topic: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(Level::Ok, topic, text)
    }

    fn add(mut self, lines: &[&str]) -> Finding {
        self.remedy = lines.iter().map(|line| (*line).to_owned()).collect();
        self
    }
}

/// What could not be looked at at all.
pub fn unseen(line: &str) -> Finding {
    Finding::error("own Pod", line)
}

/// What was seen of the other objects, most by their names. `None`: could not be told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inventory {
    /// ConfigMaps.
    pub config_maps: Option<BTreeSet<String>>,
    /// Secrets.
    pub secrets: Option<BTreeSet<String>>,
    /// Services by `namespace/name`; `None`: there is none. One that could not be looked at is not in it.
    pub services: BTreeMap<String, Option<Service>>,
    /// Whether there are EndpointSlices of the own Service.
    pub has_slices: Option<bool>,
    /// What the package wants of each bind, by the bind's name.
    pub wanted_exports: BTreeMap<String, Vec<String>>,
    /// Leases.
    pub leases: Option<BTreeSet<String>>,
    /// `ValidatingAdmissionPolicies`.
    pub policies: Option<BTreeSet<String>>,
    /// `NetworkPolicies` of the own namespace; none where they may not be read.
    pub network_policies: Vec<NetworkPolicy>,
}

/// What is checked.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    /// The own Pod.
    pub pod: &'a Pod,
    /// Who we are.
    pub identity: &'a Identity,
    /// All settings but the Pod's.
    pub layers: &'a Layers,
    /// What is wrong with the environment's names, one line each.
    pub unknown_variables: &'a [String],
}

/// One setting in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// Its name.
    pub key: &'static str,
    /// As it was written.
    pub value: String,
    /// Where.
    pub origin: String,
}

/// What the own Pod makes of the settings, and everything that is wrong with it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The settings; `None` when there are problems with them.
    pub settings: Option<Settings>,
    /// Each setting that has a value, with its origin.
    pub effective: Vec<Effective>,
    /// What the Pod asks for beside them.
    pub facts: Facts,
    /// The service account.
    pub service_account: String,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Resolves the settings as `kubesup run` would, and checks what can be told from the Pod alone.
pub fn resolve_pod(given: &Given<'_>) -> Resolved {
    let mut findings: Vec<Finding> = given
        .unknown_variables
        .iter()
        .map(|line| Finding::error("environment", line))
        .collect();
    let spec = given.pod.spec.as_ref();
    let mut resolved = Resolved {
        settings: None,
        effective: Vec::new(),
        facts: pod::facts(given.pod),
        service_account: spec
            .and_then(|spec| spec.service_account_name.clone())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "default".to_owned()),
        findings: Vec::new(),
    };
    let own = match OwnPod::from_api(given.pod, given.identity) {
        Ok(own) => own,
        Err(problem) => {
            findings.push(
                Finding::error("container", problem)
                    .add(&["env:", "  - {name: KUBESUP_CONTAINER, value: NAME}"]),
            );
            resolved.findings = findings;
            return resolved;
        }
    };
    let (pod_layer, unknown) = layer(given.pod, &own, &given.layers.below_pod);
    findings.extend(
        unknown
            .into_iter()
            .map(|line| Finding::error("annotations", line)),
    );
    findings.extend(pod::annotations_of_no_container(given.pod, &own));
    resolved.effective = resolve::effective(given.layers, Some(&pod_layer))
        .into_iter()
        .map(|(key, value, origin)| Effective {
            key: key.name(),
            value,
            origin,
        })
        .collect();
    match resolve(given.layers, Some(&pod_layer)) {
        Err(problems) => findings.extend(
            problems
                .iter()
                .map(|problem| Finding::error("settings", problem.to_string())),
        ),
        Ok(settings) => {
            findings.extend(pod::findings(given.pod, &settings));
            if let Some(container) = container(given.pod, &own.container.name) {
                findings.extend(probes::findings(container, &settings));
            }
            resolved.settings = Some(settings);
        }
    }
    resolved.findings = findings;
    resolved
}

fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a Container> {
    let containers = &pod.spec.as_ref()?.containers;
    containers.iter().find(|container| container.name == name)
}

/// Checks whether what the settings name is there, and fits. `namespace` is the own one.
pub fn objects(pod: &Pod, settings: &Settings, namespace: &str, seen: &Inventory) -> Vec<Finding> {
    objects::findings(pod, settings, namespace, seen)
}

/// Checks whether the stop fits into the grace period.
pub fn stop(pod: &Pod, settings: &Settings, post_stop: PostStop) -> Finding {
    grace::finding(pod, settings, post_stop)
}

/// What came of asking the API server whether a rule is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Review {
    /// It is.
    Granted,
    /// These verbs are not.
    Denied(Vec<String>),
    /// Why it could not be asked.
    Unknown(String),
}

/// What the reviews of all rules mean.
pub fn rights(reviews: &[(Rule, Review)]) -> Vec<Finding> {
    reviews
        .iter()
        .map(|(rule, review)| match review {
            Review::Granted => Finding::ok("rbac", rule.text()),
            Review::Unknown(reason) => {
                Finding::warning("rbac", format!("{}: {reason}", rule.text()))
            }
            Review::Denied(verbs) => {
                let text = format!("{}: {} denied: {}", rule.text(), verbs.join(", "), rule.why);
                let level = match rule.need {
                    rbac::Need::Required => Level::Error,
                    rbac::Need::Optional => Level::Warning,
                };
                Finding::new(level, "rbac", text)
                    .add(&["kubesup rbac prints the Role; kubectl apply it"])
            }
        })
        .collect()
}

/// Lines for `KUBESUP_` variables that are no setting.
pub fn unknown_variables(environment: &std::collections::BTreeMap<String, String>) -> Vec<String> {
    load::environment(environment).1
}
