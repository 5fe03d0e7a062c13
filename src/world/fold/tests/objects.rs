//! ConfigMaps and Secrets in the fold: named, missing, deleted, made anew.

use super::*;

#[test]
fn a_config_map_deleted_while_in_use_is_a_problem_and_its_content_stays() {
    let mut fold = complete();
    let before = fold.view().world.expect("a world");
    fold.apply(config("a", None));
    let view = fold.view();
    assert_eq!(view.problems.len(), 1);
    assert!(Arc::ptr_eq(&before, &view.world.expect("a world")));
    fold.apply(slices(&["10.0.0.2", "10.0.0.3"]));
    assert_eq!(
        fold.view().world.expect("a world").members.len(),
        3,
        "peers are still followed"
    );
}

#[test]
fn a_config_map_named_later_is_waited_for_while_the_last_world_stays() {
    let mut fold = complete();
    let before = fold.view().world.expect("a world");
    fold.apply(pods("u1", json!({"kubesup.dev/config": "a,z"})));
    let view = fold.view();
    assert!(view.problems[0].contains("ConfigMap shop/z has not been read yet"));
    assert!(Arc::ptr_eq(&before, &view.world.expect("a world")));
    fold.apply(config("z", Some(json!({"k": "2"}))));
    assert_eq!(fold.view().world.expect("a world").config.len(), 2);
}

#[test]
fn a_config_map_made_anew_under_its_name_is_in_force_with_what_it_has_now() {
    let mut fold = complete();
    let named = |data| {
        object(json!({"metadata": {"name": "a", "uid": "2"}, "immutable": true, "data": data}))
    };
    let tell = |delta| Observation::ConfigMaps {
        name: "a".into(),
        delta,
    };
    fold.apply(tell(Delta::Delete(Box::new(named(json!({}))))));
    assert_eq!(fold.view().problems.len(), 1);
    fold.apply(tell(Delta::Apply(Box::new(named(json!({"other": "2"}))))));
    let view = fold.view();
    assert_eq!(view.problems, Vec::<String>::new());
    let world = view.world.expect("a world");
    let keys: Vec<_> = world.config[0].data.keys().collect();
    assert_eq!(keys, ["other"], "nothing of the old one is left");
}

#[test]
fn a_watch_that_may_not_be_kept_up_is_a_trouble_and_the_others_are_followed() {
    let mut fold = complete();
    fold.apply(Observation::Trouble {
        watch: WatchKey::ConfigMap { name: "a".into() },
        problem: Some("403 forbidden".into()),
    });
    fold.apply(slices(&["10.0.0.2", "10.0.0.3"]));
    let view = fold.view();
    assert_eq!(view.troubles.len(), 1);
    assert_eq!(view.problems, Vec::<String>::new());
    let world = view.world.expect("a world");
    assert_eq!((world.members.len(), world.config.len()), (3, 1));
}

fn secret(name: &str, data: Option<Value>) -> Observation {
    let all = data.map(|data| object(json!({"metadata": {"name": name}, "stringData": data})));
    Observation::Secrets {
        name: name.into(),
        delta: Delta::Reset(all.into_iter().collect()),
    }
}

#[test]
fn secrets_come_after_the_config_maps_and_are_told_apart() {
    let mut fold = fold();
    fold.apply(pods(
        "u1",
        json!({"kubesup.dev/config": "a", "kubesup.dev/secrets": "a, s?"}),
    ));
    fold.apply(slices(&["10.0.0.2"]));
    fold.apply(config("a", Some(json!({"k": "1"}))));
    let named: Vec<_> = fold.wanted().iter().map(ToString::to_string).collect();
    assert_eq!(named[2..], ["ConfigMap a", "Secret a", "Secret s"]);
    assert_eq!(
        fold.view().problems,
        [
            "Secret shop/a has not been read yet",
            "Secret shop/s has not been read yet"
        ]
    );
    fold.apply(secret("a", None));
    fold.apply(secret("s", None));
    let problems = fold.view().problems;
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("kubesup.dev/secrets"), "{problems:#?}");
    fold.apply(secret("a", Some(json!({"k": "hunter2"}))));
    let world = fold.view().world.expect("a world");
    let documents: Vec<_> = world
        .config
        .iter()
        .map(|document| (document.object.as_str(), document.sensitivity))
        .collect();
    assert_eq!(
        documents,
        [
            ("ConfigMap shop/a", Sensitivity::Public),
            ("Secret shop/a", Sensitivity::Secret)
        ]
    );
    assert!(
        !format!("{fold:?}").contains("104, 117, 110"),
        "no content is printed"
    );
    fold.apply(secret("a", None));
    let view = fold.view();
    assert_eq!(view.problems.len(), 1);
    assert!(Arc::ptr_eq(
        &world,
        &view.world.expect("the last one stays")
    ));
}

#[test]
fn service_files_come_from_both_kinds_and_the_later_one_wins() {
    let mut fold = fold();
    fold.apply(pods("u1", json!({"kubesup.dev/files": "f, secret/f"})));
    fold.apply(slices(&[]));
    fold.apply(config("f", Some(json!({"a": "1", "b": "1"}))));
    assert_eq!(
        fold.view().problems,
        ["Secret shop/f has not been read yet"]
    );
    fold.apply(secret("f", Some(json!({"b": "2"}))));
    let world = fold.view().world.expect("a world");
    let files: Vec<_> = world
        .files
        .iter()
        .map(|(name, file)| (name.as_str(), file.object.as_str(), file.sensitivity))
        .collect();
    assert_eq!(
        files,
        [
            ("a", "ConfigMap shop/f, key a", Sensitivity::Public),
            ("b", "Secret shop/f, key b", Sensitivity::Secret)
        ]
    );
}

#[test]
fn hooks_and_templates_overlay_the_package_in_their_order() {
    let mut fold = fold();
    fold.apply(pods(
        "u1",
        json!({"kubesup.dev/hooks": "h", "kubesup.dev/templates": "t=sub/dir"}),
    ));
    fold.apply(slices(&[]));
    fold.apply(config("h", Some(json!({"run": "x"}))));
    fold.apply(config("t", Some(json!({"app.conf": "y"}))));
    let world = fold.view().world.expect("a world");
    assert_eq!(
        world.overlay.keys().collect::<Vec<_>>(),
        ["config/sub/dir/app.conf", "hooks/run"]
    );
    assert_eq!(
        world.overlay["hooks/run"].object,
        "ConfigMap shop/h, key run"
    );
}

/// Whoever starts the watches sees the end of a batch only. What was forgotten within it has to be read again.
#[test]
fn what_is_not_wanted_for_a_moment_is_wanted_anew() {
    let mut fold = complete();
    let key = WatchKey::ConfigMap { name: "a".into() };
    let before = fold.watches().clone();
    fold.apply(pods("u1", json!({})));
    assert_eq!(fold.watches().get(&key), None);
    fold.apply(pods("u1", json!({"kubesup.dev/config": "a"})));
    let after = fold.watches();
    assert!(after.get(&key) > before.get(&key), "{after:?}");
    assert_eq!(after.get(&WatchKey::Pod), before.get(&WatchKey::Pod));
    let problems = fold.view().problems;
    assert!(
        problems[0].contains("ConfigMap shop/a has not been read yet"),
        "{problems:#?}"
    );
}
