//! Watches begin and end as they are wanted.

use super::*;

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
