//! What a list and the events after it tell the world.

use super::*;

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
