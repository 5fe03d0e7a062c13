use std::collections::BTreeMap;
use std::time::Duration;

use super::change::last_lines;
use super::difference::of_files;
use super::*;
use crate::lifecycle::status::TerminationReason;
use crate::lifecycle::{Command, Event, Job, Notice, Now};

fn at(seconds: u64) -> Now {
    Now {
        mono: Duration::from_secs(seconds),
        wall: 1_700_000_000 + seconds,
    }
}

fn edit(files: &[&str]) -> Attempt {
    Attempt {
        cause: "the view changed".to_owned(),
        lead: None,
        differences: vec![Difference {
            object: "ConfigMap shop/demo".to_owned(),
            key: Some("app.toml".to_owned()),
            change: Kind::Changed,
        }],
        files: files.iter().map(|file| (*file).to_owned()).collect(),
        rejections: Vec::new(),
    }
}

fn rejected(problem: &str) -> Attempt {
    Attempt {
        rejections: vec![problem.to_owned()],
        ..edit(&[])
    }
}

fn rendered() -> Event {
    Event::Rendered {
        files: Arc::default(),
        members: 1,
    }
}

fn ended(job: Job, code: i32) -> Event {
    ended_saying(job, code, &[])
}

fn ended_saying(job: Job, code: i32, output: &[&str]) -> Event {
    let output = output.iter().map(|line| (*line).to_owned()).collect();
    Event::Ended { job, code, output }
}

fn last(history: &History) -> Change {
    (**history.changes().next_back().expect("a change")).clone()
}

/// Started, with an `init`.
fn running() -> History {
    let mut history = History::default();
    history.tried(edit(&["hooks/run"]), at(0));
    history.stepped(&rendered(), &[Command::Start(Job::Init)], at(0));
    history.stepped(
        &Event::Started {
            job: Job::Init,
            pid: 7,
        },
        &[],
        at(0),
    );
    history.stepped(&ended(Job::Init, 0), &[Command::Start(Job::Main)], at(2));
    let started = Event::Started {
        job: Job::Main,
        pid: 8,
    };
    let told = Command::Tell(Notice::Started { pid: 8 });
    history.stepped(&started, &[told], at(2));
    history
}

#[test]
fn the_first_start_is_told_with_its_hooks() {
    let change = last(&running());
    assert_eq!((change.id, change.at), (1, 1_700_000_000));
    assert_eq!(change.decision, Decision::Start);
    assert_eq!(change.result.state, State::Applied);
    let hooks: Vec<_> = change
        .hooks
        .iter()
        .map(|run| (run.hook, run.pid, run.code, run.milliseconds))
        .collect();
    assert_eq!(
        hooks,
        [
            ("init", Some(7), Some(0), Some(2000)),
            ("run", Some(8), None, None)
        ]
    );
}

#[test]
fn an_edit_that_reconfigures_is_pending_until_the_hook_has_succeeded() {
    let mut history = running();
    history.tried(edit(&["config/app.conf"]), at(10));
    assert_eq!(last(&history).decision, Decision::RenderOnly);
    history.stepped(&rendered(), &[Command::Start(Job::Reconfigure)], at(10));
    let change = last(&history);
    assert_eq!(change.decision, Decision::Reconfigure);
    assert_eq!(change.result.state, State::Pending);
    assert_eq!(change.changed[0].key.as_deref(), Some("app.toml"));
    let retry = Duration::from_secs(1);
    let failed = Notice::ReconfigureFailed { code: 3, retry };
    history.stepped(
        &ended_saying(Job::Reconfigure, 3, &["no such port"]),
        &[Command::Tell(failed)],
        at(11),
    );
    let change = last(&history);
    assert_eq!(change.result.state, State::Failed);
    assert_eq!(change.hooks[0].code, Some(3));
    assert_eq!(change.hooks[0].output, ["no such port"]);
    // The retry.
    history.stepped(&Event::Tick, &[Command::Start(Job::Reconfigure)], at(12));
    history.stepped(
        &ended(Job::Reconfigure, 0),
        &[Command::Tell(Notice::Reconfigured)],
        at(12),
    );
    let change = last(&history);
    assert_eq!(change.result.state, State::Applied);
    assert_eq!(change.hooks.len(), 2);
    assert_eq!(history.changes().len(), 2);
}

#[test]
fn an_edit_that_restarts_says_why() {
    let mut history = running();
    history.tried(edit(&["hooks/run"]), at(10));
    let due = Notice::RestartDue {
        reason: TerminationReason::RunHookUpdated,
        after: Duration::ZERO,
    };
    history.stepped(&rendered(), &[Command::Tell(due)], at(10));
    history.stepped(&ended(Job::Main, 143), &[Command::Start(Job::Main)], at(11));
    assert_eq!(last(&history).result.state, State::Pending);
    let started = Event::Started {
        job: Job::Main,
        pid: 9,
    };
    history.stepped(
        &started,
        &[Command::Tell(Notice::Started { pid: 9 })],
        at(11),
    );
    let change = last(&history);
    assert_eq!(change.decision, Decision::Restart);
    assert_eq!(change.reason, Some("run_hook_updated"));
    assert_eq!(change.result.state, State::Applied);
}

#[test]
fn a_rejected_edit_is_told_once_with_its_problems() {
    let mut history = running();
    history.tried(rejected("port is no integer"), at(10));
    history.tried(rejected("port is no integer"), at(15));
    history.tried(rejected("another problem"), at(20));
    let told: Vec<_> = history
        .changes()
        .skip(1)
        .map(|change| {
            (
                change.decision,
                change.result.state,
                change.result.problems.clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                Decision::Reject,
                State::Rejected,
                vec!["port is no integer".to_owned()]
            ),
            (
                Decision::Reject,
                State::Rejected,
                vec!["another problem".to_owned()]
            )
        ]
    );
}

#[test]
fn a_render_without_a_change_is_no_entry() {
    let mut history = running();
    let nothing = Attempt {
        differences: Vec::new(),
        ..edit(&[])
    };
    history.tried(nothing, at(10));
    assert_eq!(history, running());
}

#[test]
fn a_failed_start_is_a_change_of_its_own_with_the_last_output() {
    let mut history = running();
    let commands = [
        Command::Tell(Notice::Failed {
            job: Job::Main,
            code: 1,
            output: vec!["boom".to_owned()],
        }),
        Command::Tell(Notice::BackingOff(Duration::from_secs(1))),
    ];
    history.stepped(&ended_saying(Job::Main, 1, &["boom"]), &commands, at(3));
    let change = last(&history);
    assert_eq!(change.cause, "run hook ended by itself with code 1");
    assert_eq!(change.decision, Decision::Restart);
    assert_eq!(change.reason, Some("run_hook_failed"));
    assert_eq!(change.hooks[0].output, ["boom"]);
    assert_eq!(change.hooks[0].milliseconds, Some(1000));
    history.stepped(&Event::Tick, &[Command::Start(Job::Main)], at(4));
    let started = Event::Started {
        job: Job::Main,
        pid: 9,
    };
    history.stepped(
        &started,
        &[Command::Tell(Notice::Started { pid: 9 })],
        at(4),
    );
    assert_eq!(last(&history).result.state, State::Applied);
    assert_eq!(history.changes().len(), 2);
}

#[test]
fn a_stop_is_applied_when_kubesup_ends() {
    let mut history = running();
    history.stepped(&Event::Stop { signal: 15 }, &[], at(10));
    assert_eq!(last(&history).result.state, State::Pending);
    history.stepped(
        &ended(Job::Main, 143),
        &[Command::Finish { code: 0 }],
        at(11),
    );
    let change = last(&history);
    assert_eq!(
        (change.cause.as_str(), change.decision),
        ("stop signal 15", Decision::Stop)
    );
    assert_eq!(change.result.state, State::Applied);
}

#[test]
fn health_checks_are_left_out() {
    let mut history = running();
    let before = history.clone();
    history.stepped(&Event::Tick, &[Command::Start(Job::HealthCheck)], at(10));
    history.stepped(&ended(Job::HealthCheck, 0), &[], at(10));
    assert_eq!(history, before);
}

#[test]
fn the_last_hundred_are_kept_and_each_update_can_be_followed() {
    let mut history = running();
    for round in 0..250 {
        history.tried(edit(&["config/app.conf"]), at(round));
    }
    assert_eq!(history.changes().len(), KEPT);
    let ids: Vec<u64> = history.changes().map(|change| change.id).collect();
    assert_eq!(ids, (152..=251).collect::<Vec<_>>());
    let seen = history.revision();
    assert!(history.since(seen).is_empty());
    history.stepped(&rendered(), &[Command::Start(Job::Reconfigure)], at(300));
    history.tried(edit(&["config/other"]), at(301));
    let newer: Vec<u64> = history.since(seen).iter().map(|change| change.id).collect();
    assert_eq!(newer, [251, 252]);
}

#[test]
fn a_hook_that_fails_for_days_does_not_fill_the_memory() {
    let mut history = running();
    for second in 0..1000 {
        history.stepped(&Event::Tick, &[Command::Start(Job::PostRun)], at(second));
        history.stepped(&ended(Job::PostRun, 1), &[], at(second));
    }
    assert_eq!(history.changes().len(), 1);
    assert!(last(&history).hooks.len() <= 20);
}

#[test]
fn of_output_the_last_twenty_lines_are_kept() {
    let output: Vec<String> = (0..30).map(|line| format!("line {line}")).collect();
    let lines = last_lines(&output);
    assert_eq!(lines.len(), 20);
    assert_eq!(
        (lines[0].as_str(), lines[19].as_str()),
        ("line 10", "line 29")
    );
    assert_eq!(last_lines(&lines[..3]).len(), 3);
}

#[test]
fn a_restart_for_failed_health_checks_is_a_change_of_its_own() {
    let mut history = running();
    history.stepped(
        &Event::Tick,
        &[Command::Tell(Notice::Unhealthy { failures: 3 })],
        at(9),
    );
    history.stepped(&ended(Job::Main, 143), &[Command::Start(Job::Main)], at(10));
    let started = Event::Started {
        job: Job::Main,
        pid: 9,
    };
    history.stepped(
        &started,
        &[Command::Tell(Notice::Started { pid: 9 })],
        at(10),
    );
    let change = last(&history);
    assert_eq!(
        change.cause,
        "restarting: 3 health checks in a row have failed"
    );
    assert_eq!(
        (change.decision, change.result.state),
        (Decision::Restart, State::Applied)
    );
}

#[test]
fn files_that_are_new_different_or_gone_are_named() {
    let files = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect()
    };
    let old = files(&[("a", "1"), ("b", "1"), ("c", "1")]);
    let new = files(&[("a", "1"), ("b", "2"), ("d", "1")]);
    assert_eq!(of_files(&old, &new), ["b", "d", "c"]);
}

mod differences {
    use super::super::difference::{between, of_packages};
    use super::*;
    use crate::package::{Hook, Package, Source};
    use crate::world::{Document, OverlayFile, Sensitivity, ServiceFile, World};

    fn world() -> World {
        World {
            pod: crate::world::OwnPod {
                name: "demo-0".to_owned(),
                namespace: "shop".to_owned(),
                ..crate::world::OwnPod::default()
            },
            members: BTreeMap::new(),
            config: Vec::new(),
            overlay: BTreeMap::new(),
            files: BTreeMap::new(),
            binds: BTreeMap::new(),
            election: crate::world::Election::default(),
        }
    }

    fn document(data: &[(&str, &str)]) -> Document {
        Document {
            object: "ConfigMap shop/demo".to_owned(),
            sensitivity: Sensitivity::Public,
            data: data
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
                .collect(),
        }
    }

    fn shown(differences: &[Difference]) -> Vec<String> {
        let show = |difference: &Difference| {
            let key = difference.key.as_deref().unwrap_or("-");
            format!("{} {key} {:?}", difference.object, difference.change)
        };
        differences.iter().map(show).collect()
    }

    #[test]
    fn what_became_of_a_bound_service_its_exports_and_its_endpoints_is_named() {
        let bound = |exists, exports: &[(&str, &str)]| {
            let exports = exports.iter();
            let group = crate::world::BoundGroup {
                service_group: "pg.default".to_owned(),
                namespace: "data".to_owned(),
                service: "pg".to_owned(),
                group: "default".to_owned(),
                org: None,
                unread: None,
                exists,
                external_name: None,
                exports: exports
                    .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
                    .collect(),
                members: BTreeMap::new(),
                leader: crate::world::BoundLeader::default(),
            };
            World {
                binds: [("db".to_owned(), group)].into(),
                ..world()
            }
        };
        let (absent, there) = (bound(false, &[]), bound(true, &[("user", "1")]));
        assert_eq!(
            shown(&between(Some(&absent), &there)),
            [
                "Service data/pg - Added",
                "Service data/pg annotation kubesup.dev/export.user Added"
            ]
        );
        assert_eq!(
            shown(&between(Some(&there), &bound(true, &[("user", "2")]))),
            ["Service data/pg annotation kubesup.dev/export.user Changed"]
        );
        assert_eq!(between(Some(&there), &there), []);
        let mut led = there.clone();
        if let Some(group) = led.binds.get_mut("db") {
            group.leader = crate::world::BoundLeader::Vacant;
        }
        assert_eq!(
            shown(&between(Some(&there), &led)),
            ["leader of Service data/pg - Changed"]
        );
    }

    #[test]
    fn the_keys_of_config_maps_are_named_and_their_values_are_not() {
        let old = World {
            config: vec![document(&[("a", "secret-1"), ("b", "same"), ("c", "x")])],
            ..world()
        };
        let new = World {
            config: vec![document(&[("a", "secret-2"), ("b", "same"), ("d", "x")])],
            ..world()
        };
        let found = between(Some(&old), &new);
        assert_eq!(
            shown(&found),
            [
                "ConfigMap shop/demo a Changed",
                "ConfigMap shop/demo d Added",
                "ConfigMap shop/demo c Removed"
            ]
        );
        let json = serde_json::to_string(&found).expect("JSON");
        assert!(!json.contains("secret"), "{json}");
        assert_eq!(
            shown(&between(Some(&new), &world())),
            ["ConfigMap shop/demo - Removed"]
        );
        assert_eq!(between(Some(&new), &new), []);
        assert_eq!(between(None, &new).len(), 3);
    }

    #[test]
    fn a_hook_that_a_config_map_brings_is_named_by_its_key() {
        let file = OverlayFile {
            object: "ConfigMap shop/demo-hooks, key run".to_owned(),
            content: Vec::new(),
        };
        let new = World {
            overlay: BTreeMap::from([("hooks/run".to_owned(), file)]),
            ..world()
        };
        assert_eq!(
            shown(&between(Some(&world()), &new)),
            ["ConfigMap shop/demo-hooks run Added"]
        );
        assert_eq!(
            shown(&between(Some(&new), &world())),
            ["ConfigMap shop/demo-hooks run Removed"]
        );
    }

    #[test]
    fn a_service_file_is_named_by_its_object_and_key() {
        let file = |content: &[u8]| ServiceFile {
            object: "Secret shop/demo-tls, key tls.key".to_owned(),
            sensitivity: Sensitivity::Secret,
            content: content.to_vec(),
        };
        let with = |content: &[u8]| World {
            files: BTreeMap::from([("tls.key".to_owned(), file(content))]),
            ..world()
        };
        assert_eq!(
            shown(&between(Some(&with(b"old")), &with(b"new"))),
            ["Secret shop/demo-tls tls.key Changed"]
        );
    }

    #[test]
    fn labels_and_facts_of_the_own_pod_are_named() {
        let mut new = world();
        new.pod.labels.insert("tier".to_owned(), "web".to_owned());
        new.pod.ip = "10.0.0.1".to_owned();
        assert_eq!(
            shown(&between(Some(&world()), &new)),
            [
                "Pod shop/demo-0 label tier Added",
                "Pod shop/demo-0 status.podIP Changed"
            ]
        );
    }

    #[test]
    fn files_of_the_package_are_named() {
        let source = |text: &str| Source {
            origin: String::new(),
            text: text.to_owned(),
        };
        let mut old = Package::default();
        old.hooks.insert(Hook::PostRun, source("a"));
        let mut new = old.clone();
        new.facts.path = "/package".to_owned();
        new.hooks.insert(Hook::PostRun, source("b"));
        new.default_toml = Some(source("x = 1"));
        new.config.insert("app.conf".to_owned(), source(""));
        assert_eq!(
            shown(&of_packages(&old, &new)),
            [
                "package /package config/app.conf Added",
                "package /package default.toml Added",
                "package /package hooks/post-run Changed"
            ]
        );
    }
}
