//! Habitat's paths.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::contract::{self, ITEM, MEMBER, PKG_ITEM, SYS};
use super::fixture::demo;
use super::{Asked, Redaction};
use crate::config::Key;
use crate::lifecycle::status::{Health, LastProcess, Phase, TerminationReason};
use crate::snapshot::Snapshot;
use crate::world;

const HABITAT: [&str; 8] = [
    "/services",
    "/services/demo/default",
    "/services/demo/default/config",
    "/services/demo/default/health",
    "/services/demo/default/org",
    "/services/demo/default/org/config",
    "/services/demo/default/org/health",
    "/services/x/y",
];

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_item_has_every_key_of_the_contract_in_its_order_and_no_other() {
    let asked = Asked::new(demo().snapshot());
    let list = asked.get("/services").await.json();
    let item = &list[0];
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(keys(item), ITEM);
    assert_eq!(keys(&item["pkg"]), PKG_ITEM);
    assert_eq!(keys(&item["sys"]), SYS);
    assert_eq!(keys(&item["hooks"]), contract::HOOKS);
    assert_eq!(keys(&item["manager_fs_cfg"]), contract::MANAGER_FS_CFG);
    assert_eq!(keys(&item["spec_ident"]), contract::IDENT);
    assert_eq!(asked.get("/services/demo/default").await.json(), *item);
}

#[tokio::test]
async fn the_item_spells_its_values_as_habitat_does() {
    let snapshot = demo()
        .status(|status| {
            status.phase = Phase::BackingOff;
            status.pid = None;
            status.health = Health::Critical;
            status.restart_count = 3;
            status.next_restart_at = Some(1_700_000_009);
            status.last_process = Some(LastProcess {
                pid: Some(41),
                reason: TerminationReason::RunHookFailed,
                terminated_at: 1_700_000_001,
            });
        })
        .snapshot();
    let item = Asked::new(snapshot)
        .get("/services/demo/default")
        .await
        .json();
    for (key, expected) in [
        ("binding_mode", json!("strict")),
        ("topology", json!("standalone")),
        ("desired_state", json!("Up")),
        ("health_check", json!("Critical")),
        ("last_election_status", json!("None")),
        ("update_strategy", json!("none")),
        ("update_condition", json!("latest")),
        ("config_from", Value::Null),
        (
            "process",
            json!({"pid": null, "state": "down", "state_entered": 1_700_000_000}),
        ),
        (
            "last_process_state",
            json!({"pid": 41, "termination_reason": "run_hook_failed", "terminated_at": 1_700_000_001}),
        ),
        ("next_restart_at", json!(1_700_000_009)),
        ("restart_count", json!(3)),
        (
            "restart_config",
            json!({
                "min_backoff_period": {"secs": 1, "nanos": 0},
                "max_backoff_period": {"secs": 30, "nanos": 0},
                "cooldown_period": {"secs": 300, "nanos": 0},
            }),
        ),
        ("health_check_interval", json!({"secs": 30, "nanos": 0})),
        ("service_group", json!("demo.default")),
        ("spec_file", json!("/kubesup/sup/default/specs/demo.spec")),
        (
            "cfg",
            json!({"greeting": "hello", "server": {"port": 8080}}),
        ),
        ("spec_identifier", json!("kubesup/demo")),
    ] {
        assert_eq!(item[key], expected, "{key}");
    }
    assert_eq!(
        item["hooks"]["health_check"],
        json!({
            "render_pair": "/kubesup/svc/demo/hooks/health-check",
            "stdout_log_path": "/kubesup/svc/demo/logs/health-check.stdout.log",
            "stderr_log_path": "/kubesup/svc/demo/logs/health-check.stderr.log",
        })
    );
    assert_eq!(item["hooks"]["init"], Value::Null);
    assert_eq!(item["pkg"]["version"], "1.2.3");
}

#[tokio::test]
async fn answers_are_compact_json_with_its_content_type() {
    let asked = Asked::new(demo().snapshot());
    for path in [
        "/services",
        "/services/demo/default",
        "/services/demo/default/config",
        "/services/demo/default/health",
        "/census",
        "/butterfly",
    ] {
        let answer = asked.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let value = answer.json();
        assert_eq!(
            answer.body,
            serde_json::to_vec(&value).expect("JSON"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn before_the_first_complete_view_habitats_paths_are_503_without_a_body() {
    for snapshot in [Snapshot::default(), demo().unrendered()] {
        let asked = Asked::new(snapshot);
        for path in HABITAT.into_iter().chain(["/census", "/butterfly"]) {
            let answer = asked.get(path).await;
            assert!(answer.is_empty(503), "{path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_loaded_is_404_and_what_is_no_service_group_is_400() {
    let asked = Asked::new(demo().snapshot());
    for end in ["", "/config", "/health"] {
        for (path, status) in [
            ("/services/demo/other", 404),
            ("/services/other/default", 404),
            ("/services/demo/default/org", 404),
            ("/services/de.mo/default", 400),
            ("/services/demo/default@org", 400),
            ("/services/demo%23x/default", 400),
            ("/services/demo/default/o.rg", 400),
            ("/services/demo/default/o%40rg", 400),
            ("/services/demo/%64efault", 200),
        ] {
            let path = format!("{path}{end}");
            let answer = asked.get(&path).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.body.is_empty(), status != 200, "{path}");
        }
    }
}

#[tokio::test]
async fn odd_characters_in_a_path_are_400_or_404_without_a_body() {
    let asked = Asked::new(demo().snapshot());
    for odd in [
        "%00",
        "%ff",
        "%ff%fe",
        "%",
        "%zz",
        "%2F",
        "%2E%2E",
        "..",
        "%20",
        "%0d%0a",
        "%F0%9F%A6%80",
        "~!$&'()*+,;=:",
        "a%2Fb",
        "%23",
        "%40",
        "",
        "?",
        "%3Cscript%3E",
        "xn--",
        "\u{7f}",
    ] {
        for path in [
            format!("/services/{odd}/default"),
            format!("/services/demo/{odd}"),
            format!("/services/demo/{odd}/health"),
            format!("/services/demo/default/{odd}/config"),
        ] {
            let Ok(uri) = path.parse::<http::Uri>() else {
                continue;
            };
            let answer = asked.get(&uri.to_string()).await;
            let one = answer.is_empty(400) || answer.is_empty(404);
            // `?` begins the query: the path before it may be a good one.
            assert!(one || odd == "?", "{path}: {answer:?}");
        }
    }
    let long = format!("/services/{}/default", "x".repeat(60_000));
    assert!(asked.get(&long).await.is_empty(404));
    for path in [
        "/nowhere",
        "/services/",
        "/services/demo",
        "/services/demo/",
        "/services/demo/default/",
        "/services/demo/default/config/",
        "/services/demo/default/org/config/more",
        "//services",
        "/SERVICES",
        "/census/",
    ] {
        let answer = asked.get(path).await;
        assert!(answer.is_empty(404), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn nothing_but_get_is_404_on_services_and_405_on_the_resources() {
    let asked = Asked::new(demo().snapshot());
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ] {
        for path in HABITAT {
            let answer = asked.ask(method.clone(), path).await;
            assert!(answer.is_empty(404), "{method} {path}: {answer:?}");
        }
        for path in ["/", "/census", "/butterfly", "/metrics"] {
            let answer = asked.ask(method.clone(), path).await;
            assert!(answer.is_empty(405), "{method} {path}: {answer:?}");
            assert_eq!(answer.allow.as_deref(), Some("GET"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn with_an_organisation_the_group_is_asked_for_with_it_and_not_without() {
    let asked = Asked::new(
        demo()
            .with(Key::Org, "acme")
            .with(Key::Group, "blue")
            .snapshot(),
    );
    for (path, status) in [
        ("/services/demo/blue/acme", 200),
        ("/services/demo/blue/acme/config", 200),
        ("/services/demo/blue/acme/health", 200),
        ("/services/demo/blue", 404),
        ("/services/demo/blue/health", 404),
        ("/services/demo/blue/other", 404),
    ] {
        assert_eq!(asked.get(path).await.status, status, "{path}");
    }
    let item = asked.get("/services/demo/blue/acme").await.json();
    assert_eq!(item["service_group"], "demo.blue@acme");
    let census = asked.get("/census").await.json();
    let group = &census["census_groups"]["demo.blue@acme"];
    assert_eq!(group["service_group"], "demo.blue@acme");
    let id = census["local_member_id"].as_str().expect("an id");
    assert_eq!(group["population"][id]["org"], "acme");
}

/// As in Habitat, where these routes come first.
#[tokio::test]
async fn an_organisation_named_as_a_route_cannot_be_asked_for_alone() {
    for org in ["config", "health"] {
        let asked = Asked::new(demo().with(Key::Org, org).snapshot());
        for (end, status) in [("", 404), ("/config", 200), ("/health", 200)] {
            let path = format!("/services/demo/default/{org}{end}");
            assert_eq!(asked.get(&path).await.status, status, "{path}");
        }
    }
}

#[tokio::test]
async fn health_is_shown_with_its_code_and_the_hooks_output() {
    for (health, text, code) in [
        (Health::Ok, "OK", 200),
        (Health::Warning, "WARNING", 200),
        (Health::Critical, "CRITICAL", 503),
        (Health::Unknown, "UNKNOWN", 500),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let asked = Asked::new(
            demo()
                .root(folder.path().to_owned())
                .status(|status| status.health = health)
                .snapshot(),
        );
        let answer = asked.get("/services/demo/default/health").await;
        assert_eq!(answer.status, code, "{text}");
        assert_eq!(
            answer.body,
            format!(r#"{{"status":"{text}","stdout":"","stderr":""}}"#)
        );
        let logs = folder.path().join("svc/demo/logs");
        std::fs::create_dir_all(&logs).expect("a folder");
        std::fs::write(logs.join("health-check.stdout.log"), "fine\n").expect("a file");
        std::fs::write(logs.join("health-check.stderr.log"), b"odd\xff").expect("a file");
        let answer = asked.get("/services/demo/default/health").await.json();
        assert_eq!(
            answer,
            json!({"status": text, "stdout": "fine\n", "stderr": "odd\u{fffd}"})
        );
    }
}

#[tokio::test]
async fn redaction_withholds_configuration_and_the_views_of_the_group() {
    let asked = Asked::with(demo().snapshot(), None, Redaction::Redacted);
    assert!(asked.get("/census").await.is_empty(404));
    assert!(asked.get("/butterfly").await.is_empty(404));
    let config = asked.get("/services/demo/default/config").await;
    assert_eq!((config.status.as_u16(), config.text()), (200, "null"));
    assert_eq!(config.content_type.as_deref(), Some("application/json"));
    let item = asked.get("/services/demo/default").await.json();
    let without: Vec<&str> = ITEM.into_iter().filter(|key| *key != "cfg").collect();
    assert_eq!(keys(&item), without);
    assert_eq!(keys(&asked.get("/services").await.json()[0]), without);
    assert_eq!(asked.get("/services/demo/default/health").await.status, 200);
}

#[tokio::test]
async fn the_census_shows_what_is_bound_once_there_is_something() {
    let asked = Asked::new(demo().with(Key::Bind, "db:data/postgres.blue").snapshot());
    let census = asked.get("/census").await.json();
    assert_eq!(keys(&census["census_groups"]), ["demo.default"]);

    let bound = demo()
        .with(Key::Bind, "db:data/postgres.blue")
        .bound("10.0.1.1", json!({"ready": false}))
        .bound("10.0.1.2", json!({"terminating": true}));
    let census = Asked::new(bound.snapshot()).get("/census").await.json();
    assert_eq!(
        keys(&census["census_groups"]),
        ["data/postgres.blue", "demo.default"]
    );
    let group = &census["census_groups"]["data/postgres.blue"];
    assert_eq!(keys(group), keys(&census["census_groups"]["demo.default"]));
    assert_eq!(group["service_config"], Value::Null);
    assert_eq!(group["election_status"], "None");
    let members = group["population"].as_object().expect("members");
    assert_eq!(members.len(), 2, "those that depart included");
    for member in members.values() {
        assert_eq!(keys(member), MEMBER);
        assert_eq!(
            member["cfg"],
            json!({"port": 5432, "sql": 5432, "user": "app"})
        );
    }
}

#[tokio::test]
async fn the_census_shows_every_member_with_all_keys() {
    let asked = Asked::new(
        demo()
            .member("demo-1", "10.0.0.2", json!({"ready": false}))
            .member("demo-2", "10.0.0.3", json!({"terminating": true}))
            .snapshot(),
    );
    let census = asked.get("/census").await.json();
    assert_eq!(keys(&census), contract::CENSUS);
    let group = &census["census_groups"]["demo.default"];
    assert_eq!(keys(group), contract::GROUP);
    assert_eq!(
        census["local_member_id"],
        "11111111222233334444555555555555"
    );
    assert_eq!(group["service_config"]["incarnation"], 1);
    assert_eq!(group["service_config"]["value"]["greeting"], "hello");
    let population = group["population"].as_object().expect("members");
    let ids: Vec<&String> = population.keys().collect();
    assert_eq!(
        ids,
        [
            "11111111222233334444555555555555",
            "uidofdemo1",
            "uidofdemo2"
        ],
        "ordered"
    );
    for member in population.values() {
        assert_eq!(keys(member), MEMBER);
    }
    assert_eq!(population["uidofdemo1"]["alive"], true);
    assert_eq!(population["uidofdemo2"]["departed"], true);
    assert_eq!(population["uidofdemo2"]["alive"], false);
}

#[tokio::test]
async fn butterfly_shows_the_members_and_nothing_of_a_ring() {
    let asked = Asked::new(
        demo()
            .member("demo-1", "10.0.0.2", json!({}))
            .member("demo-2", "10.0.0.3", json!({"terminating": true}))
            .snapshot(),
    );
    let butterfly = asked.get("/butterfly").await.json();
    assert_eq!(keys(&butterfly), contract::BUTTERFLY);
    assert_eq!(
        butterfly["membership"]["uidofdemo1"],
        json!({"address": "10.0.0.2", "gossip_port": 9638, "incarnation": 0, "persistent": false, "swim_port": 9638, "health": "Alive"})
    );
    assert_eq!(butterfly["member"]["health"]["uidofdemo2"], "Departed");
    assert_eq!(butterfly["departed_members"], json!(["uidofdemo2"]));
    assert_eq!(
        butterfly["departure"]["list"]["departure"]["uidofdemo2"],
        json!({"member_id": "uidofdemo2"})
    );
    assert_eq!(
        butterfly["services"]["demo.default"]["uidofdemo1"]["cfg"],
        json!({"http": 8080, "port": 8080})
    );
    assert_eq!(butterfly["services"], butterfly["service"]["list"]);
    assert_eq!(butterfly["latest_election"], json!({}));
}

/// The snapshot with the own election as it is here.
fn elected(change: impl FnOnce(&mut world::Election)) -> Snapshot {
    let members = demo().member("demo-1", "10.0.0.2", json!({}));
    let mut snapshot = members.with(Key::Topology, "leader").snapshot();
    let service = Arc::make_mut(snapshot.service.as_mut().expect("a service"));
    change(&mut Arc::make_mut(&mut service.world).election);
    snapshot
}

#[tokio::test]
async fn an_election_shows_with_its_leader_its_term_and_its_suitability() {
    let asked = Asked::new(elected(|election| {
        election.progress = world::Progress::Finished;
        election.leader = Some(world::Leader {
            member_id: "uidofdemo1".to_owned(),
            term: 7,
            suitability: 42,
            ..world::Leader::default()
        });
    }));
    let census = asked.get("/census").await.json();
    let group = &census["census_groups"]["demo.default"];
    assert_eq!(
        (&group["election_status"], &group["leader_id"]),
        (&json!("ElectionFinished"), &json!("uidofdemo1"))
    );
    assert_eq!(census["last_election_counter"], 7);
    let population = &group["population"];
    let me = "11111111222233334444555555555555";
    let flags = |id: &str| (&population[id]["leader"], &population[id]["follower"]);
    assert_eq!(flags("uidofdemo1"), (&json!(true), &json!(false)));
    assert_eq!(flags(me), (&json!(false), &json!(true)));

    let butterfly = asked.get("/butterfly").await.json();
    let election = json!({
        "member_id": "uidofdemo1", "service_group": "demo.default", "term": 7, "suitability": 42,
        "status": "Finished", "votes": [],
    });
    assert_eq!(butterfly["latest_election"]["demo.default"], election);
    assert_eq!(
        butterfly["election"]["list"],
        json!({"demo.default": {"election": election}})
    );
    assert_eq!(
        asked.get("/services").await.json()[0]["last_election_status"],
        "ElectionFinished"
    );
}

#[tokio::test]
async fn an_election_without_a_leader_is_running_or_has_no_quorum() {
    for (progress, status, spelled) in [
        (world::Progress::InProgress, "Running", "ElectionInProgress"),
        (world::Progress::NoQuorum, "NoQuorum", "ElectionNoQuorum"),
    ] {
        let asked = Asked::new(elected(|election| election.progress = progress));
        let butterfly = asked.get("/butterfly").await.json();
        let election = &butterfly["latest_election"]["demo.default"];
        assert_eq!(election["status"], status);
        assert_eq!(election["member_id"], "11111111222233334444555555555555");
        let census = asked.get("/census").await.json();
        let group = &census["census_groups"]["demo.default"];
        assert_eq!(
            (&group["election_status"], &group["leader_id"]),
            (&json!(spelled), &Value::Null)
        );
    }
}

#[tokio::test]
async fn the_census_names_the_leader_of_a_bound_group() {
    let bound = demo().with(Key::Bind, "db:postgres");
    let mut snapshot = bound.bound("10.0.1.1", json!({})).snapshot();
    let service = Arc::make_mut(snapshot.service.as_mut().expect("a service"));
    let group = Arc::make_mut(&mut service.world).binds.get_mut("db");
    let group = group.expect("the bind");
    let id = group.members.keys().next().expect("a member").clone();
    group.leader = world::BoundLeader::Member(id.clone());
    let census = Asked::new(snapshot).get("/census").await.json();
    let group = &census["census_groups"]["postgres.default"];
    assert_eq!(
        (&group["election_status"], &group["leader_id"]),
        (&json!("ElectionFinished"), &json!(id))
    );
}

#[tokio::test]
async fn an_answer_is_built_once_and_again_after_a_change() {
    let asked = Asked::new(demo().snapshot());
    let first = asked.get("/services").await.body;
    let second = asked.get("/services").await.body;
    assert_eq!(first.as_ptr(), second.as_ptr(), "the same bytes");
    asked.snapshots.send_replace(
        demo()
            .status(|status| status.health = Health::Warning)
            .snapshot(),
    );
    let third = asked.get("/services").await.json();
    assert_eq!(third[0]["health_check"], "Warning");
}
