//! Service files: a ConfigMap or Secret is written to `files`, and a change runs `file-updated`.

use std::os::unix::fs::PermissionsExt as _;

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::kubesup::{Builder, Kubesup};
use crate::support::namespace::Namespace;
use crate::support::package::{Folder, RECONFIGURE, demo_package};
use crate::support::wait_until;

/// Notes what it finds of the files, and counts its runs.
const FILE_UPDATED: &str = "#!/bin/sh\ncd {{pkg.svc_files_path}}\n(for f in *; do echo \"$f=$(cat $f)\"; done; echo end) >> {{pkg.svc_var_path}}/updated\n";

fn package() -> Folder {
    let package = demo_package();
    package
        .write("hooks/file-updated", FILE_UPDATED)
        .write("hooks/reconfigure", RECONFIGURE)
        .write(
            "hooks/init",
            "#!/bin/sh\ncat {{pkg.svc_files_path}}/ca.pem > {{pkg.svc_var_path}}/at-init\n",
        );
    package
}

/// A Pod with this annotation, and these objects.
fn manifests(folder: &Folder, files: &str, objects: &[&str]) {
    let pod = format!(
        "kind: Pod\nmetadata:\n  name: demo-0\n  labels: {{app.kubernetes.io/name: demo}}\n  annotations: {{kubesup.dev/files: '{files}'}}\n\
         spec: {{containers: [{{name: main}}]}}\n"
    );
    let all: Vec<&str> = objects.iter().copied().chain([pod.as_str()]).collect();
    folder.write("demo.yaml", &all.join("\n---\n"));
}

fn map(data: &str) -> String {
    format!("kind: ConfigMap\nmetadata: {{name: demo-files}}\ndata: {data}")
}

fn local(folder: &Folder, package: &Folder) -> Builder {
    Kubesup::builder()
        .manifests(folder.path())
        .package(package.path())
}

fn updated(kubesup: &Kubesup, text: &str) {
    wait_until(
        "file-updated has run",
        || kubesup.read("var/updated"),
        |noted| noted == text,
    );
}

#[test]
fn they_are_there_before_init_and_a_change_runs_the_hook_once() {
    let (package, folder) = (package(), Folder::new());
    manifests(
        &folder,
        "demo-files, missing?",
        &[&map("{ca.pem: one, old: gone soon}")],
    );
    let kubesup = local(&folder, &package).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();
    assert_eq!(kubesup.read("var/at-init"), "one");
    assert_eq!(
        kubesup.read("var/updated"),
        "",
        "nobody has to be told of the first ones"
    );
    let mode = std::fs::metadata(kubesup.file("files/ca.pem"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);

    manifests(
        &folder,
        "demo-files, missing?",
        &[&map("{ca.pem: two, new: x}")],
    );

    updated(&kubesup, "ca.pem=two\nnew=x\nend\n");
    assert!(!kubesup.file("files/old").exists());
    assert_eq!(
        kubesup.read("var/reconfigured"),
        "",
        "the configuration is the same"
    );

    // What changes no file runs nothing: the next run is the second.
    manifests(
        &folder,
        "demo-files, missing?",
        &[&map("{new: x, ca.pem: two}")],
    );
    manifests(&folder, "demo-files, missing?", &[&map("{ca.pem: three}")]);
    updated(&kubesup, "ca.pem=two\nnew=x\nend\nca.pem=three\nend\n");
    assert_eq!(kubesup.main_pid(), pid);
}

#[test]
fn a_secret_is_written_over_the_config_map_and_its_content_is_never_shown() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.role(json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["demo-files"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["demo-tls"], "verbs": ["list", "watch"]},
    ]));
    namespace.endpoints(&[]);
    namespace.config_map(
        "demo-files",
        json!({"ca.pem": "public", "tls.key": "below"}),
    );
    let secret = |text: &str| {
        namespace.put::<Secret>(
            json!({"metadata": {"name": "demo-tls"}, "stringData": {"tls.key": text}}),
        );
    };
    secret("hunter2");
    namespace.pod(json!({"kubesup.dev/files": "demo-files,secret/demo-tls"}));
    let package = package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("files/tls.key"), "hunter2");

    secret("hunter2-rotated");

    updated(&kubesup, "ca.pem=public\ntls.key=hunter2-rotated\nend\n");
    for path in [
        "/services",
        "/readyz?verbose",
        "/census",
        "/v1/status",
        "/v1/history",
    ] {
        assert!(!kubesup.get(path).1.contains("hunter2"), "{path}");
    }
    assert!(!kubesup.log().contains("hunter2"), "{}", kubesup.log());
    let bytes = |text: &str| json!(text.as_bytes());
    let census: Value = serde_json::from_str(&kubesup.get("/census").1).expect("json");
    assert_eq!(
        census["census_groups"]["demo.default"]["service_files"],
        json!({
            "ca.pem": {"filename": "ca.pem", "incarnation": 1, "body": bytes("public")},
            "tls.key": {"filename": "tls.key", "incarnation": 2, "body": bytes("<redacted>")},
        })
    );

    namespace.delete::<Secret>("demo-tls");
    let place = format!("Secret {}/demo-tls does not exist", namespace.name);
    kubesup.wait_readyz(&place);
    assert_eq!(
        kubesup.read("files/tls.key"),
        "hunter2-rotated",
        "the last content stays"
    );
}

#[test]
fn bad_names_are_all_named_and_nothing_changes_until_they_are_mended() {
    let (package, folder) = (package(), Folder::new());
    manifests(&folder, "demo-files", &[&map("{ca.pem: one}")]);
    let kubesup = local(&folder, &package).start();
    kubesup.wait_ready();

    manifests(
        &folder,
        "demo-files",
        &[&map("{ca.pem: two, a/b: x, ../../evil: x}")],
    );

    let report = kubesup.wait_readyz("[-]accepted failed (not gating)");
    for part in [
        "ConfigMap default/demo-files, key a/b: the name has a slash",
        "ConfigMap default/demo-files, key ../../evil: the path has a part `..`",
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
    assert_eq!(kubesup.read("files/ca.pem"), "one");

    manifests(&folder, "demo-files", &[&map("{ca.pem: mended}")]);
    updated(&kubesup, "ca.pem=mended\nend\n");
}

#[test]
fn a_hook_that_hangs_is_killed_and_the_next_change_runs_it_again() {
    let (package, folder) = (package(), Folder::new());
    package.write(
        "hooks/file-updated",
        "#!/bin/sh\ncat {{pkg.svc_files_path}}/ca.pem >> {{pkg.svc_var_path}}/updated\n[ \"$(cat {{pkg.svc_files_path}}/ca.pem)\" = two ] && exec sleep 1000\nexit 0\n",
    );
    manifests(&folder, "demo-files", &[&map("{ca.pem: one}")]);
    let kubesup = local(&folder, &package)
        .flag("--file-updated-timeout", "200ms")
        .start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    manifests(&folder, "demo-files", &[&map("{ca.pem: two}")]);
    wait_until(
        "the timeout",
        || kubesup.log(),
        |log| log.contains("file-updated hook timed out"),
    );
    manifests(&folder, "demo-files", &[&map("{ca.pem: three}")]);
    updated(&kubesup, "twothree");
    assert_eq!(kubesup.main_pid(), pid);
}

#[test]
fn a_wrong_annotation_says_what_may_stand_there() {
    let (package, folder) = (package(), Folder::new());
    manifests(&folder, "secrets/demo-tls", &[]);
    let kubesup = local(&folder, &package).start();
    let report = kubesup.wait_readyz("kubesup.dev/files");
    assert!(
        report.contains("write a ConfigMap's name, or secret/ and a Secret's"),
        "{report}"
    );
}
