//! Owns the objects of the manifests by kind, and what they look like to each watch. Other kinds are passed over.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, PodTemplateSpec, Secret, Service};
use k8s_openapi::api::discovery::v1::{EndpointPort, EndpointSlice};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::world::{Delta, Identity, Observation, WatchKey};

/// Everything of the manifests that the world looks at.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// The own Pod, as it would be in a cluster.
    pub own_pod: Option<Pod>,
    /// Pods.
    pub pods: Vec<Pod>,
    /// What makes Pods.
    pub workloads: Vec<Workload>,
    /// ConfigMaps.
    pub config_maps: Vec<ConfigMap>,
    /// Secrets.
    pub secrets: Vec<Secret>,
    /// Services.
    pub services: Vec<Service>,
    /// EndpointSlices.
    pub slices: Vec<EndpointSlice>,
    /// Leases.
    pub leases: Vec<Lease>,
    /// Names of `ValidatingAdmissionPolicies`.
    pub policies: BTreeSet<String>,
    /// `NetworkPolicies`.
    pub network_policies: Vec<NetworkPolicy>,
}

/// A StatefulSet, Deployment, `DaemonSet` or Job: what of it makes the own Pod.
#[derive(Debug, Clone)]
pub struct Workload {
    /// `StatefulSet`, …
    pub kind: &'static str,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// `spec.serviceName` of a StatefulSet.
    pub service_name: Option<String>,
    /// The Pods' template.
    pub template: PodTemplateSpec,
}

/// The label that ties an EndpointSlice to its Service.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

impl Objects {
    /// Takes in one document. The error says what does not fit.
    pub(super) fn add(&mut self, value: Value) -> Result<(), String> {
        let kind = value
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        match kind.as_str() {
            "" => return Err("every manifest has a kind".to_owned()),
            "Pod" => self.pods.push(read(value)?),
            "ConfigMap" => self.config_maps.push(read(value)?),
            "Secret" => self.secrets.push(secret(value)?),
            "Service" => self.services.push(read(value)?),
            "EndpointSlice" => self.slices.push(read(value)?),
            "Lease" => self.leases.push(read(value)?),
            "NetworkPolicy" => self.network_policies.push(read(value)?),
            "ValidatingAdmissionPolicy" => self.policies.extend(name(&value)),
            "StatefulSet" => {
                let set: StatefulSet = read(value)?;
                let service_name = set.spec.as_ref().and_then(|spec| spec.service_name.clone());
                self.workload(
                    "StatefulSet",
                    set.metadata,
                    service_name,
                    set.spec.map(|spec| spec.template),
                );
            }
            "Deployment" => {
                let deployment: Deployment = read(value)?;
                self.workload(
                    "Deployment",
                    deployment.metadata,
                    None,
                    deployment.spec.map(|spec| spec.template),
                );
            }
            "DaemonSet" => {
                let set: DaemonSet = read(value)?;
                self.workload(
                    "DaemonSet",
                    set.metadata,
                    None,
                    set.spec.map(|spec| spec.template),
                );
            }
            "Job" => {
                let job: Job = read(value)?;
                self.workload(
                    "Job",
                    job.metadata,
                    None,
                    job.spec.map(|spec| spec.template),
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn workload(
        &mut self,
        kind: &'static str,
        metadata: ObjectMeta,
        service_name: Option<String>,
        template: Option<PodTemplateSpec>,
    ) {
        let template = template.unwrap_or_default();
        self.workloads.push(Workload {
            kind,
            metadata,
            service_name,
            template,
        });
    }

    /// The literal values of the own container's `env`.
    pub fn literal_environment(&self, identity: &Identity) -> BTreeMap<String, String> {
        let containers = self
            .own_pod
            .iter()
            .filter_map(|pod| pod.spec.as_ref())
            .flat_map(|spec| &spec.containers);
        let is_own = |container: &&Container| {
            identity
                .container
                .as_ref()
                .is_none_or(|name| *name == container.name)
        };
        let own = containers.filter(is_own).take(1);
        own.flat_map(|container| container.env.iter().flatten())
            .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
            .collect()
    }

    /// What each watch would see.
    pub fn observations(&self, wanted: &BTreeSet<WatchKey>) -> Vec<Observation> {
        wanted.iter().map(|watch| self.observation(watch)).collect()
    }

    fn observation(&self, watch: &WatchKey) -> Observation {
        match watch {
            WatchKey::Pod => {
                Observation::Pods(Delta::Reset(self.own_pod.iter().cloned().collect()))
            }
            WatchKey::ConfigMap { name } => {
                let named = self
                    .config_maps
                    .iter()
                    .filter(|object| object.metadata.name.as_ref() == Some(name));
                Observation::ConfigMaps {
                    name: name.clone(),
                    delta: Delta::Reset(named.cloned().collect()),
                }
            }
            WatchKey::Secret { name } => {
                let named = self
                    .secrets
                    .iter()
                    .filter(|object| object.metadata.name.as_ref() == Some(name));
                Observation::Secrets {
                    name: name.clone(),
                    delta: Delta::Reset(named.cloned().collect()),
                }
            }
            WatchKey::BoundLease { namespace, name } => {
                let named = self.leases.iter().filter(|object| {
                    object.metadata.name.as_ref() == Some(name)
                        && self.is_in(&object.metadata, namespace.as_deref())
                });
                Observation::BoundLeases {
                    watch: watch.clone(),
                    delta: Delta::Reset(named.cloned().collect()),
                }
            }
            // Who leads alone looks at none.
            WatchKey::Lease { name } => Observation::Leases {
                name: name.clone(),
                delta: Delta::Reset(Vec::new()),
            },
            WatchKey::EndpointSlices { service } => Observation::EndpointSlices {
                service: service.clone(),
                delta: Delta::Reset(self.slices_of(service)),
            },
            WatchKey::BoundSlices {
                namespace,
                services,
            } => {
                let slices = services
                    .iter()
                    .flat_map(|service| self.bound_slices(namespace.as_deref(), service));
                Observation::BoundSlices {
                    watch: watch.clone(),
                    delta: Delta::Reset(slices.collect()),
                }
            }
            WatchKey::BoundService { namespace, service } => {
                let named = self.services.iter().filter(|object| {
                    object.metadata.name.as_ref() == Some(service)
                        && self.is_in(&object.metadata, namespace.as_deref())
                });
                Observation::BoundServices {
                    watch: watch.clone(),
                    delta: Delta::Reset(named.cloned().collect()),
                }
            }
        }
    }

    /// Whether an object is in this namespace; what names none is in the own one, as with `kubectl apply`.
    fn is_in(&self, metadata: &ObjectMeta, namespace: Option<&str>) -> bool {
        let own = self.own_pod.as_ref();
        let own = own.and_then(|pod| pod.metadata.namespace.as_deref());
        let place = metadata.namespace.as_deref();
        place.or(own) == namespace.or(own)
    }

    fn bound_slices(&self, namespace: Option<&str>, service: &str) -> Vec<EndpointSlice> {
        let is_its = |slice: &&EndpointSlice| {
            self.is_in(&slice.metadata, namespace) && belongs_to(slice, service)
        };
        self.slices.iter().filter(is_its).cloned().collect()
    }

    /// The Service's slices; for a Service without any the empty one that the control plane would make.
    fn slices_of(&self, service: &str) -> Vec<EndpointSlice> {
        let is_its = |slice: &&EndpointSlice| belongs_to(slice, service);
        let slices: Vec<_> = self.slices.iter().filter(is_its).cloned().collect();
        if !slices.is_empty() {
            return slices;
        }
        let object = self
            .services
            .iter()
            .find(|object| object.metadata.name.as_deref() == Some(service));
        object
            .map(|object| vec![empty_slice(service, object)])
            .unwrap_or_default()
    }
}

fn name(value: &Value) -> Option<String> {
    let name = value.pointer("/metadata/name")?.as_str()?;
    Some(name.to_owned())
}

fn belongs_to(slice: &EndpointSlice, service: &str) -> bool {
    let labels = slice.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(SERVICE_NAME_LABEL))
        .is_some_and(|name| name == service)
}

fn empty_slice(service: &str, object: &Service) -> EndpointSlice {
    let ports = object
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.as_ref())
        .into_iter()
        .flatten();
    let ports = ports.map(|port| EndpointPort {
        name: port.name.clone(),
        port: Some(port.port),
        ..EndpointPort::default()
    });
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(format!("{service}-local")),
            labels: Some(BTreeMap::from([(
                SERVICE_NAME_LABEL.to_owned(),
                service.to_owned(),
            )])),
            ..ObjectMeta::default()
        },
        address_type: "IPv4".to_owned(),
        ports: Some(ports.collect()),
        endpoints: Vec::new(),
    }
}

fn read<K: DeserializeOwned>(value: Value) -> Result<K, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// A parser's reason may quote the value: of a Secret only the key is told.
fn secret(value: Value) -> Result<Secret, String> {
    let texts = |field: &str| {
        value
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    let not_base64 = texts("data")
        .find(|(_, value)| serde_json::from_value::<ByteString>((*value).clone()).is_err());
    let not_text = texts("stringData").find(|(_, value)| !value.is_string());
    if let Some((key, _)) = not_base64 {
        return Err(format!(
            "data, key {key}: it is not base64; put texts into stringData"
        ));
    }
    if let Some((key, _)) = not_text {
        return Err(format!("stringData, key {key}: it is not a text; quote it"));
    }
    serde_json::from_value(value)
        .map_err(|_| "it is not what a Secret is (its text is not shown)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_without_slices_has_the_empty_one_and_a_missing_service_has_none() {
        let mut objects = Objects::default();
        objects.add(json!({"kind": "Service", "metadata": {"name": "demo"}, "spec": {"ports": [{"port": 80}]}})).expect("a Service");
        assert_eq!(objects.slices_of("demo").len(), 1);
        assert_eq!(objects.slices_of("other").len(), 0);
    }

    #[test]
    fn a_wrong_secret_is_named_by_its_key_and_never_shown() {
        for (secret, part) in [
            (
                json!({"data": {"k": "hunter2!"}}),
                "data, key k: it is not base64",
            ),
            (
                json!({"stringData": {"k": 1234}}),
                "stringData, key k: it is not a text",
            ),
            (json!({"data": "hunter2"}), "not what a Secret is"),
            (json!({"type": ["hunter2"]}), "not what a Secret is"),
        ] {
            let mut value = json!({"kind": "Secret", "metadata": {"name": "s"}});
            value
                .as_object_mut()
                .expect("a map")
                .extend(secret.as_object().cloned().expect("a map"));
            let error = Objects::default().add(value).expect_err("an error");
            assert!(
                error.contains(part) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn slices_belong_to_a_service_by_their_label() {
        let mut objects = Objects::default();
        let slice = json!({"kind": "EndpointSlice", "metadata": {"name": "x", "labels": {SERVICE_NAME_LABEL: "demo"}}, "addressType": "IPv4", "endpoints": []});
        objects.add(slice).expect("a slice");
        assert_eq!(
            objects.slices_of("demo")[0].metadata.name.as_deref(),
            Some("x")
        );
    }

    #[test]
    fn the_lease_of_a_bound_group_is_seen_in_its_namespace_and_elsewhere_as_absent() {
        let mut objects = Objects::default();
        let lease = json!({"kind": "Lease", "metadata": {"name": "kubesup.pg.default", "namespace": "data"}, "spec": {"holderIdentity": "a/b/c/d"}});
        objects.add(lease).expect("a Lease");
        let count = |namespace: Option<&str>| {
            let watch = WatchKey::BoundLease {
                namespace: namespace.map(str::to_owned),
                name: "kubesup.pg.default".to_owned(),
            };
            match objects.observation(&watch) {
                Observation::BoundLeases {
                    delta: Delta::Reset(all),
                    ..
                } => all.len(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((count(Some("data")), count(None)), (1, 0));
    }

    #[test]
    fn a_wanted_config_map_that_is_not_there_is_seen_as_absent() {
        let seen = Objects::default()
            .observations(&BTreeSet::from([WatchKey::ConfigMap { name: "a".into() }]));
        assert_eq!(
            seen,
            [Observation::ConfigMaps {
                name: "a".into(),
                delta: Delta::Reset(vec![])
            }]
        );
    }
}
