//! Owns the making of a [`World`] from what is known, or of the words for what it lacks. Never takes anything in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::objects::references;
use super::{Fold, PodState};
use crate::config::{ObjectKind as Kind, ObjectRef, Settings, resolve};
use crate::world::{Election, OwnPod, WatchKey, World, members};

impl Fold {
    /// The world, when all that it needs has been seen; else what is missing is added to the problems.
    pub(super) fn build(&self, problems: &mut Vec<String>) -> Option<World> {
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

    fn pod_place(&self) -> String {
        match self.identity.pod_name.as_str() {
            "" => "of the manifests".to_owned(),
            name => format!("{}/{name}", self.identity.namespace),
        }
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
}
