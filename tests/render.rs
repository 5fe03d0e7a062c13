//! `kubesup render`: one template as `hab plan render` has it, a whole package as `kubesup run` would render it, and
//! twenty plans against their golden files.
#![expect(
    clippy::disallowed_methods,
    reason = "kubesup is the test's child, not a child of kubesup"
)]

mod half_written;
mod plans;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::package::Folder;

/// What a run of kubesup left.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    log: String,
}

/// `kubesup render` in a directory, with an environment of its own.
fn render(directory: &Path, arguments: &[&str]) -> Outcome {
    render_with(directory, arguments, &[])
}

fn render_with(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_kubesup"))
        .arg("render")
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("kubesup");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    Outcome {
        code: output.status.code(),
        stdout: text(&output.stdout),
        log: text(&output.stderr),
    }
}

fn read(folder: &Folder, path: &str) -> String {
    std::fs::read_to_string(folder.path().join(path)).expect(path)
}

fn mode(folder: &Folder, path: &str) -> u32 {
    let metadata = std::fs::metadata(folder.path().join(path)).expect(path);
    metadata.permissions().mode() & 0o7777
}

fn template() -> Folder {
    let folder = Folder::new();
    folder
        .write(
            "default.toml",
            "a = \"default\"\nb = \"default\"\nc = \"default\"\n",
        )
        .write("user.toml", "b = \"user\"\nc = \"user\"\n")
        .write(
            "mock.json",
            r#"{"cfg": {"c": "mock"}, "sys": {"ip": "10.0.0.1"}}"#,
        )
        .write(
            "config/app.conf",
            "{{cfg.a}} {{cfg.b}} {{cfg.c}} {{sys.ip}}\n",
        );
    folder
}

#[test]
fn one_template_is_rendered_from_default_toml_to_results() {
    let folder = template();
    let outcome = render(folder.path(), &["config/app.conf"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), ""));
    assert_eq!(
        read(&folder, "results/app.conf"),
        "default default default \n"
    );
    assert_eq!(mode(&folder, "results/app.conf"), 0o644);
    for said in [
        "reading template config/app.conf",
        "reading default.toml ./default.toml",
        "rendered ./results/app.conf",
    ] {
        assert!(
            outcome.log.contains(said),
            "{said:?} is not in\n{}",
            outcome.log
        );
    }
}

#[test]
fn user_toml_lies_over_default_toml_and_mock_data_over_both() {
    let folder = template();
    for arguments in [
        &[
            "config/app.conf",
            "-u",
            "user.toml",
            "-m",
            "mock.json",
            "-r",
            "out/sub",
            "-q",
        ][..],
        &[
            "--user-toml",
            "user.toml",
            "--mock-data=mock.json",
            "--render-dir=out/sub",
            "--quiet",
            "--default-toml",
            "default.toml",
            "config/app.conf",
        ],
    ] {
        let outcome = render(folder.path(), arguments);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str(), outcome.log.as_str()),
            (Some(0), "", "")
        );
        assert_eq!(
            read(&folder, "out/sub/app.conf"),
            "default user mock 10.0.0.1\n"
        );
        folder.write(
            "out/sub/app.conf",
            "something older and longer than what is rendered\n",
        );
    }
}

#[test]
fn the_rendered_text_is_printed_and_nothing_else() {
    let folder = template();
    let quiet = render(
        folder.path(),
        &["config/app.conf", "-m", "mock.json", "-p", "-q", "-n"],
    );
    assert_eq!(
        quiet.stdout, "default default mock 10.0.0.1\n\n",
        "and one line end after it"
    );
    assert_eq!((quiet.code, quiet.log.as_str()), (Some(0), ""));
    let talkative = render(
        folder.path(),
        &[
            "config/app.conf",
            "-m",
            "mock.json",
            "--print",
            "--no-render",
        ],
    );
    assert_eq!(talkative.stdout, quiet.stdout);
    assert!(!folder.path().join("results").exists(), "--no-render");
}

#[test]
fn the_log_helper_prints_nothing() {
    let folder = template();
    folder.write("log.conf", "{{log \"to nobody\" level=\"error\"}}a");
    let environment = [("KUBESUP_LOG", "trace"), ("RUST_LOG", "trace")];
    let outcome = render_with(folder.path(), &["log.conf", "-p", "-q", "-n"], &environment);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str(), outcome.log.as_str()),
        (Some(0), "a\n", "")
    );
}

#[test]
fn every_file_that_cannot_be_read_is_wrong_usage() {
    let folder = Folder::new();
    let outcome = render(
        folder.path(),
        &["nowhere.conf", "-u", "no-user.toml", "-m", "no-mock.json"],
    );
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(64), ""));
    for problem in [
        "cannot read template nowhere.conf: ",
        "cannot read default.toml ./default.toml: ",
        "cannot read user.toml no-user.toml: ",
        "cannot read mock data no-mock.json: ",
        "see kubesup render --help",
    ] {
        assert!(
            outcome.log.contains(problem),
            "{problem:?} is not in\n{}",
            outcome.log
        );
    }
    assert!(!folder.path().join("results").exists());
}

#[test]
fn wrong_usage_has_code_64() {
    let folder = template();
    for (arguments, problem) in [
        (&[][..], "there is nothing to render: name a TEMPLATE"),
        (&["-p"], "--print is for one template"),
        (
            &["config/app.conf", "--strict", "true"],
            "--strict is for a whole package",
        ),
        (
            &["config/app.conf", "--mock-dta", "x"],
            "unknown flag --mock-dta; did you mean --mock-data?",
        ),
        (
            &["--package", ".", "--user-toml", "nowhere.toml"],
            "cannot read user.toml nowhere.toml",
        ),
        (&["-f", "nowhere"], "cannot read nowhere: "),
        (
            &["--package", ".", "--strict", "perhaps"],
            "flag --strict: \"perhaps\" is not",
        ),
    ] {
        let outcome = render(folder.path(), arguments);
        assert_eq!(outcome.code, Some(64), "{arguments:?}: {}", outcome.log);
        assert!(
            outcome.log.contains(problem),
            "{problem:?} is not in\n{}",
            outcome.log
        );
    }
}

#[test]
fn everything_that_is_wrong_with_a_template_is_listed_and_nothing_is_written() {
    let folder = template();
    folder
        .write("default.toml", "a = \n")
        .write("mock.json", "{\n\"cfg\": }")
        .write("config/app.conf", "fine\n{{#if cfg.a}}");
    let outcome = render(
        folder.path(),
        &["config/app.conf", "-m", "mock.json", "-q", "-p"],
    );
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    for problem in [
        "cannot use configuration: ./default.toml, line 1",
        "cannot use configuration: mock.json, line 2",
        "cannot parse template: config/app.conf, line 2",
    ] {
        assert!(
            outcome.log.contains(problem),
            "{problem:?} is not in\n{}",
            outcome.log
        );
    }
    assert!(!folder.path().join("results").exists());
    folder
        .write("default.toml", "")
        .write("config/app.conf", "{{cfg[a]}}\n");
    let outcome = render(folder.path(), &["config/app.conf", "-q"]);
    assert_eq!(
        outcome.log,
        "kubesup: config/app.conf, line 1: {{cfg[a]}} is the old path syntax; write {{cfg.[a]}}\n\
         kubesup: cannot render template: config/app.conf, line 1, column 1: Helper not found cfg\n"
    );
    assert_eq!(outcome.code, Some(1));
}

/// A package with a ConfigMap that overlays its configuration and one of its hooks.
fn package() -> Folder {
    let folder = Folder::new();
    folder
        .write("default.toml", "greeting = \"hello\"\n[server]\nport = 8080\n")
        .write("hooks/run", "#!/bin/sh\nexec sleep {{cfg.server.port}}\n")
        .write("hooks/health-check", "#!/bin/sh\nexit 0\n")
        .write("config/app.conf", "{{cfg.greeting}} {{svc.service}}.{{svc.group}} {{sys.ip}} {{pkg.svc_config_path}}\n")
        .write("config/sub/port", "{{cfg.server.port}}{{kube.pod.labels.tier}}")
        .write(
            "manifests/all.yaml",
            "kind: Pod\nmetadata:\n  name: demo-0\n  labels: {tier: back}\n  annotations: {kubesup.dev/name: demo, kubesup.dev/config: demo-config, kubesup.dev/hooks: demo-hooks}\n\
             spec: {containers: [{name: demo, env: [{name: KUBESUP_GROUP, value: blue}]}]}\nstatus: {podIP: 10.0.0.9}\n\
             ---\nkind: ConfigMap\nmetadata: {name: demo-config}\ndata: {server.port: \"81\"}\n\
             ---\nkind: ConfigMap\nmetadata: {name: demo-hooks}\ndata: {health-check: \"#!/bin/sh\\nexit {{cfg.server.port}}\\n\"}\n",
        );
    folder
}

#[test]
fn a_package_with_its_manifests_renders_as_it_would_run_in_a_cluster() {
    let folder = package();
    let outcome = render(
        folder.path(),
        &["--package", ".", "-f", "manifests", "-r", "out"],
    );
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (Some(0), ""),
        "{}",
        outcome.log
    );
    assert_eq!(read(&folder, "out/hooks/run"), "#!/bin/sh\nexec sleep 81\n");
    assert_eq!(
        read(&folder, "out/hooks/health-check"),
        "#!/bin/sh\nexit 81\n"
    );
    assert_eq!(
        read(&folder, "out/config/app.conf"),
        "hello demo.blue 10.0.0.9 /kubesup/svc/demo/config\n"
    );
    assert_eq!(read(&folder, "out/config/sub/port"), "81back");
    assert_eq!(
        (
            mode(&folder, "out/hooks/run"),
            mode(&folder, "out/config/app.conf")
        ),
        (0o755, 0o740)
    );
    let mut names: Vec<_> = std::fs::read_dir(folder.path().join("out"))
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["config", "hooks"], "and nothing else");
    assert!(
        outcome.log.contains("rendered out/config/sub/port"),
        "{}",
        outcome.log
    );
}

#[test]
fn flags_environment_and_layers_have_the_effect_that_they_have_in_a_run() {
    let folder = package();
    folder.write("my.toml", "greeting = \"from user.toml\"\n");
    let arguments = [
        "--package",
        ".",
        "-f",
        "manifests",
        "-r",
        "out",
        "-q",
        "--root",
        "/srv",
        "-u",
        "my.toml",
    ];
    let environment = [
        ("HAB_DEMO", "greeting = 'from HAB_DEMO'\nserver.port = 1\n"),
        ("KUBESUP_GROUP", "green"),
    ];
    let outcome = render_with(folder.path(), &arguments, &environment);
    assert_eq!((outcome.code, outcome.log.as_str()), (Some(0), ""));
    assert_eq!(
        read(&folder, "out/config/app.conf"),
        "from user.toml demo.green 10.0.0.9 /srv/svc/demo/config\n"
    );
    assert_eq!(read(&folder, "out/hooks/run"), "#!/bin/sh\nexec sleep 81\n");
}

#[test]
fn a_package_alone_and_manifests_alone_render_too() {
    let folder = package();
    let outcome = render(folder.path(), &["--package", ".", "--name", "demo", "-n"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert!(!folder.path().join("results").exists(), "--no-render");
    let outcome = render(folder.path(), &["--package", ".", "--name", "demo", "-q"]);
    assert_eq!((outcome.code, outcome.log.as_str()), (Some(0), ""));
    assert_eq!(
        read(&folder, "results/hooks/run"),
        "#!/bin/sh\nexec sleep 8080\n"
    );
    let outcome = render(
        folder.path(),
        &[
            "-f",
            "manifests",
            "-r",
            "alone",
            "--",
            "nginx",
            "-g",
            "daemon off;",
        ],
    );
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert!(read(&folder, "alone/hooks/health-check").contains("exit 81"));
}

#[test]
fn everything_that_is_wrong_with_a_package_is_listed_and_nothing_is_written() {
    let folder = package();
    folder
        .write("hooks/init", "{{#each}}\n")
        .write("config/app.conf", "\n{{/if}}")
        .write("default.toml", "[server\n");
    let arguments = ["--package", ".", "-f", "manifests", "-r", "out", "-q"];
    let outcome = render(folder.path(), &arguments);
    assert_eq!(outcome.code, Some(1));
    for problem in [
        "default.toml, line 1",
        "config/app.conf, line 2",
        "hooks/init, line 2",
    ] {
        assert!(
            outcome.log.contains(problem),
            "{problem:?} is not in\n{}",
            outcome.log
        );
    }
    folder
        .write("default.toml", "")
        .write("hooks/init", "#!/bin/sh\n")
        .write("config/app.conf", "{{toUppercase cfg.server}}")
        .write(
            "config/sub/port",
            "{{required \"set cfg.other\" cfg.other}}",
        );
    let outcome = render(folder.path(), &arguments);
    assert_eq!(outcome.code, Some(1));
    for problem in [
        "config/app.conf, line 1, column 1: toUppercase: ",
        "config/sub/port, line 1, column 1: required: set cfg.other",
    ] {
        assert!(
            outcome.log.contains(problem),
            "{problem:?} is not in\n{}",
            outcome.log
        );
    }
    folder.write(
        "manifests/all.yaml",
        "kind: ConfigMap\nmetadata: {name: x}\ndata: 5\n",
    );
    let outcome = render(folder.path(), &arguments);
    assert_eq!(outcome.code, Some(1), "{}", outcome.log);
    assert!(
        outcome.log.contains("manifests/all.yaml: ConfigMap x"),
        "{}",
        outcome.log
    );
    assert!(!folder.path().join("out").exists());
}

#[test]
fn what_the_manifests_lack_and_what_looks_odd_is_named() {
    let folder = package();
    folder.write(
        "manifests/all.yaml",
        "kind: Pod\nmetadata: {name: demo-0, annotations: {kubesup.dev/config: demo-config, kubesup.dev/gruop: x}}\nspec: {containers: [{name: demo}]}\n",
    );
    let arguments = ["--package", ".", "-f", "manifests", "-r", "out"];
    let outcome = render(folder.path(), &arguments);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome
            .log
            .contains("ConfigMap default/demo-config does not exist"),
        "{}",
        outcome.log
    );
    folder.write(
        "manifests/config.yaml",
        "kind: ConfigMap\nmetadata: {name: demo-config}\n",
    );
    let outcome = render(folder.path(), &arguments);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert!(
        outcome.log.contains(
            "warning: Pod default/demo-0: unknown annotation kubesup.dev/gruop; did you mean group?"
        ),
        "{}",
        outcome.log
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let folder = template();
    folder.write("out", "a file");
    let outcome = render(folder.path(), &["config/app.conf", "-r", "out", "-q"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.log.contains("out"), "{}", outcome.log);
}

#[test]
fn an_installed_habitat_package_renders_with_its_own_facts() {
    let folder = Folder::new();
    folder
        .write("pkg/IDENT", "acme/web/1.2.3/20240101000000\n")
        .write(
            "pkg/TDEPS",
            "core/glibc/2.36/20240105173314\ncore/openssl/3.0.9/20240106000000\n",
        )
        .write("pkg/default.toml", "port = 80\n")
        .write(
            "pkg/hooks/run",
            "#!/bin/sh\nexec {{pkg.path}}/bin/web --tls {{pkgPathFor \"core/openssl\"}}\n",
        )
        .write(
            "pkg/config/web.conf",
            "{{pkg.ident}} {{pkg.svc_path}} {{cfg.port}}\n",
        );
    let environment = [("HAB_WEB", "{\"port\": 8080}")];
    let outcome = render_with(folder.path(), &["--package", "pkg", "-q"], &environment);
    assert_eq!((outcome.code, outcome.log.as_str()), (Some(0), ""));
    assert_eq!(
        read(&folder, "results/config/web.conf"),
        "acme/web/1.2.3/20240101000000 /hab/svc/web 8080\n"
    );
    assert!(
        read(&folder, "results/hooks/run")
            .ends_with("/bin/web --tls /hab/pkgs/core/openssl/3.0.9/20240106000000\n")
    );
}
