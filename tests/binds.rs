//! Binds: other Services that this one needs, from a real API server and from manifests.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::kubesup::Kubesup;
use crate::support::namespace::Namespace;
use crate::support::package::{Folder, RECONFIGURE, demo_package};
use crate::support::wait_until;

/// What the template makes of the bind `db`.
const TEMPLATE: &str = "{{#if bind.db}}{{#each bind.db.members as |m|}}{{m.sys.ip}}:{{m.cfg.port}} {{m.cfg.user}} {{m.alive}}\n{{/each}}{{else}}no db\n{{/if}}";

fn package() -> Folder {
    let package = demo_package();
    package
        .write("hooks/reconfigure", RECONFIGURE)
        .write("config/app.conf", TEMPLATE);
    package
}

/// The Service `pg` with these annotations.
fn service(namespace: &Namespace<'_>, annotations: Value) {
    namespace.put::<Service>(json!({
        "metadata": {"name": "pg", "annotations": annotations},
        "spec": {"clusterIP": "None", "ports": [{"name": "sql", "port": 5432}]},
    }));
}

/// Its endpoints, with their conditions.
fn endpoints(namespace: &Namespace<'_>, endpoints: &[(&str, Value)]) {
    let endpoints = endpoints.iter();
    let endpoints: Vec<Value> = endpoints
        .map(|(address, conditions)| json!({"addresses": [address], "conditions": conditions}))
        .collect();
    namespace.put::<EndpointSlice>(json!({
        "metadata": {"name": "pg-1", "labels": {"kubernetes.io/service-name": "pg"}},
        "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}],
    }));
}

fn pods() -> Value {
    json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]})
}

fn slices() -> Value {
    json!({"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]})
}

fn bound_service() -> Value {
    json!({"apiGroups": [""], "resources": ["services"], "resourceNames": ["pg"], "verbs": ["list", "watch"]})
}

/// The Pod with its Service, and the rights that binding `pg` needs.
fn namespace(server: &'static ApiServer, annotations: Value) -> Namespace<'static> {
    let namespace = Namespace::new(server);
    namespace.role(json!([pods(), slices(), bound_service()]));
    namespace.endpoints(&[]);
    namespace.pod(annotations);
    namespace
}

#[test]
fn a_strict_bind_holds_back_the_first_start_until_it_is_satisfied_and_never_again() {
    let namespace = namespace(ApiServer::shared(), json!({"kubesup.dev/bind": "db:pg"}));
    let package = package();
    package.write("BINDS", "db=port user\n");
    let kubesup = namespace.kubesup().package(package.path()).start();

    let report = kubesup.wait_readyz("binds failed:");
    assert!(
        report.contains("[-]binds failed: The specified service group 'pg.default' for binding 'db' is not (yet?) present in the census data."),
        "{report}"
    );
    assert!(report.contains("[-]rendered failed"), "{report}");
    assert!(
        !kubesup.file("config/app.conf").exists(),
        "nothing is rendered"
    );
    let item = kubesup.item();
    assert_eq!(item["health_check"], "Unknown");
    assert_eq!(
        (&item["process"]["state"], &item["initialized"]),
        (&json!("down"), &json!(false))
    );
    assert_eq!(item["binds"], json!(["db:pg.default"]));
    assert_eq!(
        item["all_pkg_binds"],
        json!([{"service": "db", "exports": ["port", "user"]}])
    );

    service(&namespace, json!({}));
    kubesup.wait_readyz("'pg.default' for binding 'db' is present in the census, but currently has no active members.");
    endpoints(&namespace, &[("10.2.0.1", json!({"ready": false}))]);
    kubesup.wait_readyz("The group 'pg.default' cannot satisfy the `db` bind because it does not export the following required fields: {\"user\"}");
    assert!(kubesup.log().contains("Waiting for service binds..."));
    service(&namespace, json!({"kubesup.dev/export.user": "app"}));
    kubesup.wait_readyz("annotation kubesup.dev/export.user: no TOML value");
    service(&namespace, json!({"kubesup.dev/export.user": "\"app\""}));
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "10.2.0.1:5432 app false\n");
    assert!(
        kubesup
            .log()
            .contains("The group 'pg.default' satisfies the `db` bind")
    );
    let pid = kubesup.main_pid();

    namespace.delete::<EndpointSlice>("pg-1");
    wait_until(
        "rendered without it",
        || kubesup.read("config/app.conf"),
        |text| text == "no db\n",
    );
    kubesup.wait_readyz("[-]binds failed (not gating)");
    assert_eq!(kubesup.get("/readyz").0, 200, "it stays ready");
    assert_eq!(kubesup.main_pid(), pid, "and is never stopped");
}

#[test]
fn a_relaxed_bind_does_not_hold_back_the_start_and_what_comes_later_reconfigures() {
    let namespace = namespace(
        ApiServer::shared(),
        json!({"kubesup.dev/bind": "db:pg", "kubesup.dev/binding-mode": "relaxed"}),
    );
    let package = package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "no db\n");
    assert_eq!(kubesup.item()["binding_mode"], "relaxed");
    let pid = kubesup.main_pid();

    service(
        &namespace,
        json!({"kubesup.dev/export.port": "6432", "kubesup.dev/export.user": "'app'"}),
    );
    endpoints(
        &namespace,
        &[
            ("10.2.0.1", json!({"ready": true})),
            ("10.2.0.2", json!({"ready": true, "terminating": true})),
        ],
    );
    wait_until(
        "the hook has run",
        || kubesup.read("var/reconfigured"),
        |text| text.ends_with("10.2.0.1:6432 app true\nend\n"),
    );
    let (_, census) = kubesup.get("/census");
    let census: Value = serde_json::from_str(&census).expect("JSON");
    let population = &census["census_groups"]["pg.default"]["population"];
    assert_eq!(population.as_object().expect("members").len(), 2);

    endpoints(
        &namespace,
        &[
            ("10.2.0.1", json!({"terminating": true})),
            ("10.2.0.2", json!({"ready": false})),
        ],
    );
    wait_until(
        "the hook has run again",
        || kubesup.read("var/reconfigured"),
        |text| text.ends_with("10.2.0.2:6432 app false\nend\n"),
    );
    assert_eq!(kubesup.main_pid(), pid);
}

#[test]
fn a_service_of_another_namespace_is_bound_by_its_namespace() {
    let server = ApiServer::shared();
    let other = Namespace::new(server);
    other.role(json!([slices(), bound_service()]));
    service(&other, json!({"kubesup.dev/export.user": "\"far\""}));
    endpoints(&other, &[("10.3.0.1", json!({}))]);
    let bind = format!("db:{}/pg", other.name);
    let namespace = namespace(server, json!({"kubesup.dev/bind": bind}));
    // The one of the own namespace is not meant.
    service(&namespace, json!({}));
    endpoints(&namespace, &[("10.2.0.1", json!({}))]);
    let package = package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "10.3.0.1:5432 far true\n");
}

#[test]
fn a_namespace_that_may_not_be_watched_is_named_with_its_rule_and_the_others_go_on() {
    let server = ApiServer::shared();
    let other = Namespace::new(server);
    let annotations = json!({
        "kubesup.dev/bind": format!("db:pg, far:{}/pg", other.name),
        "kubesup.dev/binding-mode": "relaxed",
    });
    let namespace = namespace(server, annotations);
    service(&namespace, json!({"kubesup.dev/export.user": "1"}));
    endpoints(&namespace, &[("10.2.0.1", json!({}))]);
    let package = package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "10.2.0.1:5432 1 true\n");
    let report = kubesup.wait_readyz("'far' is not known yet");
    for part in [
        format!(
            "cannot watch EndpointSlices: namespace {}, Service pg: 403 forbidden; grant list and watch on discovery.k8s.io/endpointslices (in namespace {}, manifests/binds/role.yaml)",
            other.name, other.name
        ),
        format!(
            "cannot watch Service: {}/pg: 403 forbidden; grant list and watch on services",
            other.name
        ),
    ] {
        assert!(report.contains(&part), "{report}");
    }
    endpoints(&namespace, &[("10.2.0.9", json!({}))]);
    wait_until(
        "the other bind is followed",
        || kubesup.read("config/app.conf"),
        |text| text == "10.2.0.9:5432 1 true\n",
    );
    other.role(json!([slices(), bound_service()]));
    service(&other, json!({}));
    endpoints(&other, &[("10.3.0.1", json!({}))]);
    wait_until(
        "granted, it is bound",
        || kubesup.get("/readyz?verbose").1,
        |report| report.contains("[+]binds ok"),
    );
}

/// Who holds the Lease of `pg`.
fn lease(namespace: &Namespace<'_>, holder: &str) {
    namespace.put::<Lease>(json!({
        "metadata": {"name": "kubesup.pg.default"},
        "spec": {"holderIdentity": holder},
    }));
}

/// Two endpoints with Pods, whose UIDs are `uid-a` and `uid-b`.
fn two_pods(namespace: &Namespace<'_>) {
    let pod = |name: &str, address: &str| {
        json!({"addresses": [address], "hostname": name, "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "name": name, "uid": format!("uid-{name}")}})
    };
    namespace.put::<EndpointSlice>(json!({
        "metadata": {"name": "pg-1", "labels": {"kubernetes.io/service-name": "pg"}},
        "addressType": "IPv4", "endpoints": [pod("a", "10.2.0.1"), pod("b", "10.2.0.2")],
        "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}],
    }));
}

const LEADER: &str = "{{#if bind.db.leader}}leader {{bind.db.leader.sys.hostname}}{{else}}no leader, first {{bind.db.first.sys.hostname}}{{/if}}\n";

#[test]
fn the_leader_of_a_bound_group_is_the_holder_of_its_lease_and_a_new_one_reconfigures() {
    let namespace = namespace(ApiServer::shared(), json!({"kubesup.dev/bind": "db:pg"}));
    namespace.role(json!([pods(), slices(), bound_service(), {
        "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
        "resourceNames": ["kubesup.pg.default"], "verbs": ["list", "watch"],
    }]));
    service(&namespace, json!({}));
    two_pods(&namespace);
    lease(&namespace, "b/pg/uid-b/1");
    let package = package();
    package.write("config/app.conf", LEADER);
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "leader b\n");
    assert!(
        !kubesup.file("var/reconfigured").exists(),
        "the first rendering knew who leads"
    );
    let pid = kubesup.main_pid();

    lease(&namespace, "a/pg/uid-a/2");
    let reconfigured = |text: &str| {
        wait_until(
            "the hook has run",
            || kubesup.read("var/reconfigured"),
            |seen| seen.ends_with(&format!("{text}\nend\n")),
        );
    };
    reconfigured("leader a");
    let census = || serde_json::from_str::<Value>(&kubesup.get("/census").1).expect("JSON");
    let group = census()["census_groups"]["pg.default"].clone();
    assert_eq!(group["leader_id"], "uida");
    assert_eq!(group["election_status"], "ElectionFinished");
    assert_eq!(group["population"]["uida"]["leader"], true);
    assert_eq!(group["population"]["uidb"]["follower"], true);

    lease(&namespace, "");
    reconfigured("no leader, first a");
    assert_eq!(
        census()["census_groups"]["pg.default"]["election_status"],
        "ElectionInProgress"
    );
    assert_eq!(kubesup.main_pid(), pid);
}

#[test]
fn a_lease_that_may_not_be_read_is_named_with_its_rule_and_holds_up_nothing() {
    let annotations = json!({"kubesup.dev/bind": "db:pg", "kubesup.dev/templates": "conf"});
    let namespace = namespace(ApiServer::shared(), annotations);
    namespace.role(json!([pods(), slices(), bound_service(),
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["conf"], "verbs": ["list", "watch"]},
    ]));
    let template = |text: &str| {
        namespace
            .put::<ConfigMap>(json!({"metadata": {"name": "conf"}, "data": {"app.conf": text}}));
    };
    service(&namespace, json!({}));
    two_pods(&namespace);
    lease(&namespace, "b/pg/uid-b/1");
    template(LEADER);
    let package = package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "no leader, first a\n");
    let line = format!(
        "cannot watch Lease: {0}/kubesup.pg.default: 403 forbidden; grant list and watch on coordination.k8s.io/leases (in namespace {0}, manifests/binds/role.yaml)",
        namespace.name
    );
    kubesup.wait_readyz(&line);

    // Who reads no leader is not bothered with it.
    template("{{bind.db.members.[0].sys.hostname}}\n");
    wait_until(
        "it is gone",
        || kubesup.readyz(),
        |report| !report.contains("Lease"),
    );
    wait_until(
        "rendered",
        || kubesup.read("config/app.conf"),
        |text| text == "a\n",
    );
}

#[test]
fn a_required_bind_without_a_service_ends_the_start_and_an_undeclared_one_too() {
    let package = package();
    package.write("BINDS", "db=port\n");
    let manifests = Folder::new();
    let mut kubesup = Kubesup::builder()
        .manifests(manifests.path())
        .package(package.path())
        .flag("--bind", "que:pg")
        .start();
    assert_eq!(kubesup.wait_exit(), 64);
    for line in [
        "Missing required bind(s), db: map each with --bind NAME:[NAMESPACE/]SERVICE",
        "Invalid bind(s), que: package",
    ] {
        assert!(kubesup.log().contains(line), "{}", kubesup.log());
    }
}

#[test]
fn manifests_serve_binds_too() {
    let package = package();
    package
        .write("BINDS", "db=port\n")
        .write("BINDS_OPTIONAL", "cache=\n");
    let manifests = Folder::new();
    let slice = |address: &str| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: pg-1, namespace: data, labels: {{kubernetes.io/service-name: pg}}}}\n\
             addressType: IPv4\nendpoints: [{{addresses: [{address}]}}]\nports: [{{name: sql, port: 5432}}]\n"
        )
    };
    manifests.write("pg.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: pg, namespace: data, annotations: {kubesup.dev/export.user: '\"me\"'}}\nspec: {clusterIP: None}\n");
    let kubesup = Kubesup::builder()
        .manifests(manifests.path())
        .package(package.path())
        .flag("--name", "demo")
        .flag("--bind", "db:data/pg")
        .start();
    kubesup.wait_readyz("but currently has no active members.");
    manifests.write("slice.yaml", &slice("10.4.0.1"));
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "10.4.0.1:5432 me true\n");
    manifests.write("slice.yaml", &slice("10.4.0.2"));
    wait_until(
        "the edit has reached the hook",
        || kubesup.read("var/reconfigured"),
        |text| text == "10.4.0.2:5432 me true\nend\n",
    );
}
