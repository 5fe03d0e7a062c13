//! Owns the tests of the contract's section 3.1: which keys the context has, in which order, and what they hold.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::{Layer, Layers, Origin, Settings, load, resolve};
use crate::contract;
use crate::package::{Facts, Package};
use crate::snapshot::Paths;
use crate::template::context::{Input, build};
use crate::template::{Bound, Reach};
use crate::world::pod::{Quantities, Resources};
use crate::world::{BoundGroup, Container, Member, OwnPod, World};

fn settings() -> Settings {
    let flags = Layer::new(Origin::Flag).with(crate::config::Key::Name, "db");
    let layers = Layers {
        below_pod: vec![load::defaults()],
        above_pod: vec![flags],
    };
    resolve(&layers, None).expect("settings")
}

pub(super) fn member(uid: &str, terminating: bool) -> Member {
    Member {
        member_id: uid.to_owned(),
        ip: "10.0.0.1".to_owned(),
        addresses: vec!["10.0.0.1".to_owned()],
        hostname: format!("db-{uid}"),
        pod_name: Some(format!("db-{uid}")),
        ready: true,
        serving: true,
        terminating,
        node_name: "node".to_owned(),
        zone: "zone".to_owned(),
        ports: Arc::new([("port".to_owned(), 5432)].into()),
    }
}

/// Member 0 departs, 1 is self, 2 is another one.
fn context() -> Value {
    context_with(std::collections::BTreeMap::new())
}

/// The same with these binds.
pub(super) fn context_with(binds: std::collections::BTreeMap<String, BoundGroup>) -> Value {
    let members = [member("0", true), member("1", false), member("2", false)];
    let world = World {
        pod: OwnPod {
            name: "db-1".to_owned(),
            namespace: "shop".to_owned(),
            uid: "1".to_owned(),
            ip: "10.0.0.1".to_owned(),
            ips: vec!["10.0.0.1".to_owned(), "fd00::1".to_owned()],
            node_name: "node-7".to_owned(),
            labels: [("tier".to_owned(), "data".to_owned())].into(),
            annotations: [("note".to_owned(), "text".to_owned())].into(),
            container: Container {
                name: "main".to_owned(),
                ports: [("sql".to_owned(), 5432)].into(),
                resources: Resources {
                    limits: Quantities {
                        cpu_millis: Some(250),
                        memory_bytes: Some(1 << 20),
                    },
                    requests: Quantities {
                        cpu_millis: Some(9),
                        memory_bytes: None,
                    },
                },
                stop_signal: None,
            },
            ..OwnPod::default()
        },
        members: members
            .into_iter()
            .map(|member| (member.member_id.clone(), Arc::new(member)))
            .collect(),
        config: Vec::new(),
        overlay: std::collections::BTreeMap::new(),
        files: std::collections::BTreeMap::new(),
        binds,
        election: crate::world::Election::default(),
    };
    let package = Package {
        facts: Facts {
            origin: "core".to_owned(),
            name: "db".to_owned(),
            version: "1.0".to_owned(),
            release: "20200101000000".to_owned(),
            ..Facts::default()
        },
        ..Package::default()
    };
    let paths = Paths {
        root: "/kubesup".into(),
        svc: "/kubesup/svc/db".into(),
        http: Some(([0, 0, 0, 0], 9631).into()),
    };
    let input = Input {
        world: &world,
        package: &package,
        settings: &settings(),
        cfg: &json!({"z": 1, "a": 2}),
        paths: &paths,
    };
    build(
        &input,
        Reach {
            svc: true,
            kube: true,
            bind: Bound::Leaders,
        },
    )
}

pub(super) fn keys(tree: &Value) -> Vec<&str> {
    tree.as_object()
        .expect("a table")
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn the_trees_are_habitats_and_kube() {
    assert_eq!(
        keys(&context()),
        ["sys", "pkg", "cfg", "svc", "bind", "kube"]
    );
    assert_eq!(keys(&context()["cfg"]), ["z", "a"], "in their order");
}

#[test]
fn sys_has_its_eleven_keys() {
    assert_eq!(keys(&context()["sys"]), contract::SYS);
}

#[test]
fn pkg_has_its_twenty_keys() {
    let pkg = &context()["pkg"];
    assert_eq!(keys(pkg), contract::PKG);
    assert_eq!(pkg["ident"], "core/db/1.0/20200101000000");
    assert_eq!(
        [
            &pkg["svc_path"],
            &pkg["svc_config_path"],
            &pkg["svc_pid_file"],
            &pkg["svc_run"]
        ],
        [
            "/kubesup/svc/db",
            "/kubesup/svc/db/config",
            "/kubesup/svc/db/PID",
            "/kubesup/svc/db/run"
        ]
    );
}

#[test]
fn svc_has_its_keys_and_a_member_its_twenty_four() {
    let svc = &context()["svc"];
    assert_eq!(keys(svc), contract::SVC);
    let member = &svc["members"][0];
    assert_eq!(keys(member), contract::MEMBER);
    assert_eq!(keys(&member["pkg"]), contract::IDENT);
    assert_eq!(keys(&member["sys"]), contract::MEMBER_SYS);
}

#[test]
fn members_are_those_that_do_not_depart_first_is_of_all_and_me_is_self() {
    let svc = &context()["svc"];
    let ids: Vec<_> = svc["members"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|member| &member["member_id"])
        .collect();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(
        (&svc["first"]["member_id"], &svc["me"]["member_id"]),
        (&json!("0"), &json!("1"))
    );
    assert_eq!(
        (&svc["leader"], &svc["update_leader"], &svc["org"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&svc["first"]["alive"], &svc["first"]["departed"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn kube_says_what_the_own_pod_is_and_how_much_its_container_may_have() {
    let kube = &context()["kube"];
    let pod = json!({
        "name": "db-1", "namespace": "shop", "uid": "1", "ip": "10.0.0.1", "ips": ["10.0.0.1", "fd00::1"], "node_name": "node-7",
        "labels": {"tier": "data"}, "annotations": {"note": "text"},
    });
    assert_eq!(kube["pod"], pod);
    let container = json!({
        "name": "main", "ports": {"sql": 5432},
        "resources": {
            "limits": {"cpu_millis": 250, "memory_bytes": 1_048_576}, "requests": {"cpu_millis": 9, "memory_bytes": null},
        },
    });
    assert_eq!(kube["container"], container);
}

#[test]
fn kube_has_what_kubernetes_adds() {
    let kube = &context()["kube"];
    assert_eq!(
        keys(&kube["pod"]),
        [
            "name",
            "namespace",
            "uid",
            "ip",
            "ips",
            "node_name",
            "labels",
            "annotations"
        ]
    );
    assert_eq!(keys(&kube["container"]), ["name", "ports", "resources"]);
    assert_eq!(
        keys(&kube["endpoints"][0]),
        [
            "name",
            "addresses",
            "hostname",
            "ordinal",
            "ready",
            "serving",
            "terminating",
            "node_name",
            "zone",
            "ports"
        ]
    );
    assert_eq!(kube["endpoints"][2]["ordinal"], 2);
    assert_eq!(
        kube["endpoints"][0]["terminating"], true,
        "all of them, those that depart included"
    );
}
