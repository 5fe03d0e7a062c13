//! The duties of an init: orphans are reaped, signals are passed on.

use crate::support::kubesup::Kubesup;
use crate::support::package::demo_package;
use crate::support::wait_until;

/// Children of a process that have ended and that nobody has waited for.
fn zombies_of(pid: u32) -> usize {
    let stats = std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let is_zombie = |stat: &String| {
        let after_name = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        let mut fields = after_name.split_whitespace();
        fields.next() == Some("Z")
            && fields.next().and_then(|parent| parent.parse().ok()) == Some(pid)
    };
    stats.filter(is_zombie).count()
}

#[test]
fn orphans_of_the_program_are_reaped_though_kubesup_is_not_pid_1() {
    let package = demo_package();
    package.write(
        "hooks/run",
        "#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9 10; do sh -c 'for j in 1 2 3 4 5; do (exit 3) & done; (sleep 0.1; exit 4) & exit 0'; done\necho done\nexec sleep 1000\n",
    );
    let kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .env("KUBESUP_LOG", "debug")
        .start();
    wait_until(
        "the storm is over",
        || kubesup.output(),
        |output| output.contains("done"),
    );
    wait_until(
        "the late orphans have come",
        || kubesup.log().matches("orphan reaped").count(),
        |count| *count >= 10,
    );
    wait_until(
        "no zombie is left",
        || zombies_of(kubesup.pid()),
        |zombies| *zombies == 0,
    );
}

#[test]
fn signals_that_mean_nothing_to_kubesup_reach_the_program() {
    let package = demo_package();
    package.write("hooks/run", "#!/bin/sh\ntrap 'echo usr1' USR1\ntrap 'echo winch' WINCH\necho up\nwhile :; do sleep 0.05; done\n");
    let kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .start();
    wait_until(
        "the program is up",
        || kubesup.output(),
        |output| output == "up\n",
    );
    kubesup.signal(10);
    wait_until(
        "USR1 has come",
        || kubesup.output(),
        |output| output == "up\nusr1\n",
    );
    kubesup.signal(28);
    wait_until(
        "WINCH has come",
        || kubesup.output(),
        |output| output == "up\nusr1\nwinch\n",
    );
}

#[test]
fn the_programs_descriptors_are_the_three_and_no_more() {
    let package = demo_package();
    package.write(
        "hooks/run",
        "#!/bin/sh\nls /proc/self/fd\nexec sleep 1000\n",
    );
    let kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .start();
    // The fourth is the directory that is listed. (A shell that counts its own has those of its pipes for a moment.)
    wait_until(
        "the descriptors",
        || kubesup.output(),
        |output| output == "0\n1\n2\n3\n",
    );
}
