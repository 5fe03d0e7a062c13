//! The duties of an init: orphans are reaped, signals are passed on.

use std::time::Duration;

use crate::support::kubesup::Kubesup;
use crate::support::network::programs;
use crate::support::package::demo_package;
use crate::support::pid1::AsPid1;
use crate::support::{wait_for, wait_until};

/// How long ten thousand processes may take on a loaded machine.
const STORM: Duration = Duration::from_secs(300);

/// 1,000, or with `KUBESUP_SOAK` 10,000.
fn orphans() -> usize {
    if std::env::var_os("KUBESUP_SOAK").is_some() {
        10_000
    } else {
        1_000
    }
}

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
    kubesup.wait_printed("up\n");
    kubesup.signal(10);
    kubesup.wait_printed("up\nusr1\n");
    kubesup.signal(28);
    kubesup.wait_printed("up\nusr1\nwinch\n");
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
    kubesup.wait_printed("0\n1\n2\n3\n");
}

/// Everything there is to wait for wakes it: nothing else does, but a look for `user.toml` after 2, 6, 14 … seconds.
#[test]
fn with_nothing_to_do_it_sleeps() {
    let package = demo_package();
    let kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .start();
    kubesup.main_pid();
    let sleeps = || -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", kubesup.pid())).expect("kubesup");
        let counts = tasks.flatten().filter_map(|task| {
            let status = std::fs::read_to_string(task.path().join("status")).ok()?;
            let count = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            count.and_then(|count| count.trim().parse::<u64>().ok())
        });
        counts.sum()
    };
    let settled = wait_for("the start is over", Duration::from_secs(20), || {
        let before = sleeps();
        // No condition is waited for, but time in which nothing happens.
        std::thread::sleep(Duration::from_millis(500));
        let after = sleeps();
        if after - before <= 2 {
            Ok(after)
        } else {
            Err(after - before)
        }
    });
    std::thread::sleep(Duration::from_secs(8));
    let woken = sleeps() - settled;
    assert!(woken <= 8, "woken {woken} times in 8 s");
}

/// Health checks that each leave an orphan, one after the other, for six seconds, or with `KUBESUP_SOAK` for ten minutes.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how long a test looks is real time"
)]
fn while_hooks_run_all_the_time_there_is_hardly_ever_a_zombie_and_never_two_at_once() {
    let package = demo_package();
    package.write(
        "hooks/health-check",
        "#!/bin/sh\necho begin\n(sleep 0.03 & exit 0)\nsleep 0.02\necho end\n",
    );
    let mut kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .flag("--health-check-interval", "100ms")
        .start();
    kubesup.wait_ready();
    let soak = std::env::var_os("KUBESUP_SOAK").is_some();
    let time = Duration::from_secs(if soak { 600 } else { 6 });
    let (mut most, mut looks, mut with) = (0, 0, 0);
    let begun = std::time::Instant::now();
    while begun.elapsed() < time {
        let zombies = zombies_of(kubesup.pid());
        most = most.max(zombies);
        looks += 1;
        with += usize::from(zombies > 0);
        // A census is no condition that is waited for.
        std::thread::sleep(Duration::from_millis(20));
    }
    // A hook and its orphan may have ended between two looks of a storm.
    assert!(most <= 2, "{most} zombies at once");
    assert!(with * 4 <= looks, "zombies in {with} of {looks} looks");
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    let output = kubesup.output();
    let words: Vec<&str> = output.lines().filter(|line| *line != "started").collect();
    assert!(words.len() > 20, "{} lines", words.len());
    // The last check may have been stopped.
    for pair in words.chunks(2) {
        assert!(pair == ["begin", "end"] || pair == ["begin"], "{words:?}");
    }
    assert!(!kubesup.log().contains("no child"), "{}", kubesup.log());
}

/// The kernel is made to give the number of the program that has ended to the next process.
#[test]
fn a_number_that_comes_again_belongs_to_the_new_program() {
    let script = "echo $$ >> pids; trap 'echo told; exit 0' TERM; \
         if [ $(wc -l < pids) = 1 ]; then \
         (setsid sh -c \"touch left; while [ -e /proc/$$ ]; do sleep 0.01; done; echo $(($$ - 1)) > /proc/sys/kernel/ns_last_pid\" &); \
         until [ -e left ]; do sleep 0.01; done; exit 3; fi; echo up; while :; do read -t 0.02 -u 3 ignored 3<> <(:); done";
    let mut kubesup = AsPid1::start(
        &[
            "--service-min-backoff-period",
            "1s",
            "--service-max-backoff-period",
            "1s",
        ],
        script,
    );
    wait_until(
        "it runs again",
        || kubesup.read("out") + &kubesup.read("err"),
        |output| output.contains("up\n"),
    );
    let pids = kubesup.read("pids");
    let (first, second) = pids.trim().split_once('\n').expect("two runs");
    assert_eq!(first, second, "the number did not come again");
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0, "{}", kubesup.read("err"));
    assert_eq!(kubesup.read("out"), "up\ntold\n");
}

/// A hundred at a time lose their parent, and die at the same moment.
#[test]
fn as_pid_1_a_storm_of_orphans_leaves_no_zombie_and_each_is_reaped() {
    let storms = orphans() / 100;
    let script = format!(
        "for i in $(seq {storms}); do sh -c 'for j in $(seq 100); do sleep 0.1 & done'; done; sleep 1; \
         grep -c '^State:.*zombie' /proc/[0-9]*/status | grep -vc ':0$'; exit 6"
    );
    let arguments = ["--on-exit", "exit"];
    let mut kubesup = AsPid1::start_with(&[("KUBESUP_LOG", "kubesup=debug")], &arguments, &script);
    assert_eq!(
        kubesup.wait_exit_within(STORM),
        6,
        "{}",
        kubesup.read("err")
    );
    assert_eq!(kubesup.read("out").trim(), "0", "zombies");
    let reaped = kubesup.read("err").matches("orphan reaped").count();
    assert_eq!(reaped, orphans());
}

/// Both in turn, and of each the round that was disturbed least. Without optimization our code costs more: then it is only
/// held to four times as much.
#[test]
fn as_pid_1_a_storm_of_orphans_costs_no_more_processor_time_than_tini() {
    let tini = programs().join("tini").display().to_string();
    let script = format!(
        "touch begins; until [ -e go ]; do sleep 0.05; done; for i in $(seq {}); do (sleep 0.01 &); done; sleep 0.5; \
         touch over; exec sleep 1000",
        orphans()
    );
    let soak = std::env::var_os("KUBESUP_SOAK").is_some();
    let rounds = (0..if soak { 5 } else { 2 }).map(|_| {
        [
            storm_time(&AsPid1::start(&[], &script)),
            storm_time(&AsPid1::start_other(&[&tini, "-s", "--"], &script)),
        ]
    });
    let rounds: Vec<[Duration; 2]> = rounds.collect();
    let least = |of: usize| rounds.iter().map(|round| round[of]).min().expect("a round");
    let most = if cfg!(debug_assertions) && std::env::var_os("KUBESUP_BINARY").is_none() {
        least(1) * 4
    } else {
        least(1)
    };
    assert!(least(0) <= most, "kubesup and tini: {rounds:?}");
}

/// The processor time of an init from before the first orphan to after the last.
fn storm_time(init: &AsPid1) -> Duration {
    let there = |name: &str| {
        init.path(name)
            .exists()
            .then_some(())
            .ok_or_else(|| init.read("err"))
    };
    wait_for("the program is up", STORM, || there("begins"));
    let before = init.processor_time();
    std::fs::write(init.path("go"), "").expect("a file");
    wait_for("the storm is over", STORM, || there("over"));
    init.processor_time().saturating_sub(before)
}
