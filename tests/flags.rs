//! What users of `hab sup run` set: the same names have the same effect, and what means nothing here says so and starts.

use std::ffi::OsString;

use kubesup::cli::{Invocation, parse};

use crate::support::kubesup::{Builder, Kubesup};
use crate::support::package::{Folder, demo_package};
use crate::support::wait_until;

fn demo(folder: &Folder) -> Builder {
    Kubesup::builder()
        .manifests(folder.path())
        .flag("--name", "demo")
}

#[test]
fn the_help_of_run_is_the_golden_one() {
    let words = ["kubesup", "run", "--help"].map(OsString::from);
    match parse(&words) {
        Ok(Invocation::Print(help)) => insta::assert_snapshot!("run_help", help),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_existing_entrypoint_line_starts_with_one_warning_for_each_flag_without_effect() {
    let package = demo_package();
    let kubesup = demo(&package)
        .words(&[
            "--peer",
            "10.0.0.1",
            "10.0.0.2:9638",
            "--peer",
            "10.0.0.3",
            "--listen-gossip",
            "0.0.0.0:9638",
            "--listen-ctl",
            "127.0.0.1:9632",
            "--permanent-peer",
            "--ring",
            "prod",
            "--strategy",
            "at-once",
            "--channel",
            "stable",
            "--url",
            "https://bldr.habitat.sh",
            "--auto-update",
            "-v",
            "--no-color",
            "--event-meta",
            "a=b",
            "c=d",
            "--group",
            "blue",
            "-t",
            "standalone",
            "--binding-mode",
            "relaxed",
            "--health-check-interval",
            "5",
            "--service-min-backoff-period",
            "0",
            "--service-max-backoff-period=60",
            "--service-restart-cooldown-period",
            "120",
            "--shutdown-timeout",
            "20",
        ])
        .start();
    kubesup.wait_ready();
    let log = kubesup.log();
    for flag in [
        "peer",
        "listen-gossip",
        "listen-ctl",
        "permanent-peer",
        "ring",
        "strategy",
        "channel",
        "url",
        "auto-update",
        "verbose",
        "no-color",
        "event-meta",
    ] {
        let warning = format!("flag --{flag} has no effect: ");
        assert_eq!(log.matches(&warning).count(), 1, "{flag}:\n{log}");
    }
    assert!(
        log.contains("peers are the EndpointSlices of the own Service"),
        "{log}"
    );
    let item: serde_json::Value =
        serde_json::from_str(&kubesup.get("/services/demo/blue").1).expect("JSON");
    assert_eq!(item["binding_mode"], "relaxed");
    assert_eq!(item["topology"], "standalone");
    assert_eq!(item["health_check_interval"]["secs"], 5);
    assert_eq!(item["restart_config"]["max_backoff_period"]["secs"], 60);
    assert_eq!(item["pkg"]["shutdown_timeout"], 20);
}

#[test]
fn habitats_short_flags_are_known() {
    let package = demo_package();
    let kubesup = demo(&package)
        .words(&["-I", "-r", "prod", "-s", "none", "-u", "https://x", "-A"])
        .start();
    let log = kubesup.log();
    assert_eq!(log.matches("has no effect: ").count(), 5, "{log}");
}

/// A root with an installed package.
fn root_with(release: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a root");
    let directory = root.path().join("pkgs").join(release);
    std::fs::create_dir_all(directory.join("hooks")).expect("a folder");
    std::fs::write(directory.join("IDENT"), format!("{release}\n")).expect("a file");
    std::fs::write(
        directory.join("default.toml"),
        format!("release = \"{release}\"\n"),
    )
    .expect("a file");
    std::fs::write(directory.join("hooks/run"), "#!/bin/sh\nexec sleep 1000\n").expect("a file");
    root
}

#[test]
fn an_installed_package_is_named_as_for_hab_sup_run() {
    let root = root_with("acme/demo/1.0.0/20240101000000");
    let empty = Folder::new();
    let kubesup = demo(&empty).root(root).words(&["acme/demo"]).start();
    kubesup.wait_ready();
    assert_eq!(
        kubesup.config()["release"],
        "acme/demo/1.0.0/20240101000000"
    );
    assert!(
        kubesup.item()["pkg"]["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("pkgs/acme/demo/1.0.0/20240101000000"))
    );
}

#[test]
fn a_package_that_is_not_installed_is_an_error_beside_the_others() {
    let empty = Folder::new();
    let mut kubesup = demo(&empty)
        .words(&["acme/nowhere", "--on-exit", "restrat"])
        .spawn();
    assert_eq!(kubesup.wait_exit(), 64);
    let log = kubesup.log();
    assert!(
        log.contains("package acme/nowhere: it is not installed below"),
        "{log}"
    );
    assert!(log.contains("flag --on-exit: \"restrat\""), "{log}");
}

#[test]
fn binds_are_read_and_shown_and_wrong_ones_refused() {
    let package = demo_package();
    let kubesup = demo(&package)
        .words(&[
            "--bind",
            "db:postgres.blue",
            "cache:shop/redis",
            "--bind",
            "q:nats",
        ])
        // None of them is there: only so does it start.
        .flag("--binding-mode", "relaxed")
        .start();
    kubesup.wait_ready();
    assert_eq!(
        kubesup.item()["binds"],
        serde_json::json!(["db:postgres.blue", "cache:redis.default", "q:nats.default"])
    );
    let mut wrong = demo(&package).words(&["--bind", "db:Postgres"]).spawn();
    assert_eq!(wrong.wait_exit(), 64);
    assert!(
        wrong
            .log()
            .contains("flag --bind: \"db:Postgres\": \"Postgres\" is no name of a Service"),
        "{}",
        wrong.log()
    );
}

#[test]
fn with_an_organisation_the_service_group_has_it_everywhere() {
    let package = demo_package();
    package.write(
        "config/group",
        "{{svc.service}}.{{svc.group}}@{{svc.org}} {{svc.me.org}}\n",
    );
    let kubesup = demo(&package).flag("--org", "acme").start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/group"), "demo.default@acme acme\n");
    assert_eq!(kubesup.get("/services/demo/default/acme").0, 200);
    assert_eq!(kubesup.get("/services/demo/default").0, 404);
    assert_eq!(kubesup.get("/").1, "kubesup: demo.default@acme is ready\n");
}

#[test]
fn config_from_replaces_the_plan_files_of_the_package_and_is_followed() {
    let package = demo_package();
    let from = Folder::new();
    from.write("default.toml", "greeting = \"from elsewhere\"\n")
        .write("config/app.conf", "{{cfg.greeting}}\n")
        .write("hooks/run", "#!/bin/sh\nexec sleep 1000\n");
    let kubesup = demo(&package)
        .package(package.path())
        .flag("--config-from", &from.path().display().to_string())
        .start();
    kubesup.wait_ready();
    assert_eq!(kubesup.read("config/app.conf"), "from elsewhere\n");
    assert_eq!(
        kubesup.item()["config_from"],
        from.path().display().to_string()
    );
    assert_eq!(
        kubesup.item()["pkg"]["path"],
        package.path().display().to_string()
    );
    from.write("config/app.conf", "edited: {{cfg.greeting}}\n");
    wait_until(
        "the edit is rendered",
        || kubesup.read("config/app.conf"),
        |text| text == "edited: from elsewhere\n",
    );
}

#[test]
fn hab_listen_http_says_where_it_listens() {
    let package = demo_package();
    let kubesup = demo(&package).env("HAB_LISTEN_HTTP", "127.0.0.1:0").start();
    kubesup.wait_ready();
    let mut wrong = demo(&package).env("HAB_LISTEN_HTTP", "9631").spawn();
    assert_eq!(wrong.wait_exit(), 64);
    assert!(
        wrong
            .log()
            .contains("environment variable HAB_LISTEN_HTTP: \"9631\" is no address"),
        "{}",
        wrong.log()
    );
}

#[test]
fn http_disable_serves_nothing() {
    for flag in ["--http-disable", "-D"] {
        let package = demo_package();
        let kubesup = demo(&package).words(&[flag]).spawn();
        wait_until(
            "the program runs",
            || kubesup.log(),
            |log| log.contains("main process started"),
        );
        assert!(!kubesup.log().contains("serving HTTP"), "{}", kubesup.log());
    }
}

#[test]
fn https_without_usable_files_is_refused_at_the_start() {
    let package = demo_package();
    for (words, problem) in [
        (&["--key", "x"][..], "flag --key: needs --certs too"),
        (
            &["--key", "/nowhere", "--certs", "/nowhere"],
            "cannot serve HTTPS: /nowhere: ",
        ),
    ] {
        let mut kubesup = demo(&package).words(words).spawn();
        assert_eq!(kubesup.wait_exit(), 64);
        assert!(kubesup.log().contains(problem), "{}", kubesup.log());
    }
}
