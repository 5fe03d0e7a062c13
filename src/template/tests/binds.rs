//! The `bind` tree and `kube.binds`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::context::{context_with, keys, member};
use super::contract;
use crate::world::{BoundGroup, BoundLeader, Member};

fn pg(members: Vec<Member>) -> BoundGroup {
    let members = members.into_iter();
    BoundGroup {
        service_group: "data/pg.blue@acme".to_owned(),
        namespace: "data".to_owned(),
        service: "pg".to_owned(),
        group: "blue".to_owned(),
        org: Some("acme".to_owned()),
        unread: None,
        exists: true,
        external_name: None,
        exports: [("user".to_owned(), "\"app\"".to_owned())].into(),
        members: members
            .map(|member| (member.member_id.clone(), Arc::new(member)))
            .collect(),
        leader: BoundLeader::NoElection,
    }
}

/// Member 0 departs, 1 is not ready, 2 is.
fn three() -> BoundGroup {
    let suspect = Member {
        ready: false,
        ..member("1", false)
    };
    pg(vec![member("2", false), suspect, member("0", true)])
}

fn with(binds: &[(&str, BoundGroup)]) -> Value {
    let binds = binds.iter();
    context_with(
        binds
            .map(|(name, group)| ((*name).to_owned(), group.clone()))
            .collect::<BTreeMap<_, _>>(),
    )
}

#[test]
fn a_bind_has_its_three_keys_and_its_members_the_keys_of_every_member() {
    let context = with(&[("db", three())]);
    let db = &context["bind"]["db"];
    assert_eq!(keys(db), contract::BIND);
    let first = &db["first"];
    assert_eq!(keys(first), keys(&context["svc"]["me"]));
    assert_eq!(keys(&first["sys"]), keys(&context["svc"]["me"]["sys"]));
    assert_eq!(
        (&first["service"], &first["group"], &first["org"]),
        (&json!("pg"), &json!("blue"), &json!("acme"))
    );
    assert_eq!(first["package"], "kubesup/pg/0.0.0/00000000000000");
    assert_eq!(first["cfg"], json!({"port": 5432, "user": "app"}));
}

#[test]
fn members_are_ordered_ready_ones_alive_others_suspect_and_those_that_depart_are_first_at_most() {
    let context = with(&[("db", three())]);
    let db = &context["bind"]["db"];
    let members: Vec<_> = db["members"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|member| {
            (
                member["member_id"].as_str().expect("an id"),
                member["alive"] == true,
                member["suspect"] == true,
            )
        })
        .collect();
    assert_eq!(members, [("1", false, true), ("2", true, false)]);
    assert_eq!(db["first"]["member_id"], "0", "of all, as in Habitat");
    assert_eq!(db["first"]["departed"], true);
    assert_eq!(db["leader"], Value::Null);
}

#[test]
fn the_holder_of_the_bound_groups_lease_is_its_leader_and_first() {
    let led = |leader| BoundGroup { leader, ..three() };
    let context = with(&[("db", led(BoundLeader::Member("2".to_owned())))]);
    let db = &context["bind"]["db"];
    assert_eq!(db["leader"]["member_id"], "2");
    assert_eq!(db["first"], db["leader"]);
    let flags = |member: &Value| {
        [
            "leader",
            "follower",
            "election_is_running",
            "election_is_finished",
        ]
        .map(|flag| member[flag] == true)
    };
    assert_eq!(flags(&db["leader"]), [true, false, false, true]);
    assert_eq!(flags(&db["members"][0]), [false, true, false, true]);

    let gone = with(&[("db", led(BoundLeader::Member("9".to_owned())))]);
    assert_eq!(gone["bind"]["db"]["leader"], Value::Null, "it is no member");
    let vacant = with(&[("db", led(BoundLeader::Vacant))]);
    let db = &vacant["bind"]["db"];
    assert_eq!(db["leader"], Value::Null);
    assert_eq!(flags(&db["members"][0]), [false, true, true, false]);
    let none = with(&[("db", three())]);
    let members = &none["bind"]["db"]["members"];
    assert_eq!(flags(&members[0]), [false; 4], "nobody stands");
}

#[test]
fn only_what_is_satisfied_is_there_in_the_order_of_names_but_kube_shows_all() {
    let absent = BoundGroup {
        exists: false,
        ..pg(vec![])
    };
    let context = with(&[("z", three()), ("absent", absent), ("a", three())]);
    assert_eq!(keys(&context["bind"]), ["a", "z"]);
    let binds = &context["kube"]["binds"];
    assert_eq!(keys(binds), ["a", "absent", "z"]);
    assert_eq!(binds["absent"], json!([]));
    let endpoints = binds["a"].as_array().expect("a list");
    assert_eq!(endpoints.len(), 3, "those that depart included");
    assert_eq!(keys(&endpoints[0]), keys(&context["kube"]["endpoints"][0]));
}

#[test]
fn each_alive_tells_the_ready_members_of_a_bind_from_the_others() {
    let package = crate::package::Package {
        config: [(
            "a.conf".to_owned(),
            crate::package::Source {
                origin: "a.conf".to_owned(),
                text: "{{#if bind.db}}{{#eachAlive bind.db.members as |m|}}{{m.sys.hostname}}:{{m.cfg.port}}{{~#unless @last}},{{/unless}}{{/eachAlive}}{{#if bind.db.leader}}L{{else}} NO LEADER{{/if}}{{else}}none{{/if}}"
                    .to_owned(),
            },
        )]
        .into(),
        ..crate::package::Package::default()
    };
    let render = |context| {
        let strictness = crate::template::Strictness::Lenient;
        let templates = crate::template::compile(&package, strictness).expect("templates");
        let rendered = templates.render(context).expect("a text");
        rendered.files["config/a.conf"].clone()
    };
    assert_eq!(render(with(&[("db", three())])), "db-2:5432 NO LEADER");
    assert_eq!(render(with(&[])), "none");
}
