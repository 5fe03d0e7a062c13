//! Owns the writing of the readiness gate's condition: first False, then only on change, tried again until it is there.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use super::{Own, is_final, is_refused, say_not_kept, say_refused, within};
use crate::cluster::access;
use crate::cluster::backoff::Backoff;
use crate::cluster::patience::Patience;
use crate::rbac;
use crate::report::{Condition, STARTING, condition};
use crate::snapshot::Snapshot;

const GATE: &str = "kubesup.dev/healthy";
/// A Pod cannot change its gates: half-way between the shortest and the longest pause is good enough here.
const EVEN: f64 = 0.5;

/// Ends when the Pod declares no gate, when it may not be written, or when there are no more snapshots.
pub(super) async fn run(client: Client, own: Own, mut snapshots: watch::Receiver<Snapshot>) {
    let mut backoff = Backoff::new(Patience::default().backoff);
    while !match access::pod(client.clone(), &own.namespace, &own.name).await {
        Ok(Some(pod)) if declares(&pod) => true,
        Ok(_) => return,
        Err(reason) => {
            debug!(
                reason,
                "whether the own Pod has a readiness gate is not known yet"
            );
            sleep(backoff.next(EVEN, None)).await;
            false
        }
    } {}
    let mut written: Option<Condition> = None;
    let mut warned = false;
    loop {
        let wanted = match written {
            None => STARTING,
            Some(_) => condition(&snapshots.borrow_and_update()),
        };
        if written == Some(wanted) {
            if snapshots.changed().await.is_err() {
                return;
            }
            continue;
        }
        let turned = written.is_none_or(|written| written.healthy != wanted.healthy);
        match within(write(&client, &own, wanted, turned)).await {
            Some(Ok(())) => {
                written = Some(wanted);
                backoff.reset();
            }
            failed => {
                if let Some(Err(error)) = &failed
                    && let Some(reason) = is_final(error, rbac::POD_STATUS)
                {
                    say_not_kept(&format!("the readiness gate {GATE}"), &own, &reason);
                    return;
                }
                if let Some(Err(error)) = &failed
                    && is_refused(error)
                    && !warned
                {
                    warned = true;
                    say_refused(&format!("the readiness gate {GATE}"), error);
                }
                debug!(error = ?failed, "the readiness gate cannot be written yet");
                sleep(backoff.next(EVEN, None)).await;
            }
        }
    }
}

fn declares(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let gates = spec.and_then(|spec| spec.readiness_gates.as_deref());
    gates
        .unwrap_or_default()
        .iter()
        .any(|gate| gate.condition_type == GATE)
}

/// Patches this condition and no other, of the Pod of this UID and no other.
///
/// # RBAC
///
/// rbac, opt-in: "" pods/status patch
async fn write(
    client: &Client,
    own: &Own,
    condition: Condition,
    turned: bool,
) -> Result<(), kube::Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &own.namespace);
    let patch = Patch::Strategic(patch(own, condition, turned));
    let parameters = PatchParams::default();
    let patched = api.patch_status(&own.name, &parameters, &patch).await;
    patched.map(drop)
}

fn patch(own: &Own, condition: Condition, turned: bool) -> Value {
    let status = if condition.healthy { "True" } else { "False" };
    let mut entry = json!({"type": GATE, "status": status, "reason": condition.reason});
    if turned && let Some(entry) = entry.as_object_mut() {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        entry.insert("lastTransitionTime".to_owned(), now.into());
    }
    json!({"metadata": {"uid": own.uid}, "status": {"conditions": [entry]}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::scripted::{Call, Server, impatience};
    use crate::lifecycle::status::{Health, Status};

    /// What a call writes of the condition, and its reason.
    fn written(call: &Call) -> (String, String) {
        assert!(call.is_for("pods/web-0/status"), "{}", call.target);
        let body: Value = serde_json::from_str(&call.body).unwrap();
        let condition = &body["status"]["conditions"][0];
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"))
    }

    #[tokio::test]
    async fn the_first_that_is_written_is_false_though_the_program_is_well_already() {
        let server = Server::start().await;
        let client = server.connect(impatience()).await.client();
        let own = Own {
            namespace: "shop".into(),
            name: "web-0".into(),
            uid: "u-1".into(),
            container: "web".into(),
        };
        let pod = json!({
            "metadata": {"name": "web-0", "uid": "u-1"},
            "spec": {"containers": [], "readinessGates": [{"conditionType": GATE}]},
            "status": {"conditions": [{"type": GATE, "status": "True"}]},
        });
        let well = Snapshot {
            status: Status {
                pid: Some(1),
                health: Health::Ok,
                ..Status::default()
            },
            ..Snapshot::default()
        };
        let (sender, snapshots) = watch::channel(well);
        let script = async {
            server
                .list("pods")
                .await
                .items(std::slice::from_ref(&pod))
                .await;
            let mut conditions = Vec::new();
            for _ in 0..2 {
                let call = server.call().await;
                conditions.push(written(&call));
                call.object(&pod).await;
            }
            drop(sender);
            conditions
        };
        let ((), conditions) = futures::future::join(run(client, own, snapshots), script).await;
        let pair = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
        assert_eq!(
            conditions,
            [pair("False", "Starting"), pair("True", "Healthy")]
        );
    }

    /// A strategic merge joins conditions by their type: what is not in the patch stays. tests/faults.rs sees the API server
    /// do so.
    #[test]
    fn a_patch_holds_this_condition_alone_and_the_uid_of_the_own_pod() {
        let own = Own {
            namespace: "shop".into(),
            name: "web-0".into(),
            uid: "u-1".into(),
            container: "web".into(),
        };
        let keys = |value: &Value| -> Vec<String> {
            let map = value.as_object();
            map.into_iter()
                .flatten()
                .map(|(key, _)| key.clone())
                .collect()
        };
        let turned = patch(&own, STARTING, true);
        assert_eq!(keys(&turned), ["metadata", "status"]);
        assert_eq!(turned["metadata"], json!({"uid": "u-1"}));
        assert_eq!(keys(&turned["status"]), ["conditions"]);
        let conditions = turned["status"]["conditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0]["type"], GATE);
        assert_eq!(conditions[0]["status"], "False");
        let time = conditions[0]["lastTransitionTime"].as_str().unwrap();
        assert!(time.parse::<Timestamp>().is_ok(), "{time}");

        let same = patch(&own, STARTING, false);
        let entry = &same["status"]["conditions"][0];
        assert_eq!(
            keys(entry),
            ["type", "status", "reason"],
            "the time of the last turn stays"
        );
    }
}
