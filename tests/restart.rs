//! The end of the program that nobody asked for.

use crate::support::kubesup::Kubesup;
use crate::support::package::{Folder, demo_package};
use crate::support::wait_until;

fn package(run: &str) -> Folder {
    let package = demo_package();
    package.write("hooks/run", run);
    package
}

fn with(package: &Folder, flags: &[(&str, &str)]) -> Kubesup {
    let builder = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo");
    flags
        .iter()
        .fold(builder, |builder, (name, value)| builder.flag(name, value))
        .start()
}

#[test]
fn a_crash_is_restarted_with_backoff() {
    let package = package(
        "#!/bin/sh\n[ -e {{pkg.svc_var_path}}/crashed ] && exec sleep 1000\ntouch {{pkg.svc_var_path}}/crashed\nexit 3\n",
    );
    let kubesup = with(&package, &[("--service-min-backoff-period", "300ms")]);
    let item = wait_until(
        "it runs again",
        || kubesup.item(),
        |item| item["restart_count"] == 1 && item["process"]["state"] == "up",
    );
    assert_eq!(
        item["last_process_state"]["termination_reason"],
        "run_hook_failed"
    );
    assert!(
        kubesup
            .log()
            .contains("run hook ended by itself with code 3"),
        "{}",
        kubesup.log()
    );
    assert!(
        kubesup.log().contains("next start in 300"),
        "{}",
        kubesup.log()
    );
}

#[test]
fn a_spent_budget_ends_kubesup_with_the_programs_code() {
    let package = package("#!/bin/sh\necho start\nexit 7\n");
    let mut kubesup = with(
        &package,
        &[
            ("--service-min-backoff-period", "1ms"),
            ("--service-max-backoff-period", "1ms"),
            ("--restart-budget", "3/1m"),
        ],
    );
    assert_eq!(kubesup.wait_exit(), 7);
    assert_eq!(kubesup.output(), "start\nstart\nstart\n");
}

#[test]
fn on_exit_exit_ends_with_the_programs_code_or_128_and_its_signal() {
    let coded = package("#!/bin/sh\nexit 42\n");
    assert_eq!(with(&coded, &[("--on-exit", "exit")]).wait_exit(), 42);
    let killed = package("#!/bin/sh\nkill -9 $$\n");
    assert_eq!(with(&killed, &[("--on-exit", "exit")]).wait_exit(), 137);
}

#[test]
fn a_program_that_is_not_there_or_cannot_be_run_ends_with_127_or_126() {
    let folder = Folder::new();
    let run = |program: &str| {
        let builder = Kubesup::builder()
            .manifests(folder.path())
            .flag("--on-exit", "exit");
        builder.command(&[program]).start().wait_exit()
    };
    assert_eq!(
        (run("/nonexistent/program"), run("/etc/passwd")),
        (127, 126)
    );
}

#[test]
fn what_a_crashed_program_left_in_its_group_is_gone_before_the_next_start() {
    let package = package(
        "#!/bin/sh\nif [ -e {{pkg.svc_var_path}}/left ]; then\n  kill -0 $(cat {{pkg.svc_var_path}}/left) 2>/dev/null && echo still there\n  echo second\n  exec sleep 1000\nfi\nsleep 1000 &\necho $! > {{pkg.svc_var_path}}/left\nexit 1\n",
    );
    let kubesup = with(&package, &[("--service-min-backoff-period", "100ms")]);
    kubesup.wait_printed("second\n");
}

/// A pid file of an earlier life names a process that has nothing to do with this one.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the stranger is the test's child, not kubesup's"
)]
fn what_an_earlier_life_left_on_disk_is_not_acted_upon() {
    let mut stranger = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .expect("sleep");
    let package = package("#!/bin/sh\necho run\nexec sleep 1000\n");
    package
        .write("hooks/init", "#!/bin/sh\necho init\n")
        .write("hooks/reconfigure", "#!/bin/sh\necho reconfigure\n")
        .write("hooks/post-stop", "#!/bin/sh\necho post-stop\n");
    let first = with(&package, &[]);
    first.main_pid();
    first.signal(9);
    let root = first.into_root();
    let pid_file = root.path().join("svc/demo/PID");
    assert!(pid_file.exists(), "it had no time to remove it");
    std::fs::write(&pid_file, stranger.id().to_string()).expect("a file");
    let mut second = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .root(root)
        .start();
    let pid = second.main_pid();
    assert_eq!(second.read("PID").trim(), pid.to_string());
    second.signal(15);
    assert_eq!(second.wait_exit(), 0);
    assert_eq!(second.output(), "init\nrun\npost-stop\n");
    let ended = stranger.try_wait().expect("a child");
    stranger.kill().expect("killed");
    stranger.wait().expect("a child");
    assert_eq!(ended, None, "the stranger was signalled");
}
