//! A ConfigMap is edited, and the program is reconfigured.

use serde_json::json;

use crate::support::api_server::ApiServer;
use crate::support::namespace::Namespace;
use crate::support::package::{RECONFIGURE, demo_package};
use crate::support::wait_until;

fn namespace() -> Namespace<'static> {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&["demo-config"]);
    namespace.endpoints(&[]);
    namespace.config_map(
        "demo-config",
        json!({"app.toml": "greeting = \"hi\"\n", "server.port": "9090"}),
    );
    namespace.pod(json!({"kubesup.dev/config": "demo-config"}));
    namespace
}

#[test]
fn a_config_map_edit_rewrites_the_file_runs_reconfigure_once_and_leaves_the_process_alone() {
    let namespace = namespace();
    let package = demo_package();
    package.write("hooks/reconfigure", RECONFIGURE);
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();
    assert_eq!(kubesup.read("config/app.conf"), "greeting=hi\nport=9090\n");
    assert_eq!(
        kubesup.config(),
        json!({"greeting": "hi", "server": {"port": 9090}})
    );

    namespace.config_map(
        "demo-config",
        json!({"app.toml": "greeting = \"hey\"\n", "server.port": "9091"}),
    );

    let noted = wait_until(
        "the hook has run",
        || kubesup.read("var/reconfigured"),
        |text| text.ends_with("end\n"),
    );
    assert_eq!(noted, "greeting=hey\nport=9091\nend\n");
    assert_eq!(kubesup.read("config/app.conf"), "greeting=hey\nport=9091\n");
    assert_eq!(
        kubesup.config(),
        json!({"greeting": "hey", "server": {"port": 9091}})
    );

    // What changes nothing that is rendered runs nothing: the next edit's run is the second one.
    namespace.config_map(
        "demo-config",
        json!({"app.toml": "greeting = \"hey\"\n# a remark\n", "server.port": "9091"}),
    );
    namespace.config_map(
        "demo-config",
        json!({"app.toml": "greeting = \"last\"\n", "server.port": "9091"}),
    );
    let noted = wait_until(
        "the second run",
        || kubesup.read("var/reconfigured"),
        |text| text.contains("greeting=last\nport=9091\nend\n"),
    );
    assert_eq!(noted.matches("end\n").count(), 2, "{noted}");
    assert_eq!(kubesup.main_pid(), pid);
    assert_eq!(kubesup.item()["restart_count"], 0);
}

#[test]
fn without_a_reconfigure_hook_an_edit_is_one_restart() {
    let namespace = namespace();
    let package = demo_package();
    package.write(
        "hooks/run",
        "#!/bin/sh\necho started >> {{pkg.svc_var_path}}/starts\nexec sleep 1000\n",
    );
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    namespace.config_map(
        "demo-config",
        json!({"app.toml": "greeting = \"hey\"\n", "server.port": "9090"}),
    );

    wait_until("another process", || kubesup.main_pid(), |new| *new != pid);
    kubesup.wait_ready();
    assert_eq!(kubesup.read("var/starts"), "started\nstarted\n");
    let item = kubesup.item();
    assert_eq!(
        item["last_process_state"]["termination_reason"],
        "app_config_updated"
    );
    assert_eq!(
        item["restart_count"], 0,
        "an intended restart is no failure"
    );
}

#[test]
fn many_quick_edits_are_few_reactions_and_the_last_one_wins() {
    let namespace = namespace();
    let package = demo_package();
    package.write("hooks/reconfigure", RECONFIGURE);
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();

    for number in 0..40 {
        namespace.config_map(
            "demo-config",
            json!({"app.toml": format!("greeting = \"edit {number}\"\n"), "server.port": "9090"}),
        );
    }

    let noted = wait_until(
        "the last edit",
        || kubesup.read("var/reconfigured"),
        |text| text.contains("greeting=edit 39\nport=9090\nend\n"),
    );
    assert!(noted.matches("end\n").count() < 20, "{noted}");
}

#[test]
fn a_hook_from_a_config_map_replaces_the_packages_and_an_edit_of_it_restarts() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&["demo-hooks", "demo-templates"]);
    namespace.endpoints(&[]);
    namespace.config_map(
        "demo-hooks",
        json!({"run": "#!/bin/sh\necho first\nexec sleep 1000\n"}),
    );
    namespace.config_map("demo-templates", json!({"more.conf": "{{kube.pod.name}}"}));
    namespace.pod(json!({"kubesup.dev/hooks": "demo-hooks", "kubesup.dev/templates": "demo-templates=sub/dir"}));
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();
    assert_eq!(kubesup.read("config/sub/dir/more.conf"), "demo-0");
    kubesup.wait_printed("first\n");

    namespace.config_map(
        "demo-hooks",
        json!({"run": "#!/bin/sh\necho second\nexec sleep 1000\n"}),
    );

    wait_until("another process", || kubesup.main_pid(), |new| *new != pid);
    kubesup.wait_printed("first\nsecond\n");
    assert_eq!(
        kubesup.item()["last_process_state"]["termination_reason"],
        "run_hook_updated"
    );
}
