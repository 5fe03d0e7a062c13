//! The exit code of kubesup, and what else it says of the end.

use crate::support::kubesup::{Builder, Kubesup};
use crate::support::package::{Folder, demo_package};

/// kubesup that ends with this script.
fn script(script: &str, flags: &[(&str, &str)]) -> Builder {
    let builder = Kubesup::builder()
        .flag("--on-exit", "exit")
        .command(&["/bin/sh", "-c", script]);
    flags
        .iter()
        .fold(builder, |builder, (name, value)| builder.flag(name, value))
}

fn code(script_text: &str, flags: &[(&str, &str)]) -> i32 {
    let folder = Folder::new();
    script(script_text, flags)
        .manifests(folder.path())
        .start()
        .wait_exit()
}

/// The pure table is 256 × 256 in `config::supervision`; here is what reaches the outside.
#[test]
fn every_exit_code_comes_out_and_each_can_be_remapped() {
    let soak = std::env::var_os("KUBESUP_SOAK").is_some();
    for number in (0..256).step_by(if soak { 1 } else { 51 }) {
        let script = format!("exit {number}");
        assert_eq!(code(&script, &[]), number);
        let remap = format!("{number}={}", (number + 7) % 256);
        assert_eq!(
            code(&script, &[("--remap-exit", &remap)]),
            (number + 7) % 256
        );
    }
}

#[test]
fn a_death_by_signal_is_remapped_as_tini_does_it() {
    assert_eq!(code("kill -9 $$", &[]), 137);
    assert_eq!(code("kill -15 $$", &[("--remap-exit", "143")]), 0);
    assert_eq!(code("kill -34 $$", &[("--remap-exit", "162=3,1=2")]), 3);
}

#[test]
fn a_broken_table_is_a_usage_error_that_names_it() {
    for (flag, value) in [
        ("--remap-exit", "143=256"),
        ("--remap-exit", "x"),
        ("--rewrite-signal", "TERM"),
        ("--rewrite-signal", "TERM=NOPE"),
        ("--rewrite-signal", "KILL=TERM"),
    ] {
        let folder = Folder::new();
        let mut kubesup = script("exit 0", &[(flag, value)])
            .manifests(folder.path())
            .spawn();
        assert_eq!(kubesup.wait_exit(), 64, "{flag} {value}");
        assert!(kubesup.log().contains(flag), "{}", kubesup.log());
    }
}

#[test]
fn run_once_renders_runs_and_ends_with_the_programs_code() {
    let package = demo_package();
    package
        .write("hooks/init", "#!/bin/sh\necho init\n")
        .write(
            "hooks/run",
            "#!/bin/sh\ncat {{pkg.svc_config_path}}/app.conf\nexit 9\n",
        )
        .write("hooks/post-stop", "#!/bin/sh\necho post-stop\n");
    let mut kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .flag("--on-exit", "restart")
        .switch("--once")
        .start();
    assert_eq!(kubesup.wait_exit(), 9);
    assert_eq!(
        kubesup.output(),
        "init\ngreeting=hello\nport=8080\npost-stop\n"
    );
}

#[test]
fn what_runs_once_is_not_restarted_by_a_change() {
    let package = demo_package();
    package.write(
        "hooks/run",
        "#!/bin/sh\necho begin\nuntil [ -e {{pkg.svc_var_path}}/go ]; do sleep 0.05; done\nexit 4\n",
    );
    let mut kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .switch("--once")
        .start();
    kubesup.wait_ready();
    package.write("config/app.conf", "changed {{cfg.greeting}}\n");
    package.write("user.toml", "greeting = \"other\"\n");
    // HUP renders at once, if anything does.
    kubesup.signal(1);
    crate::support::wait_until("HUP was taken", || kubesup.log(), |log| log.contains("HUP"));
    std::fs::write(kubesup.file("var/go"), "").expect("a file");
    assert_eq!(kubesup.wait_exit(), 4);
    assert_eq!(kubesup.output(), "begin\n");
}

#[test]
fn the_termination_log_says_why_and_has_the_last_lines() {
    let folder = Folder::new();
    let log = folder.path().join("termination-log");
    std::fs::write(&log, "x".repeat(9000)).expect("a file");
    let flag = log.display().to_string();
    let noisy =
        "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; echo cause >&2; exit 3";
    assert_eq!(
        code(
            noisy,
            &[("--termination-log", &flag), ("--remap-exit", "3=5")]
        ),
        5
    );
    let text = std::fs::read_to_string(&log).expect("a log");
    assert!(
        text.starts_with("the main process failed to start: it ended with code 3"),
        "{text}"
    );
    assert!(text.contains("3 is remapped to 5"), "{text}");
    assert!(
        text.contains("line 99\n") && text.contains("cause\n"),
        "{text}"
    );
    assert!(!text.contains("line 79\n"), "only the last 20: {text}");
}

/// Why kubesup ends before it has begun is on nobody's stderr but a log collector's.
#[test]
fn what_is_wrong_with_the_flags_is_in_the_termination_log_too() {
    let folder = Folder::new();
    let log = folder.path().join("termination-log");
    let flag = log.display().to_string();
    let wrong: [(&str, &str, &str); 3] = [
        ("--remap-exit", "143=256", "--remap-exit"),
        ("--no-such-flag", "x", "--no-such-flag"),
        ("--config", "/no/such/file", "/no/such/file"),
    ];
    for (name, value, named) in wrong {
        let mut kubesup = script("exit 0", &[("--termination-log", &flag), (name, value)])
            .manifests(folder.path())
            .spawn();
        assert_eq!(kubesup.wait_exit(), 64, "{name}");
        let text = std::fs::read_to_string(&log).expect("a log");
        assert!(
            text.starts_with("kubesup: ") && text.contains(named),
            "{text}"
        );
        std::fs::remove_file(&log).expect("a log");
    }
    let mut kubesup = script("exit 0", &[("--remap-exit", "x")])
        .manifests(folder.path())
        .env("KUBESUP_TERMINATION_LOG", &flag)
        .spawn();
    assert_eq!(kubesup.wait_exit(), 64);
    assert!(log.exists(), "the variable names the place");
}

#[test]
fn after_a_stop_that_went_well_the_termination_log_says_nothing() {
    let folder = Folder::new();
    let log = folder.path().join("termination-log");
    let mut kubesup = Kubesup::builder()
        .manifests(folder.path())
        .flag("--termination-log", &log.display().to_string())
        .command(&["/bin/sleep", "1000"])
        .start();
    kubesup.wait_ready();
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert!(!log.exists());
}

#[test]
fn an_end_within_a_second_is_a_failed_start_with_its_last_output() {
    let folder = Folder::new();
    let mut kubesup = script("echo cannot open the data; exit 3", &[])
        .manifests(folder.path())
        .start();
    assert_eq!(kubesup.wait_exit(), 3);
    let log = kubesup.log();
    assert!(log.contains("it has not started"), "{log}");
    assert!(log.contains("cannot open the data"), "{log}");
}
