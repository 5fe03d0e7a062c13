//! What becomes of the rest of the program.

use super::*;

fn leaves_something(policy: Policy) -> Life {
    let mut life = Life::new(policy);
    life.leaves_something = true;
    life
}

#[test]
fn what_is_left_after_a_stop_is_told_waited_for_and_killed_in_time_for_post_stop() {
    let mut life = leaves_something(policy());
    life.rendered(&[RUN, ("hooks/post-stop", "")]);
    life.stop();
    assert_eq!(life.ended(Job::Main, 0), ["sweep the group 15"]);
    assert_eq!(life.next(), ["kill rest"]);
    assert_eq!(life.now, 24 * S + S / 2);
    assert_eq!(life.feed(Event::Swept), ["start post-stop"]);
    assert_eq!(life.ended(Job::PostStop, 0), ["finish 0"]);
}

#[test]
fn what_even_kill_does_not_end_is_not_waited_for() {
    let mut life = leaves_something(policy());
    life.rendered(&[RUN]);
    life.stop();
    life.ended(Job::Main, 0);
    assert_eq!(life.next(), ["kill rest"]);
    assert_eq!(life.next(), ["finish 0"]);
    assert_eq!(life.now, 29 * S + 7 * S / 10);
}

#[test]
fn a_restart_waits_for_the_group_that_it_told_and_leaves_others_alone() {
    let mut life = leaves_something(policy());
    life.rendered(&[RUN, CONFIG_1]);
    life.rendered(&[RUN, CONFIG_2]);
    assert_eq!(life.ended(Job::Main, 143), ["sweep the group 0"]);
    assert_eq!(life.feed(Event::Swept), ["start run"]);
}

#[test]
fn a_stop_while_a_restart_waits_for_the_group_tells_the_others_too() {
    let mut life = leaves_something(policy());
    life.rendered(&[RUN, CONFIG_1]);
    life.rendered(&[RUN, CONFIG_2]);
    life.ended(Job::Main, 143);
    assert_eq!(life.stop(), ["sweep the group 15"]);
    life.stop();
    assert_eq!(life.next(), ["kill rest"]);
    assert_eq!(life.now, S, "the second signal shortens this too");
    assert_eq!(life.feed(Event::Swept), ["finish 0"]);
}

#[test]
fn a_crash_leaves_others_alone_before_a_restart_and_not_before_the_end() {
    let mut life = leaves_something(policy());
    life.rendered(&[RUN]);
    assert_eq!(life.ended(Job::Main, 1), [""; 0]);
    let mut exiting = leaves_something(Policy {
        on_exit: OnExit::Exit,
        ..policy()
    });
    exiting.rendered(&[RUN]);
    assert_eq!(exiting.ended(Job::Main, 3), ["sweep nobody 15"]);
    assert_eq!(exiting.next(), ["kill rest"]);
    assert_eq!(exiting.now, 5 * S);
    assert_eq!(exiting.feed(Event::Swept), ["finish 3"]);
}
