//! What a new rendering leads to: `reconfigure`, a restart, or nothing.

use super::*;

#[test]
fn changed_config_runs_reconfigure_once_and_restarts_nothing() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, CONFIG_1, RECONFIGURE]);
    assert_eq!(
        life.rendered(&[RUN, CONFIG_2, RECONFIGURE]),
        ["start reconfigure"]
    );
    assert_eq!(life.ended(Job::Reconfigure, 0), [""; 0]);
    assert_eq!(life.rendered(&[RUN, CONFIG_2, RECONFIGURE]), [""; 0]);
    assert_eq!(life.machine.next_deadline(), None);
}

#[test]
fn changes_during_a_reconfigure_are_applied_by_one_more() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, CONFIG_1, RECONFIGURE]);
    life.rendered(&[RUN, CONFIG_2, RECONFIGURE]);
    assert_eq!(
        life.rendered(&[RUN, ("config/a", "3"), RECONFIGURE]),
        [""; 0]
    );
    assert_eq!(
        life.rendered(&[RUN, ("config/a", "4"), RECONFIGURE]),
        [""; 0]
    );
    assert_eq!(life.ended(Job::Reconfigure, 0), ["start reconfigure"]);
    assert_eq!(life.ended(Job::Reconfigure, 0), [""; 0]);
}

#[test]
fn a_failed_reconfigure_is_retried_with_growing_pauses_until_it_succeeds() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, CONFIG_1, RECONFIGURE]);
    life.rendered(&[RUN, CONFIG_2, RECONFIGURE]);
    for _ in 0..4 {
        assert_eq!(life.ended(Job::Reconfigure, 1), [""; 0]);
        assert!(life.machine.status().reconfigure_failure.is_some());
        assert_eq!(life.next(), ["start reconfigure"]);
    }
    life.ended(Job::Reconfigure, 0);
    assert_eq!(
        (
            life.machine.status().reconfigure_failure,
            life.machine.next_deadline()
        ),
        (None, None)
    );
}

#[test]
fn going_back_after_a_failed_reconfigure_runs_the_hook_again() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, CONFIG_1, RECONFIGURE]);
    life.rendered(&[RUN, CONFIG_2, RECONFIGURE]);
    life.ended(Job::Reconfigure, 1);
    assert_eq!(
        life.rendered(&[RUN, CONFIG_1, RECONFIGURE]),
        ["start reconfigure"]
    );
    life.ended(Job::Reconfigure, 0);
    assert_eq!(life.machine.next_deadline(), None);
}

#[test]
fn a_reconfigure_that_hangs_is_killed_and_tried_again() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, CONFIG_1, RECONFIGURE]);
    life.rendered(&[RUN, CONFIG_2, RECONFIGURE]);
    assert_eq!(life.after(60 * S), ["kill reconfigure"]);
    life.ended(Job::Reconfigure, 137);
    assert_eq!(life.next(), ["start reconfigure"]);
}

#[test]
fn changed_config_without_the_hook_is_one_restart_which_is_no_failure() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, CONFIG_1]);
    assert_eq!(life.rendered(&[RUN, CONFIG_2]), ["signal run 15"]);
    assert_eq!(life.ended(Job::Main, 143), ["start run"]);
    let status = life.machine.status();
    assert_eq!(
        (
            status.restart_count,
            status.last_process.map(|last| last.reason)
        ),
        (0, Some(TerminationReason::AppConfigUpdated))
    );
}

#[test]
fn a_restart_in_a_group_is_spread_and_going_back_in_time_cancels_it() {
    let mut life = Life::new(policy());
    life.group(&[RUN, CONFIG_1], 3);
    assert_eq!(life.group(&[RUN, CONFIG_2], 3), [""; 0]);
    let due = life.machine.next_deadline().expect("a restart is due");
    assert!(due <= 4 * S, "{due:?}");
    assert_eq!(life.group(&[RUN, CONFIG_1], 3), [""; 0]);
    assert_eq!(life.machine.next_deadline(), None);
    life.group(&[RUN, CONFIG_2], 3);
    assert_eq!(life.next(), ["signal run 15"]);
}

#[test]
fn a_restart_that_was_spread_is_due_at_once_when_it_concerns_one_member_alone() {
    let mut life = Life::new(policy());
    life.group(&[RUN, CONFIG_1], 10);
    assert_eq!(life.group(&[RUN, CONFIG_2], 10), [""; 0]);
    let (file, _) = CONFIG_2;
    assert_eq!(life.rendered(&[RUN, (file, "leads")]), ["signal run 15"]);
}

#[test]
fn nothing_else_is_begun_until_a_demotion_has_ended() {
    let mut life = Life::new(policy());
    let check = ("hooks/health-check", "");
    life.rendered(&[RUN, CONFIG_1, RECONFIGURE, check]);
    life.ended(Job::HealthCheck, 0);
    let due = life.machine.next_deadline().expect("a check is due");
    // Whoever stood still finds all of it at once.
    life.now += due;
    let demoted = files(&[RUN, CONFIG_2, RECONFIGURE, check]);
    let commands = life.feed(Event::Demote { files: demoted });
    assert_eq!(commands, ["start reconfigure"]);
    assert_eq!(life.feed(Event::Tick), [""; 0]);
    let edited = [RUN, ("config/a", "3"), RECONFIGURE, check];
    assert_eq!(
        life.rendered(&edited),
        [""; 0],
        "an edit that came meanwhile"
    );
    assert!(
        life.machine.next_deadline().is_some_and(|at| at > life.now),
        "no tick is asked for that would do nothing"
    );
    let after = life.ended(Job::Reconfigure, 0);
    assert_eq!(after, ["start reconfigure"]);
    assert_eq!(life.ended(Job::Reconfigure, 0), ["start health-check"]);
}

#[test]
fn a_change_while_init_runs_is_looked_at_when_the_main_process_is_up() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, CONFIG_1, RECONFIGURE, ("hooks/init", "")]);
    assert_eq!(
        life.rendered(&[
            ("hooks/run", "2"),
            CONFIG_2,
            RECONFIGURE,
            ("hooks/init", "")
        ]),
        [""; 0]
    );
    assert_eq!(life.ended(Job::Init, 0), ["start run", "start reconfigure"]);
}
