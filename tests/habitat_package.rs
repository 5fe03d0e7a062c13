//! An installed Habitat package runs as it is, with nothing but the entrypoint changed.

use serde_json::json;

use crate::support::kubesup::{Builder, Kubesup};
use crate::support::package::Folder;
use crate::support::wait_until;

const IDENT: &str = "acme/demo/1.2.3/20240101000000";
const JRE: &str = "core/jre/17/20230101000000";

/// What a `hab pkg install` would have left below the folder, which stands for the root of an image.
fn image() -> Folder {
    let image = Folder::new();
    let package = |file: &str| format!("hab/pkgs/{IDENT}/{file}");
    image
        .write(&package("IDENT"), &format!("{IDENT}\n"))
        .write(&package("DEPS"), &format!("{JRE}\n"))
        .write(&package("TDEPS"), &format!("core/glibc/2.35/20230101000000\n{JRE}\n"))
        .write(&package("PATH"), &format!("/hab/pkgs/{IDENT}/bin\n"))
        .write(&package("RUNTIME_PATH"), &format!("/hab/pkgs/{IDENT}/bin:/hab/pkgs/{JRE}/bin\n"))
        .write(
            &package("RUNTIME_ENVIRONMENT"),
            &format!("JAVA_HOME=/hab/pkgs/{JRE}\nPATH=/for/old/supervisors\n"),
        )
        .write(&package("EXPORTS"), "port=server.port\n")
        .write(&package("EXPOSES"), "8080 8443\n")
        .write(&package("BINDS_OPTIONAL"), "database=port username\n")
        .write(&package("SVC_USER"), "root\n")
        .write(&package("SVC_GROUP"), "root\n")
        .write(&package("SHUTDOWN_SIGNAL"), "USR1\n")
        .write(&package("SHUTDOWN_TIMEOUT"), "7\n")
        .write(&package("default.toml"), "[server]\nport = 8080\n")
        .write(
            &package("config/app.conf"),
            "java={{pkgPathFor \"core/jre\"}}\nnot={{pkgPathFor \"core/ruby\"}}\nident={{pkg.ident}}\nport={{cfg.server.port}}\n",
        )
        .write(
            &package("hooks/run"),
            "#!/bin/sh\ntrap 'echo USR1; exit 0' USR1\necho \"$PATH\"\necho \"$JAVA_HOME\"\necho ready\nwhile :; do sleep 0.05; done\n",
        );
    image
}

fn manifests() -> Folder {
    let folder = Folder::new();
    folder.write(
        "demo.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: whatever-0}\nspec: {containers: [{name: main}]}\n",
    );
    folder
}

fn kubesup(image: &Folder, manifests: &Folder) -> Builder {
    Kubesup::builder()
        .manifests(manifests.path())
        .package(&image.path().join("hab/pkgs").join(IDENT))
}

#[test]
fn it_runs_with_its_own_name_environment_dependencies_and_stop_signal() {
    let (image, manifests) = (image(), manifests());
    let mut kubesup = kubesup(&image, &manifests)
        .env("PATH", "/usr/bin:/bin")
        .start();
    kubesup.wait_ready();

    assert_eq!(
        kubesup.read("config/app.conf"),
        format!("java=/hab/pkgs/{JRE}\nnot=\nident={IDENT}\nport=8080\n")
    );
    let root = image.path().display().to_string();
    let path = format!("{root}/hab/pkgs/{IDENT}/bin:{root}/hab/pkgs/{JRE}/bin:/usr/bin:/bin");
    wait_until(
        "its environment",
        || kubesup.output(),
        |output| *output == format!("{path}\n/hab/pkgs/{JRE}\nready\n"),
    );
    let item = kubesup.item();
    let pkg = &item["pkg"];
    assert_eq!(pkg["ident"], IDENT);
    assert_eq!(
        pkg["dependencies"],
        json!(["core/glibc/2.35/20230101000000", JRE])
    );
    assert_eq!(
        pkg["deps"][1],
        json!({"origin": "core", "name": "jre", "version": "17", "release": "20230101000000"})
    );
    assert_eq!(pkg["exports"], json!({"port": "server.port"}));
    assert_eq!(pkg["exposes"], json!(["8080", "8443"]));
    assert_eq!(pkg["env"]["PATH"], path);
    assert_eq!(pkg["shutdown_signal"], "USR1");
    assert_eq!(pkg["shutdown_timeout"], 7);
    assert_eq!(
        (&pkg["svc_user"], &pkg["svc_group"]),
        (&json!("root"), &json!("root"))
    );
    assert_eq!(
        item["all_pkg_binds"],
        json!([{"service": "database", "exports": ["port", "username"]}])
    );

    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert!(
        kubesup.output().ends_with("ready\nUSR1\n"),
        "{}",
        kubesup.output()
    );
}

/// The image with an `install` hook that notes its runs, and succeeds when the configuration says so.
fn image_with_install(image: &Folder) {
    let package = |file: &str| format!("hab/pkgs/{IDENT}/{file}");
    image
        .write(&package("config_install/setup.conf"), "port={{cfg.server.port}} of {{pkg.name}}\n")
        .write(
            &package("hooks/install"),
            "#!/bin/sh\ncat {{pkg.svc_config_install_path}}/setup.conf >> {{pkg.svc_var_path}}/installed\nexit {{cfg.code}}\n",
        )
        .write(&package("hooks/init"), "#!/bin/sh\necho init >> {{pkg.svc_var_path}}/installed\n")
        .write(&package("default.toml"), "code = 0\n[server]\nport = 8080\n");
}

#[test]
fn the_install_hook_runs_once_before_the_first_start_and_finds_its_files() {
    let (image, manifests) = (image(), manifests());
    image_with_install(&image);
    let mut first = kubesup(&image, &manifests).start();
    first.wait_ready();
    assert_eq!(first.read("var/installed"), "port=8080 of demo\ninit\n");
    assert!(
        first
            .read("INSTALL_HOOK_STATUS")
            .starts_with(&format!("0 {IDENT}"))
    );
    first.signal(15);
    assert_eq!(first.wait_exit(), 0);

    // The state is below the root: another start with it installs nothing.
    let root = first.into_root();
    let second = kubesup(&image, &manifests).root(root).start();
    second.wait_ready();
    assert_eq!(
        second.read("var/installed"),
        "port=8080 of demo\ninit\ninit\n"
    );
}

#[test]
fn a_failed_install_hook_starts_nothing_until_it_is_mended() {
    let (image, manifests) = (image(), manifests());
    image_with_install(&image);
    image.write(
        &format!("hab/pkgs/{IDENT}/default.toml"),
        "code = 3\n[server]\nport = 1\n",
    );
    let kubesup = kubesup(&image, &manifests)
        .flag("--service-min-backoff-period", "1h")
        .flag("--service-max-backoff-period", "1h")
        .start();
    wait_until(
        "it failed",
        || kubesup.log(),
        |log| log.contains("install hook ended by itself with code 3"),
    );
    assert_eq!(kubesup.get("/readyz").0, 503);
    assert_eq!(kubesup.read("var/installed"), "port=1 of demo\n");

    image.write(
        &format!("hab/pkgs/{IDENT}/default.toml"),
        "code = 0\n[server]\nport = 2\n",
    );
    kubesup.wait_ready();
    assert_eq!(
        kubesup.read("var/installed"),
        "port=1 of demo\nport=2 of demo\ninit\n"
    );
}

#[test]
fn a_directory_that_may_not_be_written_is_left_as_it_is() {
    let (image, manifests) = (image(), manifests());
    let list = || {
        let mut names: Vec<_> = std::fs::read_dir(image.path().join("hab/pkgs").join(IDENT))
            .expect("the package")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    };
    let before = list();
    let kubesup = kubesup(&image, &manifests).start();
    kubesup.wait_ready();
    assert_eq!(list(), before);
}

#[test]
fn wrong_metafiles_and_files_in_config_are_all_named_and_waited_for() {
    let (image, manifests) = (image(), manifests());
    let package = image.path().join("hab/pkgs").join(IDENT);
    image.write(&format!("hab/pkgs/{IDENT}/BINDS"), "database\n");
    image.write(&format!("hab/pkgs/{IDENT}/SHUTDOWN_SIGNAL"), "SIGTERM\n");
    std::fs::write(package.join("config/logo.png"), b"\x89PNG\xff").expect("a file");
    std::os::unix::fs::symlink(".", package.join("config/loop")).expect("a link");
    std::os::unix::fs::symlink("self", package.join("config/self")).expect("a link");
    let kubesup = kubesup(&image, &manifests).start();

    let report = kubesup.wait_readyz("config/self: the link leads back");
    for part in [
        "BINDS, line 1: \"database\" is no bind",
        "SHUTDOWN_SIGNAL: \"SIGTERM\" is not one of",
        "config/logo.png: not UTF-8 from byte 0",
        "config/loop: the link leads back",
        "config/self: the link leads back",
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
    assert!(!kubesup.file("config").exists(), "nothing is written");

    std::fs::remove_file(package.join("config/logo.png")).expect("removed");
    std::fs::remove_file(package.join("config/loop")).expect("removed");
    std::fs::remove_file(package.join("config/self")).expect("removed");
    image.write(&format!("hab/pkgs/{IDENT}/BINDS"), "");
    image.write(&format!("hab/pkgs/{IDENT}/SHUTDOWN_SIGNAL"), "TERM\n");
    kubesup.wait_ready();
}
