//! How several watches come back after an outage.

use super::*;

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
