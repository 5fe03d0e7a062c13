//! What follows from the own Pod alone: its address, its deletion, its names and its Service.

use super::*;

/// The Pod with its metadata, spec and status laid over the usual ones.
fn with(metadata: Value, spec: Value, status: Value) -> Observation {
    let mut pod = serde_json::to_value(pod("u1", json!({}))).expect("JSON");
    for (part, changes) in [("metadata", metadata), ("spec", spec), ("status", status)] {
        for (key, value) in changes.as_object().expect("an object") {
            pod[part][key] = value.clone();
        }
    }
    Observation::Pods(Delta::Reset(vec![object(pod)]))
}

fn none() -> Value {
    json!({})
}

#[test]
fn the_first_world_waits_for_the_address_of_the_pod() {
    let mut fold = fold();
    fold.apply(with(none(), none(), json!({"podIP": null})));
    fold.apply(slices(&["10.0.0.2"]));
    let view = fold.view();
    assert_eq!(view.problems, ["Pod shop/demo-0 has no IP yet"]);
    assert_eq!(view.world, None);
    fold.apply(with(none(), none(), none()));
    let world = fold.view().world.expect("a world");
    assert_eq!(world.pod.ip, "10.0.0.1");
}

#[test]
fn a_deletion_is_known_with_the_grace_that_it_gives_and_else_the_pods_own() {
    let departing = |metadata: Value, spec: Value| {
        let mut fold = complete();
        fold.apply(with(metadata, spec, none()));
        fold.view().departing
    };
    let own = || json!({"terminationGracePeriodSeconds": 60});
    let time = "2026-01-01T00:00:00Z";
    assert_eq!(departing(none(), own()), None);
    assert_eq!(
        departing(json!({"deletionTimestamp": time}), own()),
        Some(Departing::Deleted { grace_seconds: 60 })
    );
    let short = json!({"deletionTimestamp": time, "deletionGracePeriodSeconds": 5});
    assert_eq!(
        departing(short, own()),
        Some(Departing::Deleted { grace_seconds: 5 })
    );
}

#[test]
fn annotations_name_service_and_group_over_label_and_subdomain_and_a_label_the_version() {
    let mut fold = fold();
    let metadata = json!({
        "labels": {"app.kubernetes.io/name": "label", "app.kubernetes.io/version": "1.2.3"},
        "annotations": {"kubesup.dev/name": "named", "kubesup.dev/service": "peers"},
    });
    fold.apply(with(metadata, none(), none()));
    let settings = fold.view().settings.expect("settings");
    assert_eq!(settings.name, "named");
    assert_eq!(settings.version, "1.2.3");
    assert_eq!(settings.service.as_deref(), Some("peers"));
    let service = "peers".to_owned();
    let watch = WatchKey::EndpointSlices { service };
    assert!(fold.wanted().contains(&watch), "{:?}", fold.wanted());
}

#[test]
fn without_a_service_the_group_is_the_own_pod_alone() {
    let mut fold = fold();
    fold.apply(with(none(), json!({"subdomain": null}), none()));
    assert_eq!(fold.wanted(), BTreeSet::from([WatchKey::Pod]));
    let world = fold.view().world.expect("a world");
    assert_eq!(world.members.keys().collect::<Vec<_>>(), ["u1"]);
}

#[test]
fn once_there_was_a_world_another_service_and_other_binds_wait_for_the_next_start() {
    let mut fold = complete();
    let before = fold.view();
    let wanted = fold.wanted();
    let edit = json!({"annotations": {
        "kubesup.dev/config": "a", "kubesup.dev/service": "other", "kubesup.dev/bind": "db:pg", "kubesup.dev/group": "blue",
    }});
    fold.apply(with(edit, none(), none()));
    let view = fold.view();
    assert_eq!(fold.wanted(), wanted);
    assert_eq!(view.problems, Vec::<String>::new());
    assert_eq!(view.start, before.start, "what the start was made with");
    let now = view.settings.expect("settings");
    assert_eq!(
        (now.service.as_deref(), &*now.group),
        (Some("other"), "blue")
    );
    let (before, world) = (before.world.expect("a world"), view.world.expect("a world"));
    assert_eq!(before.members, world.members);
    assert_eq!(world.binds.len(), 0);
    // What is live still is.
    fold.apply(with(
        json!({"annotations": {"kubesup.dev/service": "other"}}),
        none(),
        none(),
    ));
    assert_eq!(fold.view().world.expect("a world").config.len(), 0);
    assert_eq!(fold.wanted().len(), 2, "{:?}", fold.wanted());
}

#[test]
fn before_there_was_a_world_an_edit_of_any_setting_counts() {
    let mut fold = fold();
    fold.apply(with(
        json!({"annotations": {"kubesup.dev/service": "typo"}}),
        none(),
        none(),
    ));
    let view = fold.view();
    assert_eq!((view.problems.len(), view.start), (1, None));
    fold.apply(with(none(), none(), none()));
    fold.apply(slices(&["10.0.0.2"]));
    let view = fold.view();
    assert_eq!(view.problems, Vec::<String>::new());
    assert_eq!(
        view.start.expect("settings").service.as_deref(),
        Some("demo")
    );
}

/// A Pod cannot be renamed: what manifests call otherwise now is another one, and it is made after the old one's end.
#[test]
fn a_pod_of_another_name_is_another_pod() {
    let mut fold = complete();
    assert_eq!(fold.view().departing, None);
    fold.apply(with(json!({"name": "demo-1", "uid": "u2"}), none(), none()));
    let view = fold.view();
    assert_eq!(view.departing, Some(Departing::Gone));
    assert!(
        view.problems[0].starts_with("Pod shop/demo-0 does not exist"),
        "{:#?}",
        view.problems
    );
    assert_eq!(view.world.expect("the last world").pod.name, "demo-0");
}
