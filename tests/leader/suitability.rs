//! Who leads next, where a package says how well each member is suited.

use std::time::Duration;

use super::group::{Group, Member, TERM, Times};
use super::journal::now;
use crate::support::wait_until;

/// So many times its `suitability` hook has ended.
fn assessments(member: &Member) -> u32 {
    let metrics = member.kubesup.get("/metrics").1;
    let series = "hab_sup_hook_duration_seconds_count{hook=\"suitability\"} ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(series));
    count.map_or(0, |count| count.parse().expect("a count"))
}

#[test]
fn of_several_followers_the_one_that_is_suited_best_takes_over() {
    let group = Group::new(Times::Short);
    group.hook(
        "suitability",
        "echo some words\necho more words >&2\necho \" $SUITABILITY\"\n",
    );
    let suited = |number, suitability: &str| {
        group.pod(number);
        let kubesup = group.namespace.kubesup();
        group.begin(number, kubesup.env("SUITABILITY", suitability))
    };
    let first = suited(0, "1");
    group.wait(&first, "starts leads 1");
    let others = [suited(1, "5"), suited(2, "9"), suited(3, "7")];
    for other in &others {
        group.wait(other, "starts follows");
        let seen = || assessments(other);
        wait_until("its hook has ended", seen, |count| *count > 0);
    }
    let [fair, best, good] = &others;
    let logs = |stream: &str| best.kubesup.read(&format!("logs/suitability.{stream}.log"));
    assert_eq!(logs("stdout"), "some words\n 9\n");
    assert_eq!(logs("stderr"), "more words\n");

    first.kubesup.signal(TERM);
    group.wait(best, "reconfigures leads 2");
    best.kubesup.signal(TERM);
    group.wait(good, "reconfigures leads 3");
    good.kubesup.signal(TERM);
    group.wait(fair, "reconfigures leads 4");
}

#[test]
fn a_suitability_hook_that_fails_counts_as_0_and_one_that_hangs_holds_up_nothing() {
    let group = Group::new(Times::Short);
    group.hook(
        "suitability",
        "[ -n \"$HANGS\" ] || exit 3\ntrap '' TERM\necho 1\nsleep 60\n",
    );
    group.pod(0);
    let failing = group.start(0);
    group.wait(&failing, "starts leads 1");
    let log = failing.kubesup.log();
    let says = "the suitability hook gives no value, which counts as 0: it ended with code 3";
    assert!(log.contains(says), "{log}");

    group.pod(1);
    let hangs = group.namespace.kubesup().env("HANGS", "1");
    let hangs = hangs
        .flag("--suitability-timeout", "500ms")
        .flag("--suitability-interval", "600ms");
    let mut hangs = group.begin(1, hangs);
    group.wait(&hangs, "starts follows");
    let seen = || assessments(&hangs);
    wait_until("it was killed and started again", seen, |count| *count > 1);
    let log = hangs.kubesup.log();
    assert!(log.contains("it took too long and was killed"), "{log}");
    assert_eq!(failing.kubesup.item()["process"]["state"], "up");
    let before = now();
    hangs.kubesup.signal(TERM);
    assert_eq!(hangs.kubesup.wait_exit(), 0);
    let took = now().saturating_sub(before);
    assert!(took < Duration::from_secs(3), "{}", hangs.kubesup.log());
}
