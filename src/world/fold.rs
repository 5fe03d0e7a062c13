//! Owns the fold of observations into a [`View`]: what has been seen, what is wanted, what is missing. Never drops a
//! world once it was complete: a ConfigMap that goes away while in use is a problem, and its last content stays.

mod build;
mod objects;
mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::binds::Bound;
use super::config_map::Watched;
use super::members::Slice;
use super::{Departing, Identity, Observation, OwnPod, View, Wanted, WatchKey, World};
use crate::config::{Layer, Layers, Settings};
use objects::{references, watch};

/// Everything observed so far.
#[derive(Debug)]
pub struct Fold {
    identity: Identity,
    layers: Layers,
    pod: PodState,
    slices: BTreeMap<String, BTreeMap<String, Slice>>,
    config_maps: BTreeMap<String, Watched>,
    secrets: BTreeMap<String, Watched>,
    bound: Bound,
    /// Templates read who leads what is bound.
    reads_leaders: bool,
    troubles: BTreeMap<WatchKey, String>,
    watches: Wanted,
    /// How many watches were begun to be wanted.
    begun: u64,
    /// The newest complete world; shared, so that an unchanged one is the same `Arc`.
    world: Option<Arc<World>>,
    /// What the own Pod makes of the settings now.
    settings: Option<Arc<Settings>>,
    /// What it made of them when the first world was complete: what is not live stays as it was then.
    start: Option<Arc<Settings>>,
    /// What is followed: the settings of the start, with what is live as it is now.
    in_force: Option<Arc<Settings>>,
}

/// What is known of the own Pod.
#[derive(Debug)]
enum PodState {
    /// Not seen yet.
    Unknown,
    /// The API server says that there is none.
    Absent,
    /// There is one, but it is not usable: the reason.
    Unusable(String),
    /// There it is.
    Present(Box<Present>),
}

#[derive(Debug)]
struct Present {
    /// Shared with the views.
    own: Arc<OwnPod>,
    layer: Layer,
    warnings: Vec<String>,
    role: Option<String>,
}

impl Fold {
    /// Nothing seen yet. The layers are all settings but the own Pod's.
    pub fn new(identity: Identity, layers: Layers) -> Self {
        let mut fold = Fold {
            identity,
            layers,
            pod: PodState::Unknown,
            slices: BTreeMap::new(),
            config_maps: BTreeMap::new(),
            secrets: BTreeMap::new(),
            bound: Bound::default(),
            reads_leaders: false,
            troubles: BTreeMap::new(),
            watches: Wanted::new(),
            begun: 0,
            world: None,
            settings: None,
            start: None,
            in_force: None,
        };
        fold.forget_what_is_not_wanted();
        fold
    }

    /// Takes in one observation.
    pub fn apply(&mut self, observation: Observation) {
        match observation {
            Observation::Pods(delta) => self.apply_pods(delta),
            Observation::EndpointSlices { service, delta } => self.apply_slices(service, delta),
            Observation::ConfigMaps { name, delta } => self.apply_config_map(name, delta),
            Observation::Secrets { name, delta } => self.apply_secret(name, delta),
            Observation::BoundSlices { watch, delta } => self.bound.apply_slices(watch, delta),
            Observation::BoundServices { watch, delta } => self.bound.apply_service(watch, delta),
            Observation::BoundLeases { watch, delta } => self.bound.apply_lease(watch, &delta),
            // The election's own.
            Observation::Leases { .. } => {}
            Observation::Trouble {
                watch,
                problem: Some(problem),
            } => {
                self.troubles.insert(watch, problem);
            }
            Observation::Trouble {
                watch,
                problem: None,
            } => {
                self.troubles.remove(&watch);
            }
        }
        self.forget_what_is_not_wanted();
    }

    /// Templates read who leads what is bound, or do not any more.
    pub fn read_leaders(&mut self, read: bool) {
        self.reads_leaders = read;
        self.forget_what_is_not_wanted();
    }

    /// The watches that are needed now. The own Pod says which others.
    pub fn wanted(&self) -> BTreeSet<WatchKey> {
        let mut wanted = BTreeSet::from([WatchKey::Pod]);
        if let Some(settings) = &self.in_force {
            wanted.extend(
                settings
                    .service
                    .iter()
                    .map(|service| WatchKey::EndpointSlices {
                        service: service.clone(),
                    }),
            );
            wanted.extend(references(settings).map(|(kind, object)| watch(kind, object)));
            wanted.extend(Bound::wanted(&settings.binds, &self.identity.namespace));
            if self.reads_leaders {
                wanted.extend(Bound::leases(&settings.binds, &self.identity.namespace));
            }
        }
        wanted
    }

    /// The same, each with its number.
    pub fn watches(&self) -> &Wanted {
        &self.watches
    }

    /// What is known now.
    pub fn view(&mut self) -> View {
        let mut problems = Vec::new();
        if let Some(world) = self.build(&mut problems)
            && self.world.as_deref() != Some(&world)
        {
            self.world = Some(Arc::new(world));
            self.start = self.start.take().or_else(|| self.settings.clone());
        }
        View {
            world: self.world.clone(),
            settings: self.settings.clone(),
            start: self.start.clone(),
            pod: match &self.pod {
                PodState::Present(present) => Some(Arc::clone(&present.own)),
                _ => None,
            },
            problems,
            troubles: self.troubles.clone(),
            warnings: match &self.pod {
                PodState::Present(present) => present.warnings.clone(),
                _ => Vec::new(),
            },
            departing: self.departing(),
            role: match &self.pod {
                PodState::Present(present) => present.role.clone(),
                _ => None,
            },
        }
    }

    fn forget_what_is_not_wanted(&mut self) {
        let wanted = self.wanted();
        self.config_maps
            .retain(|name, _| wanted.contains(&WatchKey::ConfigMap { name: name.clone() }));
        self.secrets
            .retain(|name, _| wanted.contains(&WatchKey::Secret { name: name.clone() }));
        self.slices.retain(|service, _| {
            wanted.contains(&WatchKey::EndpointSlices {
                service: service.clone(),
            })
        });
        self.bound.retain(&wanted);
        // The election watches the group's Lease by itself.
        let lease = self
            .in_force
            .as_ref()
            .and_then(|settings| settings.lease_name());
        let lease = lease.map(|name| WatchKey::Lease { name });
        self.troubles
            .retain(|watch, _| wanted.contains(watch) || Some(watch) == lease.as_ref());
        self.watches.retain(|watch, _| wanted.contains(watch));
        for watch in wanted {
            self.watches.entry(watch).or_insert_with(|| {
                self.begun += 1;
                self.begun
            });
        }
    }

    fn departing(&self) -> Option<Departing> {
        match &self.pod {
            PodState::Present(present) if present.own.departing => Some(Departing::Deleted {
                grace_seconds: present.own.grace_seconds,
            }),
            PodState::Absent if self.identity.pod_uid.is_some() => Some(Departing::Gone),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
