//! What a start consists of, and what follows when it fails.

use super::*;

#[test]
fn init_comes_first_and_then_the_main_process_and_its_health_check() {
    let mut life = Life::new(policy());
    assert_eq!(
        life.rendered(&[RUN, ("hooks/init", ""), ("hooks/health-check", "")]),
        ["start init"]
    );
    assert_eq!(
        life.ended(Job::Init, 0),
        ["start run", "start health-check"]
    );
    assert_eq!(life.machine.status().health, Health::Unknown);
    life.ended(Job::HealthCheck, 1);
    assert_eq!(life.machine.status().health, Health::Warning);
    assert_eq!(life.next(), ["start health-check"]);
}

#[test]
fn without_a_health_check_up_is_ok_and_down_is_critical() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    assert_eq!(life.machine.status().health, Health::Ok);
    life.ended(Job::Main, 0);
    assert_eq!(life.machine.status().health, Health::Critical);
}

#[test]
fn a_failed_init_goes_through_post_stop_and_backs_off() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, ("hooks/init", ""), ("hooks/post-stop", "")]);
    assert_eq!(life.ended(Job::Init, 3), ["start post-stop"]);
    assert_eq!(life.ended(Job::PostStop, 0), [""; 0]);
    assert_eq!(life.machine.status().phase, Phase::BackingOff);
    assert_eq!(
        life.machine.status().last_process.map(|last| last.reason),
        Some(TerminationReason::InitHookFailed)
    );
    assert_eq!(life.next(), ["start init"]);
}

#[test]
fn a_crash_backs_off_and_the_fifth_one_ends_kubesup_with_its_code() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    for _ in 0..4 {
        assert_eq!(life.ended(Job::Main, 7), [""; 0]);
        assert_eq!(life.next(), ["start run"]);
    }
    assert_eq!(life.machine.status().restart_count, 4);
    assert_eq!(life.ended(Job::Main, 7), ["finish 7"]);
}

#[test]
fn on_exit_exit_ends_with_the_childs_code_after_post_stop() {
    let mut life = Life::new(Policy {
        on_exit: OnExit::Exit,
        ..policy()
    });
    life.rendered(&[RUN, ("hooks/post-stop", "")]);
    assert_eq!(life.ended(Job::Main, 42), ["start post-stop"]);
    assert_eq!(life.ended(Job::PostStop, 1), ["finish 42"]);
}

#[test]
fn a_failure_within_a_second_is_a_failed_start_and_its_last_lines_are_kept() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    life.now += S / 2;
    life.ended(Job::Main, 7);
    let ended = life.machine.status().last_end.expect("an end");
    assert_eq!(
        (ended.failed_to_start, ended.code, ended.ran, ended.wanted),
        (true, 7, S / 2, false)
    );
    assert_eq!(ended.output, ["last"]);
    life.next();
    life.now += 2 * S;
    life.ended(Job::Main, 7);
    assert!(
        life.machine
            .status()
            .last_end
            .is_some_and(|ended| !ended.failed_to_start)
    );
}

#[test]
fn an_init_that_takes_too_long_is_killed_and_counts_as_failed() {
    let mut life = Life::new(Policy {
        init_timeout: Some(5 * S),
        ..policy()
    });
    life.rendered(&[RUN, ("hooks/init", "")]);
    assert_eq!(life.next(), ["kill init"]);
    assert_eq!(life.now, 5 * S);
    assert_eq!(life.ended(Job::Init, 137), [""; 0]);
    assert_eq!(life.machine.status().phase, Phase::BackingOff);
}

#[test]
fn post_run_is_tried_again_with_growing_pauses() {
    let mut life = Life::new(policy());
    assert_eq!(
        life.rendered(&[RUN, ("hooks/post-run", "")]),
        ["start run", "start post-run"]
    );
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let before = life.now;
        life.ended(Job::PostRun, 1);
        assert_eq!(life.next(), ["start post-run"]);
        pauses.push(life.now.saturating_sub(before));
    }
    assert!(pauses[0] <= S && pauses[7] >= 30 * S, "{pauses:?}");
    assert_eq!(life.ended(Job::PostRun, 0), [""; 0]);
    assert_eq!(life.machine.next_deadline(), None);
}

#[test]
fn a_post_run_that_takes_too_long_is_killed_and_tried_again() {
    let mut life = Life::new(Policy {
        post_run_timeout: Some(5 * S),
        ..policy()
    });
    life.rendered(&[RUN, ("hooks/post-run", "")]);
    assert_eq!(life.next(), ["kill post-run"]);
    assert_eq!(life.now, 5 * S);
    assert_eq!(life.ended(Job::PostRun, 137), [""; 0]);
    assert_eq!(life.next(), ["start post-run"]);
}
