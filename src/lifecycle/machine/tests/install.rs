//! The hook that runs once for a package, before everything.

use super::*;

#[test]
fn install_comes_before_everything_once_for_a_package() {
    let mut life = Life::new(policy());
    let init = ("hooks/init", "1");
    assert_eq!(life.rendered(&[RUN, INSTALL, init]), ["start install"]);
    assert_eq!(
        life.rendered(&[RUN, INSTALL, init, CONFIG_1]),
        [""; 0],
        "one at a time"
    );
    assert_eq!(life.ended(Job::Install, 0), ["start init"]);
    life.ended(Job::Init, 0);
    life.ended(Job::Main, 1);
    assert_eq!(life.next(), ["start init"], "a restart is no installation");

    let mut life = Life::new(policy());
    life.machine.set_installed();
    assert_eq!(life.rendered(&[RUN, INSTALL, init]), ["start init"]);
}

#[test]
fn a_failed_install_starts_nothing_is_tried_again_and_spends_the_budget() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, INSTALL]);
    assert_eq!(life.ended(Job::Install, 3), [""; 0]);
    assert_eq!(life.next(), ["start install"]);
    assert_eq!(life.ended(Job::Install, 3), [""; 0]);
    assert_eq!(
        life.rendered(&[RUN, ("hooks/install", "mended")]),
        ["start install"],
        "at once when there is something new"
    );
    assert_eq!(life.ended(Job::Install, 0), ["start run"]);

    let mut life = Life::new(policy());
    life.rendered(&[RUN, INSTALL]);
    for _ in 0..4 {
        assert_eq!(life.ended(Job::Install, 3), [""; 0]);
        assert_eq!(life.next(), ["start install"]);
    }
    assert_eq!(life.ended(Job::Install, 3), ["finish 3"]);
}

#[test]
fn a_stop_while_install_runs_ends_it() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, INSTALL]);
    assert_eq!(life.stop(), ["kill install", "finish 0"]);
}

#[test]
fn an_install_that_takes_too_long_is_killed_and_tried_again() {
    let mut life = Life::new(Policy {
        init_timeout: Some(5 * S),
        ..policy()
    });
    assert_eq!(life.rendered(&[RUN, INSTALL]), ["start install"]);
    assert_eq!(life.next(), ["kill install"]);
    assert_eq!(life.now, 5 * S);
    assert_eq!(life.ended(Job::Install, 137), [""; 0]);
    assert_eq!(life.next(), ["start install"]);
}
