//! Owns the rights that kubesup needs: which rules a Role must have, by what the settings ask for, and the manifests that
//! grant exactly these. Never calls the API server.

mod manifest;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::config::{ObjectKind, Settings, Topology};

pub use manifest::{Subject, manifest};

/// One kind of call, as the docs of the functions that make it mark it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// Who needs it.
    pub part: Part,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource, with its subresource if it has one: `pods/status`.
    pub resource: &'static str,
    /// The verbs, in the order of the marks.
    pub verbs: &'static [&'static str],
}

/// Who needs a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everybody.
    All,
    /// Who asks for it in the Pod.
    OptIn,
    /// A group with a leader.
    Leader,
    /// Who binds.
    Bind,
}

const fn right(
    part: Part,
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    Right {
        part,
        group,
        resource,
        verbs,
    }
}

/// kube's watcher lists first.
const WATCH: &[&str] = &["list", "watch"];
/// The own Pod.
pub const PODS: Right = right(Part::All, "", "pods", WATCH);
/// The peers, and the drain.
pub const ENDPOINT_SLICES: Right = right(Part::All, "discovery.k8s.io", "endpointslices", WATCH);
/// Configuration, hooks, templates, files.
pub const CONFIG_MAPS: Right = right(Part::All, "", "configmaps", WATCH);
/// Secret configuration and files.
pub const SECRETS: Right = right(Part::OptIn, "", "secrets", WATCH);
/// The readiness gate.
pub const POD_STATUS: Right = right(Part::OptIn, "", "pods/status", &["patch"]);
/// Events on the own Pod.
pub const EVENTS: Right = right(Part::OptIn, "events.k8s.io", "events", &["create", "patch"]);
/// The label that says who leads.
pub const POD_ROLE: Right = right(Part::OptIn, "", "pods", &["patch"]);
/// Following the group's Lease.
pub const LEASES: Right = right(Part::Leader, "coordination.k8s.io", "leases", WATCH);
/// Writing it.
pub const LEASE_WRITES: Right = right(Part::Leader, "coordination.k8s.io", "leases", &["update"]);
/// The endpoints of bound Services.
pub const BOUND_SLICES: Right = right(Part::Bind, "discovery.k8s.io", "endpointslices", WATCH);
/// The exports of bound Services.
pub const BOUND_SERVICES: Right = right(Part::Bind, "", "services", WATCH);

/// Every right that a rule can be made of.
pub const ALL: &[Right] = &[
    PODS,
    ENDPOINT_SLICES,
    CONFIG_MAPS,
    SECRETS,
    POD_STATUS,
    EVENTS,
    POD_ROLE,
    LEASES,
    LEASE_WRITES,
    BOUND_SLICES,
    BOUND_SERVICES,
];

impl Right {
    /// The resource with its group, if it has one: `discovery.k8s.io/endpointslices`.
    pub fn qualified(&self) -> String {
        match self.group {
            "" => self.resource.to_owned(),
            group => format!("{group}/{}", self.resource),
        }
    }
}

/// As the docs mark it: `rbac, opt-in: "" secrets list,watch`.
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::All => "",
            Part::OptIn => ", opt-in",
            Part::Leader => ", leader",
            Part::Bind => ", bind",
        };
        let (group, resource, verbs) = (self.group, self.resource, self.verbs.join(","));
        write!(f, "rbac{part}: {group:?} {resource} {verbs}")
    }
}

/// One rule of a Role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it allows.
    pub right: Right,
    /// Where; `None`: in the own namespace.
    pub namespace: Option<String>,
    /// `resourceNames`; empty where Kubernetes cannot narrow by name.
    pub names: Vec<String>,
    /// What for.
    pub why: &'static str,
    /// What it means to go without.
    pub need: Need,
}

/// What it means to go without a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It does not work.
    Required,
    /// Less is told; everything works.
    Optional,
}

impl Rule {
    /// `list, watch on configmaps demo-config`, for messages.
    pub fn text(&self) -> String {
        let resource = self.right.qualified();
        let names = if self.names.is_empty() {
            String::new()
        } else {
            format!(" {}", self.names.join(", "))
        };
        let namespace = self.namespace.as_ref();
        let place = namespace.map(|namespace| format!(" in namespace {namespace}"));
        let verbs = self.right.verbs.join(", ");
        format!("{verbs} on {resource}{names}{}", place.unwrap_or_default())
    }
}

/// What the own Pod asks for beside the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// It declares the readiness gate `kubesup.dev/healthy`.
    pub readiness_gate: bool,
}

/// The rules that these settings need, no more.
pub fn rules(settings: &Settings, facts: Facts) -> Vec<Rule> {
    let rule = |right, names, why| Rule {
        right,
        namespace: None,
        names,
        why,
        need: Need::Required,
    };
    let mut rules = vec![
        rule(
            PODS,
            vec![],
            "the own Pod; Kubernetes cannot narrow it by name",
        ),
        rule(
            ENDPOINT_SLICES,
            vec![],
            "the peers, and the drain at the stop",
        ),
    ];
    let config_maps = names(settings, ObjectKind::ConfigMap);
    if !config_maps.is_empty() {
        rules.push(rule(CONFIG_MAPS, config_maps, "what the annotations name"));
    }
    let secrets = names(settings, ObjectKind::Secret);
    if !secrets.is_empty() {
        rules.push(rule(SECRETS, secrets, "what the annotations name"));
    }
    if let (Topology::Leader, Some(service)) = (settings.topology, &settings.service) {
        let lease = vec![lease_name(service, &settings.group)];
        rules.push(rule(LEASES, lease.clone(), "who leads"));
        rules.push(rule(LEASE_WRITES, lease, "standing, renewing, releasing"));
    }
    rules.extend(binds(settings));
    if facts.readiness_gate {
        rules.push(rule(
            POD_STATUS,
            vec![],
            "the readiness gate kubesup.dev/healthy",
        ));
    }
    if settings.keeps_role_label() {
        rules.push(rule(POD_ROLE, vec![], "the label kubesup.dev/role"));
    }
    rules.push(Rule {
        need: Need::Optional,
        ..rule(
            EVENTS,
            vec![],
            "Events on the own Pod; without it there are none",
        )
    });
    rules
}

/// The Lease of a group.
pub fn lease_name(service: &str, group: &str) -> String {
    format!("kubesup.{service}.{group}")
}

/// The Services that are bound, by their namespace.
fn binds(settings: &Settings) -> Vec<Rule> {
    let mut services: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    for bind in &settings.binds {
        let bound = services.entry(bind.namespace.clone()).or_default();
        if !bound.contains(&bind.service) {
            bound.push(bind.service.clone());
        }
    }
    let rule = |right, namespace: &Option<String>, names, why| Rule {
        right,
        namespace: namespace.clone(),
        names,
        why,
        need: Need::Required,
    };
    services
        .into_iter()
        .flat_map(|(namespace, names)| {
            // In the own namespace the peers' rule covers them.
            let slices = namespace.is_some().then(|| {
                rule(
                    BOUND_SLICES,
                    &namespace,
                    vec![],
                    "the members of bound Services",
                )
            });
            let exports = rule(
                BOUND_SERVICES,
                &namespace,
                names,
                "the exports of bound Services",
            );
            slices.into_iter().chain([exports])
        })
        .collect()
}

/// The objects of a kind that the settings name, each once, in order.
pub fn names(settings: &Settings, kind: ObjectKind) -> Vec<String> {
    let files = settings.files.iter().filter(|files| files.kind == kind);
    let files = files.map(|files| &files.object);
    let live: Vec<_> = match kind {
        ObjectKind::Secret => settings.secrets.iter().collect(),
        ObjectKind::ConfigMap => {
            let all = [&settings.config, &settings.hooks, &settings.templates];
            all.into_iter().flatten().collect()
        }
    };
    let mut names: Vec<String> = Vec::new();
    for object in live.into_iter().chain(files) {
        if !names.contains(&object.name) {
            names.push(object.name.clone());
        }
    }
    names
}
