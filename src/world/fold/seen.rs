//! Owns what one observation changes of what is known: of the own Pod, of EndpointSlices, of ConfigMaps and Secrets. Never
//! says what that means for the world.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::{Fold, PodState, Present};
use crate::config::resolve;
use crate::world::config_map::{Content, Watched, content, secret_content};
use crate::world::members::Slice;
use crate::world::{Delta, OwnPod, pod};

impl Fold {
    pub(super) fn apply_pods(&mut self, delta: Delta<Pod>) {
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

    pub(super) fn apply_slices(&mut self, service: String, delta: Delta<EndpointSlice>) {
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

    pub(super) fn apply_config_map(&mut self, name: String, delta: Delta<ConfigMap>) {
        take_in(self.config_maps.entry(name).or_default(), delta, content);
    }

    pub(super) fn apply_secret(&mut self, name: String, delta: Delta<Secret>) {
        take_in(self.secrets.entry(name).or_default(), delta, secret_content);
    }
}

/// An object that is watched by its name: there is one, or none.
fn take_in<K>(watched: &mut Watched, delta: Delta<K>, content: impl Fn(&K) -> Content) {
    match delta {
        Delta::Reset(all) => match all.first() {
            Some(object) => watched.seen(content(object)),
            None => watched.gone(),
        },
        Delta::Apply(object) => watched.seen(content(&object)),
        Delta::Delete(_) => watched.gone(),
    }
}
