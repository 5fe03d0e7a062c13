use super::*;
use crate::config::{Key, Layer, Layers, Origin, load, resolve};

fn settings(values: &[(Key, &str)]) -> Settings {
    let layer = values
        .iter()
        .fold(Layer::new(Origin::Flag), |layer, (key, value)| {
            layer.with(*key, *value)
        });
    let layers = Layers {
        below_pod: vec![load::defaults()],
        above_pod: vec![layer],
    };
    resolve(&layers, None).expect("settings")
}

fn texts(settings: &Settings, facts: Facts) -> Vec<String> {
    rules(settings, facts).iter().map(Rule::text).collect()
}

const EVERYBODY: [&str; 2] = [
    "list, watch on pods",
    "list, watch on discovery.k8s.io/endpointslices",
];
const EVENT_RULE: &str = "create, patch on events.k8s.io/events";

#[test]
fn a_pod_that_names_nothing_needs_its_pod_and_its_peers() {
    let texts = texts(&settings(&[]), Facts::default());
    assert_eq!(texts, [&EVERYBODY[..], &[EVENT_RULE]].concat());
}

#[test]
fn each_object_is_granted_by_its_name_and_once() {
    let settings = settings(&[
        (Key::Config, "a,b?"),
        (Key::Hooks, "a"),
        (Key::Secrets, "s"),
        (Key::Files, "c, secret/s, secret/t"),
    ]);
    assert_eq!(
        texts(&settings, Facts::default())[2..4],
        [
            "list, watch on configmaps a, b, c",
            "list, watch on secrets s, t"
        ]
    );
}

#[test]
fn a_leader_needs_its_groups_lease_and_no_other() {
    let mut settings = settings(&[(Key::Service, "db"), (Key::Group, "blue")]);
    settings.topology = Topology::Leader;
    assert_eq!(
        texts(&settings, Facts::default())[2..4],
        [
            "list, watch on coordination.k8s.io/leases kubesup.db.blue",
            "update on coordination.k8s.io/leases kubesup.db.blue"
        ]
    );
}

#[test]
fn binds_need_their_services_by_name_and_the_slices_of_other_namespaces() {
    let settings = settings(&[(Key::Bind, "db:data/pg,queue:nats,again:data/pg.blue")]);
    assert_eq!(
        texts(&settings, Facts::default())[2..5],
        [
            "list, watch on services nats",
            "list, watch on discovery.k8s.io/endpointslices in namespace data",
            "list, watch on services pg in namespace data",
        ]
    );
}

#[test]
fn patching_pods_is_asked_for_by_the_pod_alone() {
    let facts = Facts {
        readiness_gate: true,
    };
    let mut settings = settings(&[(Key::RoleLabel, "true"), (Key::Service, "db")]);
    let label = "patch on pods";
    assert_eq!(
        texts(&settings, facts)[2..],
        ["patch on pods/status", EVENT_RULE],
        "nobody leads"
    );
    settings.topology = Topology::Leader;
    assert_eq!(
        texts(&settings, facts)[4..],
        ["patch on pods/status", label, EVENT_RULE]
    );
}

#[test]
fn the_manifest_has_a_role_and_its_binding_for_each_namespace() {
    let settings = settings(&[(Key::Bind, "db:data/pg"), (Key::Config, "1")]);
    let subject = Subject {
        namespace: "shop".into(),
        service_account: "demo-account".into(),
        service: "demo".into(),
    };
    let text = manifest(&rules(&settings, Facts::default()), &subject);
    insta::assert_snapshot!(text);
}
