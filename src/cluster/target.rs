//! Owns what each watch looks at and what it must be allowed to do, in the words that messages use. Never calls the
//! API server.

use std::fmt;

use crate::world::{Identity, WatchKey};

/// The file that messages about missing rights point to.
const MANIFEST: &str = "manifests/base/rbac.yaml";

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

/// Only with `topology: leader`.
pub(super) const LEASES: Rule = Rule {
    group: "coordination.k8s.io",
    resource: "leases",
    verbs: WATCH,
};

impl Rule {
    /// `grant list and watch on configmaps (manifests/base/rbac.yaml)`.
    pub(super) fn grant(&self) -> String {
        format!(
            "grant {} on {} ({MANIFEST})",
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

    /// What Kubernetes calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self.key {
            WatchKey::Pod => "Pod",
            WatchKey::EndpointSlices { .. } => "EndpointSlices",
            WatchKey::ConfigMap { .. } => "ConfigMap",
            WatchKey::Secret { .. } => "Secret",
            WatchKey::Lease { .. } => "Lease",
        }
    }

    /// Which one, as messages name it.
    pub(super) fn object(&self) -> String {
        let namespace = &self.namespace;
        match &self.key {
            WatchKey::Pod => format!("{namespace}/{}", self.pod),
            WatchKey::EndpointSlices { service } => {
                format!("namespace {namespace}, Service {service}")
            }
            WatchKey::ConfigMap { name } | WatchKey::Secret { name } | WatchKey::Lease { name } => {
                format!("{namespace}/{name}")
            }
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
            WatchKey::EndpointSlices { .. } => ENDPOINT_SLICES,
            WatchKey::ConfigMap { .. } => CONFIG_MAPS,
            WatchKey::Secret { .. } => SECRETS,
            WatchKey::Lease { .. } => LEASES,
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
                    .trim_start_matches(", leader")
                    .trim_start_matches(':')
            })
            .collect();
        let rules =
            [PODS, ENDPOINT_SLICES, CONFIG_MAPS, SECRETS, LEASES].map(|rule| rule.to_string());
        let rules: Vec<_> = rules
            .iter()
            .filter_map(|rule| rule.strip_prefix("rbac:"))
            .collect();
        assert_eq!(documented, rules);
    }
}
