//! What checks of the health lead to.

use super::*;

fn checked(on_health_failure: OnHealthFailure) -> Policy {
    Policy {
        check: CheckKind::Setting,
        on_health_failure,
        ..policy()
    }
}

#[test]
fn a_reconfigure_during_a_health_check_brings_another_check_at_once() {
    let mut life = Life::new(policy());
    let check = ("hooks/health-check", "");
    assert_eq!(
        life.rendered(&[RUN, CONFIG_1, RECONFIGURE, check]),
        ["start run", "start health-check"]
    );
    assert_eq!(
        life.rendered(&[RUN, CONFIG_2, RECONFIGURE, check]),
        ["start reconfigure"]
    );
    assert_eq!(life.ended(Job::Reconfigure, 0), [""; 0], "one at a time");
    // What this one saw may be from before the change.
    assert_eq!(life.ended(Job::HealthCheck, 0), ["start health-check"]);
    assert_eq!(life.now, Duration::ZERO);
    assert_eq!(life.ended(Job::HealthCheck, 0), [""; 0], "and only one");
}

#[test]
fn a_check_of_the_settings_needs_no_hook_and_begins_after_its_delay() {
    let mut life = Life::new(Policy {
        health_start_delay: 7 * S,
        ..checked(OnHealthFailure::Nothing)
    });
    assert_eq!(life.rendered(&[RUN]), ["start run"]);
    assert_eq!(life.machine.status().health, Health::Unknown);
    assert_eq!(life.next(), ["start health-check"]);
    assert_eq!(life.now, 7 * S);
    life.ended(Job::HealthCheck, 0);
    assert_eq!(life.machine.status().health, Health::Ok);
}

/// Lets every check end so, until one of them asks for something; when that is, and for what.
fn ending_all(life: &mut Life, code: i32) -> (Duration, Vec<String>) {
    loop {
        let words = life.ended(Job::HealthCheck, code);
        if !words.is_empty() {
            return (life.now, words);
        }
        assert_eq!(life.next(), ["start health-check"]);
    }
}

#[test]
fn failures_in_a_row_restart_the_program_and_count_as_its_failure() {
    let mut life = Life::new(checked(OnHealthFailure::Restart));
    life.rendered(&[RUN]);
    let third = (60 * S, vec!["signal run 15".to_owned()]);
    assert_eq!(ending_all(&mut life, 2), third);
    assert_eq!(life.ended(Job::Main, 143), [""; 0]);
    let status = life.machine.status();
    assert_eq!((status.phase, status.restart_count), (Phase::BackingOff, 1));
    assert_eq!(life.next(), ["start run", "start health-check"]);
    let again = life.now;
    assert_eq!(ending_all(&mut life, 2).0, again + 60 * S, "it counts anew");
}

/// Between the checks that count there are looks, so that it is ready as soon as it can be.
#[test]
fn a_program_that_is_well_a_moment_after_its_first_check_is_seen_to_be_so_within_a_second() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, ("hooks/health-check", "")]);
    life.ended(Job::HealthCheck, 2);
    assert_eq!(life.machine.status().health, Health::Critical);
    assert_eq!(life.next(), ["start health-check"]);
    life.ended(Job::HealthCheck, 0);
    assert_eq!(life.machine.status().health, Health::Ok);
    assert_eq!(life.now, S);
}

#[test]
fn one_success_in_between_and_nothing_is_restarted_nor_without_being_asked_to() {
    let mut life = Life::new(checked(OnHealthFailure::Restart));
    life.rendered(&[RUN]);
    for code in [2, 2, 0, 2, 2, 1, 2, 2] {
        assert_eq!(life.ended(Job::HealthCheck, code), [""; 0]);
        assert_eq!(life.next(), ["start health-check"]);
    }
    let mut patient = Life::new(checked(OnHealthFailure::Nothing));
    patient.rendered(&[RUN]);
    for _ in 0..10 {
        assert_eq!(patient.ended(Job::HealthCheck, 2), [""; 0]);
        assert_eq!(patient.next(), ["start health-check"]);
    }
    assert_eq!(patient.machine.status().health, Health::Critical);
}

#[test]
fn a_check_that_hangs_has_failed() {
    let mut life = Life::new(checked(OnHealthFailure::Restart));
    life.rendered(&[RUN]);
    for _ in 0..2 {
        assert_eq!(life.next(), ["kill health-check"]);
        life.ended(Job::HealthCheck, 137);
        assert_eq!(life.next(), ["start health-check"]);
    }
    assert_eq!(life.next(), ["kill health-check"]);
    assert_eq!(life.ended(Job::HealthCheck, 137), ["signal run 15"]);
}
