//! The watches against a scripted API server: what it does on each line, and what the world hears of it.

use std::net::SocketAddr;
use std::time::Duration;

use kube::Client;
use serde_json::{Value, json};

use super::*;
use crate::cluster::patience::Patience;
use crate::cluster::scripted::{Server, impatience, status, within};
use crate::world::Delta;

/// What the world wants, and what it hears.
struct World {
    wanted: watch::Sender<Wanted>,
    observations: mpsc::Receiver<Observation>,
    freshness: watch::Receiver<Freshness>,
    shutdown: CancellationToken,
}

impl World {
    async fn next(&mut self) -> Observation {
        within("an observation", self.observations.recv())
            .await
            .unwrap()
    }

    /// The next observation in a few words: `reset a=1,b=2`, `apply a=3`, `delete a`, `trouble: …`, `well`.
    async fn hears(&mut self) -> String {
        match self.next().await {
            Observation::ConfigMaps { delta, .. } => words(delta),
            Observation::Trouble {
                problem: Some(problem),
                ..
            } => format!("trouble: {problem}"),
            Observation::Trouble { problem: None, .. } => "well".into(),
            other => panic!("{other:?}"),
        }
    }

    async fn hears_trouble(&mut self, part: &str) {
        let heard = self.hears().await;
        assert!(
            heard.starts_with("trouble: cannot ") && heard.contains(part),
            "{heard}"
        );
    }

    /// Waits until this is true of the watch's accounts.
    async fn fresh(
        &mut self,
        key: &WatchKey,
        mut check: impl FnMut(&super::super::freshness::WatchFreshness) -> bool,
    ) {
        let met = self
            .freshness
            .wait_for(|all| all.watches.get(key).is_some_and(&mut check));
        within("the freshness", met).await.unwrap();
    }
}

fn words(delta: Delta<ConfigMap>) -> String {
    let one = |object: &ConfigMap| {
        let data = object
            .data
            .iter()
            .flatten()
            .map(|(_, value)| value.as_str());
        let name = object.metadata.name.as_deref().unwrap_or_default();
        format!("{name}={}", data.collect::<String>())
    };
    match delta {
        Delta::Reset(all) => format!(
            "reset {}",
            all.iter().map(one).collect::<Vec<_>>().join(",")
        ),
        Delta::Apply(object) => format!("apply {}", one(&object)),
        Delta::Delete(object) => format!("delete {}", object.metadata.name.unwrap_or_default()),
    }
}

fn config_map_key() -> WatchKey {
    WatchKey::ConfigMap {
        name: "conf".into(),
    }
}

fn config_map(value: &str, version: &str) -> Value {
    json!({"metadata": {"name": "conf", "namespace": "shop", "resourceVersion": version}, "data": {"k": value}})
}

/// The object with another field in its metadata.
fn with(mut object: Value, field: &str, value: Value) -> Value {
    let metadata = object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .unwrap();
    metadata.insert(field.to_owned(), value);
    object
}

/// One whose `data` is no map.
fn broken(version: &str) -> Value {
    json!({"metadata": {"name": "conf", "namespace": "shop", "resourceVersion": version}, "data": 7})
}

/// Runs the watches of `keys` beside the script, which is the test.
async fn script<F: Future<Output = ()>>(
    keys: &[WatchKey],
    script: impl FnOnce(Server, World) -> F,
) {
    let server = Server::start().await;
    let connection = server.connect(impatience()).await;
    beside(keys, connection, |world| script(server, world)).await;
}

/// The same where there is no server yet: the script has its address, and a client for plain calls to it.
async fn script_in_an_outage<F: Future<Output = ()>>(
    patience: Patience,
    script: impl FnOnce(SocketAddr, Client, World) -> F,
) {
    let server = Server::start().await;
    let (address, connection) = (server.address, server.connect(patience).await);
    drop(server);
    let plain = connection.client();
    let keys = [config_map_key()];
    beside(&keys, connection, |world| script(address, plain, world)).await;
}

/// Runs the watches of `keys` on a connection, beside the script.
async fn beside<F: Future<Output = ()>>(
    keys: &[WatchKey],
    connection: Connection,
    script: impl FnOnce(World) -> F,
) {
    let identity = Identity {
        namespace: "shop".into(),
        pod_name: "web-0".into(),
        ..Identity::default()
    };
    let (wanted, wanted_receiver) =
        watch::channel(keys.iter().map(|key| (key.clone(), 1)).collect());
    let (observations_sender, observations) = mpsc::channel(16);
    let (freshness_sender, freshness) = watch::channel(Freshness::default());
    let shutdown = CancellationToken::new();
    let world = World {
        wanted,
        observations,
        freshness,
        shutdown: shutdown.clone(),
    };
    let watches = run(
        connection,
        identity,
        wanted_receiver,
        observations_sender,
        freshness_sender,
        shutdown.clone(),
    );
    tokio::select! {
        () = script(world) => {}
        () = watches => assert!(shutdown.is_cancelled(), "the watches ended"),
    }
}

#[tokio::test]
async fn a_list_and_events_become_deltas() {
    script(&[config_map_key()], |server, mut world| async move {
        let list = server.list("configmaps").await;
        assert_eq!(
            list.parameter("fieldSelector"),
            Some("metadata.name%3Dconf")
        );
        let managers = json!([{"manager": "kubectl"}]);
        list.items(&[with(config_map("1", "1"), "managedFields", managers)])
            .await;
        match world.next().await {
            Observation::ConfigMaps {
                name,
                delta: Delta::Reset(all),
            } => {
                assert_eq!((name.as_str(), all.len()), ("conf", 1));
                assert_eq!(all.first().unwrap().metadata.managed_fields, None);
            }
            other => panic!("{other:?}"),
        }
        let mut watch = server.watch("configmaps").await;
        assert_eq!(watch.parameter("resourceVersion"), Some("100"));
        assert_eq!(watch.parameter("allowWatchBookmarks"), Some("true"));
        let seconds = watch.parameter("timeoutSeconds").unwrap().parse().unwrap();
        assert!((232..=290).contains(&seconds), "{seconds}");
        watch.head(200).await;
        watch.event("MODIFIED", &config_map("2", "101")).await;
        assert_eq!(world.hears().await, "apply conf=2");
        watch.event("DELETED", &config_map("2", "102")).await;
        assert_eq!(world.hears().await, "delete conf");
    })
    .await;
}

#[tokio::test]
async fn pods_are_watched_by_name_and_slices_by_their_service() {
    let keys = [
        WatchKey::Pod,
        WatchKey::EndpointSlices {
            service: "db".into(),
        },
    ];
    script(&keys, |server, mut world| async move {
        for _ in 0..2 {
            let list = server.call().await;
            if list.is_for("pods") {
                assert_eq!(
                    list.parameter("fieldSelector"),
                    Some("metadata.name%3Dweb-0")
                );
            } else {
                assert!(list.is_for("endpointslices"), "{}", list.target);
                let selector = list.parameter("labelSelector");
                assert_eq!(selector, Some("kubernetes.io%2Fservice-name%3Ddb"));
            }
            list.items(&[]).await;
        }
        let mut heard = [world.next().await, world.next().await];
        heard.sort_by_key(|observation| matches!(observation, Observation::Pods(_)));
        let slices = Observation::EndpointSlices {
            service: "db".into(),
            delta: Delta::Reset(vec![]),
        };
        assert_eq!(heard, [slices, Observation::Pods(Delta::Reset(vec![]))]);
    })
    .await;
}

#[tokio::test]
async fn an_expired_version_in_the_stream_leads_to_a_list_that_shows_what_was_deleted() {
    script(&[config_map_key()], |server, mut world| async move {
        let mut watch = server
            .list_and_watch("configmaps", &[config_map("1", "1")])
            .await;
        assert_eq!(world.hears().await, "reset conf=1");
        watch.event("ERROR", &status(410)).await;
        server.list("configmaps").await.items(&[]).await;
        assert_eq!(world.hears().await, "reset ");
        world
            .fresh(&config_map_key(), |watch| watch.relists == 1)
            .await;
    })
    .await;
}

#[tokio::test]
async fn an_expired_version_as_a_status_leads_to_a_list() {
    script(&[config_map_key()], |server, mut world| async move {
        server
            .list("configmaps")
            .await
            .items(&[config_map("1", "1")])
            .await;
        assert_eq!(world.hears().await, "reset conf=1");
        server.watch("configmaps").await.refuse(410).await;
        let _watch = server
            .list_and_watch("configmaps", &[config_map("1", "1")])
            .await;
        assert_eq!(world.hears().await, "reset conf=1");
    })
    .await;
}

#[tokio::test]
async fn versions_that_expire_again_and_again_are_trouble() {
    script(&[config_map_key()], |server, mut world| async move {
        for _ in 0..2 {
            server.list("configmaps").await.items(&[]).await;
            assert_eq!(world.hears().await, "reset ");
            server.watch("configmaps").await.refuse(410).await;
        }
        world.hears_trouble("410 gone; kubesup lists anew").await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_an_event_goes_on_from_the_last_version() {
    script(&[config_map_key()], |server, mut world| async move {
        let mut watch = server.list_and_watch("configmaps", &[]).await;
        assert_eq!(world.hears().await, "reset ");
        watch.event("ADDED", &config_map("1", "107")).await;
        assert_eq!(world.hears().await, "apply conf=1");
        watch
            .chunk(r#"{"type":"MODIFIED","object":{"metadata":{"na"#)
            .await;
        drop(watch);
        let mut watch = server.watch("configmaps").await;
        assert_eq!(watch.parameter("resourceVersion"), Some("107"));
        watch.head(200).await;
        watch.event("MODIFIED", &config_map("2", "108")).await;
        // In between there may have been trouble and its end, by how the cut was seen.
        let mut heard = world.hears().await;
        while heard.starts_with("trouble: ") || heard == "well" {
            heard = world.hears().await;
        }
        assert_eq!(heard, "apply conf=2");
    })
    .await;
}

#[tokio::test]
async fn a_forbidden_watch_leaves_the_other_alone_and_recovers_when_it_is_granted() {
    let keys = [config_map_key(), WatchKey::Pod];
    script(&keys, |server, mut world| async move {
        let (mut pods, mut refused, mut held) = (0, 0, Vec::new());
        while pods < 1 || refused < 2 {
            let mut call = server.call().await;
            match (call.is_for("pods"), call.is_watch()) {
                (true, false) => {
                    pods += 1;
                    call.items(&[]).await;
                }
                (true, true) => {
                    call.head(200).await;
                    held.push(call);
                }
                (false, _) => {
                    refused += 1;
                    call.refuse(403).await;
                }
            }
        }
        let mut heard = [world.next().await, world.next().await];
        heard.sort_by_key(|observation| matches!(observation, Observation::Trouble { .. }));
        let problem = "cannot watch ConfigMap: shop/conf: 403 forbidden; grant list and watch on configmaps \
                       (manifests/base/rbac.yaml)";
        let trouble = Observation::Trouble { watch: config_map_key(), problem: Some(problem.into()) };
        assert_eq!(heard, [Observation::Pods(Delta::Reset(vec![])), trouble]);
        let errors = |all: &Freshness, key| all.watches.get(key).map(|watch| watch.errors);
        assert_eq!(errors(&world.freshness.borrow(), &WatchKey::Pod), Some(0));
        loop {
            let mut call = server.call().await;
            match (call.is_for("pods"), call.is_watch()) {
                (false, false) => call.items(&[]).await,
                (false, true) => {
                    call.head(200).await;
                    held.push(call);
                    break;
                }
                (true, _) => {
                    call.head(200).await;
                    held.push(call);
                }
            }
        }
        assert_eq!(world.hears().await, "reset ");
        assert_eq!(world.hears().await, "well");
    })
    .await;
}

#[tokio::test]
async fn a_quiet_watch_that_stands_again_ends_the_trouble_without_any_data() {
    script(&[config_map_key()], |server, mut world| async move {
        let watch = server.list_and_watch("configmaps", &[]).await;
        assert_eq!(world.hears().await, "reset ");
        let address = server.address;
        drop((watch, server));
        world
            .hears_trouble(&format!("connection refused by {address}; "))
            .await;
        let server = Server::at(address).await;
        let mut watch = server.watch("configmaps").await;
        watch.head(200).await;
        assert_eq!(world.hears().await, "well");
    })
    .await;
}

#[tokio::test]
async fn a_new_reason_is_told_and_the_same_one_is_not() {
    script(&[config_map_key()], |server, mut world| async move {
        for code in [503, 503, 401] {
            server.list("configmaps").await.refuse(code).await;
        }
        world.hears_trouble("503 service unavailable").await;
        world.hears_trouble("401 unauthorized").await;
        world
            .fresh(&config_map_key(), |watch| watch.errors >= 3)
            .await;
        assert_eq!(
            world
                .freshness
                .borrow()
                .watches
                .values()
                .next()
                .unwrap()
                .last_contact,
            None
        );
    })
    .await;
}

#[tokio::test]
async fn pauses_grow_while_lists_fail() {
    script(&[config_map_key()], |server, world| async move {
        let _hears_on = world;
        let mut last: Option<tokio::time::Instant> = None;
        for least in [0, 16, 32, 64, 128, 128] {
            let call = server.list("configmaps").await;
            let pause = last.map_or(Duration::ZERO, |last| last.elapsed());
            assert!(
                pause >= Duration::from_millis(least),
                "{pause:?} < {least} ms"
            );
            last = Some(tokio::time::Instant::now());
            call.refuse(500).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_overloaded_server_gets_the_pause_it_asks_for_and_once() {
    script(&[config_map_key()], |server, mut world| async move {
        server.list("configmaps").await.refuse_for(429, 1).await;
        let asked = tokio::time::Instant::now();
        let again = server.list("configmaps").await;
        let pause = asked.elapsed();
        assert!(pause >= Duration::from_millis(990), "{pause:?}");
        world
            .hears_trouble("429 too many requests; kubesup tries again")
            .await;
        // Who asks for nothing gets the usual pause.
        again.refuse(429).await;
        let refused = tokio::time::Instant::now();
        server.list("configmaps").await.items(&[]).await;
        let pause = refused.elapsed();
        assert!(pause < Duration::from_millis(900), "{pause:?}");
        assert_eq!(world.hears().await, "reset ");
    })
    .await;
}

#[tokio::test]
async fn an_object_that_does_not_decode_is_told_and_does_not_end_the_watch() {
    script(&[config_map_key()], |server, mut world| async move {
        let mut watch = server
            .list_and_watch("configmaps", &[config_map("1", "1")])
            .await;
        assert_eq!(world.hears().await, "reset conf=1");
        watch.event("MODIFIED", &broken("101")).await;
        world
            .hears_trouble("read ConfigMap: shop/conf: Invalid type integer `7`")
            .await;
        watch.event("MODIFIED", &config_map("2", "102")).await;
        assert_eq!(world.hears().await, "apply conf=2");
        assert_eq!(world.hears().await, "well");
        watch.event("MODIFIED", &broken("103")).await;
        world.hears_trouble("read ConfigMap").await;
        watch.event("DELETED", &broken("104")).await;
        assert_eq!(world.hears().await, "delete conf");
        assert_eq!(world.hears().await, "well");
    })
    .await;
}

#[tokio::test]
async fn a_list_with_an_object_that_does_not_decode_takes_nothing_away() {
    script(&[config_map_key()], |server, mut world| async move {
        let other = with(config_map("9", "9"), "name", json!("other"));
        let mut watch = server
            .list_and_watch("configmaps", &[broken("1"), other])
            .await;
        assert_eq!(world.hears().await, "apply other=9");
        world.hears_trouble("read ConfigMap").await;
        watch.event("MODIFIED", &config_map("2", "102")).await;
        assert_eq!(world.hears().await, "apply conf=2");
        assert_eq!(world.hears().await, "well");
        // Now that all decodes, a list shows all there is.
        server
            .list("configmaps")
            .await
            .items(&[config_map("2", "102")])
            .await;
        assert_eq!(world.hears().await, "reset conf=2");
    })
    .await;
}

#[tokio::test]
async fn garbage_in_the_stream_leads_to_a_list() {
    script(&[config_map_key()], |server, mut world| async move {
        let mut watch = server.list_and_watch("configmaps", &[]).await;
        assert_eq!(world.hears().await, "reset ");
        watch.chunk("<html>\n").await;
        world.hears_trouble("is not understood").await;
        let mut watch = server
            .list_and_watch("configmaps", &[config_map("1", "1")])
            .await;
        assert_eq!(world.hears().await, "reset conf=1");
        assert_eq!(world.hears().await, "well");
        watch.event("ERROR", &status(500)).await;
        world.hears_trouble("500 internal server error").await;
        server.list("configmaps").await.items(&[]).await;
        assert_eq!(world.hears().await, "reset ");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_told_and_asked_again() {
    script(&[config_map_key()], |server, mut world| async move {
        let silent = server.list("configmaps").await;
        world.hears_trouble("no answer from").await;
        silent.gone().await;
        let mut half = server.list("configmaps").await;
        half.head(200).await;
        half.chunk(r#"{"items":["#).await;
        world.hears_trouble("did not arrive whole within 2 s").await;
        half.gone().await;
        server.list("configmaps").await.items(&[]).await;
        assert_eq!(world.hears().await, "reset ");
    })
    .await;
}

#[tokio::test]
async fn a_watch_that_ends_at_once_is_not_begun_again_at_once() {
    script(&[config_map_key()], |server, world| async move {
        let _hears_on = world;
        let first = server.list_and_watch("configmaps", &[]).await;
        let began = tokio::time::Instant::now();
        first.end().await;
        let _second = server.watch("configmaps").await;
        // The client's clock began up to a round trip before the server's.
        assert!(
            began.elapsed() >= Duration::from_millis(80),
            "{:?}",
            began.elapsed()
        );
    })
    .await;
}

#[tokio::test]
async fn a_bookmark_is_heard_though_it_tells_nothing() {
    script(&[config_map_key()], |server, mut world| async move {
        let mut watch = server.list_and_watch("configmaps", &[]).await;
        assert_eq!(world.hears().await, "reset ");
        let heard = |world: &World| {
            let all = world.freshness.borrow();
            all.watches.get(&config_map_key()).and_then(|watch| watch.last_contact)
        };
        let before = tokio::time::Instant::now();
        let bookmark = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"resourceVersion": "200"}});
        watch.event("BOOKMARK", &bookmark).await;
        watch.end().await;
        let watch = server.watch("configmaps").await;
        assert_eq!(watch.parameter("resourceVersion"), Some("200"));
        assert!(heard(&world).is_some_and(|at| at >= before));
    })
    .await;
}

#[tokio::test]
async fn a_watch_that_is_not_wanted_any_more_is_closed_and_its_trouble_taken_back() {
    script(&[config_map_key()], |server, mut world| async move {
        let watch = server.list_and_watch("configmaps", &[]).await;
        assert_eq!(world.hears().await, "reset ");
        world.wanted.send_replace(Wanted::new());
        watch.gone().await;
        assert_eq!(*world.freshness.borrow(), Freshness::default());

        world.wanted.send_replace([(config_map_key(), 2)].into());
        server.list("configmaps").await.refuse(403).await;
        world.hears_trouble("403").await;
        world.wanted.send_replace(Wanted::new());
        assert_eq!(world.hears().await, "well");
    })
    .await;
}

#[tokio::test]
async fn a_watch_that_was_not_wanted_for_a_moment_that_nobody_saw_lists_anew() {
    script(&[config_map_key()], |server, mut world| async move {
        let watch = server.list_and_watch("configmaps", &[]).await;
        assert_eq!(world.hears().await, "reset ");
        world.wanted.send_replace([(config_map_key(), 2)].into());
        watch.gone().await;
        let _watch = server
            .list_and_watch("configmaps", &[config_map("1", "1")])
            .await;
        assert_eq!(world.hears().await, "reset conf=1");
    })
    .await;
}

#[tokio::test]
async fn the_watches_end_at_shutdown() {
    script(&[config_map_key()], |server, world| async move {
        let world = world;
        let watch = server.list_and_watch("configmaps", &[]).await;
        world.shutdown.cancel();
        watch.gone().await;
        std::future::pending::<()>().await;
    })
    .await;
}

#[tokio::test]
async fn when_watches_end_one_request_goes_first_and_the_others_follow_its_answer() {
    let keys = [config_map_key(), WatchKey::Pod];
    script(&keys, |server, world| async move {
        let _hears_on = world;
        let mut standing = Vec::new();
        while standing.len() < 2 {
            let mut call = server.call().await;
            if call.is_watch() {
                call.head(200).await;
                standing.push(call);
            } else {
                call.items(&[]).await;
            }
        }
        for watch in standing {
            watch.end().await;
        }
        let mut first = server.call().await;
        let soon = Duration::from_millis(500);
        let early = tokio::time::timeout(soon, server.call()).await;
        assert!(
            early.is_err(),
            "a second request before the first was answered"
        );
        first.head(200).await;
        assert!(server.call().await.is_watch());
    })
    .await;
}

/// A pause that no test would see the end of.
const FOR_EVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_answer_to_anybody_ends_the_pauses_of_those_who_could_not_reach_the_server() {
    let patience = Patience {
        backoff: FOR_EVER..=FOR_EVER,
        ..impatience()
    };
    script_in_an_outage(patience, |address, plain, mut world| async move {
        world.hears_trouble("connection refused").await;
        let server = Server::at(address).await;
        let version = async { plain.apiserver_version().await.is_ok() };
        let (_, call) = tokio::join!(version, async {
            server.call().await.refuse(404).await;
            server.list("configmaps").await
        });
        call.items(&[]).await;
        assert_eq!(world.hears().await, "reset ");
    })
    .await;
}

#[tokio::test]
async fn an_outage_does_not_lengthen_the_pauses_after_it() {
    let patience = Patience {
        backoff: Duration::from_millis(20)..=FOR_EVER,
        ..impatience()
    };
    script_in_an_outage(patience, |address, _, mut world| async move {
        world
            .fresh(&config_map_key(), |watch| watch.errors >= 5)
            .await;
        let server = Server::at(address).await;
        server.list("configmaps").await.refuse(403).await;
        let refused = tokio::time::Instant::now();
        server.list("configmaps").await.items(&[]).await;
        // Five failures are followed by 640 ms, give or take a fifth; a first one by 20 ms.
        assert!(
            refused.elapsed() < Duration::from_millis(400),
            "{:?}",
            refused.elapsed()
        );
        world.hears_trouble("connection refused").await;
    })
    .await;
}
