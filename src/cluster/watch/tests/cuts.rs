//! How a watch goes on that breaks off, expires or falls silent.

use super::*;

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
