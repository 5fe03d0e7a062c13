//! `kubesup run -f`: the same from manifests, without a cluster.

use crate::support::kubesup::{Builder, Kubesup};
use crate::support::package::{Folder, RECONFIGURE, demo_package};
use crate::support::wait_until;

/// Manifests of a StatefulSet `demo`, its Service and its ConfigMap.
fn manifests(folder: &Folder, greeting: &str) {
    folder.write(
        "demo.yaml",
        &format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: demo-config}}\ndata:\n  app.toml: |\n    greeting = \"{greeting}\"\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {{name: demo}}\nspec: {{clusterIP: None}}\n\
             ---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: demo}}\n\
             spec:\n  serviceName: demo\n  selector: {{}}\n  template:\n    metadata:\n      annotations: {{kubesup.dev/config: demo-config}}\n\
             \x20   spec:\n      containers: [{{name: demo, env: [{{name: FROM_MANIFEST, value: yes it is}}]}}]\n"
        ),
    );
}

fn local(folder: &Folder) -> Builder {
    Kubesup::builder().manifests(folder.path())
}

#[test]
fn an_edit_of_a_manifest_reconfigures_the_program() {
    let folder = demo_package();
    folder.write("hooks/reconfigure", RECONFIGURE);
    manifests(&folder, "hi");
    // The folder is the package too.
    let kubesup = local(&folder).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();
    assert_eq!(kubesup.item()["sys"]["hostname"], "demo-0");

    manifests(&folder, "hey");

    wait_until(
        "the hook has run",
        || kubesup.read("var/reconfigured"),
        |text| text == "greeting=hey\nport=8080\nend\n",
    );
    assert_eq!(kubesup.main_pid(), pid);
}

#[test]
fn an_edit_of_a_file_of_the_package_has_the_effect_of_a_new_version_of_it() {
    let folder = demo_package();
    folder.write("hooks/reconfigure", RECONFIGURE);
    manifests(&folder, "hi");
    let kubesup = local(&folder).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    folder.write("config/app.conf", "another={{cfg.greeting}}\n");
    wait_until(
        "the hook has run",
        || kubesup.read("var/reconfigured"),
        |text| text == "another=hi\nend\n",
    );
    assert_eq!(kubesup.main_pid(), pid);

    folder.write("hooks/run", "#!/bin/sh\nexec sleep 2000\n");
    wait_until("another process", || kubesup.main_pid(), |new| *new != pid);
}

#[test]
fn broken_manifests_change_nothing_until_they_are_mended() {
    let folder = demo_package();
    folder.write("hooks/reconfigure", RECONFIGURE);
    manifests(&folder, "hi");
    let kubesup = local(&folder).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    folder.write("demo.yaml", "kind: ConfigMap\nmetadata: [\n");
    let report = kubesup.wait_readyz("demo.yaml: document 1");
    assert!(
        report.contains("line 3") && report.contains("readyz check passed"),
        "{report}"
    );
    assert_eq!(
        (kubesup.main_pid(), kubesup.config()["greeting"].as_str()),
        (pid, Some("hi"))
    );

    manifests(&folder, "mended");
    wait_until(
        "the mended one is applied",
        || kubesup.read("var/reconfigured"),
        |text| text.contains("greeting=mended"),
    );
    kubesup.wait_readyz("[+]fresh ok");
}

#[test]
fn manifests_that_are_broken_from_the_start_are_waited_for() {
    let folder = demo_package();
    folder.write("demo.yaml", "kind: [\n");
    let kubesup = local(&folder).start();
    kubesup.wait_readyz("demo.yaml: document 1");
    manifests(&folder, "mended");
    kubesup.wait_ready();
    assert_eq!(kubesup.config()["greeting"], "mended");
}

#[test]
fn a_command_runs_in_a_folder_without_a_pod() {
    let folder = Folder::new();
    let kubesup = local(&folder)
        .flag("--name", "demo")
        .command(&["/bin/sh", "-c", "echo a; exec sleep 1000"])
        .start();
    kubesup.wait_ready();
    kubesup.wait_printed("a\n");
}

#[test]
fn literal_variables_of_the_container_reach_the_program() {
    let folder = demo_package();
    folder.write(
        "hooks/run",
        "#!/bin/sh\necho \"$FROM_MANIFEST\"\nexec sleep 1000\n",
    );
    manifests(&folder, "hi");
    let kubesup = local(&folder).start();
    kubesup.wait_printed("yes it is\n");
}
