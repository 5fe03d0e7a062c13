//! Owns what each watch looks at and what it must be allowed to do, in the words that messages use. Never calls the
//! API server.

use crate::rbac::{self, Right};
use crate::world::{Identity, WatchKey};

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
    pub(super) fn right(&self) -> Right {
        match self.key {
            WatchKey::Pod => rbac::PODS,
            WatchKey::EndpointSlices { .. } => rbac::ENDPOINT_SLICES,
            WatchKey::BoundSlices { .. } => rbac::BOUND_SLICES,
            WatchKey::ConfigMap { .. } => rbac::CONFIG_MAPS,
            WatchKey::Secret { .. } => rbac::SECRETS,
            WatchKey::BoundService { .. } => rbac::BOUND_SERVICES,
            WatchKey::Lease { .. } => rbac::LEASES,
        }
    }

    /// What to do when it may not: `grant list and watch on configmaps (manifests/base/rbac.yaml)`.
    pub(super) fn grant(&self) -> String {
        let right = self.right();
        let (verbs, resource) = (right.verbs.join(" and "), right.qualified());
        let place = match &self.key {
            WatchKey::BoundSlices { .. } | WatchKey::BoundService { .. } => {
                format!("in namespace {}, ", self.namespace())
            }
            _ => String::new(),
        };
        let manifest = self.manifest();
        format!("grant {verbs} on {resource} ({place}{manifest})")
    }

    /// The file that shows how it is granted.
    fn manifest(&self) -> &'static str {
        match self.key {
            WatchKey::Pod | WatchKey::EndpointSlices { .. } | WatchKey::ConfigMap { .. } => {
                "manifests/base/rbac.yaml"
            }
            WatchKey::Secret { .. } => "manifests/secrets/role.yaml",
            WatchKey::BoundSlices { .. } | WatchKey::BoundService { .. } => {
                "manifests/binds/role.yaml"
            }
            WatchKey::Lease { .. } => "manifests/leader/role.yaml",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_each_kind() -> Vec<Target> {
        let service = || "db".to_owned();
        let keys = [
            WatchKey::Pod,
            WatchKey::EndpointSlices { service: service() },
            WatchKey::ConfigMap { name: "c".into() },
            WatchKey::Secret { name: "s".into() },
            WatchKey::BoundSlices {
                namespace: None,
                services: [service()].into(),
            },
            WatchKey::BoundService {
                namespace: None,
                service: service(),
            },
            WatchKey::Lease { name: "l".into() },
        ];
        let target = |key| Target::new(key, &Identity::default(), "api:443".into());
        keys.into_iter().map(target).collect()
    }

    /// The doc lines are what the manifests are checked against, and this is what messages say.
    #[test]
    fn each_right_stands_in_the_docs_of_the_watch_that_needs_it() {
        let source = include_str!("watch.rs");
        let lines = source.lines().map(str::trim);
        let documented: Vec<_> = lines
            .filter_map(|line| {
                line.strip_prefix("/// ")
                    .filter(|mark| mark.starts_with("rbac"))
            })
            .collect();
        let rights: Vec<_> = of_each_kind()
            .iter()
            .map(|target| target.right().to_string())
            .collect();
        assert_eq!(documented, rights);
    }

    #[test]
    fn a_message_points_to_a_manifest_that_grants_the_right() {
        for target in of_each_kind() {
            let path = target.manifest();
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/");
            let text = std::fs::read_to_string(format!("{folder}{path}"));
            let text = text.unwrap_or_else(|error| panic!("{path}: {error}"));
            let resource = format!("resources: [{}]", target.right().resource);
            assert!(text.contains(&resource), "{path} has no {resource}");
        }
    }
}
