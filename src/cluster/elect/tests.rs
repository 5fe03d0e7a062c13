use std::pin::pin;

use serde_json::json;

use super::*;
use crate::cluster::scripted::{Call, Server, impatience};
use crate::config::{LeaseTimes, OnLost};

const NAME: &str = "kubesup.demo.default";

/// The shell of one member, and what the supervisor would hold.
struct Member {
    label: watch::Sender<Label>,
    _stands: watch::Sender<Option<Stand>>,
    _candidates: watch::Sender<Candidate>,
    _outlook: watch::Receiver<Outlook>,
}

/// A member whose label says who leads, and its task.
async fn member(server: &Server) -> (Member, impl Future<Output = ()> + use<>) {
    let second = Duration::from_secs(1);
    let stand = Stand {
        me: Identity {
            pod: "demo-0".into(),
            container: "demo".into(),
            uid: "u-0".into(),
            nonce: String::new(),
        },
        lease: NAME.into(),
        times: LeaseTimes {
            lease_duration: 15 * second,
            renew_deadline: 10 * second,
            renew_period: 5 * second,
            retry_period: 2 * second,
            demotion_timeout: 3 * second,
            margin: second,
        },
        on_lost: OnLost::Demote,
        labelled: true,
    };
    let (stands, standing) = watch::channel(Some(stand));
    let (candidates, candidacies) = watch::channel(Candidate::default());
    let (outlook, outlooks) = watch::channel(Outlook::default());
    let (label, labels) = watch::channel(Label::MayLead);
    let channels = Channels {
        stands: standing,
        candidates: candidacies,
        outlook,
        label: labels,
        troubles: mpsc::channel(1).0,
    };
    let identity = world::Identity {
        namespace: "shop".into(),
        ..world::Identity::default()
    };
    let connection = server.connect(impatience()).await;
    let task = run(connection, identity, channels, watch::Sender::default());
    let member = Member {
        label,
        _stands: stands,
        _candidates: candidates,
        _outlook: outlooks,
    };
    (member, task)
}

/// The next request, while the member goes on.
async fn call(server: &Server, task: &mut (impl Future<Output = ()> + Unpin)) -> Call {
    tokio::select! {
        call = server.call() => call,
        () = task => panic!("the task has ended"),
    }
}

/// The Lease names an earlier start in the same container, which is dead: its term is released.
async fn predecessor(server: &Server) {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": NAME, "namespace": "shop", "resourceVersion": "7", "uid": "l"},
        "spec": {"holderIdentity": "demo-0/demo/u-0/old", "leaseTransitions": 3, "leaseDurationSeconds": 15},
    });
    server.list("leases").await.items(&[lease]).await;
}

/// It has seen that Lease: while the watch that it holds goes on, the next request is the release.
async fn sees_its_predecessor(
    server: &Server,
    task: &mut (impl Future<Output = ()> + Unpin),
) -> Call {
    tokio::select! {
        () = predecessor(server) => {}
        () = &mut *task => panic!("the task has ended"),
    }
    let watch = call(server, task).await;
    assert!(watch.is_watch(), "{}", watch.target);
    watch
}

#[tokio::test]
async fn a_lease_is_released_when_the_label_has_gone_and_not_before() {
    let server = Server::start().await;
    let (member, task) = member(&server).await;
    let mut task = pin!(task);
    let _watch = sees_its_predecessor(&server, &mut task).await;
    {
        let mut release = pin!(call(&server, &mut task));
        let early = tokio::time::timeout(role::UNLABEL / 4, &mut release).await;
        assert!(early.is_err(), "the label may still say that it leads");
        member.label.send_replace(Label::Settled);
        let release = release.await;
        assert!(release.target.contains(NAME), "{}", release.target);
    }
}

#[tokio::test]
async fn a_label_that_stays_does_not_keep_the_lease() {
    let server = Server::start().await;
    let (_member, task) = member(&server).await;
    let mut task = pin!(task);
    let _watch = sees_its_predecessor(&server, &mut task).await;
    let release = call(&server, &mut task).await;
    assert!(release.target.contains(NAME), "{}", release.target);
}
