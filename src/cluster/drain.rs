//! Owns the look at the own Pod's endpoints at a stop: one list, then a watch of the EndpointSlices that have the Pod, until
//! each shows it absent, terminating or not serving. Never decides how long that is worth waiting for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, VersionMatch, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt as _};
use tokio::time::sleep;
use tracing::{debug, warn};

/// What became of the endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoints {
    /// No slice has the Pod.
    None,
    /// Every slice that had it shows that it takes no more traffic.
    Gone,
}

/// Between tries while the API server does not answer: a drain lasts seconds.
const PAUSE: Duration = Duration::from_millis(500);
/// What a watch asks for: longer than any drain.
const WATCH_SECONDS: u32 = 290;
/// The Service that a slice belongs to.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// Waits until no EndpointSlice of the namespace sends traffic to the Pod. May take forever: whoever asks sets the limit.
///
/// The list comes from the API server's cache (`resourceVersion=0`): a rollout of a thousand Pods asks etcd for nothing.
/// Without the right to list there is nothing to learn, and the endpoints count as gone.
///
/// # RBAC
///
/// rbac: "discovery.k8s.io" endpointslices list,watch
pub async fn endpoints_gone(client: Client, namespace: &str, uid: &str) -> Endpoints {
    let api: Api<EndpointSlice> = Api::namespaced(client, namespace);
    let mut were_there = false;
    loop {
        match look(&api, uid, &mut were_there).await {
            Ok(Some(endpoints)) => return endpoints,
            Ok(None) => {}
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
                warn!(
                    "cannot see whether the own endpoints are gone: namespace {namespace}: {}; grant list and watch on \
                     discovery.k8s.io/endpointslices",
                    status.message
                );
                return Endpoints::Gone;
            }
            // An outage, or a version that is too old: the list says how it is.
            Err(error) => debug!(%error, "the own endpoints cannot be watched"),
        }
        sleep(PAUSE).await;
    }
}

/// One list, and the watch that goes on from it. `None` when the watch has ended in good order and it begins anew.
async fn look(
    api: &Api<EndpointSlice>,
    uid: &str,
    were_there: &mut bool,
) -> kube::Result<Option<Endpoints>> {
    let cached = ListParams::default()
        .matching(VersionMatch::NotOlderThan)
        .at("0");
    let listed = api.list(&cached).await?;
    let mut serving = Serving::new(uid);
    for slice in &listed.items {
        serving.apply(slice);
    }
    *were_there |= serving.has_pod();
    if !*were_there {
        return Ok(Some(Endpoints::None));
    }
    if serving.is_over() {
        return Ok(Some(Endpoints::Gone));
    }
    let version = listed.metadata.resource_version.unwrap_or_default();
    let watched = serving.watched().timeout(WATCH_SECONDS);
    let mut events = api.watch(&watched, &version).await?.boxed();
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(slice) | WatchEvent::Modified(slice) => serving.apply(&slice),
            WatchEvent::Deleted(slice) => serving.delete(&slice.name_any()),
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
        }
        if serving.is_over() {
            return Ok(Some(Endpoints::Gone));
        }
    }
    Ok(None)
}

/// Which slices send traffic to the Pod.
struct Serving<'a> {
    uid: &'a str,
    /// By name of the slice that has the Pod: whether it sends.
    slices: BTreeMap<String, bool>,
    services: BTreeSet<String>,
    /// A slice of no Service has the Pod: somebody made it by hand.
    unlabelled: bool,
}

impl<'a> Serving<'a> {
    fn new(uid: &'a str) -> Serving<'a> {
        Serving {
            uid,
            slices: BTreeMap::new(),
            services: BTreeSet::new(),
            unlabelled: false,
        }
    }

    fn apply(&mut self, slice: &EndpointSlice) {
        let name = slice.name_any();
        match sends_to(slice, self.uid) {
            None => self.delete(&name),
            Some(sends) => {
                self.slices.insert(name, sends);
                match slice.labels().get(SERVICE_LABEL) {
                    Some(service) => drop(self.services.insert(service.clone())),
                    None => self.unlabelled = true,
                }
            }
        }
    }

    fn delete(&mut self, name: &str) {
        self.slices.remove(name);
    }

    fn has_pod(&self) -> bool {
        !self.slices.is_empty()
    }

    fn is_over(&self) -> bool {
        !self.slices.values().any(|sends| *sends)
    }

    /// Only slices of the Services that have the Pod: it may move between slices of one Service.
    fn watched(&self) -> WatchParams {
        let services: Vec<&str> = self.services.iter().map(String::as_str).collect();
        let all = WatchParams::default();
        if self.unlabelled {
            all
        } else {
            all.labels(&format!("{SERVICE_LABEL} in ({})", services.join(",")))
        }
    }
}

/// Whether the slice sends traffic to the Pod; `None` when it does not have it. Absent `ready` and `serving` mean true, absent
/// `terminating` false. `ready` says nothing here: with `publishNotReadyAddresses` it is always true.
fn sends_to(slice: &EndpointSlice, uid: &str) -> Option<bool> {
    let own = slice.endpoints.iter().filter(|endpoint| {
        endpoint
            .target_ref
            .as_ref()
            .and_then(|target| target.uid.as_deref())
            == Some(uid)
    });
    own.map(|endpoint| {
        let conditions = endpoint.conditions.as_ref();
        let serving = conditions
            .and_then(|conditions| conditions.serving)
            .unwrap_or(true);
        let terminating = conditions
            .and_then(|conditions| conditions.terminating)
            .unwrap_or(false);
        serving && !terminating
    })
    .reduce(|one, other| one || other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(name: &str, service: Option<&str>, endpoints: &[(&str, &str)]) -> EndpointSlice {
        let endpoints: Vec<serde_json::Value> = endpoints
            .iter()
            .map(|(uid, conditions)| {
                let conditions: serde_json::Value =
                    serde_json::from_str(conditions).expect("conditions");
                serde_json::json!({"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "uid": uid}, "conditions": conditions})
            })
            .collect();
        let mut value = serde_json::json!({"metadata": {"name": name}, "addressType": "IPv4", "endpoints": endpoints});
        if let Some(service) = service {
            value["metadata"]["labels"] = serde_json::json!({SERVICE_LABEL: service});
        }
        serde_json::from_value(value).expect("a slice")
    }

    #[test]
    fn traffic_goes_to_what_serves_and_does_not_terminate_whatever_ready_says() {
        let sends = |conditions| sends_to(&slice("a", None, &[("me", conditions)]), "me");
        assert_eq!(sends("{}"), Some(true));
        assert_eq!(sends(r#"{"ready": false}"#), Some(true));
        assert_eq!(sends(r#"{"ready": false, "serving": false}"#), Some(false));
        assert_eq!(
            sends(r#"{"ready": true, "serving": true, "terminating": true}"#),
            Some(false)
        );
        assert_eq!(sends_to(&slice("a", None, &[("other", "{}")]), "me"), None);
        assert_eq!(
            sends_to(
                &slice("a", None, &[("me", r#"{"serving": false}"#), ("me", "{}")]),
                "me"
            ),
            Some(true),
            "both families"
        );
    }

    #[test]
    fn it_is_over_when_every_slice_is() {
        let mut serving = Serving::new("me");
        serving.apply(&slice("x-1", Some("x"), &[("other", "{}")]));
        assert!(!serving.has_pod());
        serving.apply(&slice("a-1", Some("a"), &[("me", "{}")]));
        serving.apply(&slice("b-1", Some("b"), &[("me", "{}")]));
        assert!(serving.has_pod() && !serving.is_over());
        assert_eq!(
            serving.watched().label_selector.as_deref(),
            Some("kubernetes.io/service-name in (a,b)")
        );
        serving.apply(&slice(
            "a-1",
            Some("a"),
            &[("me", r#"{"terminating": true}"#)],
        ));
        assert!(!serving.is_over());
        // The Pod moves to another slice of the Service first.
        serving.apply(&slice("b-2", Some("b"), &[("me", "{}")]));
        serving.apply(&slice("b-1", Some("b"), &[]));
        assert!(!serving.is_over());
        serving.delete("b-2");
        assert!(serving.is_over());
        serving.apply(&slice("by-hand", None, &[("me", "{}")]));
        assert_eq!(serving.watched().label_selector, None);
    }
}
