//! Owns what is written to the cluster about the own Pod: Events, the condition of the readiness gate, and the label of its
//! role. Reads only what everybody may read, so that the service never waits for it; never ends the program.

mod events;
mod gate;
mod label;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use kube::Client;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::history::History;
use crate::lifecycle::election::{Label, Role};
use crate::rbac::Right;
use crate::snapshot::Snapshot;

/// For one write. 10 s: nobody waits for it, and the next says more.
const ANSWER: Duration = Duration::from_secs(10);

/// The own Pod, as far as writes name it.
#[derive(Debug, Clone)]
struct Own {
    namespace: String,
    name: String,
    uid: String,
    container: String,
}

/// Reports until it is dropped.
pub async fn run(
    client: Client,
    mut snapshots: watch::Receiver<Snapshot>,
    histories: watch::Receiver<Arc<History>>,
) {
    let Some(own) = own(&mut snapshots).await else {
        return std::future::pending().await;
    };
    join(
        events::run(client.clone(), own.clone(), histories),
        gate::run(client, own, snapshots),
    )
    .await;
    std::future::pending::<()>().await;
}

/// Keeps the label of the own Pod at the role, once there is one. Ends when nobody tells it any more.
pub async fn keep_label(
    client: Client,
    mut snapshots: watch::Receiver<Snapshot>,
    roles: watch::Receiver<Option<Role>>,
    label: watch::Sender<Label>,
) {
    if let Some(own) = own(&mut snapshots).await {
        label::run(client, own, snapshots, roles, label).await;
    }
}

/// Waits until the own Pod was seen, and for nothing else: while a ConfigMap is missing, a Pod whose container was restarted must not
/// keep what its gate said before. `None` when there are no more snapshots.
async fn own(snapshots: &mut watch::Receiver<Snapshot>) -> Option<Own> {
    let seen = snapshots.wait_for(|snapshot| snapshot.view.pod.is_some());
    let seen = seen.await.ok()?;
    let pod = seen.view.pod.as_ref()?;
    Some(Own {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        container: pod.container.name.clone(),
    })
}

/// Why the API server will never take it from us, if that is so: there is no right, or the Pod of this UID is gone. A write
/// that only met another one (409) is not: the next attempt is made on what is there then. `right` is what to grant.
fn is_final(error: &kube::Error, right: Right) -> Option<String> {
    let kube::Error::Api(status) = error else {
        return None;
    };
    let said = &status.message;
    // A patch with the UID of a Pod that was made anew: what Kubernetes 1.37 says.
    let of_another = said.contains("metadata.uid") && said.contains("field is immutable");
    match status.code {
        403 => {
            let (verbs, resource) = (right.verbs.join(" and "), right.qualified());
            Some(format!(
                "403 forbidden; grant {verbs} on {resource} (kubesup rbac)"
            ))
        }
        404 => Some(format!("404 not found: {said}")),
        422 if of_another => Some(format!(
            "the Pod of this name is another one now ({})",
            said.split_once("is invalid: ")
                .map_or(said.as_str(), |(_, why)| why)
        )),
        _ => None,
    }
}

/// Whether the API server says that what we write is wrong: nothing that time mends.
fn is_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400..=499) && !matches!(status.code, 408 | 409 | 429))
}

/// Whoever keeps something gives up.
fn say_not_kept(what: &str, own: &Own, reason: &str) {
    info!(
        "{what} is not kept: {}/{}: {reason}",
        own.namespace, own.name
    );
}

/// What will be tried again, though time alone does not mend it.
fn say_refused(what: &str, error: &kube::Error) {
    warn!("the API server refuses {what}; it is tried again, and more is at debug: {error}");
}

/// A write's outcome; `None`: no answer in time.
async fn within<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Option<Result<T, kube::Error>> {
    tokio::time::timeout(ANSWER, call).await.ok()
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use kube::core::Status;

    use super::*;
    use crate::rbac;
    use crate::world::{OwnPod, View};

    #[tokio::test]
    async fn the_own_pod_is_all_that_is_waited_for() {
        let (sender, mut snapshots) = watch::channel(Snapshot::default());
        let mut found = std::pin::pin!(own(&mut snapshots));
        assert!(futures::poll!(&mut found).is_pending());
        let pod = OwnPod {
            name: "web-0".into(),
            uid: "u-1".into(),
            ..OwnPod::default()
        };
        let view = View {
            pod: Some(Arc::new(pod)),
            ..View::default()
        };
        sender.send_replace(Snapshot {
            view: Arc::new(view),
            ..Snapshot::default()
        });
        let Poll::Ready(Some(found)) = futures::poll!(&mut found) else {
            panic!("something else is waited for");
        };
        assert_eq!((&*found.name, &*found.uid), ("web-0", "u-1"));
    }

    #[test]
    fn only_a_write_that_merely_met_another_is_tried_again() {
        let answer = |code, message: &str| {
            let status = Status::failure(message, "").with_code(code);
            is_final(&kube::Error::Api(Box::new(status)), rbac::POD_STATUS)
        };
        let forbidden = answer(403, "pods is forbidden");
        assert_eq!(
            forbidden.as_deref(),
            Some("403 forbidden; grant patch on pods/status (kubesup rbac)")
        );
        assert!(answer(404, "").is_some());
        let another =
            "Pod \"web-0\" is invalid: metadata.uid: Invalid value: \"u-1\": field is immutable";
        assert_eq!(
            answer(422, another).as_deref(),
            Some(
                "the Pod of this name is another one now (metadata.uid: Invalid value: \"u-1\": field is immutable)"
            )
        );
        let conflict = "Operation cannot be fulfilled on pods: the object has been modified";
        for (code, message) in [
            (409, conflict),
            (500, ""),
            (422, "status"),
            (422, "spec: field is immutable"),
        ] {
            assert_eq!(answer(code, message), None);
        }
    }
}
