//! The own Service's EndpointSlices in the fold: how members come, move and go.

use super::*;

/// A slice of the own Service: each endpoint is a Pod's UID.
fn slice(name: &str, uids: &[&str]) -> EndpointSlice {
    let endpoint = |uid: &&str| {
        let target = json!({"kind": "Pod", "name": format!("demo-{uid}"), "uid": uid});
        json!({"addresses": [format!("10.0.0.{uid}")], "conditions": {"ready": true}, "targetRef": target})
    };
    let endpoints: Vec<_> = uids.iter().map(endpoint).collect();
    object(json!({"metadata": {"name": name}, "addressType": "IPv4", "endpoints": endpoints}))
}

fn tell(delta: Delta<EndpointSlice>) -> Observation {
    Observation::EndpointSlices {
        service: "demo".into(),
        delta,
    }
}

fn put(slice: EndpointSlice) -> Observation {
    tell(Delta::Apply(Box::new(slice)))
}

fn gone(name: &str) -> Observation {
    tell(Delta::Delete(Box::new(slice(name, &[]))))
}

/// The own Pod, whose Service has these slices.
fn seen(slices: Vec<EndpointSlice>) -> Fold {
    let mut fold = fold();
    fold.apply(pods("1", json!({})));
    fold.apply(tell(Delta::Reset(slices)));
    fold
}

fn members(fold: &mut Fold) -> Vec<String> {
    let world = fold.view().world.expect("a world");
    world.members.keys().cloned().collect()
}

#[test]
fn a_service_that_appears_later_is_waited_for_by_name_and_then_followed() {
    let mut fold = seen(vec![]);
    let view = fold.view();
    assert_eq!(view.world, None);
    assert_eq!(view.problems.len(), 1, "{:#?}", view.problems);
    assert!(
        view.problems[0].starts_with("Service shop/demo has no EndpointSlices: ")
            && view.problems[0].contains("kubesup.dev/service"),
        "{:#?}",
        view.problems
    );
    fold.apply(put(slice("x", &[])));
    assert_eq!(fold.view().problems, Vec::<String>::new());
    assert_eq!(members(&mut fold), ["1"], "one without endpoints is there");
    fold.apply(put(slice("x", &["1", "2"])));
    assert_eq!(members(&mut fold), ["1", "2"]);
}

#[test]
fn an_endpoint_that_moves_between_slices_step_by_step_is_never_dropped() {
    let before = vec![slice("x", &["1", "2", "3"]), slice("y", &["4"])];
    let steps = [
        // First where it comes to, then where it comes from: so the controller writes, and a watch tells it in order.
        put(slice("y", &["4", "3"])),
        put(slice("x", &["1", "2"])),
        put(slice("z", &["1", "2"])),
        // A gap in the watch in the middle of it.
        tell(Delta::Reset(vec![
            slice("z", &["1", "2"]),
            slice("x", &["1", "2"]),
            slice("y", &["4", "3"]),
        ])),
        gone("x"),
        put(slice("z", &["1", "2", "3", "4"])),
        put(slice("y", &[])),
        gone("y"),
    ];
    let mut fold = seen(before);
    let world = fold.view().world.expect("a world");
    assert_eq!(world.members.len(), 4);
    for (number, step) in steps.into_iter().enumerate() {
        fold.apply(step);
        let view = fold.view();
        assert_eq!(view.problems, Vec::<String>::new(), "step {number}");
        let now = view.world.expect("a world");
        assert!(
            Arc::ptr_eq(&world, &now),
            "step {number}: {:?}",
            now.members
        );
    }
}

#[test]
fn a_service_that_is_deleted_and_made_anew_is_a_problem_in_between_and_self_stays() {
    let mut fold = seen(vec![slice("x", &["1", "2"])]);
    assert_eq!(members(&mut fold), ["1", "2"]);
    fold.apply(gone("x"));
    let problems = fold.view().problems;
    assert!(
        problems[0].contains("has no EndpointSlices"),
        "{problems:#?}"
    );
    assert_eq!(members(&mut fold), ["1"]);
    fold.apply(put(slice("x-anew", &["2", "3"])));
    assert_eq!(fold.view().problems, Vec::<String>::new());
    assert_eq!(members(&mut fold), ["1", "2", "3"]);
}

#[test]
fn garbage_in_slices_is_passed_over_and_the_rest_counts() {
    let odd = object(json!({
        "metadata": {"name": "odd"}, "addressType": "Odd",
        "endpoints": [
            {"addresses": []},
            {"addresses": ["", ""]},
            {"addresses": ["10.0.0.6"], "targetRef": {"kind": "Pod", "name": "six", "uid": ""}},
            {"addresses": ["10.0.0.7"], "targetRef": {"kind": "Pod", "name": "seven", "uid": ""}},
            {"addresses": ["10.0.0.8"], "targetRef": {"kind": "Node", "name": "n", "uid": "8"}},
        ],
        "ports": [{}, {"name": "none"}, {"name": "http", "port": 8080}],
    }));
    let fqdn = object(
        json!({"metadata": {}, "addressType": "FQDN", "endpoints": [{"addresses": ["demo.example.com"]}]}),
    );
    let mut fold = seen(vec![fqdn, odd, slice("x", &["2"])]);
    let view = fold.view();
    assert_eq!(view.problems, Vec::<String>::new());
    let world = view.world.expect("a world");
    let ips: BTreeSet<_> = world
        .members
        .values()
        .map(|member| member.ip.as_str())
        .collect();
    assert_eq!(
        ips,
        BTreeSet::from(["10.0.0.1", "10.0.0.2", "10.0.0.6", "10.0.0.7", "10.0.0.8"])
    );
    let six = world
        .members
        .values()
        .find(|member| member.ip == "10.0.0.6");
    let six = six.expect("a member");
    assert_eq!(six.member_id.len(), 32, "{six:?}");
    assert_eq!(
        *six.ports,
        BTreeMap::from([("port".to_owned(), 8080), ("http".to_owned(), 8080)])
    );
}
