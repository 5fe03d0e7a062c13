use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::config::{Key, Layer, Origin, load};

/// A Pod in which nothing is wrong.
fn good() -> Value {
    json!({
        "metadata": {"name": "demo-0", "namespace": "shop", "labels": {"app.kubernetes.io/name": "demo"}, "annotations": {}},
        "spec": {
            "subdomain": "demo",
            "containers": [{
                "name": "demo",
                "ports": [{"name": "http", "containerPort": 8080}],
                "livenessProbe": {"httpGet": {"path": "/livez", "port": 9631}},
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9631}},
            }],
        },
    })
}

/// The good Pod with one thing changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut pod = good();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    pod.pointer_mut(parent).expect("a parent")[name] = value;
    pod
}

fn resolved(pod: Value, flags: &[(Key, &str)]) -> Resolved {
    let flags = flags
        .iter()
        .fold(Layer::new(Origin::Flag), |layer, (key, value)| {
            layer.with(*key, *value)
        });
    let layers = Layers {
        below_pod: vec![load::defaults()],
        above_pod: vec![flags],
    };
    let pod: Pod = serde_json::from_value(pod).expect("a Pod");
    resolve_pod(&Given {
        pod: &pod,
        identity: &Identity::default(),
        layers: &layers,
        unknown_variables: &[],
    })
}

/// What is found of the Pod alone, with its stop.
fn found(pod: Value, flags: &[(Key, &str)], post_stop: PostStop) -> Vec<Finding> {
    let resolved = resolved(pod.clone(), flags);
    let pod: Pod = serde_json::from_value(pod).expect("a Pod");
    let settings = resolved.settings.as_ref();
    let stop = settings.map(|settings| stop(&pod, settings, post_stop));
    resolved.findings.into_iter().chain(stop).collect()
}

fn complaints(pod: Value, flags: &[(Key, &str)]) -> Vec<String> {
    let findings = found(pod, flags, PostStop::NotSeen);
    let bad = findings.iter().filter(|finding| finding.level != Level::Ok);
    bad.map(|finding| format!("{:?} {}: {}", finding.level, finding.topic, finding.text))
        .collect()
}

#[track_caller]
fn one(pod: Value, flags: &[(Key, &str)], start: &str) {
    let complaints = complaints(pod, flags);
    assert!(
        complaints.len() == 1 && complaints[0].starts_with(start),
        "{start:?} is not the only one of {complaints:#?}"
    );
}

const PROBE: &str = "/spec/containers/0/";

#[test]
fn a_pod_in_which_nothing_is_wrong_has_no_complaints() {
    assert_eq!(complaints(good(), &[]), Vec::<String>::new());
}

#[test]
fn a_liveness_probe_on_what_waits_for_the_group_is_an_error() {
    for path in [
        "/readyz",
        "/readyz?verbose",
        "/services",
        "/services/demo/default/health",
    ] {
        let probe = json!({"httpGet": {"path": path, "port": 9631}});
        let pod = with(&format!("{PROBE}livenessProbe"), probe);
        one(pod, &[], "Error probes: liveness probe on /");
    }
}

#[test]
fn a_startup_probe_on_readiness_and_a_readiness_probe_on_liveness_are_errors() {
    let probe = json!({"httpGet": {"path": "/readyz", "port": 9631}});
    let pod = with(&format!("{PROBE}startupProbe"), probe);
    one(pod, &[], "Error probes: startup probe on /readyz");
    let probe = json!({"httpGet": {"path": "/livez", "port": 9631}});
    let pod = with(&format!("{PROBE}readinessProbe"), probe);
    one(pod, &[], "Error probes: readiness probe on /livez");
}

#[test]
fn a_probe_on_a_port_that_nothing_serves_is_an_error_and_the_programs_own_is_none() {
    let readiness = |port: Value| {
        with(
            &format!("{PROBE}readinessProbe"),
            json!({"tcpSocket": {"port": port}}),
        )
    };
    one(
        readiness(json!(9999)),
        &[],
        "Error probes: readiness probe: nothing is known to serve port 9999",
    );
    one(
        readiness(json!("htpp")),
        &[],
        "Error probes: readiness probe: no port of the container is called htpp",
    );
    for port in [json!(8080), json!("http"), json!(9631)] {
        assert_eq!(complaints(readiness(port), &[]), Vec::<String>::new());
    }
}

#[test]
fn probes_need_http_where_the_kubelet_reaches_it_and_as_it_is_served() {
    let off = complaints(good(), &[(Key::ListenHttp, "none")]);
    assert_eq!(off.len(), 2, "{off:#?}");
    assert!(off[0].contains("HTTP is off"), "{off:#?}");
    let inside = complaints(good(), &[(Key::ListenHttp, "127.0.0.1:9631")]);
    assert!(
        inside.len() == 2 && inside[0].contains("loopback"),
        "{inside:#?}"
    );
    let tls = complaints(good(), &[(Key::Key, "k"), (Key::Certs, "c")]);
    assert!(tls.len() == 2 && tls[0].contains("HTTPS"), "{tls:#?}");
}

#[test]
fn without_a_readiness_probe_there_is_a_warning_with_its_lines() {
    let resolved = resolved(with(&format!("{PROBE}readinessProbe"), Value::Null), &[]);
    let warning = resolved
        .findings
        .iter()
        .find(|finding| finding.level == Level::Warning);
    assert_eq!(warning.expect("a warning").remedy[0], "readinessProbe:");
}

#[test]
fn a_grace_period_shorter_than_the_stop_is_an_error_with_the_one_that_is_enough() {
    let short = |seconds| with("/spec/terminationGracePeriodSeconds", json!(seconds));
    one(short(10), &[], "Error grace period: ");
    let flags = [(Key::ShutdownTimeout, "25s")];
    let findings = found(good(), &flags, PostStop::NotSeen);
    let error = findings
        .iter()
        .find(|finding| finding.level == Level::Error);
    assert_eq!(
        error.expect("an error").remedy,
        ["spec:", "  terminationGracePeriodSeconds: 36"]
    );
    assert_eq!(complaints(short(36), &flags), Vec::<String>::new());
}

#[test]
fn the_post_stop_hook_is_a_part_of_the_stop() {
    let short = |seconds| with("/spec/terminationGracePeriodSeconds", json!(seconds));
    let stop = |seconds, flags: &[(Key, &str)]| {
        let findings = found(short(seconds), flags, PostStop::Present);
        let finding = findings
            .into_iter()
            .find(|finding| finding.topic == "grace period");
        let finding = finding.expect("a finding");
        (finding.level, finding.text, finding.remedy)
    };
    let flags = [(Key::ShutdownTimeout, "25s")];
    let (level, text, remedy) = stop(36, &flags);
    assert_eq!(level, Level::Error);
    assert!(
        text.contains("drain-max 10s and shutdown-timeout 25s and post-stop 5s"),
        "{text}"
    );
    assert_eq!(remedy, ["spec:", "  terminationGracePeriodSeconds: 41"]);
    assert_eq!(stop(41, &flags).0, Level::Ok);
    let (level, text, _) = stop(30, &[]);
    assert_eq!(level, Level::Ok);
    assert!(
        text.ends_with("the program has 15s between the drain and the hook"),
        "{text}"
    );
    assert_eq!(
        stop(15, &[]).0,
        Level::Error,
        "nothing would be left to the program"
    );
    let short_hook = [(Key::ShutdownTimeout, "25s"), (Key::PostStopTimeout, "1s")];
    assert_eq!(stop(36, &short_hook).0, Level::Ok);
}

#[test]
fn typos_in_annotations_variables_and_gates_are_errors() {
    for (annotation, text) in [
        ("kubesup.dev/confg", "did you mean config?"),
        ("dmo.kubesup.dev/config", "did you mean demo?"),
    ] {
        let pod = with("/metadata/annotations", json!({annotation: "x"}));
        let complaints = complaints(pod, &[]);
        assert!(
            complaints.len() == 1
                && complaints[0].starts_with("Error annotations")
                && complaints[0].contains(text),
            "{complaints:#?}"
        );
    }
    let gate = json!([{"conditionType": "kubesup.dev/health"}]);
    one(
        with("/spec/readinessGates", gate),
        &[],
        "Error readiness gate: readiness gate kubesup.dev/health: nobody sets",
    );
    let variables = BTreeMap::from([
        ("KUBESUP_GRUOP".to_owned(), "x".to_owned()),
        ("KUBESUP_SERVICE_HOST".to_owned(), "10.0.0.1".to_owned()),
    ]);
    assert_eq!(unknown_variables(&variables).len(), 1);
}

#[test]
fn without_a_service_or_a_token_the_lines_to_add_are_told() {
    one(
        with("/spec/subdomain", Value::Null),
        &[],
        "Warning service: no Service is named",
    );
    one(
        with("/spec/automountServiceAccountToken", json!(false)),
        &[],
        "Error identity: automountServiceAccountToken is false",
    );
}

#[test]
fn of_several_containers_the_own_one_is_asked_for() {
    let pod = with(
        "/spec/containers",
        json!([{"name": "demo"}, {"name": "sidecar"}]),
    );
    one(pod, &[], "Error container: cannot tell which container");
}

#[test]
fn each_setting_is_shown_with_its_origin() {
    let pod = with("/metadata/annotations", json!({"kubesup.dev/config": "a"}));
    let effective = resolved(pod, &[(Key::Group, "blue")]).effective;
    let origin = |key: &str| {
        let setting = effective.iter().find(|setting| setting.key == key);
        setting.map(|setting| (setting.value.as_str(), setting.origin.as_str()))
    };
    assert_eq!(
        origin("config"),
        Some(("a", "Pod shop/demo-0, annotation kubesup.dev/config"))
    );
    assert_eq!(
        origin("name"),
        Some(("demo", "Pod shop/demo-0, label app.kubernetes.io/name"))
    );
    assert_eq!(
        origin("service"),
        Some(("demo", "Pod shop/demo-0, spec.subdomain"))
    );
    assert_eq!(origin("group"), Some(("blue", "flag")));
    assert_eq!(origin("drain-max"), Some(("10s", "built-in defaults")));
    assert_eq!(origin("bind"), None);
}

fn objects_of(values: &[(Key, &str)], topology: Topology, seen: &Inventory) -> Vec<String> {
    let mut settings = resolved(good(), values).settings.expect("settings");
    settings.topology = topology;
    let pod: Pod = serde_json::from_value(good()).expect("a Pod");
    let findings = objects(&pod, &settings, "shop", seen);
    let bad = findings.iter().filter(|finding| finding.level != Level::Ok);
    bad.map(|finding| format!("{:?} {}: {}", finding.level, finding.topic, finding.text))
        .collect()
}

use crate::config::Topology;

#[test]
fn what_is_named_and_not_there_is_an_error_unless_it_may_be_missing() {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let seen = Inventory {
        config_maps: names(&["there"]),
        secrets: names(&[]),
        services: [
            ("shop/other".to_owned(), Some(Service::default())),
            ("shop/demo".to_owned(), None),
            ("shop/pg".to_owned(), None),
        ]
        .into(),
        has_slices: None,
        wanted_exports: BTreeMap::new(),
        leases: names(&[]),
        policies: names(&[]),
        network_policies: Vec::new(),
    };
    let values = [
        (Key::RoleLabel, "true"),
        (Key::Config, "there, gone, perhaps?"),
        (Key::Secrets, "gone"),
        (Key::Bind, "db:pg,other:other"),
    ];
    let texts = objects_of(&values, Topology::Leader, &seen);
    let starts = [
        "Error objects: ConfigMap shop/gone: it is not there",
        "Error objects: Secret shop/gone: it is not there",
        "Error service: Service shop/demo: it is not there",
        "Warning binds: bind db: Service shop/pg: it is not there",
        "Error leader: Lease shop/kubesup.demo.default: it is not there",
        "Warning role label: no ValidatingAdmissionPolicy",
    ];
    assert_eq!(texts.len(), starts.len(), "{texts:#?}");
    for (text, start) in texts.iter().zip(starts) {
        assert!(text.starts_with(start), "{texts:#?}");
    }
    let unknown = Inventory::default();
    let nothing = objects_of(&values, Topology::Standalone, &unknown);
    assert_eq!(
        nothing,
        Vec::<String>::new(),
        "what was not seen is not judged"
    );
}

#[test]
fn a_denied_rule_is_an_error_and_an_optional_one_a_warning() {
    let settings = resolved(good(), &[]).settings.expect("settings");
    let rules = crate::rbac::rules(&settings, Facts::default());
    let denied = rules
        .into_iter()
        .map(|rule| (rule, Review::Denied(vec!["watch".into()])))
        .collect::<Vec<_>>();
    let levels: Vec<_> = rights(&denied)
        .iter()
        .map(|finding| finding.level)
        .collect();
    assert_eq!(levels, [Level::Error, Level::Error, Level::Warning]);
}

#[test]
fn a_role_label_without_a_leader_has_no_effect() {
    let pod = with(
        "/metadata/annotations",
        json!({"kubesup.dev/role-label": "true"}),
    );
    one(pod, &[], "Warning role label: role-label has no effect");
}

/// What is found of the own Service, and of the bind `db` to `pg`, whose package wants these exports.
fn services(seen: &[(&str, Value)], slices: Option<bool>, wanted: &[&str]) -> Vec<String> {
    let settings = resolved(good(), &[(Key::Bind, "db:data/pg")]).settings;
    let pod: Pod = serde_json::from_value(good()).expect("a Pod");
    let service = |value: &Value| serde_json::from_value(value.clone()).expect("a Service");
    let wanted = wanted.iter().map(|export| (*export).to_owned());
    let inventory = Inventory {
        services: seen
            .iter()
            .map(|(name, value)| ((*name).to_owned(), service(value)))
            .collect(),
        has_slices: slices,
        wanted_exports: [("db".to_owned(), wanted.collect())].into(),
        ..Inventory::default()
    };
    let findings = objects(&pod, &settings.expect("settings"), "shop", &inventory);
    findings
        .iter()
        .map(|finding| format!("{:?} {}: {}", finding.level, finding.topic, finding.text))
        .collect()
}

#[test]
fn the_own_service_has_to_make_the_pod_a_member() {
    let own = |spec: Value| services(&[("shop/demo", json!({"spec": spec}))], None, &[]);
    let name = "app.kubernetes.io/name";
    for (spec, start) in [
        (
            json!({"clusterIP": "None", "selector": {name: "demo"}, "publishNotReadyAddresses": true}),
            "Ok service: Service shop/demo: its endpoints are the peers",
        ),
        (
            json!({"clusterIP": "None", "selector": {name: "demo"}}),
            "Ok service: Service shop/demo: its endpoints are the peers; in DNS a Pod has a name once it is ready",
        ),
        (
            json!({"clusterIP": "None"}),
            "Ok service: Service shop/demo: its endpoints are the peers; it has no selector",
        ),
        (
            json!({"clusterIP": "None", "selector": {name: "demos", "tier": "db"}}),
            "Error service: Service shop/demo: its selector does not select this Pod, which is no member for the others; \
             labels that are missing: app.kubernetes.io/name: demos, tier: db",
        ),
        (
            json!({"clusterIP": "10.0.0.7", "selector": {name: "demo"}}),
            "Warning service: Service shop/demo: it is not headless",
        ),
        (
            json!({"type": "ExternalName", "externalName": "db.example.com"}),
            "Error service: Service shop/demo: it is an ExternalName (db.example.com)",
        ),
    ] {
        let texts = own(spec);
        assert!(
            texts.len() == 1 && texts[0].starts_with(start),
            "{texts:#?}"
        );
    }
}

#[test]
fn without_the_right_to_read_services_the_slices_tell() {
    assert_eq!(services(&[], None, &[]), Vec::<String>::new());
    assert_eq!(
        services(&[], Some(true), &[]),
        ["Ok service: Service shop/demo: its endpoints are the peers"]
    );
    let texts = services(&[], Some(false), &[]);
    assert!(
        texts[0].starts_with("Error service: Service shop/demo: it has no EndpointSlices"),
        "{texts:#?}"
    );
}

#[test]
fn a_bound_service_has_to_export_what_the_package_wants() {
    let bound = |service: Value, wanted: &[&str]| services(&[("data/pg", service)], None, wanted);
    let service = json!({
        "metadata": {"annotations": {"kubesup.dev/export.user": "'app'"}},
        "spec": {"ports": [{"name": "sql", "port": 5432}]},
    });
    assert_eq!(
        bound(service.clone(), &["port", "sql", "user"]),
        ["Ok binds: bind db: Service data/pg"]
    );
    assert_eq!(
        bound(service, &["port", "password", "database"]),
        [
            "Warning binds: bind db: Service data/pg: it does not export password, database, which the package needs"
        ]
    );
    let external = json!({"spec": {"type": "ExternalName", "externalName": "pg.example.com"}});
    assert_eq!(
        bound(external, &[]),
        [
            "Warning binds: bind db: Service data/pg: it is an ExternalName (pg.example.com) and has no endpoints to bind"
        ]
    );
}
