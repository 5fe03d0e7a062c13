//! How a stop goes, how long it may take, and which signal the program gets.

use super::*;

#[test]
fn a_stop_signals_waits_runs_post_stop_and_ends() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, ("hooks/post-stop", "")]);
    assert_eq!(life.stop(), ["signal run 15"]);
    assert_eq!(life.after(20 * S), [""; 0]);
    assert_eq!(life.ended(Job::Main, 0), ["start post-stop"]);
    assert_eq!(life.ended(Job::PostStop, 0), ["finish 0"]);
    assert_eq!(life.ended(Job::Main, 0), [""; 0]);
}

#[test]
fn what_ignores_the_signal_is_killed_in_time_for_post_stop_and_the_end() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, ("hooks/post-stop", "")]);
    life.stop();
    assert_eq!(life.next(), ["kill run"]);
    assert_eq!(life.now, 24 * S + S / 2);
    life.ended(Job::Main, 137);
    assert_eq!(life.next(), ["kill post-stop"]);
    assert_eq!(life.now, 29 * S + S / 2);
    assert_eq!(life.ended(Job::PostStop, 137), ["finish 0"]);
}

#[test]
fn a_second_stop_signal_shortens_the_grace() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    life.stop();
    life.stop();
    assert_eq!(life.machine.next_deadline(), Some(S));
}

#[test]
fn the_grace_period_counts_from_the_deletion_when_that_was_seen_first() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    life.feed(Event::Deleted { grace: 30 * S });
    life.after(10 * S);
    life.stop();
    assert_eq!(life.machine.next_deadline(), Some(29 * S + S / 2));
}

#[test]
fn a_deletion_that_is_seen_after_the_signal_brings_its_grace_to_what_is_under_way() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    life.stop();
    life.now += S;
    life.feed(Event::Deleted { grace: 5 * S });
    assert_eq!(life.next(), ["kill run"]);
    assert_eq!(life.now, 4 * S + S / 2, "counted from the signal");

    let mut hook = Life::new(policy());
    hook.rendered(&[RUN, ("hooks/post-stop", "")]);
    hook.stop();
    hook.ended(Job::Main, 143);
    hook.feed(Event::Deleted { grace: 5 * S });
    assert_eq!(hook.next(), ["kill post-stop"]);
    assert_eq!(hook.now, 4 * S + S / 2);

    let mut rest = Life::new(policy());
    rest.leaves_something = true;
    rest.rendered(&[RUN]);
    rest.stop();
    rest.ended(Job::Main, 143);
    rest.feed(Event::Deleted { grace: 5 * S });
    assert_eq!(rest.next(), ["kill rest"]);
    assert_eq!(rest.now, 4 * S + S / 2);
}

#[test]
fn a_second_deletion_shortens_the_grace_and_never_lengthens_it() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    life.feed(Event::Deleted { grace: 30 * S });
    life.now += 4 * S;
    life.feed(Event::Deleted { grace: 10 * S });
    life.feed(Event::Deleted { grace: 60 * S });
    life.stop();
    assert_eq!(life.machine.next_deadline(), Some(9 * S + S / 2));
    // The kubelet leaves two seconds, however late it is.
    life.now += S;
    life.feed(Event::Deleted { grace: S });
    assert_eq!(life.machine.next_deadline(), Some(6 * S + S / 2));
}

#[test]
fn the_grace_period_of_a_stop_that_was_held_counts_from_its_signal() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    life.after(100 * S);
    assert_eq!(life.feed(Event::StopHeld), [""; 0]);
    life.after(4 * S);
    assert_eq!(life.stop(), ["signal run 15"]);
    assert_eq!(life.machine.next_deadline(), Some(129 * S + S / 2));
}

#[test]
fn a_stop_in_any_place_ends() {
    let mut waiting = Life::new(policy());
    assert_eq!(waiting.stop(), ["finish 0"]);

    let mut init = Life::new(policy());
    init.rendered(&[RUN, ("hooks/init", "")]);
    assert_eq!(init.stop(), ["signal init 15"]);
    assert_eq!(init.ended(Job::Init, 143), ["finish 0"]);

    let mut backoff = Life::new(policy());
    backoff.rendered(&[RUN]);
    backoff.ended(Job::Main, 1);
    assert_eq!(backoff.stop(), ["finish 0"]);

    let mut restarting = Life::new(policy());
    restarting.rendered(&[RUN, CONFIG_1]);
    restarting.rendered(&[RUN, CONFIG_2]);
    assert_eq!(restarting.stop(), [""; 0]);
    assert_eq!(restarting.ended(Job::Main, 143), ["finish 0"]);

    let mut reconfiguring = Life::new(policy());
    reconfiguring.rendered(&[RUN, CONFIG_1, RECONFIGURE]);
    reconfiguring.rendered(&[RUN, CONFIG_2, RECONFIGURE]);
    assert_eq!(reconfiguring.stop(), ["signal run 15", "kill reconfigure"]);

    // Nor is the time waited for that spreads restarts over a group.
    let mut spread = Life::new(policy());
    spread.group(&[RUN, CONFIG_1], 3);
    assert_eq!(spread.group(&[RUN, CONFIG_2], 3), [""; 0]);
    assert_eq!(spread.stop(), ["signal run 15"]);
    assert_eq!(spread.ended(Job::Main, 143), ["finish 0"]);
}

#[test]
fn after_the_deletion_nothing_is_restarted_or_reconfigured() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, CONFIG_1]);
    life.feed(Event::Deleted { grace: 30 * S });
    assert_eq!(life.rendered(&[RUN, CONFIG_2]), [""; 0]);
    assert_eq!(life.ended(Job::Main, 9), ["finish 9"]);
}

#[test]
fn hooks_of_a_run_end_with_it_and_their_results_mean_nothing_to_the_next() {
    let mut life = Life::new(Policy {
        min_backoff: Duration::ZERO,
        ..policy()
    });
    let all = [RUN, CONFIG_1, RECONFIGURE, ("hooks/health-check", "")];
    life.rendered(&all);
    life.rendered(&[RUN, CONFIG_2, RECONFIGURE, ("hooks/health-check", "")]);
    assert_eq!(
        life.ended(Job::Main, 1),
        ["kill health-check", "kill reconfigure", "start run"]
    );
    assert_eq!(
        life.machine.next_deadline(),
        None,
        "nothing spins while the old hooks die"
    );
    assert_eq!(life.ended(Job::Reconfigure, 137), [""; 0]);
    assert_eq!(life.ended(Job::HealthCheck, 137), ["start health-check"]);
    assert_eq!(life.machine.status().reconfigure_failure, None);
}

#[test]
fn each_hook_that_runs_at_a_stop_is_stopped_too() {
    let all = |config| {
        [
            RUN,
            config,
            RECONFIGURE,
            FILE_UPDATED,
            ("hooks/health-check", ""),
            ("hooks/post-run", ""),
        ]
    };
    let mut life = Life::new(policy());
    life.rendered(&all(CONFIG_1));
    life.rendered(&all(CONFIG_2));
    life.feed(Event::FilesUpdated);
    let mut words = life.stop();
    words.sort();
    assert_eq!(
        words,
        [
            "kill file-updated",
            "kill health-check",
            "kill post-run",
            "kill reconfigure",
            "signal run 15"
        ]
    );
    assert_eq!(life.ended(Job::PostRun, 137), [""; 0], "not tried again");
}

#[test]
fn the_packages_stop_signal_beats_the_one_that_came() {
    let mut life = Life::new(Policy {
        stop_signal: Some(3),
        ..policy()
    });
    life.rendered(&[RUN]);
    assert_eq!(life.stop(), ["signal run 3"]);
}

#[test]
fn a_rewritten_stop_signal_is_what_the_program_gets_at_a_restart_too() {
    let mut life = Life::new(Policy {
        rewrite: RewriteSignals::parse("TERM=QUIT").expect("a table"),
        ..policy()
    });
    life.rendered(&[RUN, CONFIG_1]);
    assert_eq!(life.rendered(&[RUN, CONFIG_2]), ["signal run 3"]);
    life.ended(Job::Main, 0);
    assert_eq!(life.stop(), ["signal run 3"]);
}
