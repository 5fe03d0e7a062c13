//! Owns the writing of the label `kubesup.dev/role` of the own Pod: first `follower`, then as the supervisor says, tried
//! again until it is there. Never decides the role, and never holds up the service.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use super::{Own, is_final, is_refused, say_not_kept, say_refused, within};
use crate::cluster::backoff::Backoff;
use crate::cluster::patience::Patience;
use crate::lifecycle::election::role::LABEL;
use crate::lifecycle::election::{Label, Role};
use crate::rbac;
use crate::snapshot::Snapshot;

/// The members of a group change their roles one after the other: half-way between the shortest and the longest pause.
const EVEN: f64 = 0.5;
/// Without the right there is no label, and the right may come: a Role is often applied after the Pods.
const FORBIDDEN: Duration = Duration::from_secs(30);

/// Ends when nobody tells it the role any more, or when the own Pod is gone.
pub(super) async fn run(
    client: Client,
    own: Own,
    mut snapshots: watch::Receiver<Snapshot>,
    mut roles: watch::Receiver<Option<Role>>,
    label: watch::Sender<Label>,
) {
    let mut backoff = Backoff::new(Patience::default().backoff);
    let mut written: Option<Role> = None;
    let mut seen = seen(&mut snapshots);
    let mut said: Option<&'static str> = None;
    loop {
        let wanted = *roles.borrow_and_update();
        let Some(role) = wanted.filter(|role| written != Some(*role)) else {
            if wanted.is_none() {
                label.send_replace(Label::Settled);
            }
            tokio::select! {
                changed = roles.changed() => if changed.is_err() { return },
                changed = snapshots.changed() => if changed.is_err() { return },
            }
            // Somebody else changed it, or a write of before came late.
            let now = self::seen(&mut snapshots);
            if now != seen && now.as_deref() != written.map(Role::as_str) {
                written = None;
            }
            seen = now;
            continue;
        };
        written = None;
        if role == Role::Leader {
            label.send_replace(Label::MayLead);
        }
        let answer = tokio::select! {
            // Who follows from now on does not wait for the answer to what was before.
            () = another(&mut roles, wanted) => continue,
            answer = within(write(&client, &own, role)) => answer,
        };
        let pause = match answer {
            Some(Ok(())) => {
                written = Some(role);
                backoff.reset();
                said = None;
                if role == Role::Follower {
                    label.send_replace(Label::Settled);
                }
                continue;
            }
            failed => {
                let error = failed.as_ref().and_then(|answer| answer.as_ref().err());
                if let Some(error) = error
                    && let Some(reason) = is_final(error, rbac::POD_ROLE)
                {
                    label.send_replace(Label::Settled);
                    if said.replace("final") != Some("final") {
                        say_not_kept(&format!("the label {LABEL}"), &own, &reason);
                    }
                    if !is_forbidden(error) {
                        return until_closed(roles).await;
                    }
                    FORBIDDEN
                } else {
                    if let Some(Err(error)) = &failed
                        && is_refused(error)
                        && said.replace("refused") != Some("refused")
                    {
                        say_refused(&format!("the label {LABEL}"), error);
                    }
                    debug!(error = ?failed, "the label {LABEL} cannot be written yet");
                    backoff.next(EVEN, None)
                }
            }
        };
        tokio::select! {
            () = another(&mut roles, wanted) => {}
            () = sleep(pause) => {}
        }
    }
}

/// The label as the watch has it.
fn seen(snapshots: &mut watch::Receiver<Snapshot>) -> Option<String> {
    snapshots.borrow_and_update().view.role.clone()
}

/// Waits for another role than this. Cancel-safe.
async fn another(roles: &mut watch::Receiver<Option<Role>>, role: Option<Role>) {
    if roles.wait_for(|now| *now != role).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn until_closed(mut roles: watch::Receiver<Option<Role>>) {
    while roles.changed().await.is_ok() {}
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// Patches this label and nothing else, of the Pod of this UID and no other.
///
/// # RBAC
///
/// rbac, opt-in: "" pods patch
async fn write(client: &Client, own: &Own, role: Role) -> Result<(), kube::Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &own.namespace);
    let patch = Patch::Strategic(patch(own, role));
    let parameters = PatchParams::default();
    let patched = api.patch_metadata(&own.name, &parameters, &patch).await;
    patched.map(drop)
}

fn patch(own: &Own, role: Role) -> Value {
    json!({"metadata": {"uid": own.uid, "labels": {LABEL: role.as_str()}}})
}
