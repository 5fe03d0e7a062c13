//! Bad input: what runs keeps running, nothing is half written, the reason names object, key and line, and once it is mended
//! it goes on by itself.

use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::namespace::Namespace;
use crate::support::package::{RECONFIGURE, demo_package};
use crate::support::{SOON, wait_for, wait_until};

/// The configuration of a test that begins well.
const GOOD: &str = "greeting = \"hi\"\n";

fn namespace() -> Namespace<'static> {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&["demo-config", "demo-hooks", "demo-templates"]);
    namespace.endpoints(&[]);
    namespace.config_map("demo-config", json!({"app.toml": GOOD}));
    namespace.config_map("demo-hooks", json!({}));
    namespace.config_map("demo-templates", json!({}));
    namespace.pod(json!({
        "kubesup.dev/config": "demo-config", "kubesup.dev/hooks": "demo-hooks", "kubesup.dev/templates": "demo-templates",
    }));
    namespace
}

/// Breaks one ConfigMap while the program runs, looks, and mends it.
fn broken_and_mended(config_map: &str, bad: Value, reasons: &[&str]) {
    let namespace = namespace();
    let package = demo_package();
    package.write("hooks/reconfigure", RECONFIGURE);
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    namespace.config_map(config_map, bad);

    let report = kubesup.wait_readyz("[-]accepted failed (not gating)");
    for reason in reasons.iter().chain([&config_map]) {
        assert!(report.contains(reason), "{reason:?} is not in\n{report}");
        wait_until(
            &format!("{reason:?} in the log"),
            || kubesup.log(),
            |log| log.contains(reason),
        );
    }
    assert!(report.contains("readyz check passed"), "{report}");
    assert_eq!(kubesup.main_pid(), pid);
    assert_eq!(kubesup.read("config/app.conf"), "greeting=hi\nport=8080\n");
    assert_eq!(kubesup.read("var/reconfigured"), "", "nothing was run");
    assert_eq!(kubesup.config()["greeting"], "hi");

    let mended = if config_map == "demo-config" {
        json!({"app.toml": GOOD})
    } else {
        json!({})
    };
    namespace.config_map(config_map, mended);
    namespace.config_map(
        "demo-config",
        json!({"app.toml": "greeting = \"mended\"\n"}),
    );

    wait_until(
        "the mended configuration is applied",
        || kubesup.read("var/reconfigured"),
        |noted| noted.contains("greeting=mended"),
    );
    kubesup.wait_readyz("[+]accepted ok");
    assert_eq!(kubesup.main_pid(), pid);
}

#[test]
fn malformed_toml_is_named_with_object_key_and_line() {
    broken_and_mended(
        "demo-config",
        json!({"app.toml": "greeting = \"hi\"\nport = [\n"}),
        &["app.toml", "line 2"],
    );
}

#[test]
fn malformed_yaml_is_named_with_object_key_and_line() {
    broken_and_mended(
        "demo-config",
        json!({"app.yaml": "greeting: hi\nport: ]\n"}),
        &["app.yaml", "line 2"],
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_object_and_key() {
    broken_and_mended(
        "demo-config",
        json!({"app.toml": GOOD, "server.port": "eighty"}),
        &["server.port"],
    );
}

#[test]
fn a_malformed_template_is_named_with_object_key_and_line() {
    broken_and_mended(
        "demo-templates",
        json!({"more.conf": "fine\n{{#if cfg.greeting}}"}),
        &["more.conf", "line 2"],
    );
}

#[test]
fn a_template_that_does_not_render_is_named_with_object_key_and_line() {
    broken_and_mended(
        "demo-templates",
        json!({"more.conf": "fine\n{{toUppercase cfg.server}}"}),
        &["more.conf", "line 2", "toUppercase"],
    );
}

#[test]
fn a_malformed_hook_is_named_with_object_and_key() {
    broken_and_mended(
        "demo-hooks",
        json!({"health-check": "#!/bin/sh\n{{/if}}"}),
        &["health-check", "line 2"],
    );
}

#[test]
fn a_hook_name_with_a_typo_is_named_with_a_suggestion() {
    broken_and_mended(
        "demo-hooks",
        json!({"healthcheck": "#!/bin/sh\n"}),
        &["healthcheck", "health-check"],
    );
}

#[test]
fn a_template_nested_ten_thousand_deep_is_rejected() {
    let deep = format!("{}{}", "{{#if a}}".repeat(10_000), "{{/if}}".repeat(10_000));
    broken_and_mended(
        "demo-templates",
        json!({"more.conf": deep}),
        &["more.conf", "200 deep"],
    );
}

#[test]
fn documents_nested_ten_thousand_deep_are_rejected() {
    for (key, open, close) in [
        ("app.toml", "a = [", "]"),
        ("app.yaml", "[", "]"),
        ("app.json", "[", "]"),
    ] {
        let deep = match key {
            "app.toml" => format!("a = {}{}", "[".repeat(10_000), close.repeat(10_000)),
            _ => format!("{}{}", open.repeat(10_000), close.repeat(10_000)),
        };
        broken_and_mended("demo-config", json!({key: deep}), &[key]);
    }
}

#[test]
fn a_config_map_deleted_while_in_use_keeps_its_last_content_in_force() {
    let namespace = namespace();
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    namespace.delete::<k8s_openapi::api::core::v1::ConfigMap>("demo-config");

    let place = format!("ConfigMap {}/demo-config does not exist", namespace.name);
    let report = kubesup.wait_readyz(&place);
    assert!(report.contains("readyz check passed"), "{report}");
    assert_eq!(
        (kubesup.main_pid(), kubesup.config()["greeting"].as_str()),
        (pid, Some("hi"))
    );
}

#[test]
fn a_missing_config_map_service_or_permission_is_named_and_waited_for() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.role(json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]));
    namespace.pod(json!({"kubesup.dev/config": "demo-config"}));
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    let place = &namespace.name;

    let report = kubesup.wait_readyz("403 forbidden");
    assert!(
        report.contains(&format!("{place}/demo-config"))
            && report.contains("list and watch on configmaps"),
        "{report}"
    );
    kubesup.wait_readyz(&format!("Service {place}/demo has no EndpointSlices"));
    assert_eq!(kubesup.get("/readyz").0, 503);

    namespace.grant(&["demo-config"]);
    kubesup.wait_readyz(&format!("ConfigMap {place}/demo-config does not exist"));
    namespace.endpoints(&[]);
    namespace.config_map("demo-config", json!({"app.toml": GOOD}));

    wait_for("it starts by itself", 2 * SOON, || {
        match kubesup.get("/readyz?verbose") {
            (200, _) => Ok(()),
            (_, report) => Err(report),
        }
    });
}

#[test]
fn a_broken_first_configuration_is_waited_for_and_nothing_is_written() {
    let namespace = namespace();
    namespace.config_map("demo-config", json!({"app.toml": "greeting ="}));
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();

    kubesup.wait_readyz("[-]rendered failed: cannot use configuration");
    assert!(!kubesup.file("config").exists());

    namespace.config_map("demo-config", json!({"app.toml": GOOD}));
    kubesup.wait_ready();
}
