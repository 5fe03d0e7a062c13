//! When hooks run, with what, and where their output goes, as the contract has it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::kubesup::{Builder, Kubesup};
use crate::support::package::{Folder, demo_package};
use crate::support::wait_until;

fn demo(folder: &Folder) -> Builder {
    Kubesup::builder()
        .manifests(folder.path())
        .flag("--name", "demo")
}

/// Notes its name, then does the rest.
fn noting(name: &str, rest: &str) -> String {
    format!("#!/bin/sh\necho {name} >> {{{{pkg.svc_var_path}}}}/order\n{rest}\n")
}

/// A Pod whose service files are one ConfigMap with this text.
fn manifests(folder: &Folder, text: &str) {
    folder.write(
        "demo.yaml",
        &format!(
            "kind: ConfigMap\nmetadata: {{name: demo-files}}\ndata: {{a: {text}}}\n---\nkind: Pod\nmetadata:\n  name: demo-0\n  \
             labels: {{app.kubernetes.io/name: demo}}\n  annotations: {{kubesup.dev/files: demo-files}}\nspec: {{containers: [{{name: main}}]}}\n"
        ),
    );
}

fn order(kubesup: &Kubesup, expected: usize) -> Vec<String> {
    let lines = |text: &String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    lines(&wait_until(
        &format!("{expected} hooks have run"),
        || kubesup.read("var/order"),
        |text| lines(text).len() >= expected,
    ))
}

#[test]
fn each_hook_runs_at_its_moment_and_no_other() {
    let (package, folder) = (demo_package(), Folder::new());
    for name in [
        "install",
        "init",
        "post-run",
        "health-check",
        "reconfigure",
        "file-updated",
        "suitability",
        "post-stop",
    ] {
        package.write(&format!("hooks/{name}"), &noting(name, "exit 0"));
    }
    package.write("hooks/run", &noting("run", "exec sleep 1000"));
    manifests(&folder, "one");
    let mut kubesup = Kubesup::builder()
        .manifests(folder.path())
        .package(package.path())
        .flag("--health-check-interval", "1h")
        .start();

    let mut start = order(&kubesup, 5);
    assert_eq!(start.drain(..2).collect::<Vec<_>>(), ["install", "init"]);
    // These begin with the main process, and none waits for another.
    start.sort();
    assert_eq!(start, ["health-check", "post-run", "run"]);

    package.write("config/app.conf", "edited\n");
    // What the change did to the health is looked at once it is applied.
    assert_eq!(order(&kubesup, 7)[5..], ["reconfigure", "health-check"]);

    manifests(&folder, "two");
    assert_eq!(order(&kubesup, 8)[7..], ["file-updated"]);

    package.write("hooks/post-run", &noting("post-run", "exit 0 # edited"));
    let mut again = order(&kubesup, 13).split_off(8);
    assert_eq!(again.drain(..2).collect::<Vec<_>>(), ["post-stop", "init"]);
    again.sort();
    assert_eq!(again, ["health-check", "post-run", "run"]);

    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert_eq!(order(&kubesup, 14)[13..], ["post-stop"]);
}

#[test]
fn log_files_of_a_hook_begin_anew_at_each_run() {
    let package = demo_package();
    package.write(
        "hooks/health-check",
        "#!/bin/sh\nseen={{pkg.svc_var_path}}/seen\nif [ -e $seen ]; then echo short; echo oddly >&2; else touch $seen; seq 1000; seq 1000 >&2; fi\n",
    );
    let kubesup = demo(&package)
        .flag("--health-check-interval", "50ms")
        .start();
    for (stream, text) in [("stdout", "short\n"), ("stderr", "oddly\n")] {
        wait_until(
            "the log is that of a later run",
            || kubesup.read(&format!("logs/health-check.{stream}.log")),
            |log| log == text,
        );
    }
}

#[test]
fn hooks_and_the_program_have_the_environment_and_directory_of_kubesup_and_the_packages_over_it() {
    let package = demo_package();
    let show = "#!/bin/sh\necho \"$KEPT $CHANGED $ADDED $OF_POD $(pwd)\"\n";
    package
        .write(
            "pod.yaml",
            "kind: Pod\nmetadata: {name: demo}\nspec:\n  containers:\n  - name: demo\n    env:\n    - {name: CHANGED, value: pod}\n    \
             - {name: OF_POD, value: pod}\n",
        )
        .write("RUNTIME_ENVIRONMENT", "CHANGED=package\nADDED=package\n")
        .write("hooks/init", show)
        .write("hooks/run", &format!("{show}exec sleep 1000\n"));
    let kubesup = demo(&package)
        .env("KEPT", "inherited")
        .env("CHANGED", "inherited")
        .start();
    let here = std::env::current_dir().expect("a directory");
    let line = format!("inherited package package pod {}\n", here.display());
    wait_until(
        "init and run have shown theirs",
        || kubesup.output(),
        |output| *output == line.repeat(2),
    );
}

#[test]
fn hooks_and_the_program_run_as_the_user_and_group_of_the_settings() {
    let root = tempfile::tempdir().expect("a root");
    if !rustix::process::geteuid().is_root() {
        assert!(
            std::env::var_os("CI").is_none(),
            "only root may choose a user"
        );
        // Whether anybody reads it is no matter.
        let _ = writeln!(std::io::stderr(), "skipped: only root may choose a user");
        return;
    }
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let package = demo_package();
    let show = "#!/bin/sh\necho \"$(id -u) $(id -g) $(id -G)\"\n";
    for hook in ["init", "health-check", "post-stop"] {
        package.write(&format!("hooks/{hook}"), show);
    }
    package.write("hooks/run", &format!("{show}exec sleep 1000\n"));
    let mut kubesup = demo(&package)
        .root(root)
        .flag("--user", "4321:8765")
        .start();
    kubesup.wait_ready();
    // A program that is slow to start would be stopped before it has said anything.
    wait_until(
        "all but post-stop have said who they are",
        || kubesup.output(),
        |output| output.lines().count() == 3,
    );
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert_eq!(kubesup.output(), "4321 8765 8765\n".repeat(4));
}

/// 10 MB in lines, a line of 5 MB, bytes that are no text: to both streams.
const LOUD: &str = "#!/bin/sh\nloud() { yes $(seq -s - 300) | head -c 10000000; head -c 5000000 /dev/zero | tr '\\0' y; printf '\\n\\377\\376 end\\n'; }\nloud\nloud >&2\n";
const LOUD_BYTES: u64 = 15_000_008;

#[test]
fn megabytes_endless_lines_and_bytes_that_are_no_text_pass_and_hold_up_nothing() {
    for format in ["plain", "habitat", "json"] {
        let package = demo_package();
        package
            .write("hooks/init", LOUD)
            .write("hooks/health-check", &format!("{LOUD}exit 1\n"));
        let kubesup = demo(&package)
            .flag("--log-format", format)
            .flag("--health-check-interval", "1h")
            .start();
        kubesup.wait_ready();
        for log in [
            "init.stdout",
            "init.stderr",
            "health-check.stdout",
            "health-check.stderr",
        ] {
            let file = std::fs::metadata(kubesup.file(&format!("logs/{log}.log"))).expect("a log");
            assert_eq!(file.len(), LOUD_BYTES, "{format}: {log}");
        }
        let (status, body) = kubesup.get("/services/demo/default/health");
        let health: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((status, &health["status"]), (200, &"WARNING".into()));
        let shown = health["stdout"].as_str().expect("a text");
        assert!(shown.ends_with("\u{fffd}\u{fffd} end\n"), "{format}");
        if format == "json" {
            let output = kubesup.output();
            let wrong = output
                .lines()
                .find(|line| serde_json::from_str::<Value>(line).is_err());
            assert_eq!(wrong, None);
        }
    }
}

#[test]
fn a_hook_needs_no_run_bit_and_one_without_a_shebang_is_named() {
    let package = demo_package();
    package
        .write("hooks/init", "#!/bin/sh\necho init\n")
        .write("hooks/health-check", "exit 0\n");
    let without_run_bit = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(package.path().join("hooks/init"), without_run_bit).expect("a mode");
    let kubesup = demo(&package).start();
    let log = wait_until(
        "the hook is named",
        || kubesup.log(),
        |log| log.contains("hooks/health-check: "),
    );
    assert!(
        log.contains("is it a program, or a script with #! in its first line"),
        "{log}"
    );
    assert_eq!(kubesup.item()["health_check"], "Unknown");
    kubesup.wait_printed("init\nstarted\n");
}

/// Leaves something behind that has its pipes, and ignores TERM.
const STUBBORN: &str =
    "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho $! > {{pkg.svc_var_path}}/child\n";

fn wait_gone(kubesup: &Kubesup) {
    let pid = wait_until(
        "the child is there",
        || kubesup.read("var/child"),
        |pid| pid.ends_with('\n'),
    );
    wait_until(
        "the child is gone",
        || Path::new("/proc").join(pid.trim()).exists(),
        |exists| !exists,
    );
}

#[test]
fn a_hook_that_ignores_term_is_killed_with_its_group_when_its_time_is_over() {
    let package = demo_package();
    package.write("hooks/health-check", &format!("{STUBBORN}wait\n"));
    let kubesup = demo(&package)
        .flag("--health-check-timeout", "500ms")
        .flag("--health-check-interval", "1h")
        .start();
    wait_gone(&kubesup);
    assert_eq!(kubesup.item()["health_check"], "Unknown");
}

#[test]
fn an_init_that_ignores_term_is_killed_within_the_grace_period() {
    let package = demo_package();
    package
        .write("hooks/init", &format!("{STUBBORN}wait\n"))
        .write(
            "pod.yaml",
            "kind: Pod\nmetadata: {name: demo}\nspec: {terminationGracePeriodSeconds: 2, containers: [{name: demo}]}\n",
        );
    let mut kubesup = demo(&package).start();
    wait_until(
        "init is under way",
        || kubesup.read("var/child"),
        |pid| pid.ends_with('\n'),
    );
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    wait_gone(&kubesup);
    assert_eq!(kubesup.output(), "");
}
