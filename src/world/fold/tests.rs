mod objects;
mod own_pod;
mod peers;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::*;
use crate::config::load;
use crate::world::{Delta, Sensitivity};
use proptest::prelude::*;
use serde_json::{Value, json};

fn fold() -> Fold {
    let identity = Identity {
        namespace: "shop".into(),
        pod_name: "demo-0".into(),
        ..Identity::default()
    };
    Fold::new(
        identity,
        Layers {
            below_pod: vec![load::defaults()],
            above_pod: vec![],
        },
    )
}

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

fn pod(uid: &str, annotations: Value) -> Pod {
    object(json!({
        "metadata": {"name": "demo-0", "namespace": "shop", "uid": uid, "annotations": annotations},
        "spec": {"subdomain": "demo", "containers": [{"name": "demo"}]},
        "status": {"podIP": "10.0.0.1"},
    }))
}

fn pods(uid: &str, annotations: Value) -> Observation {
    Observation::Pods(Delta::Reset(vec![pod(uid, annotations)]))
}

fn slices(addresses: &[&str]) -> Observation {
    let endpoints: Vec<_> = addresses
        .iter()
        .map(|address| json!({"addresses": [address]}))
        .collect();
    let slice = object(
        json!({"metadata": {"name": "demo-x"}, "addressType": "IPv4", "endpoints": endpoints}),
    );
    Observation::EndpointSlices {
        service: "demo".into(),
        delta: Delta::Reset(vec![slice]),
    }
}

fn config(name: &str, data: Option<Value>) -> Observation {
    let all = data.map(|data| object(json!({"metadata": {"name": name}, "data": data})));
    Observation::ConfigMaps {
        name: name.into(),
        delta: Delta::Reset(all.into_iter().collect()),
    }
}

fn complete() -> Fold {
    let mut fold = fold();
    fold.apply(pods("u1", json!({"kubesup.dev/config": "a"})));
    fold.apply(slices(&["10.0.0.2"]));
    fold.apply(config("a", Some(json!({"k": "1"}))));
    fold
}

#[test]
fn the_own_pod_says_what_to_watch() {
    let mut fold = fold();
    assert_eq!(fold.wanted(), BTreeSet::from([WatchKey::Pod]));
    fold.apply(pods(
        "u1",
        json!({"kubesup.dev/config": "a,b?", "kubesup.dev/hooks": "h"}),
    ));
    let names: Vec<_> = fold.wanted().iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "own Pod",
            "EndpointSlices of Service demo",
            "ConfigMap a",
            "ConfigMap b",
            "ConfigMap h"
        ]
    );
}

#[test]
fn the_world_comes_when_everything_has_been_seen_and_until_then_each_missing_thing_is_named() {
    let mut fold = fold();
    assert_eq!(
        fold.view().problems,
        ["Pod shop/demo-0 has not been read yet"]
    );
    fold.apply(pods("u1", json!({"kubesup.dev/config": "a,b?"})));
    assert_eq!(fold.view().problems.len(), 3);
    fold.apply(slices(&["10.0.0.2"]));
    fold.apply(config("a", None));
    fold.apply(config("b", None));
    let problems = fold.view().problems;
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(
        problems[0].starts_with("ConfigMap shop/a does not exist; create it"),
        "{problems:#?}"
    );
    fold.apply(config("a", Some(json!({"k": "1"}))));
    let view = fold.view();
    assert_eq!(view.problems, Vec::<String>::new());
    assert_eq!(view.world.expect("a world").members.len(), 2);
}

#[test]
fn a_relist_with_equal_data_gives_the_same_world() {
    let mut fold = complete();
    let before = fold.view().world.expect("a world");
    fold.apply(pods("u1", json!({"kubesup.dev/config": "a"})));
    fold.apply(slices(&["10.0.0.2"]));
    fold.apply(config("a", Some(json!({"k": "1"}))));
    assert!(Arc::ptr_eq(&before, &fold.view().world.expect("a world")));
}

#[test]
fn another_pod_under_the_own_name_means_that_we_are_gone() {
    let mut fold = complete();
    assert_eq!(fold.view().departing, None);
    fold.apply(pods("u2", json!({"kubesup.dev/config": "other"})));
    let view = fold.view();
    assert_eq!(view.departing, Some(Departing::Gone));
    assert_eq!(view.world.expect("the last world").pod.uid, "u1");
    assert!(
        fold.wanted()
            .contains(&WatchKey::ConfigMap { name: "a".into() })
    );
}

#[test]
fn a_trouble_says_why_something_is_missing() {
    let mut fold = fold();
    fold.apply(Observation::Trouble {
        watch: WatchKey::Pod,
        problem: Some("403 forbidden".into()),
    });
    assert_eq!(
        fold.view().problems,
        ["Pod shop/demo-0 has not been read yet: 403 forbidden"]
    );
    fold.apply(Observation::Trouble {
        watch: WatchKey::Pod,
        problem: None,
    });
    assert_eq!(fold.view().troubles.len(), 0);
}

proptest! {
    #[test]
    fn the_order_of_observations_does_not_matter(order in Just((0..4usize).collect::<Vec<_>>()).prop_shuffle()) {
        let observations = [
            slices(&["10.0.0.2", "10.0.0.3"]),
            config("a", Some(json!({"k": "1"}))),
            config("b", Some(json!({"k": "2"}))),
            pods("u1", json!({"kubesup.dev/config": "a,b"})),
        ];
        let mut fold = fold();
        // The Pod first, since nothing else is wanted, or kept, before it.
        fold.apply(pods("u1", json!({"kubesup.dev/config": "a,b"})));
        for index in order {
            fold.apply(observations[index].clone());
        }
        let world = fold.view().world.expect("a world");
        let mut expected = complete();
        expected.apply(pods("u1", json!({"kubesup.dev/config": "a,b"})));
        expected.apply(slices(&["10.0.0.2", "10.0.0.3"]));
        expected.apply(config("b", Some(json!({"k": "2"}))));
        let expected = expected.view().world.expect("a world");
        prop_assert_eq!(serde_json::to_vec(&*world).expect("json"), serde_json::to_vec(&*expected).expect("json"));
    }
}

#[test]
fn a_trouble_with_the_groups_lease_is_shown_though_the_fold_does_not_watch_it() {
    let mut fold = complete();
    let trouble = |name: &str| Observation::Trouble {
        watch: WatchKey::Lease { name: name.into() },
        problem: Some("403".into()),
    };
    let leader = json!({"kubesup.dev/topology": "leader", "kubesup.dev/service": "db"});
    fold.apply(pods("u1", leader));
    fold.apply(trouble("kubesup.db.default"));
    fold.apply(trouble("another"));
    let troubles = fold.view().troubles;
    let shown: Vec<_> = troubles.keys().map(ToString::to_string).collect();
    assert_eq!(shown, ["Lease kubesup.db.default"]);
    assert!(
        fold.wanted()
            .iter()
            .all(|watch| !matches!(watch, WatchKey::Lease { .. })),
        "the election watches it"
    );
}
