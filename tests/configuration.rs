//! The layers of the program's configuration: what beats what, what is followed, and what is never shown.

use std::os::unix::fs::symlink;

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use crate::support::api_server::ApiServer;
use crate::support::kubesup::{Builder, Kubesup};
use crate::support::namespace::Namespace;
use crate::support::package::{Folder, RECONFIGURE, demo_package};
use crate::support::wait_until;

/// A Pod of service `demo`, and a ConfigMap in its live configuration.
fn manifests(folder: &Folder, data: &str) {
    folder.write(
        "demo.yaml",
        &format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: demo-config}}\ndata: {data}\n\
             ---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: demo-0\n  labels: {{app.kubernetes.io/name: demo}}\n  annotations: {{kubesup.dev/config: demo-config}}\n\
             spec: {{containers: [{{name: main}}]}}\n"
        ),
    );
}

fn local(manifests: &Folder, package: &Folder) -> Builder {
    Kubesup::builder()
        .manifests(manifests.path())
        .package(package.path())
}

fn reconfigured(kubesup: &Kubesup, greeting: &str) {
    let line = format!("greeting={greeting}\n");
    wait_until(
        "the last one is applied",
        || kubesup.read("var/reconfigured"),
        |text| {
            text.rsplit("end\n")
                .nth(1)
                .is_some_and(|last| last.contains(&line))
        },
    );
}

#[test]
fn default_is_below_environment_below_user_toml_below_config_map() {
    let (package, folder, user) = (demo_package(), Folder::new(), Folder::new());
    package.write(
        "default.toml",
        "greeting = 'default'\na = 'default'\nb = 'default'\nc = 'default'\n[server]\nport = 1\n",
    );
    manifests(&folder, "{c: map}");
    user.write("user.toml", "b = 'user'\nc = 'user'\n");
    let kubesup = local(&folder, &package)
        .env("HAB_DEMO", "a = 'env'\nb = 'env'\nc = 'env'\n")
        .env("KUBESUP_CFG", r#"{"server": {"port": 2}}"#)
        .flag(
            "--user-toml",
            &user.path().join("user.toml").display().to_string(),
        )
        .start();
    kubesup.wait_ready();
    assert_eq!(
        kubesup.config(),
        json!({"greeting": "default", "a": "env", "b": "user", "c": "map", "server": {"port": 2}})
    );
}

#[test]
fn a_variable_that_is_neither_toml_nor_json_is_named_and_nothing_starts() {
    let (package, folder) = (demo_package(), Folder::new());
    manifests(&folder, "{}");
    let kubesup = local(&folder, &package).env("HAB_DEMO", "{port").start();
    kubesup.wait_readyz("environment variable HAB_DEMO: it is neither TOML (line 1");
    assert!(!kubesup.file("config").exists(), "nothing is written");
}

#[test]
fn user_toml_is_followed_when_it_comes_changes_breaks_and_goes() {
    let (package, folder, user) = (demo_package(), Folder::new(), Folder::new());
    package.write("hooks/reconfigure", RECONFIGURE);
    manifests(&folder, "{}");
    let path = user.path().join("user.toml");
    let kubesup = local(&folder, &package)
        .flag("--user-toml", &path.display().to_string())
        .start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();
    assert_eq!(kubesup.config()["greeting"], "hello");

    user.write("user.toml", "greeting = 'come'\n");
    reconfigured(&kubesup, "come");
    user.write("user.toml", "greeting = 'changed'\n");
    reconfigured(&kubesup, "changed");

    user.write("user.toml", "greeting = 'x'\nport = [\n");
    let report = kubesup.wait_readyz("[-]accepted failed (not gating)");
    assert!(
        report.contains(&format!("{}, line 2", path.display())),
        "{report}"
    );
    assert_eq!(
        kubesup.config()["greeting"],
        "changed",
        "the last good one stays"
    );

    std::fs::remove_file(&path).expect("removed");
    reconfigured(&kubesup, "hello");
    kubesup.wait_readyz("[+]accepted ok");
    assert_eq!(kubesup.main_pid(), pid);
}

#[test]
fn a_swap_of_a_mounted_user_toml_is_followed() {
    let (package, folder, mount) = (demo_package(), Folder::new(), Folder::new());
    package.write("hooks/reconfigure", RECONFIGURE);
    manifests(&folder, "{}");
    // As the kubelet does it.
    let swap = |version: &str| {
        mount.write(
            &format!("{version}/user.toml"),
            &format!("greeting = '{version}'\n"),
        );
        symlink(version, mount.path().join("..data_tmp")).expect("a link");
        std::fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data"))
            .expect("renamed");
    };
    swap("..1");
    symlink("..data/user.toml", mount.path().join("user.toml")).expect("a link");
    let kubesup = local(&folder, &package)
        .flag(
            "--user-toml",
            &mount.path().join("user.toml").display().to_string(),
        )
        .start();
    kubesup.wait_ready();
    assert_eq!(kubesup.config()["greeting"], "..1");
    for version in ["..2", "..3"] {
        swap(version);
        reconfigured(&kubesup, version);
    }
}

#[test]
fn user_toml_has_habitats_place_below_the_root() {
    let (package, folder) = (demo_package(), Folder::new());
    package.write("hooks/reconfigure", RECONFIGURE);
    manifests(&folder, "{}");
    let kubesup = local(&folder, &package).start();
    kubesup.wait_ready();
    let directory = kubesup.file("../../user/demo/config");
    std::fs::create_dir_all(&directory).expect("a folder");
    std::fs::write(directory.join("user.toml"), "greeting = 'found'\n").expect("a file");
    reconfigured(&kubesup, "found");
}

#[test]
fn a_merge_past_the_limit_names_the_layer_and_the_last_good_one_stays() {
    let (package, folder) = (demo_package(), Folder::new());
    let table = vec!["t"; 32].join(".");
    package
        .write(
            "default.toml",
            &format!("greeting = 'hello'\n[server]\nport = 1\n[{table}]\na = 1\n"),
        )
        .write("hooks/reconfigure", RECONFIGURE);
    manifests(&folder, "{}");
    let kubesup = local(&folder, &package).start();
    kubesup.wait_ready();

    manifests(
        &folder,
        &format!("{{greeting: hey, app.toml: '{table} = {{ b = 2 }}'}}"),
    );

    let report = kubesup.wait_readyz("maximum merge depth of 30 exceeded");
    assert!(
        report.contains("ConfigMap default/demo-config, key app.toml"),
        "{report}"
    );
    assert_eq!(kubesup.config()["greeting"], "hello");
    manifests(&folder, "{greeting: mended}");
    reconfigured(&kubesup, "mended");
}

/// What must never be seen outside of the rendered file.
const SECRET: &str = "hunter2";

#[test]
fn a_secret_is_live_configuration_that_is_rendered_and_never_shown() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&["demo-config"]);
    namespace.endpoints(&[]);
    namespace.config_map(
        "demo-config",
        json!({"greeting": "hi", "server.port": "9090"}),
    );
    let secret = |data: serde_json::Value| {
        namespace.put::<Secret>(json!({"metadata": {"name": "demo-secret"}, "stringData": data}));
    };
    secret(json!({"greeting": SECRET, "db.toml": format!("[db]\npassword = '{SECRET}'\n")}));
    namespace
        .pod(json!({"kubesup.dev/config": "demo-config", "kubesup.dev/secrets": "demo-secret"}));
    let package = demo_package();
    package.write("hooks/reconfigure", RECONFIGURE);
    let kubesup = namespace.kubesup().package(package.path()).start();

    let report = kubesup.wait_readyz("403 forbidden");
    assert!(
        report.contains(&format!("{}/demo-secret", namespace.name))
            && report.contains("list and watch on secrets"),
        "{report}"
    );
    grant_secret(&namespace);
    kubesup.wait_ready();

    assert_eq!(
        kubesup.read("config/app.conf"),
        format!("greeting={SECRET}\nport=9090\n")
    );
    let shown = json!({"greeting": "<redacted>", "server": {"port": 9090}, "db": {"password": "<redacted>"}});
    assert_eq!(kubesup.config(), shown);
    assert_eq!(kubesup.item()["cfg"], shown);

    secret(json!({"greeting": format!("{SECRET}+"), "db.toml": ""}));
    reconfigured(&kubesup, &format!("{SECRET}+"));

    secret(
        json!({"greeting": "x", "server.port": SECRET, "db.toml": format!("[db]\npassword = {SECRET}\n")}),
    );
    let report = kubesup.wait_readyz("[-]accepted failed (not gating)");
    for part in [
        "demo-secret, key db.toml, line 2, column 12: malformed TOML",
        "demo-secret, key server.port: the value is not an integer",
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
    for path in [
        "/",
        "/readyz?verbose",
        "/services",
        "/services/demo/default",
        "/services/demo/default/config",
        "/census",
        "/butterfly",
        "/metrics",
        "/v1/status",
        "/v1/history",
    ] {
        let body = kubesup.get(path).1;
        assert!(!body.contains(SECRET), "{path}: {body}");
    }
    assert!(!kubesup.log().contains(SECRET), "{}", kubesup.log());
    assert_eq!(
        kubesup.read("config/app.conf"),
        format!("greeting={SECRET}+\nport=9090\n")
    );
}

/// What the component of the manifests grants.
fn grant_secret(namespace: &Namespace<'_>) {
    let secrets = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["demo-secret"], "verbs": ["list", "watch"]});
    namespace.role(json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["demo-config"], "verbs": ["list", "watch"]},
        secrets,
    ]));
}

#[test]
fn in_manifests_a_secret_may_have_texts_and_a_wrong_one_is_named_without_them() {
    let (package, folder) = (demo_package(), Folder::new());
    package.write("hooks/reconfigure", RECONFIGURE);
    let manifests = |secret: &str| {
        folder.write(
            "demo.yaml",
            &format!(
                "kind: Secret\nmetadata: {{name: demo-secret}}\n{secret}\n---\nkind: Pod\nmetadata:\n  name: demo-0\n  labels: {{app.kubernetes.io/name: demo}}\n\
                 \x20 annotations: {{kubesup.dev/secrets: demo-secret}}\nspec: {{containers: [{{name: main}}]}}\n"
            ),
        );
    };
    manifests(&format!(
        "data: {{server.port: OTA5MA==}}\nstringData: {{greeting: {SECRET}}}"
    ));
    let kubesup = local(&folder, &package).start();
    kubesup.wait_ready();
    assert_eq!(
        kubesup.read("config/app.conf"),
        format!("greeting={SECRET}\nport=9090\n")
    );
    assert_eq!(
        kubesup.config(),
        json!({"greeting": "<redacted>", "server": {"port": "<redacted>"}})
    );

    manifests(&format!("data: {{greeting: {SECRET}!}}"));
    let report = kubesup.wait_readyz("Secret demo-secret: data, key greeting: it is not base64");
    assert!(
        !report.contains(SECRET) && !kubesup.log().contains(SECRET),
        "{report}"
    );

    manifests("stringData: {greeting: mended}");
    reconfigured(&kubesup, "mended");
}

/// Runs `kubesup config` to its end: code, stdout and stderr.
#[expect(
    clippy::disallowed_methods,
    reason = "kubesup is the test's child, not a child of kubesup"
)]
fn config(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_kubesup"))
        .arg("config")
        .args(arguments)
        .env("HAB_DEMO", "a = 'env'\n")
        .output()
        .expect("kubesup");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Manifests with a ConfigMap and a Secret, and the paths of them and of the package as arguments.
fn shown(package: &Folder, folder: &Folder, map: &str) -> [String; 4] {
    folder.write(
        "demo.yaml",
        &format!(
            "kind: ConfigMap\nmetadata: {{name: demo-config}}\ndata: {map}\n---\nkind: Secret\nmetadata: {{name: demo-secret}}\nstringData: {{db.password: {SECRET}}}\n---\n\
             kind: Pod\nmetadata:\n  name: demo-0\n  labels: {{app.kubernetes.io/name: demo}}\n  annotations: {{kubesup.dev/config: demo-config, kubesup.dev/secrets: demo-secret}}\n\
             spec: {{containers: [{{name: main}}]}}\n"
        ),
    );
    let path = |folder: &Folder| folder.path().display().to_string();
    [
        "--package".to_owned(),
        path(package),
        "-f".to_owned(),
        path(folder),
    ]
}

#[test]
fn config_prints_the_merged_configuration_and_where_each_value_came_from() {
    let (package, folder) = (demo_package(), Folder::new());
    let arguments = shown(&package, &folder, "{server.port: '9090'}");
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();

    let (code, text, problems) = config(&arguments);
    assert_eq!((code, problems.as_str()), (Some(0), ""));
    assert_eq!(
        text,
        "greeting = \"hello\"\na = \"env\"\n\n[server]\nport = 9090\n\n[db]\npassword = \"<redacted>\"\n"
    );

    arguments.push("--explain");
    let (code, text, _) = config(&arguments);
    assert_eq!(code, Some(0));
    let default = package.path().join("default.toml").display().to_string();
    assert_eq!(
        text,
        format!(
            "greeting = \"hello\"  # {default}\nserver.port = 9090  # ConfigMap default/demo-config, key server.port\n\
             a = \"env\"  # environment variable HAB_DEMO\ndb.password = \"<redacted>\"  # Secret default/demo-secret, key db.password\n"
        )
    );
}

#[test]
fn config_lists_every_problem_and_ends_with_1() {
    let (package, folder) = (demo_package(), Folder::new());
    let arguments = shown(
        &package,
        &folder,
        "{server.port: eighty, app.toml: 'a = ['}",
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (code, text, problems) = config(&arguments);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    for part in [
        "key app.toml, line 1",
        "key server.port: \"eighty\" is not an integer",
    ] {
        assert!(problems.contains(part), "{part} is not in\n{problems}");
    }
}

#[test]
fn a_configuration_that_does_not_fit_the_schema_is_rejected_with_every_violation() {
    let (package, folder) = (demo_package(), Folder::new());
    package.write("hooks/reconfigure", RECONFIGURE).write(
        "config.schema.json",
        &json!({
            "additionalProperties": false,
            "properties": {
                "greeting": {"type": "string"},
                "server": {"properties": {"port": {"type": "integer", "maximum": 65535}}},
            },
        })
        .to_string(),
    );
    manifests(&folder, "{}");
    let kubesup = local(&folder, &package).start();
    kubesup.wait_ready();

    manifests(&folder, "{greetign: hey, server.port: '70000'}");

    let report = kubesup.wait_readyz("[-]accepted failed (not gating)");
    for part in [
        "server.port: 70000 is greater than the maximum of 65535 (from ConfigMap default/demo-config, key server.port)",
        "greetign: there is no such setting (from ConfigMap default/demo-config, key greetign)",
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
    assert_eq!(
        kubesup.read("config/app.conf"),
        "greeting=hello\nport=8080\n"
    );
    manifests(&folder, "{greeting: mended}");
    reconfigured(&kubesup, "mended");

    // A broken schema is such a change too.
    package.write("config.schema.json", "{\"type\": \"strin\"}");
    kubesup.wait_readyz("cannot use schema: ");
    assert_eq!(kubesup.config()["greeting"], "mended");
}

#[test]
fn exports_are_what_the_own_member_shows_of_its_merged_configuration() {
    let (package, folder) = (demo_package(), Folder::new());
    package
        .write("EXPORTS", "port=server.port\nwho=greeting\n")
        .write(
            "config/app.conf",
            "greeting={{cfg.greeting}}\nme={{svc.me.cfg.who}} {{svc.me.cfg.port}}\n",
        );
    manifests(&folder, "{greeting: hey}");
    let kubesup = local(&folder, &package).start();
    kubesup.wait_ready();
    assert_eq!(
        kubesup.read("config/app.conf"),
        "greeting=hey\nme=hey 8080\n"
    );
}
