use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::world::stable_id;

fn binds(texts: &[&str]) -> Vec<Bind> {
    let parse = |text: &&str| Bind::parse(text).expect("a bind");
    texts.iter().map(parse).collect()
}

fn own() -> OwnPod {
    OwnPod {
        name: "web-0".into(),
        uid: "a-0".into(),
        ip: "10.0.0.1".into(),
        ips: vec!["10.0.0.1".into(), "fd00::1".into()],
        ..OwnPod::default()
    }
}

fn slice(name: &str, service: &str, family: &str, endpoints: Value) -> EndpointSlice {
    let value = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": family, "endpoints": endpoints, "ports": [{"name": "sql", "port": 5432}],
    });
    serde_json::from_value(value).expect("a slice")
}

fn pod(uid: &str, address: &str, conditions: Value) -> Value {
    json!({"addresses": [address], "conditions": conditions, "targetRef": {"kind": "Pod", "name": uid, "uid": uid}})
}

fn slices_of(services: &[&str]) -> WatchKey {
    WatchKey::BoundSlices {
        namespace: None,
        services: services.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn service_of(service: &str) -> WatchKey {
    WatchKey::BoundService {
        namespace: None,
        service: service.to_owned(),
    }
}

fn service(value: Value) -> Service {
    serde_json::from_value(value).expect("a Service")
}

/// The Service `pg`, without annotations, and no slices.
fn bound() -> Bound {
    let mut bound = Bound::default();
    bound.apply_slices(slices_of(&["pg"]), Delta::Reset(vec![]));
    let pg = service(json!({"metadata": {"name": "pg"}}));
    bound.apply_service(service_of("pg"), Delta::Reset(vec![pg]));
    bound
}

fn look(bound: &Bound) -> BoundGroup {
    let mut problems = Vec::new();
    let troubles = BTreeMap::new();
    let mut groups = bound.groups(&binds(&["db:pg"]), &own(), "shop", &troubles, &mut problems);
    assert_eq!(problems, Vec::<String>::new());
    groups.remove("db").expect("the bind")
}

#[test]
fn there_is_one_watch_of_slices_for_each_namespace_and_one_for_each_service() {
    let wanted = Bound::wanted(
        &binds(&["db:pg", "cache:shop/redis", "again:pg.blue", "far:data/pg"]),
        "shop",
    );
    let shown: Vec<_> = wanted.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "EndpointSlices of bound Service pg, redis",
            "EndpointSlices of bound Service data/pg",
            "bound Service pg",
            "bound Service redis",
            "bound Service data/pg",
        ]
    );
}

#[test]
fn what_has_not_been_read_is_a_problem_and_what_cannot_be_read_holds_up_nothing() {
    let bound = Bound::default();
    let mut problems = Vec::new();
    let mut troubles = BTreeMap::new();
    let all = binds(&["db:pg"]);
    drop(bound.groups(&all, &own(), "shop", &troubles, &mut problems));
    assert_eq!(
        problems,
        [
            "bind db: EndpointSlices of bound Service pg has not been read yet",
            "bind db: bound Service pg has not been read yet",
        ]
    );
    problems.clear();
    troubles.insert(slices_of(&["pg"]), "403 forbidden".to_owned());
    troubles.insert(service_of("pg"), "404".to_owned());
    let groups = bound.groups(&all, &own(), "shop", &troubles, &mut problems);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(groups["db"].unread.as_deref(), Some("403 forbidden; 404"));
}

#[test]
fn a_service_that_appears_later_has_no_endpoints_at_first() {
    let mut bound = Bound::default();
    bound.apply_slices(slices_of(&["pg"]), Delta::Reset(vec![]));
    bound.apply_service(service_of("pg"), Delta::Reset(vec![]));
    assert!(!look(&bound).exists);
    let pg = service(json!({"metadata": {"name": "pg", "annotations": {
        "kubesup.dev/export.user": "\"app\"", "other": "x",
    }}, "spec": {"type": "ExternalName", "externalName": "pg.example.com"}}));
    bound.apply_service(service_of("pg"), Delta::Apply(Box::new(pg.clone())));
    let group = look(&bound);
    assert!(group.exists && group.members.is_empty());
    assert_eq!(
        group.exports,
        [("user".to_owned(), "\"app\"".to_owned())].into()
    );
    assert_eq!(group.external_name.as_deref(), Some("pg.example.com"));
    bound.apply_service(service_of("pg"), Delta::Delete(Box::new(pg)));
    assert!(!look(&bound).exists);
}

#[test]
fn slices_without_a_service_are_bound_too_and_others_slices_are_not() {
    let mut bound = Bound::default();
    bound.apply_service(service_of("pg"), Delta::Reset(vec![]));
    let endpoints = json!([{"addresses": ["192.0.2.1"]}]);
    let mut nobodys = slice("x", "pg", "IPv4", endpoints.clone());
    nobodys.metadata.labels = None;
    let all = vec![
        slice("pg-1", "pg", "IPv4", endpoints.clone()),
        slice(
            "redis-1",
            "redis",
            "IPv4",
            json!([{"addresses": ["192.0.2.9"]}]),
        ),
        nobodys,
    ];
    bound.apply_slices(slices_of(&["pg"]), Delta::Reset(all));
    let group = look(&bound);
    assert!(group.exists);
    assert_eq!(
        group.members.keys().cloned().collect::<Vec<_>>(),
        [stable_id("192.0.2.1", "pg")],
        "an endpoint without a Pod has a stable id, and self is none of them"
    );
}

#[test]
fn an_endpoint_that_moves_between_slices_is_never_dropped() {
    let mut bound = bound();
    let key = || slices_of(&["pg"]);
    let one = json!([pod("b", "10.0.0.2", json!({}))]);
    let apply = |slice| Delta::Apply(Box::new(slice));
    bound.apply_slices(key(), apply(slice("pg-1", "pg", "IPv4", one.clone())));
    assert_eq!(look(&bound).members.len(), 1);
    bound.apply_slices(key(), apply(slice("pg-2", "pg", "IPv4", one.clone())));
    assert_eq!(look(&bound).members.len(), 1, "in both, and one member");
    bound.apply_slices(key(), apply(slice("pg-1", "pg", "IPv4", json!([]))));
    assert_eq!(look(&bound).members.len(), 1);
    bound.apply_slices(
        key(),
        Delta::Delete(Box::new(slice("pg-1", "pg", "IPv4", json!([])))),
    );
    assert_eq!(look(&bound).members.len(), 1);
    bound.apply_slices(key(), apply(slice("pg-2", "pg", "IPv4", json!([]))));
    assert_eq!(look(&bound).members.len(), 0);
    assert!(look(&bound).exists, "0 endpoints are no missing Service");
}

#[test]
fn both_families_are_one_member_with_the_own_pods_first_family() {
    let mut bound = bound();
    let all = vec![
        slice("v6", "pg", "IPv6", json!([pod("b", "fd00::2", json!({}))])),
        slice("v4", "pg", "IPv4", json!([pod("b", "10.0.0.2", json!({}))])),
    ];
    bound.apply_slices(slices_of(&["pg"]), Delta::Reset(all));
    let group = look(&bound);
    assert_eq!(group.members.len(), 1);
    assert_eq!(group.members["b"].ip, "10.0.0.2");
    assert_eq!(group.members["b"].addresses, ["10.0.0.2", "fd00::2"]);
}

#[test]
fn garbage_in_slices_is_passed_over_and_the_rest_counts() {
    let mut bound = bound();
    let all = vec![
        slice("none", "pg", "IPv4", json!([{"addresses": []}])),
        slice(
            "fqdn",
            "pg",
            "FQDN",
            json!([{"addresses": ["pg.example.com"]}]),
        ),
        slice(
            "odd",
            "pg",
            "Odd",
            json!([pod("c", "not an address", json!({}))]),
        ),
        slice(
            "good",
            "pg",
            "IPv4",
            json!([
                pod("b", "10.0.0.2", json!({"ready": false})),
                pod("b", "10.0.0.2", json!({"ready": true})),
                pod("d", "10.0.0.3", json!({"terminating": true})),
            ]),
        ),
    ];
    bound.apply_slices(slices_of(&["pg"]), Delta::Reset(all));
    let members = look(&bound).members;
    assert_eq!(members.keys().collect::<Vec<_>>(), ["b", "c", "d"]);
    assert!(members["b"].ready, "of duplicates the one that says more");
    assert!(members["d"].terminating);
}

fn lease_of_pg() -> WatchKey {
    WatchKey::BoundLease {
        namespace: None,
        name: "kubesup.pg.default".to_owned(),
    }
}

#[test]
fn each_bound_group_has_one_lease_in_its_namespace_and_its_holder_leads() {
    let all = binds(&["db:pg", "again:shop/pg", "blue:pg.blue", "far:data/pg"]);
    let shown: Vec<_> = Bound::leases(&all, "shop")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "Lease kubesup.pg.blue of a bound group",
            "Lease kubesup.pg.default of a bound group",
            "Lease data/kubesup.pg.default of a bound group",
        ]
    );

    let mut bound = bound();
    assert_eq!(look(&bound).leader, BoundLeader::NotRead);
    let mut seen = |delta: Delta<Value>| {
        let lease = |value| serde_json::from_value(value).expect("a Lease");
        let delta = match delta {
            Delta::Reset(all) => Delta::Reset(all.into_iter().map(lease).collect()),
            Delta::Apply(value) => Delta::Apply(Box::new(lease(*value))),
            Delta::Delete(value) => Delta::Delete(Box::new(lease(*value))),
        };
        bound.apply_lease(lease_of_pg(), &delta);
        look(&bound).leader
    };
    let held = |holder: Value| Box::new(json!({"spec": {"holderIdentity": holder}}));
    assert_eq!(seen(Delta::Reset(vec![])), BoundLeader::NoElection);
    assert_eq!(seen(Delta::Reset(vec![json!({})])), BoundLeader::Vacant);
    let holder = held(json!("pg-0/pg/a-b-c/nonce"));
    assert_eq!(
        seen(Delta::Apply(holder.clone())),
        BoundLeader::Member("abc".to_owned())
    );
    for nobody in [
        json!(""),
        json!(null),
        json!("pg-0"),
        json!("a/b//d"),
        json!("a/b/c/d/e"),
    ] {
        assert_eq!(seen(Delta::Apply(held(nobody))), BoundLeader::Vacant);
    }
    assert_eq!(seen(Delta::Delete(holder)), BoundLeader::NoElection);
}

#[test]
fn a_lease_that_may_not_be_read_is_known_to_be_so_and_what_was_read_stays() {
    let mut bound = bound();
    let troubles = BTreeMap::from([(lease_of_pg(), "403 forbidden".to_owned())]);
    let leader = |bound: &Bound| {
        let mut problems = Vec::new();
        let groups = bound.groups(&binds(&["db:pg"]), &own(), "shop", &troubles, &mut problems);
        assert_eq!(problems, Vec::<String>::new(), "it holds up nothing");
        groups["db"].leader.clone()
    };
    assert_eq!(leader(&bound), BoundLeader::Unknown);
    bound.apply_lease(lease_of_pg(), &Delta::Reset(vec![Lease::default()]));
    assert_eq!(leader(&bound), BoundLeader::Vacant);
}

#[test]
fn what_no_watch_looks_at_any_more_is_forgotten() {
    let mut bound = bound();
    bound.apply_lease(lease_of_pg(), &Delta::Reset(vec![]));
    bound.retain(&Bound::wanted(&binds(&["db:other"]), "shop"));
    assert!(bound.slices.is_empty() && bound.services.is_empty() && bound.leaders.is_empty());
}

proptest! {
    #[test]
    fn the_order_of_slices_does_not_matter(order in Just((0..4usize).collect::<Vec<_>>()).prop_shuffle()) {
        let all = [
            slice("v6", "pg", "IPv6", json!([pod("b", "fd00::2", json!({"ready": false}))])),
            slice("v4", "pg", "IPv4", json!([pod("b", "10.0.0.2", json!({})), pod("c", "10.0.0.3", json!({}))])),
            slice("old", "pg", "IPv4", json!([pod("c", "10.0.0.3", json!({"terminating": true}))])),
            slice("free", "pg", "IPv4", json!([{"addresses": ["192.0.2.1"]}])),
        ];
        let mut expected = bound();
        expected.apply_slices(slices_of(&["pg"]), Delta::Reset(all.to_vec()));
        let mut shuffled = bound();
        for index in order {
            shuffled.apply_slices(slices_of(&["pg"]), Delta::Apply(Box::new(all[index].clone())));
        }
        prop_assert_eq!(look(&shuffled), look(&expected));
    }
}
