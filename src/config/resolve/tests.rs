use super::*;
use crate::config::{Listen, ObjectKind, ObjectRef, OnExit, RestartBudget, load};

fn layers(values: &[(Key, &str)]) -> Layers {
    let flags = values
        .iter()
        .fold(Layer::new(Origin::Flag), |layer, (key, text)| {
            layer.with(*key, *text)
        });
    Layers {
        below_pod: vec![load::defaults()],
        above_pod: vec![flags],
    }
}

fn problems(values: &[(Key, &str)]) -> Vec<String> {
    resolve(&layers(values), None)
        .expect_err("problems")
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_embedded_defaults_resolve() {
    let settings = resolve(&layers(&[]), None).expect("defaults");
    assert_eq!(settings.group, "default");
    assert_eq!(settings.listen_http, Some(Listen::Any(9631)));
    assert_eq!(
        settings.restart_budget,
        Some(RestartBudget {
            failures: 5,
            within: Duration::from_secs(300)
        })
    );
    assert_eq!(settings.settle_quiet, Duration::from_millis(50));
}

#[test]
fn a_flag_beats_the_environment_and_that_the_pod_and_that_the_file() {
    let layer = |origin, text: &str| Layer::new(origin).with(Key::Group, text);
    let pod = layer(Origin::Pod("shop/demo-0".into()), "pod");
    let mut layers = Layers {
        below_pod: vec![load::defaults(), layer(Origin::File("x".into()), "file")],
        above_pod: vec![],
    };
    let group = |layers: &Layers, pod| resolve(layers, pod).expect("settings").group;
    assert_eq!(group(&layers, None), "file");
    assert_eq!(group(&layers, Some(&pod)), "pod");
    layers
        .above_pod
        .push(layer(Origin::Environment, "environment"));
    assert_eq!(group(&layers, Some(&pod)), "environment");
    layers.above_pod.push(layer(Origin::Flag, "flag"));
    assert_eq!(group(&layers, Some(&pod)), "flag");
}

#[test]
fn a_leader_needs_a_service_once_the_own_pod_is_known() {
    let leads = layers(&[(Key::Topology, "leader")]);
    assert!(resolve(&leads, None).is_ok(), "the Pod may name one yet");
    let pod = Layer::new(Origin::Pod("shop/demo-0".into()));
    let problems = resolve(&leads, Some(&pod)).expect_err("no Service");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].to_string().contains("shop/demo-0")
            && problems[0].reason.contains("serviceName"),
        "{problems:?}"
    );
    assert!(resolve(&leads, Some(&pod.with(Key::Service, "demo"))).is_ok());
}

#[test]
fn all_problems_come_at_once_each_with_its_place() {
    let problems = problems(&[
        (Key::HealthCheckInterval, "0s"),
        (Key::OnExit, "restrat"),
        (Key::RestartBudget, "five"),
        (Key::ListenHttp, "9631"),
        (Key::Config, "Demo, a=b, ok, ok"),
    ]);
    assert_eq!(problems.len(), 7, "{problems:#?}");
    assert!(
        problems
            .iter()
            .any(|p| p.starts_with("flag --on-exit: \"restrat\"")
                && p.ends_with("did you mean restart?"))
    );
}

#[test]
fn binds_are_separated_by_commas_or_white_space_and_all_wrong_ones_are_reported() {
    let settings = resolve(
        &layers(&[(Key::Bind, "db:data/pg.blue, cache:redis queue:nats")]),
        None,
    );
    let shown: Vec<String> = settings
        .expect("settings")
        .binds
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "db:data/pg.blue",
            "cache:redis.default",
            "queue:nats.default"
        ]
    );
    assert_eq!(
        problems(&[(Key::Bind, "db:pg,redis,db:other,x:Y")]),
        [
            "flag --bind: \"redis\" is no bind; write NAME:SERVICE, NAME:NAMESPACE/SERVICE or NAME:SERVICE.GROUP",
            "flag --bind: \"db:other\": \"db\" is bound twice",
            "flag --bind: \"x:Y\": \"Y\" is no name of a Service",
        ]
    );
}

#[test]
fn https_needs_a_key_and_certificates() {
    let settings = resolve(&layers(&[(Key::Key, "k"), (Key::Certs, "c")]), None);
    let tls = settings.expect("settings").tls.expect("TLS");
    assert_eq!(
        (tls.key, tls.certs, tls.ca_certs),
        ("k".into(), "c".into(), None)
    );
    for (given, problem) in [
        (
            &[(Key::Key, "k")][..],
            "flag --key: needs --certs too, for HTTPS",
        ),
        (
            &[(Key::Certs, "c")],
            "flag --certs: needs --key too, for HTTPS",
        ),
        (
            &[(Key::CaCerts, "a")],
            "flag --ca-certs: needs --key and --certs too, for HTTPS",
        ),
        (
            &[(Key::Certs, "c"), (Key::CaCerts, "a")],
            "flag --certs: needs --key too, for HTTPS",
        ),
    ] {
        assert_eq!(problems(given), [problem]);
    }
}

#[test]
fn an_organisation_is_a_part_of_the_service_group() {
    let settings = resolve(&layers(&[(Key::Name, "a"), (Key::Org, "acme")]), None);
    assert_eq!(
        settings.expect("settings").service_group(),
        "a.default@acme"
    );
    let settings = resolve(&layers(&[(Key::Name, "a")]), None);
    assert_eq!(settings.expect("settings").service_group(), "a.default");
    assert_eq!(problems(&[(Key::Org, "a@b")]).len(), 1);
}

#[test]
fn references_keep_their_order_and_marks() {
    let settings = resolve(&layers(&[(Key::Templates, "b, a?=sub/dir")]), None).expect("settings");
    assert_eq!(
        settings.templates,
        vec![
            ObjectRef {
                name: "b".into(),
                optional: false,
                directory: String::new()
            },
            ObjectRef {
                name: "a".into(),
                optional: true,
                directory: "sub/dir".into()
            },
        ]
    );
    for bad in ["a=../x", "a=/x", "a=x//y"] {
        assert_eq!(problems(&[(Key::Templates, bad)]).len(), 1, "{bad}");
    }
}

#[test]
fn service_files_come_from_config_maps_and_secrets() {
    let settings =
        resolve(&layers(&[(Key::Files, "a, secret/a, secret/b?, c?")]), None).expect("settings");
    let shown: Vec<_> = settings.files.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["a", "secret/a", "secret/b?", "c?"]);
    assert_eq!(settings.files[1].kind, ObjectKind::Secret);
    for bad in [
        "secrets/a",
        "secret/",
        "a,a",
        "secret/a,secret/a",
        "A",
        "a=x",
    ] {
        assert_eq!(problems(&[(Key::Files, bad)]).len(), 1, "{bad}");
    }
}

#[test]
fn once_ends_with_the_program_whatever_its_end_means_otherwise() {
    let on_exit = |values: &[(Key, &str)]| {
        let settings = resolve(&layers(values), None).expect("settings");
        settings.on_exit
    };
    assert_eq!(on_exit(&[]), OnExit::Restart);
    assert_eq!(on_exit(&[(Key::Once, "true")]), OnExit::Exit);
    assert_eq!(
        on_exit(&[(Key::Once, "true"), (Key::OnExit, "restart")]),
        OnExit::Exit
    );
}

#[test]
fn broken_tables_and_checks_are_problems_with_their_place() {
    let problems = problems(&[
        (Key::RemapExit, "300=0"),
        (Key::RewriteSignal, "TERM"),
        (Key::HealthCheck, "8080"),
        (Key::HealthCheckThreshold, "0"),
        (Key::User, "a b"),
        (Key::LogFormat, "jsn"),
        (Key::Once, "maybe"),
    ]);
    assert_eq!(problems.len(), 7, "{problems:#?}");
    assert!(problems.contains(&"flag --remap-exit: \"300\" is no exit code, 0 to 255".to_owned()));
}

#[test]
fn signals_have_names_and_numbers() {
    assert_eq!(parse_signal("QUIT"), Some(3));
    assert_eq!(parse_signal("sigterm"), Some(15));
    assert_eq!(parse_signal("28"), Some(28));
    assert_eq!(parse_signal("NOPE"), None);
    assert_eq!(parse_signal("65"), None);
    assert_eq!(parse_signal("SIGRTMIN"), Some(34));
    assert_eq!(parse_signal("SIGRTMIN+3"), Some(37));
    assert_eq!(parse_signal("RTMAX-14"), Some(50));
    for none in ["SIGRTMIN-1", "SIGRTMAX+1", "SIGRTMIN+", "SIGRTMINX"] {
        assert_eq!(parse_signal(none), None, "{none}");
    }
}

#[test]
fn each_stop_signal_that_a_habitat_package_may_name_is_known() {
    let numbers = [
        ("INT", 2),
        ("ILL", 4),
        ("ABRT", 6),
        ("FPE", 8),
        ("KILL", 9),
        ("SEGV", 11),
        ("TERM", 15),
        ("HUP", 1),
        ("QUIT", 3),
        ("ALRM", 14),
        ("USR1", 10),
        ("USR2", 12),
        ("CHLD", 17),
    ];
    for (name, number) in numbers {
        assert_eq!(parse_signal(name), Some(number), "{name}");
    }
}

#[test]
fn a_name_a_group_or_an_organisation_with_odd_characters_is_refused() {
    for odd in [
        "a#b", "a@b", "a.b", "..", "a/b", "a b", "a\nb", "a\u{7}b", "a\u{7f}", "a\u{a0}b",
    ] {
        let problems = problems(&[(Key::Name, odd), (Key::Group, odd), (Key::Org, odd)]);
        let flags: Vec<_> = problems
            .iter()
            .map(|problem| problem.split(':').next().unwrap_or_default())
            .collect();
        assert_eq!(
            flags,
            ["flag --name", "flag --group", "flag --org"],
            "{problems:?}"
        );
        let why = format!("{odd:?} may not hold");
        assert!(
            problems.iter().all(|problem| problem.contains(&why)),
            "{problems:?}"
        );
    }
    let fine = [(Key::Name, "a-b_c"), (Key::Group, "größe"), (Key::Org, "1")];
    assert!(resolve(&layers(&fine), None).is_ok());
}
