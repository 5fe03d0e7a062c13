//! Owns what the HTTP gateway is given at the start: its token and how much it shows, from the environment, and where it
//! looks. Serves nothing.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::source::Source;
use super::{StartError, Surroundings};
use crate::api::access::{Access, TOKEN_VARIABLE};
use crate::api::status::{WatchAge, Watches};
use crate::api::tls::Tls;
use crate::api::{Gateway, Redaction};
use crate::cluster::freshness::Freshness;
use crate::config::Settings;
use crate::history::History;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::world::{Identity, WatchKey};

/// Anything but nothing withholds the configuration (contract, section 1.9).
const REDACT_VARIABLE: &str = "HAB_FEAT_REDACT_HTTP";

/// Where the gateway looks.
pub(super) struct Parts {
    pub(super) snapshots: watch::Receiver<Snapshot>,
    pub(super) history: watch::Receiver<Arc<History>>,
    pub(super) metrics: Metrics,
    pub(super) watches: Watches,
}

impl Parts {
    /// The gateway as the environment wants it; what manifests give the container counts where the real one is silent.
    pub(super) fn open(
        self,
        surroundings: &Surroundings,
        source: &Source,
        settings: &Settings,
    ) -> Result<Gateway, StartError> {
        let literal = source.literal_environment();
        let in_manifests = |name: &str| {
            let found = literal.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let token = match &surroundings.token {
            Some(token) => token.as_encoded_bytes(),
            None => in_manifests(TOKEN_VARIABLE).as_bytes(),
        };
        let usage = |error: String| StartError::Usage(vec![error]);
        let access = Access::with_token(token).map_err(|error| usage(error.to_string()))?;
        let tls = settings.tls.clone().map(Tls::open).transpose();
        let tls = tls.map_err(|error| usage(error.to_string()))?;
        let redact = match surroundings.environment.get(REDACT_VARIABLE) {
            Some(value) => value,
            None => in_manifests(REDACT_VARIABLE),
        };
        Ok(Gateway {
            snapshots: self.snapshots,
            history: self.history,
            metrics: self.metrics,
            watches: self.watches,
            access,
            tls,
            redaction: if redact.is_empty() {
                Redaction::Plain
            } else {
                Redaction::Redacted
            },
        })
    }
}

/// How old each watch is, looked at when somebody asks.
pub(super) fn watches(freshness: watch::Receiver<Freshness>, identity: Identity) -> Watches {
    Watches::new(move || {
        let now = Instant::now();
        let all = freshness.borrow();
        let watches = all.watches.iter().map(|(key, watch)| {
            let (resource, selector) = selected(key, &identity);
            WatchAge {
                watch: key.to_string(),
                resource,
                selector,
                age: watch
                    .last_contact
                    .map(|heard| now.saturating_duration_since(heard)),
                relists: watch.relists,
                errors: watch.errors,
            }
        });
        watches.collect()
    })
}

/// What a watch asks the API server for.
fn selected(key: &WatchKey, identity: &Identity) -> (&'static str, String) {
    match key {
        WatchKey::Pod => ("pods", format!("metadata.name={}", identity.pod_name)),
        WatchKey::EndpointSlices { service } => (
            "endpointslices.discovery.k8s.io",
            format!("kubernetes.io/service-name={service}"),
        ),
        WatchKey::ConfigMap { name } => ("configmaps", format!("metadata.name={name}")),
        WatchKey::Lease { name } | WatchKey::BoundLease { name, .. } => (
            "leases.coordination.k8s.io",
            format!("metadata.name={name}"),
        ),
        WatchKey::Secret { name } => ("secrets", format!("metadata.name={name}")),
        WatchKey::BoundSlices { services, .. } => {
            let services: Vec<_> = services.iter().map(String::as_str).collect();
            let services = services.join(",");
            (
                "endpointslices.discovery.k8s.io",
                format!("kubernetes.io/service-name in ({services})"),
            )
        }
        WatchKey::BoundService { service, .. } => ("services", format!("metadata.name={service}")),
    }
}
