//! Hooks that misbehave: the service goes on, and nothing is left of them.

mod contract;

use crate::support::kubesup::Kubesup;
use crate::support::package::{Folder, demo_package};
use crate::support::wait_until;

fn start(package: &Folder, flags: &[(&str, &str)]) -> Kubesup {
    let builder = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo");
    let builder = flags
        .iter()
        .fold(builder, |builder, (name, value)| builder.flag(name, value));
    let kubesup = builder.start();
    kubesup.main_pid();
    kubesup
}

#[test]
fn an_init_that_is_loud_on_both_streams_odd_and_leaves_something_behind_holds_nothing_up() {
    let package = demo_package();
    package.write(
        "hooks/init",
        "#!/bin/sh\nhead -c 5000000 /dev/zero | tr '\\0' e >&2\nhead -c 5000000 /dev/zero | tr '\\0' o\nprintf '\\377\\376\\n'\nsleep 1000 &\necho $! > {{pkg.svc_var_path}}/left\n",
    );
    let mut kubesup = start(&package, &[]);
    let size = |name: &str| std::fs::metadata(kubesup.file(name)).map_or(0, |file| file.len());
    assert_eq!(size("logs/init.stderr.log"), 5_000_000);
    assert_eq!(size("logs/init.stdout.log"), 5_000_003);
    // What it left behind lives as long as the service, and no longer.
    let left = format!("/proc/{}", kubesup.read("var/left").trim());
    assert!(std::path::Path::new(&left).exists());
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert!(!std::path::Path::new(&left).exists());
}

#[test]
fn a_reconfigure_that_hangs_and_ignores_term_is_killed_and_tried_again_and_blocks_nothing() {
    let package = demo_package();
    package.write(
        "hooks/reconfigure",
        "#!/bin/sh\ntrap '' TERM\necho run >> {{pkg.svc_var_path}}/runs\n[ $(wc -l < {{pkg.svc_var_path}}/runs) -gt 1 ] && exit 0\nwhile :; do sleep 0.05; done\n",
    );
    let kubesup = start(&package, &[("--reconfigure-timeout", "500ms")]);
    let pid = kubesup.main_pid();
    package.write("config/app.conf", "changed\n");
    wait_until(
        "it is killed",
        || kubesup.log(),
        |log| log.contains("reconfigure hook timed out"),
    );
    wait_until(
        "it is tried again",
        || kubesup.log(),
        |log| log.contains(" reconfigured"),
    );
    assert_eq!(kubesup.main_pid(), pid);
}

#[test]
fn a_hook_without_an_interpreter_says_what_is_missing() {
    let package = demo_package();
    package.write("hooks/init", "echo no first line\n");
    let kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .start();
    wait_until(
        "the message",
        || kubesup.log(),
        |log| log.contains("with #! in its first line"),
    );
}

#[test]
fn a_stop_ends_a_hook_that_runs_and_post_stop_follows() {
    let package = demo_package();
    package
        .write("hooks/post-run", "#!/bin/sh\ntrap '' TERM\necho $$ > {{pkg.svc_var_path}}/hook\nwhile :; do sleep 0.05; done\n")
        .write("hooks/post-stop", "#!/bin/sh\necho post-stop\n");
    let mut kubesup = start(&package, &[]);
    let hook = wait_until(
        "post-run runs",
        || kubesup.read("var/hook"),
        |pid| !pid.is_empty(),
    );
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert!(!std::path::Path::new(&format!("/proc/{}", hook.trim())).exists());
    assert!(kubesup.output().ends_with("post-stop\n"));
}

#[test]
fn a_program_that_left_the_group_is_stopped_too_and_has_its_time() {
    let package = demo_package();
    package.write(
        "hooks/run",
        "#!/bin/bash\nsetsid bash -c 'trap \"sleep 0.3; echo daemon over; exit\" TERM; echo daemon up; while :; do sleep 0.05; done' &\ntrap 'echo main over; exit 0' TERM\nwhile :; do sleep 0.05; done\n",
    );
    let mut kubesup = start(&package, &[]);
    wait_until(
        "the daemon is up",
        || kubesup.output(),
        |output| output.contains("daemon up"),
    );
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert_eq!(kubesup.output(), "daemon up\nmain over\ndaemon over\n");
}
