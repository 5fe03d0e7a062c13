//! Owns the fold of observations into a [`View`]: what has been seen, what is wanted, what is missing. Never drops a
//! world once it was complete: a ConfigMap that goes away while in use is a problem, and its last content stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::binds::Bound;
use super::config_map::{Watched, content, secret_content};
use super::members::{self, Slice};
use super::{
    Delta, Departing, Document, Election, Identity, Observation, OverlayFile, OwnPod, Sensitivity,
    ServiceFile, View, Wanted, WatchKey, World, pod,
};
use crate::config::{FilesRef, Layer, Layers, ObjectKind as Kind, ObjectRef, Settings, resolve};

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

    fn apply_pods(&mut self, delta: Delta<Pod>) {
        let name = self.identity.pod_name.clone();
        let is_own = |pod: &Pod| name.is_empty() || pod.metadata.name.as_deref() == Some(&name);
        match delta {
            Delta::Reset(pods) => match pods.iter().find(|pod| is_own(pod)) {
                Some(pod) => self.pod_seen(pod),
                None => self.pod = PodState::Absent,
            },
            Delta::Apply(pod) if is_own(&pod) => self.pod_seen(&pod),
            Delta::Delete(pod) if is_own(&pod) => self.pod = PodState::Absent,
            Delta::Apply(_) | Delta::Delete(_) => {}
        }
        if let PodState::Present(present) = &self.pod
            && let Ok(mut settings) = resolve(&self.layers, Some(&present.layer))
        {
            if let Some(version) = present.own.labels.get("app.kubernetes.io/version") {
                settings.version.clone_from(version);
            }
            if self.settings.as_deref() != Some(&settings) {
                let settings = Arc::new(settings);
                self.in_force = Some(match &self.start {
                    Some(start) => Arc::new(start.with_live(&settings)),
                    None => Arc::clone(&settings),
                });
                self.settings = Some(settings);
            }
        }
    }

    fn pod_seen(&mut self, pod: &Pod) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        if let Some(expected) = &self.identity.pod_uid
            && expected != uid
        {
            // Another Pod has our name: we were deleted, and it must not be taken for us.
            self.pod = PodState::Absent;
            return;
        }
        // From the first sight on the UID is known: a Pod made anew under the name is another one.
        self.identity.pod_uid = Some(uid.to_owned());
        self.identity.pod_name = pod.metadata.name.clone().unwrap_or_default();
        if let Some(namespace) = &pod.metadata.namespace {
            self.identity.namespace.clone_from(namespace);
        }
        self.pod = match OwnPod::from_api(pod, &self.identity) {
            Ok(own) => {
                let (layer, warnings) = pod::layer(pod, &own, &self.layers.below_pod);
                let labels = pod.metadata.labels.as_ref();
                PodState::Present(Box::new(Present {
                    own: Arc::new(own),
                    layer,
                    warnings,
                    role: labels.and_then(|labels| labels.get(pod::ROLE).cloned()),
                }))
            }
            Err(reason) => PodState::Unusable(reason),
        };
    }

    fn apply_slices(&mut self, service: String, delta: Delta<EndpointSlice>) {
        let name = |slice: &EndpointSlice| slice.metadata.name.clone().unwrap_or_default();
        match delta {
            Delta::Reset(all) => {
                let all = all
                    .iter()
                    .map(|slice| (name(slice), Slice::from_api(slice, &service)))
                    .collect();
                self.slices.insert(service, all);
            }
            Delta::Apply(slice) => {
                let known = self.slices.entry(service.clone()).or_default();
                known.insert(name(&slice), Slice::from_api(&slice, &service));
            }
            Delta::Delete(slice) => {
                self.slices
                    .entry(service)
                    .or_default()
                    .remove(&name(&slice));
            }
        }
    }

    fn apply_config_map(&mut self, name: String, delta: Delta<ConfigMap>) {
        let watched = self.config_maps.entry(name).or_default();
        match delta {
            Delta::Reset(all) => match all.first() {
                Some(config_map) => watched.seen(content(config_map)),
                None => watched.gone(),
            },
            Delta::Apply(config_map) => watched.seen(content(&config_map)),
            Delta::Delete(_) => watched.gone(),
        }
    }

    fn apply_secret(&mut self, name: String, delta: Delta<Secret>) {
        let watched = self.secrets.entry(name).or_default();
        match delta {
            Delta::Reset(all) => match all.first() {
                Some(secret) => watched.seen(secret_content(secret)),
                None => watched.gone(),
            },
            Delta::Apply(secret) => watched.seen(secret_content(&secret)),
            Delta::Delete(_) => watched.gone(),
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

    fn pod_place(&self) -> String {
        match self.identity.pod_name.as_str() {
            "" => "of the manifests".to_owned(),
            name => format!("{}/{name}", self.identity.namespace),
        }
    }

    /// The world, when all that it needs has been seen; else what is missing is added to the problems.
    fn build(&self, problems: &mut Vec<String>) -> Option<World> {
        let place = self.pod_place();
        let present = match &self.pod {
            PodState::Present(present) => present,
            PodState::Unknown => {
                problems.push(
                    self.because(&WatchKey::Pod, format!("Pod {place} has not been read yet")),
                );
                return None;
            }
            PodState::Absent => {
                problems.push(format!("Pod {place} does not exist (or another one has its name); is this its namespace?"));
                return None;
            }
            PodState::Unusable(reason) => {
                problems.push(format!("Pod {place}: {reason}"));
                return None;
            }
        };
        if let Err(errors) = resolve(&self.layers, Some(&present.layer)) {
            problems.extend(errors.iter().map(ToString::to_string));
            return None;
        }
        let settings = Arc::clone(self.in_force.as_ref()?);
        if present.own.ip.is_empty() {
            problems.push(format!("Pod {place} has no IP yet"));
        }
        self.check_slices(&settings, problems);
        let mut config = self.documents(&settings.config, Kind::ConfigMap, problems);
        config.extend(self.documents(&settings.secrets, Kind::Secret, problems));
        let overlay = self.overlay(&settings, problems);
        let files = self.files(&settings, problems);
        let binds = self.bound.groups(
            &settings.binds,
            &present.own,
            &self.identity.namespace,
            &self.troubles,
            problems,
        );
        // What went away while in use is a problem, but no reason to stop following the rest.
        let complete =
            problems.is_empty() || (self.world.is_some() && self.everything_has_content(&settings));
        let slices = settings
            .service
            .iter()
            .filter_map(|service| self.slices.get(service))
            .flat_map(BTreeMap::values);
        complete.then(|| World {
            members: members::join(slices, &present.own),
            pod: OwnPod::clone(&present.own),
            config,
            overlay,
            files,
            binds,
            election: Election::default(),
        })
    }

    fn check_slices(&self, settings: &Settings, problems: &mut Vec<String>) {
        let Some(service) = &settings.service else {
            return;
        };
        let key = WatchKey::EndpointSlices {
            service: service.clone(),
        };
        let place = format!("{}/{service}", self.identity.namespace);
        match self.slices.get(service) {
            None => problems.push(self.because(&key, format!("EndpointSlices of Service {place} have not been read yet"))),
            Some(slices) if slices.is_empty() => problems.push(format!(
                "Service {place} has no EndpointSlices: the Service does not exist, or has no selector and no slices; \
                 create it, or name another one with the annotation kubesup.dev/service"
            )),
            Some(_) => {}
        }
    }

    fn everything_has_content(&self, settings: &Settings) -> bool {
        let read = |(kind, object): (Kind, &ObjectRef)| match self.watched(kind, object) {
            Some(watched) => {
                watched.content.is_some() || (object.optional && watched.present == Some(false))
            }
            None => false,
        };
        let slices = settings
            .service
            .as_ref()
            .is_none_or(|service| self.slices.contains_key(service));
        slices && references(settings).all(read)
    }

    fn watched(&self, kind: Kind, object: &ObjectRef) -> Option<&Watched> {
        match kind {
            Kind::ConfigMap => self.config_maps.get(&object.name),
            Kind::Secret => self.secrets.get(&object.name),
        }
    }

    /// The content of a ConfigMap or Secret in force; what is missing is added to the problems.
    fn content(
        &self,
        kind: Kind,
        object: &ObjectRef,
        annotation: &str,
        problems: &mut Vec<String>,
    ) -> Option<&BTreeMap<String, Vec<u8>>> {
        let place = self.object_place(kind, object);
        let watched = self.watched(kind, object);
        match watched.and_then(|watched| watched.present) {
            None => problems.push(self.because(&watch(kind, object), format!("{place} has not been read yet"))),
            Some(false) if !object.optional => problems.push(format!(
                "{place} does not exist; create it, or write {}? in the annotation kubesup.dev/{annotation} if it may be missing",
                object.name
            )),
            Some(false) => return None,
            Some(true) => {}
        }
        watched.and_then(|watched| watched.content.as_ref())
    }

    fn documents(
        &self,
        objects: &[ObjectRef],
        kind: Kind,
        problems: &mut Vec<String>,
    ) -> Vec<Document> {
        let annotation = match kind {
            Kind::ConfigMap => "config",
            Kind::Secret => "secrets",
        };
        let document = |object: &ObjectRef| {
            let data = self.content(kind, object, annotation, problems)?.clone();
            Some(Document {
                object: self.object_place(kind, object),
                sensitivity: sensitivity(kind),
                data,
            })
        };
        objects.iter().filter_map(document).collect()
    }

    fn overlay(
        &self,
        settings: &Settings,
        problems: &mut Vec<String>,
    ) -> BTreeMap<String, OverlayFile> {
        let mut files = BTreeMap::new();
        for (objects, annotation, top) in [
            (&settings.hooks, "hooks", "hooks"),
            (&settings.templates, "templates", "config"),
        ] {
            for object in objects {
                for (key, content) in self
                    .content(Kind::ConfigMap, object, annotation, problems)
                    .into_iter()
                    .flatten()
                {
                    let directory = if object.directory.is_empty() {
                        top.to_owned()
                    } else {
                        format!("{top}/{}", object.directory)
                    };
                    let object =
                        format!("{}, key {key}", self.object_place(Kind::ConfigMap, object));
                    files.insert(
                        format!("{directory}/{key}"),
                        OverlayFile {
                            object,
                            content: content.clone(),
                        },
                    );
                }
            }
        }
        files
    }

    /// Of two files of one name the later object's counts.
    fn files(
        &self,
        settings: &Settings,
        problems: &mut Vec<String>,
    ) -> BTreeMap<String, ServiceFile> {
        let mut files = BTreeMap::new();
        for FilesRef { kind, object } in &settings.files {
            let content = self.content(*kind, object, "files", problems);
            for (key, content) in content.into_iter().flatten() {
                let file = ServiceFile {
                    object: format!("{}, key {key}", self.object_place(*kind, object)),
                    sensitivity: sensitivity(*kind),
                    content: content.clone(),
                };
                files.insert(key.clone(), file);
            }
        }
        files
    }

    fn object_place(&self, kind: Kind, object: &ObjectRef) -> String {
        format!(
            "{} {}/{}",
            kind.name(),
            self.identity.namespace,
            object.name
        )
    }

    /// What is missing, with why its watch does not work when that is known.
    fn because(&self, watch: &WatchKey, missing: String) -> String {
        match self.troubles.get(watch) {
            Some(trouble) => format!("{missing}: {trouble}"),
            None => missing,
        }
    }
}

fn sensitivity(kind: Kind) -> Sensitivity {
    match kind {
        Kind::ConfigMap => Sensitivity::Public,
        Kind::Secret => Sensitivity::Secret,
    }
}

fn watch(kind: Kind, object: &ObjectRef) -> WatchKey {
    let name = object.name.clone();
    match kind {
        Kind::ConfigMap => WatchKey::ConfigMap { name },
        Kind::Secret => WatchKey::Secret { name },
    }
}

/// Every object that the settings name.
fn references(settings: &Settings) -> impl Iterator<Item = (Kind, &ObjectRef)> {
    let config_maps = settings
        .config
        .iter()
        .chain(&settings.hooks)
        .chain(&settings.templates);
    config_maps
        .map(|object| (Kind::ConfigMap, object))
        .chain(settings.secrets.iter().map(|object| (Kind::Secret, object)))
        .chain(
            settings
                .files
                .iter()
                .map(|files| (files.kind, &files.object)),
        )
}

#[cfg(test)]
mod tests;
