//! Owns the own Pod of local mode: a Pod of the manifests, the one that a workload's template would make, or a synthetic one.

use k8s_openapi::api::core::v1::{Container, Pod, PodIP, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::load::LoadError;
use super::objects::{Objects, Workload};
use crate::world::Identity;

/// The address of everything in local mode.
const LOCAL_IP: &str = "127.0.0.1";

/// The own Pod. With several candidates the identity's Pod name decides.
pub(super) fn own(objects: &Objects, identity: &Identity) -> Result<Pod, LoadError> {
    let mut candidates: Vec<Pod> = objects.pods.clone();
    candidates.extend(objects.workloads.iter().map(made_by));
    let named = candidates
        .iter()
        .position(|pod| pod.metadata.name.as_ref() == Some(&identity.pod_name));
    let pod = match (named, candidates.len()) {
        (Some(index), _) => candidates.swap_remove(index),
        (None, 0) => synthetic(identity),
        (None, 1) => candidates.swap_remove(0),
        (None, _) => {
            let all = candidates
                .iter()
                .filter_map(|pod| pod.metadata.name.as_deref());
            return Err(LoadError::SeveralPods {
                candidates: all.collect::<Vec<_>>().join(", "),
            });
        }
    };
    Ok(settled(pod, identity))
}

/// The first Pod that a workload makes. A StatefulSet's has a number and its Service as subdomain.
fn made_by(workload: &Workload) -> Pod {
    let name = workload.metadata.name.clone().unwrap_or_default();
    let template = &workload.template;
    let mut metadata = template.metadata.clone().unwrap_or_default();
    metadata.name = Some(if workload.kind == "StatefulSet" {
        format!("{name}-0")
    } else {
        name.clone()
    });
    metadata.namespace.clone_from(&workload.metadata.namespace);
    metadata.owner_references = Some(vec![OwnerReference {
        kind: workload.kind.to_owned(),
        name,
        controller: Some(true),
        ..OwnerReference::default()
    }]);
    let mut spec = template.spec.clone().unwrap_or_default();
    spec.subdomain = spec.subdomain.or_else(|| workload.service_name.clone());
    Pod {
        metadata,
        spec: Some(spec),
        status: None,
    }
}

/// A Pod named after the host, so that a folder without one works.
fn synthetic(identity: &Identity) -> Pod {
    Pod {
        metadata: ObjectMeta {
            name: Some(identity.pod_name.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: vec![Container {
                name: "main".to_owned(),
                ..Container::default()
            }],
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// What the API server and the kubelet would add.
fn settled(mut pod: Pod, identity: &Identity) -> Pod {
    let namespace = pod
        .metadata
        .namespace
        .get_or_insert_with(|| identity.namespace.clone())
        .clone();
    let name = pod.metadata.name.clone().unwrap_or_default();
    pod.metadata
        .uid
        .get_or_insert_with(|| uid(&namespace, &name));
    let status = pod.status.get_or_insert_with(PodStatus::default);
    let ip = status
        .pod_ip
        .get_or_insert_with(|| LOCAL_IP.to_owned())
        .clone();
    status.pod_ips.get_or_insert_with(|| vec![PodIP { ip }]);
    pod
}

/// A UID that stays the same from start to start.
fn uid(namespace: &str, name: &str) -> String {
    let id = crate::world::stable_id(name, namespace);
    let part = |from: usize, to: usize| id.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn identity(pod_name: &str) -> Identity {
        Identity {
            namespace: "default".into(),
            pod_name: pod_name.into(),
            ..Identity::default()
        }
    }

    fn objects(values: &[serde_json::Value]) -> Objects {
        let mut objects = Objects::default();
        for value in values {
            objects.add(value.clone()).expect("an object");
        }
        objects
    }

    fn stateful_set(name: &str) -> serde_json::Value {
        let template = json!({"metadata": {"annotations": {"a": "b"}}, "spec": {"containers": [{"name": "demo"}]}});
        json!({"kind": "StatefulSet", "metadata": {"name": name}, "spec": {"serviceName": "peers", "selector": {}, "template": template}})
    }

    #[test]
    fn a_stateful_sets_pod_has_a_number_its_service_and_its_owner() {
        let pod = own(&objects(&[stateful_set("demo")]), &identity("host")).expect("a Pod");
        assert_eq!(pod.metadata.name.as_deref(), Some("demo-0"));
        assert_eq!(
            pod.spec.and_then(|spec| spec.subdomain).as_deref(),
            Some("peers")
        );
        assert_eq!(
            pod.metadata.owner_references.expect("owners")[0].name,
            "demo"
        );
        assert_eq!(
            pod.status.and_then(|status| status.pod_ip).as_deref(),
            Some("127.0.0.1")
        );
    }

    #[test]
    fn a_folder_without_a_pod_has_one_named_after_the_host_with_a_lasting_uid() {
        let first = own(&Objects::default(), &identity("host")).expect("a Pod");
        assert_eq!(first.metadata.name.as_deref(), Some("host"));
        assert_eq!(
            first,
            own(&Objects::default(), &identity("host")).expect("a Pod")
        );
        assert_eq!(first.metadata.uid.map(|uid| uid.len()), Some(36));
    }

    #[test]
    fn of_several_the_named_one_is_the_own_and_without_a_name_it_is_an_error() {
        let both = objects(&[stateful_set("a"), stateful_set("b")]);
        assert_eq!(
            own(&both, &identity("b-0"))
                .expect("a Pod")
                .metadata
                .name
                .as_deref(),
            Some("b-0")
        );
        let error = own(&both, &identity("host"))
            .expect_err("ambiguous")
            .to_string();
        assert!(
            error.contains("a-0, b-0") && error.contains("POD_NAME"),
            "{error}"
        );
    }
}
