use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::package::Bind;
use crate::world::{BoundLeader, OwnPod};

fn member(id: &str, ready: bool, terminating: bool) -> Member {
    Member {
        member_id: id.to_owned(),
        ip: format!("10.0.0.{id}"),
        addresses: vec![format!("10.0.0.{id}")],
        hostname: format!("pg-{id}"),
        pod_name: None,
        ready,
        serving: true,
        terminating,
        node_name: String::new(),
        zone: String::new(),
        ports: Arc::new([("port".to_owned(), 5432), ("sql".to_owned(), 5432)].into()),
    }
}

fn group(exports: &[(&str, &str)], members: Vec<Member>) -> BoundGroup {
    let exports = exports.iter();
    let members = members.into_iter();
    BoundGroup {
        service_group: "data/pg.default".to_owned(),
        namespace: "data".to_owned(),
        service: "pg".to_owned(),
        group: "default".to_owned(),
        org: None,
        unread: None,
        exists: true,
        external_name: None,
        exports: exports
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect(),
        members: members
            .map(|member| (member.member_id.clone(), Arc::new(member)))
            .collect(),
        leader: BoundLeader::NoElection,
    }
}

fn facts(exports: &[&str]) -> Facts {
    Facts {
        installed: true,
        origin: "acme".to_owned(),
        name: "web".to_owned(),
        version: "1".to_owned(),
        release: "2".to_owned(),
        binds: vec![Bind {
            name: "db".to_owned(),
            exports: exports.iter().map(|name| (*name).to_owned()).collect(),
        }],
        binds_optional: vec![Bind {
            name: "cache".to_owned(),
            exports: Vec::new(),
        }],
        ..Facts::default()
    }
}

fn why(group: BoundGroup, required: &[&str]) -> Option<String> {
    let world = World {
        pod: OwnPod::default(),
        members: BTreeMap::new(),
        config: Vec::new(),
        overlay: BTreeMap::new(),
        files: BTreeMap::new(),
        binds: [("db".to_owned(), group)].into(),
        election: crate::world::Election::default(),
    };
    let facts = facts(required);
    let statuses = statuses(&world, &facts);
    let is_seen = satisfied(&world, &facts).count() == 1;
    assert_eq!(is_seen, statuses[0].unsatisfied.is_none());
    statuses[0].unsatisfied.clone()
}

#[test]
fn a_bind_that_is_not_satisfied_says_why_in_the_words_of_habitat() {
    let absent = BoundGroup {
        exists: false,
        ..group(&[], vec![])
    };
    let unread = BoundGroup {
        unread: Some("403 forbidden".to_owned()),
        ..absent.clone()
    };
    let named = BoundGroup {
        external_name: Some("pg.example.com".to_owned()),
        ..group(&[], vec![])
    };
    let going = group(&[], vec![member("1", true, true)]);
    for (group, required, reason) in [
        (
            absent,
            vec![],
            "The specified service group 'data/pg.default' for binding 'db' is not (yet?) present in the census data.",
        ),
        (
            unread,
            vec![],
            "The specified service group 'data/pg.default' for binding 'db' is not known yet: 403 forbidden",
        ),
        (
            going,
            vec![],
            "The specified service group 'data/pg.default' for binding 'db' is present in the census, but currently has no active members.",
        ),
        (
            named,
            vec![],
            "currently has no active members. Service data/pg is an ExternalName (pg.example.com)",
        ),
        (
            group(&[], vec![member("1", true, false)]),
            vec!["username", "port", "password"],
            "The group 'data/pg.default' cannot satisfy the `db` bind because it does not export the following required fields: {\"password\", \"username\"}",
        ),
    ] {
        let unsatisfied = why(group, &required).expect("a reason");
        assert!(unsatisfied.contains(reason), "{unsatisfied}");
    }
}

#[test]
fn one_active_member_with_the_required_exports_is_enough_ready_or_not() {
    let suspect = group(
        &[("username", "\"app\"")],
        vec![member("1", true, true), member("2", false, false)],
    );
    assert_eq!(why(suspect, &["port", "sql", "username"]), None);
}

#[test]
fn the_leaders_exports_count_and_without_one_the_first_active_members() {
    let plain = |id: &str, terminating| Member {
        ports: Arc::new([("sql".to_owned(), 5432)].into()),
        ..member(id, true, terminating)
    };
    let led = |leader: &str, members| BoundGroup {
        leader: BoundLeader::Member(leader.to_owned()),
        ..group(&[], members)
    };
    let full = |id| member(id, true, false);
    let needs = &["port"][..];
    assert_eq!(
        why(led("2", vec![plain("1", false), full("2")]), needs),
        None
    );
    assert!(why(led("2", vec![full("1"), plain("2", false)]), needs).is_some());
    assert_eq!(
        why(led("2", vec![full("1"), plain("2", true)]), needs),
        None,
        "a leader that departs is not asked"
    );
    assert_eq!(
        why(led("9", vec![full("1"), plain("2", false)]), needs),
        None
    );
}

#[test]
fn annotations_are_toml_values_over_the_ports_and_a_wrong_one_is_named() {
    let exports = [
        ("port", "6432"),
        ("hosts", "[\"a\", \"b\"]"),
        ("tls", "{ on = true }"),
        ("word", "postgres"),
        ("two", "1\nother = 2"),
        ("empty", " "),
    ];
    let group = group(&exports, vec![member("1", true, false)]);
    let seen = Exports::of(&group).of_member(&member("1", true, false));
    assert_eq!(
        json!(seen),
        json!({"hosts": ["a", "b"], "port": 6432, "sql": 5432, "tls": {"on": true}})
    );
    let problems = annotated(&group).1;
    assert_eq!(problems.len(), 3, "{problems:#?}");
    for (problem, key) in problems.iter().zip(["empty", "two", "word"]) {
        let place = format!("Service data/pg, annotation kubesup.dev/export.{key}: no TOML value");
        assert!(problem.starts_with(&place), "{problem}");
        assert!(problem.ends_with("write a text in quotes"), "{problem}");
        assert!(!problem.contains('\n'), "{problem}");
    }
}

#[test]
fn a_required_bind_without_a_service_and_an_undeclared_one_are_refused_together() {
    assert_eq!(refuse(&facts(&[]), ["db"].into_iter()), Ok(()));
    assert_eq!(refuse(&facts(&[]), ["cache", "db"].into_iter()), Ok(()));
    let problems = refuse(&facts(&[]), ["que"].into_iter()).expect_err("problems");
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].starts_with("Missing required bind(s), db: map each with --bind"));
    assert_eq!(
        problems[1],
        "Invalid bind(s), que: package acme/web/1/2 declares db, cache"
    );
    assert_eq!(
        refuse(&Facts::default(), ["anything"].into_iter()),
        Ok(()),
        "what is no Habitat package declares nothing"
    );
}
