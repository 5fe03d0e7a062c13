//! The end of kubesup: the program is told, waited for, and cleaned up after, within the grace period.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::support::api_server::ApiServer;
use crate::support::kubesup::Kubesup;
use crate::support::namespace::{Namespace, POD};
use crate::support::package::{Folder, demo_package};
use crate::support::{wait_for, wait_until};

/// The package as the folder of a Pod with this grace period.
fn with_pod(package: &Folder, grace: u32) -> &Folder {
    package.write(
        "pod.yaml",
        &format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: demo}}\nspec: {{terminationGracePeriodSeconds: {grace}, containers: [{{name: demo}}]}}\n"),
    )
}

fn start(package: &Folder) -> Kubesup {
    let kubesup = Kubesup::builder().manifests(package.path()).start();
    kubesup.wait_ready();
    kubesup
}

fn is_gone(pid: i64) -> Result<(), String> {
    if std::path::Path::new(&format!("/proc/{pid}")).exists() {
        Err(format!("{pid} is there"))
    } else {
        Ok(())
    }
}

#[test]
fn the_program_gets_the_signal_and_post_stop_runs_after_its_end() {
    let package = demo_package();
    with_pod(&package, 30)
        .write("hooks/run", "#!/bin/sh\ntrap 'echo told; sleep 0.3; echo over; exit 0' TERM\necho up\nwhile :; do sleep 0.05; done\n")
        .write("hooks/post-stop", "#!/bin/sh\necho post-stop\n");
    let mut kubesup = start(&package);
    kubesup.wait_printed("up\n");
    assert!(!kubesup.read("PID").is_empty());
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert_eq!(kubesup.output(), "up\ntold\nover\npost-stop\n");
    assert_eq!(kubesup.read("PID"), "");
}

#[test]
fn the_signal_that_came_is_the_one_that_the_program_gets() {
    let package = demo_package();
    with_pod(&package, 30).write(
        "hooks/run",
        "#!/bin/sh\ntrap 'echo quit; exit 0' QUIT\necho up\nwhile :; do sleep 0.05; done\n",
    );
    let mut kubesup = start(&package);
    kubesup.wait_printed("up\n");
    kubesup.signal(3);
    assert_eq!(kubesup.wait_exit(), 0);
    assert_eq!(kubesup.output(), "up\nquit\n");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the time that a stop takes is what is tested"
)]
fn a_program_that_ignores_the_signal_is_killed_within_the_grace_period() {
    let package = demo_package();
    with_pod(&package, 3)
        .write(
            "hooks/run",
            "#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 0.05; done\n",
        )
        .write("hooks/post-stop", "#!/bin/sh\necho post-stop\n");
    let mut kubesup = start(&package);
    kubesup.wait_printed("up\n");
    let pid = kubesup.main_pid();
    let begin = std::time::Instant::now();
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    let took = begin.elapsed();
    assert!(
        took > Duration::from_secs(1) && took < Duration::from_secs(3),
        "{took:?}"
    );
    assert!(kubesup.output().ends_with("post-stop\n"));
    wait_for("the program's end", Duration::from_secs(1), || is_gone(pid));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the time that a stop takes is what is tested"
)]
fn a_second_signal_shortens_the_grace() {
    let package = demo_package();
    with_pod(&package, 60).write(
        "hooks/run",
        "#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 0.05; done\n",
    );
    let mut kubesup = start(&package);
    kubesup.wait_printed("up\n");
    let begin = std::time::Instant::now();
    kubesup.signal(15);
    wait_until(
        "the stop has begun",
        || kubesup.log(),
        |log| log.contains("stopping the main process"),
    );
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_second_deletion_with_less_grace_shortens_the_stop() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&[]);
    namespace.endpoints(&[]);
    namespace.pod(json!({}));
    let package = demo_package();
    package.write(
        "hooks/run",
        "#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 0.05; done\n",
    );
    let builder = namespace.kubesup().package(package.path());
    let mut kubesup = builder.flag("--drain-max", "0s").start();
    wait_until(
        "the program is up",
        || kubesup.output(),
        |output| output == "up\n",
    );
    namespace.delete_gracefully::<Pod>(POD, 3600);
    wait_until(
        "the deletion is seen",
        || kubesup.log(),
        |log| log.contains("the own Pod is being deleted"),
    );
    kubesup.signal(15);
    wait_until(
        "the stop has begun, and has its time",
        || kubesup.log(),
        |log| log.contains("KILL in 359"),
    );
    // Who does not want to wait does not get a second signal here, as the kubelet would send one.
    namespace.delete_gracefully::<Pod>(POD, 1);
    assert_eq!(kubesup.wait_exit(), 0, "{}", kubesup.log());
    let log = kubesup.log();
    assert!(log.contains("did not stop in time and was killed"), "{log}");
}

#[test]
fn a_stop_while_init_runs_ends_init() {
    let package = demo_package();
    with_pod(&package, 30).write("hooks/init", "#!/bin/sh\necho init\nexec sleep 1000\n");
    let mut kubesup = Kubesup::builder().manifests(package.path()).start();
    kubesup.wait_printed("init\n");
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
}

#[test]
fn while_it_stops_without_a_deletion_it_is_not_ready() {
    let package = demo_package();
    with_pod(&package, 30).write(
        "hooks/run",
        "#!/bin/sh\ntrap 'sleep 1; exit 0' TERM\necho up\nwhile :; do sleep 0.05; done\n",
    );
    let mut kubesup = start(&package);
    kubesup.wait_printed("up\n");
    kubesup.signal(15);
    kubesup.wait_readyz("[-]running failed: stopping");
    assert_eq!(kubesup.wait_exit(), 0);
}

#[test]
fn hup_renders_anew_and_repairs_what_somebody_changed() {
    let package = demo_package();
    with_pod(&package, 30);
    let kubesup = start(&package);
    let pid = kubesup.main_pid();
    std::fs::write(kubesup.file("config/app.conf"), "changed by hand").expect("a file");
    kubesup.signal(1);
    wait_until(
        "the file is repaired",
        || kubesup.read("config/app.conf"),
        |text| text == "greeting=hello\nport=8080\n",
    );
    assert_eq!(kubesup.main_pid(), pid);
}

/// A state's name, the files that lead to it, and what the log says when it is reached.
type State = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// Every state that a stop can meet, once or with `KUBESUP_SOAK` a hundred times; the log says that it is there.
#[test]
fn a_stop_in_every_state_ends_with_0_and_leaves_nothing() {
    let run = "#!/bin/sh\necho up\nexec sleep 1000\n";
    let states: [State; 6] = [
        (
            "before the first valid view",
            &[("config/app.conf", "{{#if}")],
            "not accepted",
        ),
        (
            "in init",
            &[("hooks/init", "#!/bin/sh\nexec sleep 1000\n")],
            "hook=\"init\"",
        ),
        ("running", &[], "main process started"),
        (
            "in backoff",
            &[("hooks/run", "#!/bin/sh\nexit 1\n")],
            "next start in",
        ),
        (
            "in post-run",
            &[("hooks/post-run", "#!/bin/sh\ntrap '' TERM\nsleep 1000\n")],
            "hook=\"post-run\"",
        ),
        (
            "in post-stop of a restart",
            &[
                ("hooks/run", "#!/bin/sh\nexit 1\n"),
                ("hooks/post-stop", "#!/bin/sh\nsleep 1\n"),
            ],
            "hook=\"post-stop\"",
        ),
    ];
    let rounds = if std::env::var_os("KUBESUP_SOAK").is_some() {
        100
    } else {
        1
    };
    for (state, files, sign) in states.iter().cycle().take(rounds * states.len()) {
        let package = demo_package();
        with_pod(&package, 8).write("hooks/run", run);
        for (path, text) in *files {
            package.write(path, text);
        }
        let mut kubesup = Kubesup::builder()
            .manifests(package.path())
            .env("KUBESUP_LOG", "kubesup=debug")
            .flag("--service-min-backoff-period", "60s")
            .flag("--service-max-backoff-period", "60s")
            .start();
        wait_until(state, || kubesup.log(), |log| log.contains(sign));
        kubesup.signal(15);
        assert_eq!(kubesup.wait_exit(), 0, "{state}: {}", kubesup.log());
    }
}

/// A hook that ignores TERM is running, and its program too: both end within the grace, and nothing of the hook is left.
#[test]
fn a_stop_inside_a_reconfigure_and_inside_a_health_check_ends_the_hook_and_post_stop_follows() {
    let hangs = "#!/bin/sh\ntrap '' TERM\necho $$ > {{pkg.svc_var_path}}/hook\nwhile :; do sleep 0.05; done\n";
    for (hook, (flag, value)) in [
        ("reconfigure", ("--reconfigure-timeout", "1h")),
        ("health-check", ("--health-check-timeout", "1h")),
    ] {
        let package = demo_package();
        with_pod(&package, 8)
            .write(
                "hooks/run",
                "#!/bin/sh\ntrap 'echo told; exit 0' TERM\necho up\nwhile :; do sleep 0.05; done\n",
            )
            .write("hooks/post-stop", "#!/bin/sh\necho post-stop\n")
            .write(&format!("hooks/{hook}"), hangs);
        let mut kubesup = Kubesup::builder()
            .manifests(package.path())
            .flag(flag, value)
            .start();
        kubesup.wait_printed("up\n");
        // Means something to `reconfigure` alone.
        package.write("config/app.conf", "changed\n");
        let pid = wait_until(
            &format!("{hook} runs"),
            || kubesup.read("var/hook"),
            |pid| !pid.is_empty(),
        );
        let hook_pid = pid.trim().parse().expect("a pid");
        assert!(is_gone(hook_pid).is_err(), "{hook} runs");
        kubesup.signal(15);
        assert_eq!(kubesup.wait_exit(), 0, "{hook}: {}", kubesup.log());
        assert_eq!(is_gone(hook_pid), Ok(()), "{hook}");
        assert_eq!(kubesup.output(), "up\ntold\npost-stop\n", "{hook}");
    }
}

/// A change was seen and the quiet time runs: the stop does not wait for it, and nothing of it is written any more.
#[test]
fn a_stop_while_changes_are_coalesced_ends_at_once_and_writes_nothing() {
    let package = demo_package();
    with_pod(&package, 8)
        .write(
            "hooks/run",
            "#!/bin/sh\ntrap 'echo told; exit 0' TERM\necho up\nwhile :; do sleep 0.05; done\n",
        )
        .write("hooks/reconfigure", "#!/bin/sh\necho reconfigured\n");
    let mut kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--settle-quiet", "1h")
        .flag("--settle-max", "1h")
        .start();
    kubesup.wait_ready();
    kubesup.wait_printed("up\n");
    let before = kubesup.read("config/app.conf");
    package.write("config/app.conf", "changed={{cfg.port}}\n");
    // A view is shown as soon as it is seen, and rendered after the quiet time.
    let changed = "apiVersion: v1\nkind: Pod\nmetadata: {name: demo, annotations: {kubesup.dev/reconfigure-timeout: 77s}}\nspec: {terminationGracePeriodSeconds: 8, containers: [{name: demo}]}\n";
    package.write("pod.yaml", changed);
    wait_until(
        "the change is seen and waits",
        || kubesup.get("/v1/status").1,
        |status| status.contains("reconfigure-timeout is"),
    );
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert_eq!(kubesup.output(), "up\ntold\n");
    assert_eq!(kubesup.read("config/app.conf"), before);
}
