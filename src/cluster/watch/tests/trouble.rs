//! What is told of a watch that does not work, and when it is tried again.

use super::*;

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
