//! Owns what is known of the own Pod and container: plain ordered values taken from the API's Pod object, and the
//! settings layer that its annotations are. Never compares it with an earlier one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container as ApiContainer, ContainerStatus, Pod, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Serialize;

use super::{Identity, quantity};
use crate::config::keys::{self, ANNOTATION_PREFIX, Key, Reach};
use crate::config::{Layer, Origin};

/// The own Pod: what templates see as `kube.pod`, and what self-configuration reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct OwnPod {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `status.podIP`; the first render waits for it.
    pub ip: String,
    /// `status.podIPs`.
    pub ips: Vec<String>,
    /// `spec.hostname`, else the name.
    pub hostname: String,
    /// `spec.nodeName`.
    pub node_name: String,
    /// `metadata.labels`, without `kubesup.dev/role`, which kubesup writes itself.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`, without `kubectl.kubernetes.io/last-applied-configuration`.
    pub annotations: BTreeMap<String, String>,
    /// `deletionGracePeriodSeconds`, else `terminationGracePeriodSeconds`, else 30.
    pub grace_seconds: i64,
    /// It has a `deletionTimestamp`: the member is departing.
    pub departing: bool,
    /// The container that kubesup runs in.
    pub container: Container,
}

/// The own container: what templates see as `kube.container`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Port name (or the number as text) to number.
    pub ports: BTreeMap<String, i32>,
    /// Effective resources: `status.containerStatuses[].resources`, else the spec's.
    pub resources: Resources,
    /// `status.containerStatuses[].stopSignal`, such as `SIGQUIT`.
    pub stop_signal: Option<String>,
}

/// Limits and requests as numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Resources {
    /// `limits`.
    pub limits: Quantities,
    /// `requests`.
    pub requests: Quantities,
}

/// CPU and memory as whole numbers; `None` when the manifest does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Quantities {
    /// Thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
}

/// The annotation in which `kubectl apply` keeps the whole manifest: long, and of no use to anybody here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The label that names the service.
const NAME: &str = "app.kubernetes.io/name";

/// The label that says who leads (`lifecycle::election::role`).
pub(super) const ROLE: &str = "kubesup.dev/role";

impl OwnPod {
    /// Takes what matters from the API's object. The error names what to add to the manifest.
    pub fn from_api(pod: &Pod, identity: &Identity) -> Result<OwnPod, String> {
        let spec = pod.spec.as_ref();
        let status = pod.status.as_ref();
        let name = pod.metadata.name.clone().unwrap_or_default();
        let mut annotations = pod.metadata.annotations.clone().unwrap_or_default();
        annotations.remove(LAST_APPLIED);
        let mut labels = pod.metadata.labels.clone().unwrap_or_default();
        labels.remove(ROLE);
        let ips: Vec<String> = status
            .and_then(|status| status.pod_ips.as_ref())
            .map(|ips| ips.iter().map(|ip| ip.ip.clone()).collect())
            .unwrap_or_default();
        let ip = status
            .and_then(|status| status.pod_ip.clone())
            .or_else(|| ips.first().cloned())
            .unwrap_or_default();
        Ok(OwnPod {
            namespace: pod
                .metadata
                .namespace
                .clone()
                .unwrap_or_else(|| identity.namespace.clone()),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            ips: if ips.is_empty() && !ip.is_empty() {
                vec![ip.clone()]
            } else {
                ips
            },
            ip,
            hostname: spec
                .and_then(|spec| spec.hostname.clone())
                .unwrap_or_else(|| name.clone()),
            node_name: spec
                .and_then(|spec| spec.node_name.clone())
                .unwrap_or_default(),
            labels,
            annotations,
            grace_seconds: pod
                .metadata
                .deletion_grace_period_seconds
                .or_else(|| spec.and_then(|spec| spec.termination_grace_period_seconds))
                .unwrap_or(DEFAULT_GRACE_SECONDS),
            departing: pod.metadata.deletion_timestamp.is_some(),
            container: container(pod, identity)?,
            name,
        })
    }

    /// The Pod's UID without dashes, Habitat's `member_id`.
    pub fn member_id(&self) -> String {
        self.uid.replace('-', "")
    }
}

/// What the API server puts when a Pod does not say `terminationGracePeriodSeconds`.
pub const DEFAULT_GRACE_SECONDS: i64 = 30;

fn container(pod: &Pod, identity: &Identity) -> Result<Container, String> {
    let spec = pod.spec.as_ref();
    let containers = spec.map(|spec| spec.containers.as_slice());
    let containers = containers.unwrap_or_default();
    // Who is one of these knows it: the only container is never taken for one.
    let init = spec.and_then(|spec| spec.init_containers.as_deref());
    let all = || containers.iter().chain(init.unwrap_or_default());
    let names = || {
        all()
            .map(|container| container.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let found = match (&identity.container, containers) {
        (Some(name), _) => all()
            .find(|container| container.name == *name)
            .ok_or_else(|| {
                format!(
                    "container {name:?} is not in the Pod, which has {}; correct --container or KUBESUP_CONTAINER",
                    names()
                )
            })?,
        (None, [only]) => only,
        (None, _) => {
            return Err(format!(
                "cannot tell which container is the own one of {}; add to its env: - {{name: KUBESUP_CONTAINER, value: NAME}}",
                names()
            ));
        }
    };
    let status = pod.status.as_ref().and_then(|status| {
        let statuses = [&status.container_statuses, &status.init_container_statuses];
        let mut statuses = statuses.into_iter().flatten().flatten();
        statuses.find(|status| status.name == found.name)
    });
    Ok(Container {
        name: found.name.clone(),
        ports: ports(found),
        resources: resources(found, status),
        stop_signal: status.and_then(|status| status.stop_signal.clone()),
    })
}

fn ports(container: &ApiContainer) -> BTreeMap<String, i32> {
    let ports = container.ports.as_deref().unwrap_or_default();
    let named =
        |name: &Option<String>, number: i32| name.clone().unwrap_or_else(|| number.to_string());
    ports
        .iter()
        .map(|port| (named(&port.name, port.container_port), port.container_port))
        .collect()
}

fn resources(container: &ApiContainer, status: Option<&ContainerStatus>) -> Resources {
    let effective: Option<&ResourceRequirements> = status
        .and_then(|status| status.resources.as_ref())
        .or(container.resources.as_ref());
    let read = |map: Option<&BTreeMap<String, Quantity>>| Quantities {
        cpu_millis: map
            .and_then(|map| map.get("cpu"))
            .and_then(|quantity| quantity::whole(&quantity.0, 1000)),
        memory_bytes: map
            .and_then(|map| map.get("memory"))
            .and_then(|quantity| quantity::whole(&quantity.0, 1)),
    };
    Resources {
        limits: read(effective.and_then(|resources| resources.limits.as_ref())),
        requests: read(effective.and_then(|resources| resources.requests.as_ref())),
    }
}

/// The settings that the own Pod makes: its annotations, and what follows from labels, owner and subdomain.
/// Also one warning for each annotation of ours that is no setting. `lower` are the layers below: what one of them calls
/// the service is a better name than the owner's.
pub fn layer(pod: &Pod, own: &OwnPod, lower: &[Layer]) -> (Layer, Vec<String>) {
    let place = format!("{}/{}", own.namespace, own.name);
    let mut layer = Layer::new(Origin::Pod(place.clone()));
    if let Some(subdomain) = pod.spec.as_ref().and_then(|spec| spec.subdomain.as_deref()) {
        layer = layer.with_field(Key::Service, subdomain, "spec.subdomain".to_owned());
    }
    if let Some(name) = own.labels.get(NAME) {
        layer = layer.with_field(Key::Name, name.clone(), format!("label {NAME}"));
    } else if !lower
        .iter()
        .any(|layer| layer.values.contains_key(&Key::Name))
    {
        let (name, field) = owners_name(pod, own);
        layer = layer.with_field(Key::Name, name, field.to_owned());
    }
    let mut warnings = Vec::new();
    let own_prefix = format!("{}.{ANNOTATION_PREFIX}", own.container.name);
    // The container's own annotations come last, so that they win.
    for prefix in [ANNOTATION_PREFIX, own_prefix.as_str()] {
        for (annotation, value) in &own.annotations {
            let Some(name) = annotation.strip_prefix(prefix) else {
                continue;
            };
            match Key::from_name(name) {
                Some(key) if key.reach() != Reach::Local => {
                    layer = layer.with_field(key, value.clone(), format!("annotation {annotation}"));
                }
                Some(_) => warnings.push(format!(
                    "Pod {place}: annotation {annotation} has no effect: {name} is a flag or a KUBESUP_ variable only"
                )),
                None => {
                    let known = Key::ALL.iter().filter(|key| key.reach() != Reach::Local).map(|key| key.name());
                    let hint = keys::hint(name, known);
                    warnings.push(format!("Pod {place}: unknown annotation {annotation}{hint}"));
                }
            }
        }
    }
    (layer, warnings)
}

/// The owner's name without its Pod template hash, else the Pod's name; and which of them it is.
fn owners_name<'a>(pod: &'a Pod, own: &'a OwnPod) -> (&'a str, &'static str) {
    let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
    let Some(owner) = owners
        .iter()
        .find(|owner| owner.controller == Some(true))
        .or(owners.first())
    else {
        return (&own.name, "metadata.name");
    };
    let hash = own
        .labels
        .get("pod-template-hash")
        .map(|hash| format!("-{hash}"));
    let name = hash.and_then(|hash| owner.name.strip_suffix(&hash));
    (name.unwrap_or(&owner.name), "metadata.ownerReferences")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).expect("a Pod")
    }

    fn identity() -> Identity {
        Identity {
            namespace: "shop".into(),
            pod_name: "demo-0".into(),
            ..Identity::default()
        }
    }

    #[test]
    fn what_a_lower_layer_calls_the_service_beats_the_owner_and_not_the_label() {
        let name = |labels: serde_json::Value, lower: &[Layer]| {
            let pod = pod(json!({
                "metadata": {"name": "web-0", "labels": labels, "ownerReferences": [{"kind": "StatefulSet", "name": "owner"}]},
                "spec": {"containers": [{"name": "demo"}]},
            }));
            let own = OwnPod::from_api(&pod, &identity()).expect("own Pod");
            let (layer, _) = layer(&pod, &own, lower);
            layer.values.get(&Key::Name).map(|value| value.text.clone())
        };
        let package = [Layer::new(Origin::Package("/p".into())).with(Key::Name, "package")];
        let label = json!({"app.kubernetes.io/name": "label"});
        assert_eq!(name(json!({}), &[]).as_deref(), Some("owner"));
        assert_eq!(name(json!({}), &package), None);
        assert_eq!(name(label, &package).as_deref(), Some("label"));
    }

    #[test]
    fn the_own_pod_is_read_from_the_api() {
        let pod = pod(json!({
            "metadata": {"name": "demo-0", "namespace": "shop", "uid": "11-22", "annotations": {LAST_APPLIED: "{}", "a": "b"}},
            "spec": {"nodeName": "n1", "containers": [{"name": "demo", "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 9}],
                "resources": {"limits": {"cpu": "1", "memory": "100Mi"}}}]},
            "status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
        }));
        let own = OwnPod::from_api(&pod, &identity()).expect("own Pod");
        assert_eq!(
            (own.member_id().as_str(), own.ip.as_str(), own.ips.len()),
            ("1122", "10.0.0.1", 2)
        );
        assert_eq!(own.annotations.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(own.grace_seconds, 30);
        assert_eq!(
            own.container.ports,
            BTreeMap::from([("http".to_owned(), 8080), ("9".to_owned(), 9)])
        );
        let limits = own.container.resources.limits;
        assert_eq!(
            (limits.cpu_millis, limits.memory_bytes),
            (Some(1000), Some(104_857_600))
        );
    }

    #[test]
    fn resources_resized_in_place_beat_the_manifest() {
        let pod = pod(json!({
            "metadata": {"name": "demo-0"},
            "spec": {"containers": [{"name": "demo", "resources": {"limits": {"memory": "100Mi"}}}]},
            "status": {"containerStatuses": [{"name": "demo", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "stopSignal": "SIGQUIT", "resources": {"limits": {"memory": "200Mi"}}}]},
        }));
        let container = OwnPod::from_api(&pod, &identity())
            .expect("own Pod")
            .container;
        assert_eq!(container.resources.limits.memory_bytes, Some(209_715_200));
        assert_eq!(container.stop_signal.as_deref(), Some("SIGQUIT"));
    }

    #[test]
    fn of_several_containers_the_own_one_must_be_told() {
        let pod = pod(
            json!({"metadata": {"name": "demo-0"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}),
        );
        let error = OwnPod::from_api(&pod, &identity()).expect_err("ambiguous");
        assert!(
            error.contains("a, b") && error.contains("KUBESUP_CONTAINER"),
            "{error}"
        );
        let (_, entry) = error.split_once("env: ").expect("lines to add");
        let entry: serde_json::Value = serde_yaml::from_str(entry).expect("YAML");
        assert_eq!(entry[0]["name"], "KUBESUP_CONTAINER");
        let told = Identity {
            container: Some("b".into()),
            ..identity()
        };
        assert_eq!(
            OwnPod::from_api(&pod, &told).map(|own| own.container.name),
            Ok("b".to_owned())
        );
    }

    #[test]
    fn an_init_container_is_the_own_one_when_it_is_told_and_never_by_chance() {
        let pod = pod(json!({
            "metadata": {"name": "demo-0"},
            "spec": {"initContainers": [{"name": "setup"}], "containers": [{"name": "demo"}]},
            "status": {"initContainerStatuses": [{"name": "setup", "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "stopSignal": "SIGINT"}]},
        }));
        let own = |container: Option<&str>| {
            let identity = Identity {
                container: container.map(ToOwned::to_owned),
                ..identity()
            };
            OwnPod::from_api(&pod, &identity).map(|own| own.container)
        };
        let setup = own(Some("setup")).expect("a container");
        assert_eq!(setup.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(own(None).map(|own| own.name), Ok("demo".to_owned()));
        let error = own(Some("proxy")).expect_err("there is none");
        assert!(error.contains("which has demo, setup"), "{error}");
    }

    #[test]
    fn annotations_are_settings_and_the_containers_own_win() {
        let pod = pod(json!({
            "metadata": {"name": "demo-0", "namespace": "shop", "annotations": {
                "kubesup.dev/group": "blue", "demo.kubesup.dev/group": "green", "other.kubesup.dev/group": "red",
                "kubesup.dev/confg": "x", "kubesup.dev/root": "/x"}},
            "spec": {"subdomain": "peers", "containers": [{"name": "demo"}]},
        }));
        let own = OwnPod::from_api(&pod, &identity()).expect("own Pod");
        let (layer, warnings) = layer(&pod, &own, &[]);
        let text = |key| layer.values.get(&key).map(|value| value.text.as_str());
        assert_eq!(
            (text(Key::Group), text(Key::Service), text(Key::Root)),
            (Some("green"), Some("peers"), None)
        );
        assert_eq!(warnings.len(), 2, "{warnings:#?}");
        assert!(
            warnings[0].ends_with("unknown annotation kubesup.dev/confg; did you mean config?"),
            "{warnings:#?}"
        );
    }

    #[test]
    fn every_setting_that_a_pod_may_say_is_an_annotation_and_no_other() {
        for key in Key::ALL {
            let annotation = format!("{ANNOTATION_PREFIX}{}", key.name());
            let pod = pod(json!({
                "metadata": {"name": "demo-0", "annotations": {&annotation: "x"}},
                "spec": {"containers": [{"name": "demo"}]},
            }));
            let own = OwnPod::from_api(&pod, &identity()).expect("own Pod");
            let (layer, warnings) = layer(&pod, &own, &[]);
            let taken = layer.values.get(key).map(|value| value.text.as_str());
            let local = key.reach() == Reach::Local;
            assert_eq!(
                (taken == Some("x"), warnings.len()),
                (!local, usize::from(local)),
                "{warnings:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_value_names_the_field_of_the_pod_that_says_it() {
        let problem = |metadata: serde_json::Value| {
            let pod = pod(json!({"metadata": metadata, "spec": {"containers": [{"name": "c"}]}}));
            let own = OwnPod::from_api(&pod, &identity()).expect("own Pod");
            let (layer, _) = layer(&pod, &own, &[]);
            let problems = crate::config::resolve(&crate::config::Layers::default(), Some(&layer));
            problems.expect_err("a problem")[0].to_string()
        };
        for (metadata, field) in [
            (
                json!({"labels": {NAME: "my.app"}}),
                "label app.kubernetes.io/name",
            ),
            (
                json!({"ownerReferences": [{"kind": "ReplicaSet", "name": "my.app"}]}),
                "metadata.ownerReferences",
            ),
            (json!({"name": "my.app"}), "metadata.name"),
            (
                json!({"annotations": {"c.kubesup.dev/group": "a.b"}}),
                "annotation c.kubesup.dev/group",
            ),
        ] {
            let problem = problem(metadata);
            assert!(problem.contains(&format!(", {field}: ")), "{problem}");
            let remedy = "; say another with the annotation kubesup.dev/name";
            let is_annotation = field.starts_with("annotation");
            assert_eq!(problem.ends_with(remedy), !is_annotation, "{problem}");
        }
    }

    #[test]
    fn the_service_is_named_after_label_owner_or_pod() {
        let name = |metadata: serde_json::Value| {
            let pod = pod(json!({"metadata": metadata, "spec": {"containers": [{"name": "c"}]}}));
            let own = OwnPod::from_api(&pod, &identity()).expect("own Pod");
            let (layer, _) = layer(&pod, &own, &[]);
            layer.values[&Key::Name].text.clone()
        };
        let owner = |name: &str| json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": "u", "controller": true}]);
        assert_eq!(
            name(json!({"name": "p", "labels": {"app.kubernetes.io/name": "db"}})),
            "db"
        );
        assert_eq!(
            name(
                json!({"name": "p", "labels": {"pod-template-hash": "5d8"}, "ownerReferences": owner("web-5d8")})
            ),
            "web"
        );
        assert_eq!(
            name(json!({"name": "p", "ownerReferences": owner("demo")})),
            "demo"
        );
        assert_eq!(name(json!({"name": "p"})), "p");
    }
}
