//! The layers of the program's configuration: what beats what, what is followed, and what is never shown.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::support::kubesup::{Builder, Kubesup};
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
