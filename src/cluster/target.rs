//! Owns what each watch looks at and what it must be allowed to do, in the words that messages use. Never calls the
//! API server.

use std::fmt;

use crate::world::{Identity, WatchKey};

/// The file that messages about missing rights point to.
const MANIFEST: &str = "manifests/base/rbac.yaml";
/// The one for what is bound.
const BINDS_MANIFEST: &str = "manifests/binds/role.yaml";

/// One RBAC rule: what a Role must grant for a call to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
}

/// What a watch needs: kube's watcher lists first.
const WATCH: &[&str] = &["list", "watch"];

pub(super) const PODS: Rule = Rule {
    group: "",
    resource: "pods",
    verbs: WATCH,
};
pub(super) const ENDPOINT_SLICES: Rule = Rule {
    group: "discovery.k8s.io",
    resource: "endpointslices",
    verbs: WATCH,
};
pub(super) const CONFIG_MAPS: Rule = Rule {
    group: "",
    resource: "configmaps",
    verbs: WATCH,
};

/// Opt-in: only where the own Pod names a Secret.
pub(super) const SECRETS: Rule = Rule {
    group: "",
    resource: "secrets",
    verbs: WATCH,
};

/// Opt-in: the exports of a bound Service are its annotations.
pub(super) const BOUND_SERVICES: Rule = Rule {
    group: "",
    resource: "services",
    verbs: WATCH,
};

/// Only with `topology: leader`.
pub(super) const LEASES: Rule = Rule {
    group: "coordination.k8s.io",
    resource: "leases",
    verbs: WATCH,
};

impl Rule {
    /// `grant list and watch on configmaps (manifests/base/rbac.yaml)`.
    pub(super) fn grant(&self) -> String {
        self.grant_by(MANIFEST)
    }

    /// The same, where another file shows how.
    pub(super) fn grant_by(&self, manifest: &str) -> String {
        format!(
            "grant {} on {} ({manifest})",
            self.verbs.join(" and "),
            self.resource()
        )
    }

    /// The resource with its group, if it has one: `discovery.k8s.io/endpointslices`.
    pub(super) fn resource(&self) -> String {
        match self.group {
            "" => self.resource.to_owned(),
            group => format!("{group}/{}", self.resource),
        }
    }
}

/// As the doc sections `# RBAC` have it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rbac: \"{}\" {} {}",
            self.group,
            self.resource,
            self.verbs.join(",")
        )
    }
}

/// What one watch looks at, and where.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) key: WatchKey,
    /// `host:port` of the API server.
    pub(super) server: String,
    namespace: String,
    pod: String,
}

impl Target {
    pub(super) fn new(key: WatchKey, identity: &Identity, server: String) -> Target {
        let (namespace, pod) = (identity.namespace.clone(), identity.pod_name.clone());
        Target {
            key,
            server,
            namespace,
            pod,
        }
    }

    /// Where it is: binds may be elsewhere.
    pub(super) fn namespace(&self) -> &str {
        match &self.key {
            WatchKey::BoundSlices { namespace, .. } | WatchKey::BoundService { namespace, .. } => {
                namespace.as_deref().unwrap_or(&self.namespace)
            }
            _ => &self.namespace,
        }
    }

    /// What Kubernetes calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self.key {
            WatchKey::Pod => "Pod",
            WatchKey::EndpointSlices { .. } | WatchKey::BoundSlices { .. } => "EndpointSlices",
            WatchKey::ConfigMap { .. } => "ConfigMap",
            WatchKey::Secret { .. } => "Secret",
            WatchKey::BoundService { .. } => "Service",
            WatchKey::Lease { .. } => "Lease",
        }
    }

    /// Which one, as messages name it.
    pub(super) fn object(&self) -> String {
        let namespace = self.namespace();
        match &self.key {
            WatchKey::Pod => format!("{namespace}/{}", self.pod),
            WatchKey::EndpointSlices { service } => {
                format!("namespace {namespace}, Service {service}")
            }
            WatchKey::ConfigMap { name } | WatchKey::Secret { name } | WatchKey::Lease { name } => {
                format!("{namespace}/{name}")
            }
            WatchKey::BoundSlices { services, .. } => {
                let services: Vec<_> = services.iter().map(String::as_str).collect();
                format!("namespace {namespace}, Service {}", services.join(", "))
            }
            WatchKey::BoundService { service, .. } => format!("{namespace}/{service}"),
        }
    }

    /// A parser's reason may quote what it read: of a Secret it is neither told nor logged.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.key, WatchKey::Secret { .. })
    }

    /// What it must be allowed to do.
    pub(super) fn rule(&self) -> Rule {
        match self.key {
            WatchKey::Pod => PODS,
            WatchKey::EndpointSlices { .. } | WatchKey::BoundSlices { .. } => ENDPOINT_SLICES,
            WatchKey::ConfigMap { .. } => CONFIG_MAPS,
            WatchKey::Secret { .. } => SECRETS,
            WatchKey::BoundService { .. } => BOUND_SERVICES,
            WatchKey::Lease { .. } => LEASES,
        }
    }

    /// What to do when it may not.
    pub(super) fn grant(&self) -> String {
        match &self.key {
            WatchKey::BoundSlices { .. } | WatchKey::BoundService { .. } => {
                let manifest = format!("in namespace {}, {BINDS_MANIFEST}", self.namespace());
                self.rule().grant_by(&manifest)
            }
            _ => self.rule().grant(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The doc lines are what the manifests are checked against, and this is what messages say.
    #[test]
    fn each_rule_stands_in_the_docs_of_the_watch_that_needs_it() {
        let source = include_str!("watch.rs");
        let documented: Vec<_> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("/// rbac"))
            .map(|line| {
                line.trim_start_matches(", opt-in")
                    .trim_start_matches(", bind")
                    .trim_start_matches(", leader")
                    .trim_start_matches(':')
            })
            .collect();
        let rules = [
            PODS,
            ENDPOINT_SLICES,
            CONFIG_MAPS,
            SECRETS,
            ENDPOINT_SLICES,
            BOUND_SERVICES,
            LEASES,
        ]
        .map(|rule| rule.to_string());
        let rules: Vec<_> = rules
            .iter()
            .filter_map(|rule| rule.strip_prefix("rbac:"))
            .collect();
        assert_eq!(documented, rules);
    }
}
