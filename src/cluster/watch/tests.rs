//! The watches against a scripted API server: what it does on each line, and what the world hears of it.

mod cuts;
mod deltas;
mod outage;
mod trouble;
mod wanted;

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
