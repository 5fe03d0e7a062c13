//! Owns all watches: starts and stops them as the world wants them, on one connection and inside one task. Never keeps
//! what they see, and never ends because the API server is away.
//!
//! A watch tells the world three things: all there is (`Reset`), what changed (`Apply`, `Delete`), and what stands in
//! the way (`Trouble`). After a gap there is a `Reset` again, so that what was deleted meanwhile is missed by nobody.

mod condition;
mod follow;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::runtime::watcher;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};

use super::client::Connection;
use super::freshness::{Contact, Freshness};
use super::target::Target;
use crate::world::{Identity, Observation, Wanted, WatchKey};
use follow::Follow;

/// Keeps up the watches in `wanted` and sends what they see. Ends at `shutdown`, or when nobody wants or takes
/// observations any more; never by itself.
///
/// `observations` is bounded: when it is full the watches wait, the server's data waits in the connection's window, and
/// nothing is lost. All watches but those of binds are in the namespace of `identity`.
pub async fn run(
    connection: Connection,
    identity: Identity,
    mut wanted: watch::Receiver<Wanted>,
    observations: mpsc::Sender<Observation>,
    freshness: watch::Sender<Freshness>,
    shutdown: CancellationToken,
) {
    let source = Source {
        connection,
        identity,
        observations,
        freshness,
    };
    let mut running: BTreeMap<WatchKey, (u64, CancellationToken)> = BTreeMap::new();
    let mut watches = FuturesUnordered::new();
    loop {
        let keys = wanted.borrow_and_update().clone();
        running.retain(|key, (number, stop)| {
            // With another number it was not wanted in between, and what it saw is forgotten.
            let keep = keys.get(key).is_some_and(|now| *now == *number);
            if !keep {
                stop.cancel();
                source.freshness.send_modify(|all| {
                    all.watches.remove(key);
                });
            }
            keep
        });
        for (key, number) in keys {
            running.entry(key).or_insert_with_key(|key| {
                let stop = CancellationToken::new();
                watches.push(source.watch(key, stop.clone()));
                (number, stop)
            });
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = source.observations.closed() => return,
            changed = wanted.changed() => if changed.is_err() { return },
            // A watch that was stopped has ended.
            Some(()) = watches.next() => {}
        }
    }
}

/// Keeps up the watch of the group's Lease alone, on its own channel, until `stop` or until nobody listens.
pub(super) async fn follow_lease(
    connection: Connection,
    identity: Identity,
    name: String,
    observations: mpsc::Sender<Observation>,
    freshness: watch::Sender<Freshness>,
    stop: CancellationToken,
) {
    let source = Source {
        connection,
        identity,
        observations,
        freshness,
    };
    source.watch_lease(&name, stop).await;
}

/// What all watches have in common.
struct Source {
    connection: Connection,
    identity: Identity,
    observations: mpsc::Sender<Observation>,
    freshness: watch::Sender<Freshness>,
}

impl Source {
    fn watch(&self, key: &WatchKey, stop: CancellationToken) -> BoxFuture<'static, ()> {
        match key {
            WatchKey::Pod => self.watch_pod(stop),
            WatchKey::EndpointSlices { service } => self.watch_endpoint_slices(service, stop),
            WatchKey::ConfigMap { name } => self.watch_config_map(name, stop),
            WatchKey::Secret { name } => self.watch_secret(name, stop),
            WatchKey::BoundSlices { services, .. } => self.watch_bound_slices(key, services, stop),
            WatchKey::BoundService { service, .. } => self.watch_bound_service(key, service, stop),
            WatchKey::BoundLease { name, .. } => self.watch_bound_lease(key, name, stop),
            WatchKey::Lease { name } => self.watch_lease(name, stop),
        }
    }

    /// Watches the own Pod by its name.
    ///
    /// # RBAC
    ///
    /// rbac: "" pods list,watch
    fn watch_pod(&self, stop: CancellationToken) -> BoxFuture<'static, ()> {
        let selected = by_name(&self.identity.pod_name);
        self.follow::<Pod>(WatchKey::Pod, selected, Observation::Pods, stop)
    }

    /// Watches the EndpointSlices of one Service.
    ///
    /// # RBAC
    ///
    /// rbac: "discovery.k8s.io" endpointslices list,watch
    fn watch_endpoint_slices(
        &self,
        service: &str,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let service = service.to_owned();
        let key = WatchKey::EndpointSlices {
            service: service.clone(),
        };
        let label = format!("kubernetes.io/service-name={service}");
        let selected = watcher::Config::default().labels(&label);
        let observe = move |delta| Observation::EndpointSlices {
            service: service.clone(),
            delta,
        };
        self.follow::<EndpointSlice>(key, selected, observe, stop)
    }

    /// Watches one ConfigMap by its name, so that a Role may grant it by `resourceNames`.
    ///
    /// # RBAC
    ///
    /// rbac: "" configmaps list,watch
    fn watch_config_map(&self, name: &str, stop: CancellationToken) -> BoxFuture<'static, ()> {
        let name = name.to_owned();
        let key = WatchKey::ConfigMap { name: name.clone() };
        let selected = by_name(&name);
        let observe = move |delta| Observation::ConfigMaps {
            name: name.clone(),
            delta,
        };
        self.follow::<ConfigMap>(key, selected, observe, stop)
    }

    /// Watches one Secret by its name, so that a Role may grant it by `resourceNames`: nobody grants a namespace's Secrets
    /// for the sake of one. Needed only where the annotations `kubesup.dev/secrets` or `kubesup.dev/files` name one.
    ///
    /// # RBAC
    ///
    /// rbac, opt-in: "" secrets list,watch
    fn watch_secret(&self, name: &str, stop: CancellationToken) -> BoxFuture<'static, ()> {
        let name = name.to_owned();
        let key = WatchKey::Secret { name: name.clone() };
        let selected = by_name(&name);
        let observe = move |delta| Observation::Secrets {
            name: name.clone(),
            delta,
        };
        self.follow::<Secret>(key, selected, observe, stop)
    }

    /// Watches the EndpointSlices of all bound Services of one namespace. Needed only where something is bound; in the own
    /// namespace everybody has it.
    ///
    /// # RBAC
    ///
    /// rbac, bind: "discovery.k8s.io" endpointslices list,watch
    fn watch_bound_slices(
        &self,
        key: &WatchKey,
        services: &BTreeSet<String>,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let services: Vec<_> = services.iter().map(String::as_str).collect();
        let label = format!("kubernetes.io/service-name in ({})", services.join(","));
        let selected = watcher::Config::default().labels(&label);
        let watch = key.clone();
        let observe = move |delta| Observation::BoundSlices {
            watch: watch.clone(),
            delta,
        };
        self.follow::<EndpointSlice>(key.clone(), selected, observe, stop)
    }

    /// Watches one bound Service by its name, for the exports in its annotations.
    ///
    /// # RBAC
    ///
    /// rbac, bind: "" services list,watch
    fn watch_bound_service(
        &self,
        key: &WatchKey,
        service: &str,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let watch = key.clone();
        let observe = move |delta| Observation::BoundServices {
            watch: watch.clone(),
            delta,
        };
        self.follow::<Service>(key.clone(), by_name(service), observe, stop)
    }

    /// Watches the Lease of one bound group by its name. Needed only where a template reads who leads it.
    ///
    /// # RBAC
    ///
    /// rbac, bind: "coordination.k8s.io" leases list,watch
    fn watch_bound_lease(
        &self,
        key: &WatchKey,
        name: &str,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let watch = key.clone();
        let observe = move |delta| Observation::BoundLeases {
            watch: watch.clone(),
            delta,
        };
        self.follow::<Lease>(key.clone(), by_name(name), observe, stop)
    }

    /// Watches the group's Lease by its name, so that a Role may grant it by `resourceNames`.
    ///
    /// # RBAC
    ///
    /// rbac, leader: "coordination.k8s.io" leases list,watch
    fn watch_lease(&self, name: &str, stop: CancellationToken) -> BoxFuture<'static, ()> {
        let name = name.to_owned();
        let key = WatchKey::Lease { name: name.clone() };
        let selected = by_name(&name);
        let observe = move |delta| Observation::Leases {
            name: name.clone(),
            delta,
        };
        self.follow::<Lease>(key, selected, observe, stop)
    }

    fn follow<K: follow::Watched>(
        &self,
        key: WatchKey,
        selected: watcher::Config,
        observe: impl Fn(crate::world::Delta<K>) -> Observation + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let target = Target::new(key.clone(), &self.identity, self.connection.server());
        let span = info_span!("watch", kind = target.kind(), object = target.object());
        let contact = Contact::new(key, self.freshness.clone());
        let client = self.connection.watching(contact.clone());
        let api = Api::namespaced(client, target.namespace());
        let follow = Follow::new(
            target,
            api,
            selected,
            Box::new(observe),
            contact,
            self.observations.clone(),
            &self.connection,
        );
        Box::pin(follow.run(stop).instrument(span))
    }
}

fn by_name(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
}
