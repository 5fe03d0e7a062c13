//! Owns the writing of Events: one for each note, and the same note again as a series of the same Event.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Own, is_final, is_refused, within};
use crate::history::History;
use crate::rbac;
use crate::report::{Allowance, Note, Teller};

const CONTROLLER: &str = "kubesup.dev/kubesup";
/// Of the notes that may come again.
const REMEMBERED: usize = 100;

/// An Event that was written: its name, and how often its note came.
type Written = BTreeMap<Note, (String, i32)>;

/// Ends when there is no right to write Events, or no more history. What cannot be written is dropped: the history has it.
pub(super) async fn run(client: Client, own: Own, mut histories: watch::Receiver<Arc<History>>) {
    let begin = Instant::now();
    let (mut teller, mut allowance) = (Teller::default(), Allowance::default());
    let mut written = Written::new();
    let mut warned = false;
    loop {
        let history = Arc::clone(&histories.borrow_and_update());
        for note in teller.notes(&history) {
            if !allowance.take(begin.elapsed()) {
                debug!(reason = note.reason, "too many Events; one is left out");
                continue;
            }
            let outcome = within(write(&client, &own, &mut written, &note)).await;
            if let Some(Err(error)) = &outcome
                && let Some(reason) = is_final(error, rbac::EVENTS)
            {
                info!(
                    "there are no Events on the own Pod: {}/{}: {reason}",
                    own.namespace, own.name
                );
                return;
            }
            match outcome {
                Some(Ok(())) => {}
                Some(Err(error)) if is_refused(&error) && !warned => {
                    warned = true;
                    warn!(
                        reason = note.reason,
                        "the API server refuses an Event; it is left out, and more are at debug: {error}"
                    );
                }
                failed => debug!(error = ?failed, "an Event cannot be written; it is left out"),
            }
        }
        if histories.changed().await.is_err() {
            return;
        }
    }
}

/// Writes the Event of a note, or counts it up.
///
/// # RBAC
///
/// rbac, opt-in: "events.k8s.io" events create,patch
async fn write(
    client: &Client,
    own: &Own,
    written: &mut Written,
    note: &Note,
) -> Result<(), kube::Error> {
    let api: Api<Event> = Api::namespaced(client.clone(), &own.namespace);
    let now = MicroTime(Timestamp::now());
    if let Some((name, count)) = written.get_mut(note) {
        *count = count.saturating_add(1);
        let series = EventSeries {
            count: *count,
            last_observed_time: now.clone(),
        };
        let patch = Patch::Merge(json!({"series": series}));
        let patched = api.patch(name, &PatchParams::default(), &patch).await;
        match patched {
            // It is older than Events live: it begins anew.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            patched => return patched.map(drop),
        }
    }
    let made = api
        .create(&PostParams::default(), &event(own, note, now))
        .await?;
    if written.len() >= REMEMBERED {
        written.pop_first();
    }
    let name = made.metadata.name.unwrap_or_default();
    written.insert(note.clone(), (name, 1));
    Ok(())
}

fn event(own: &Own, note: &Note, now: MicroTime) -> Event {
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", own.name)),
            namespace: Some(own.namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some("Supervise".to_owned()),
        event_time: Some(now),
        note: Some(note.text.clone()),
        reason: Some(note.reason.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(own.namespace.clone()),
            name: Some(own.name.clone()),
            uid: Some(own.uid.clone()),
            field_path: Some(format!("spec.containers{{{}}}", own.container)),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(own.name.chars().take(128).collect()),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    }
}
