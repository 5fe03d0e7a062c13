//! How a stop waits for the endpoints.

use super::*;

fn draining() -> Policy {
    Policy {
        drain: Some(Drain {
            linger: 3 * S,
            max: 10 * S,
        }),
        ..policy()
    }
}

#[test]
fn the_program_serves_on_until_its_endpoints_are_gone_and_a_little_longer() {
    let mut life = Life::new(draining());
    life.rendered(&[RUN]);
    assert_eq!(life.stop(), ["drain"]);
    assert_eq!(life.machine.status().phase, Phase::Draining);
    assert!(life.machine.status().pid.is_some());
    life.now += 2 * S;
    assert_eq!(life.feed(Event::Drained(Drained::Gone)), [""; 0]);
    assert_eq!(life.next(), ["signal run 15"]);
    assert_eq!(life.now, 5 * S);
    assert_eq!(life.ended(Job::Main, 0), ["finish 0"]);
}

#[test]
fn a_drain_has_an_end_and_a_pod_in_no_service_does_not_wait() {
    let mut slow = Life::new(draining());
    slow.rendered(&[RUN]);
    slow.stop();
    assert_eq!(slow.next(), ["end drain", "signal run 15"]);
    assert_eq!(slow.now, 10 * S);
    assert_eq!(slow.feed(Event::Drained(Drained::Gone)), [""; 0]);

    let mut late = Life::new(draining());
    late.rendered(&[RUN]);
    late.stop();
    late.now += 9 * S;
    late.feed(Event::Drained(Drained::Gone));
    assert_eq!(late.next(), ["signal run 15"]);
    assert_eq!(late.now, 10 * S, "lingering counts");

    let mut nobody = Life::new(draining());
    nobody.rendered(&[RUN]);
    nobody.stop();
    assert_eq!(
        nobody.feed(Event::Drained(Drained::InNoService)),
        ["signal run 15"]
    );
}

#[test]
fn a_drain_leaves_the_program_half_of_what_is_left_of_the_grace_period() {
    let mut life = Life::new(draining());
    life.rendered(&[RUN]);
    life.feed(Event::Deleted { grace: 9 * S });
    life.now += S / 2;
    life.stop();
    assert_eq!(life.next(), ["end drain", "signal run 15"]);
    assert_eq!(life.now, S / 2 + 4 * S);
    assert_eq!(life.next(), ["kill run"]);
    assert_eq!(life.now, 8 * S + S / 2);
}

#[test]
fn a_second_signal_ends_the_drain_and_an_end_of_the_program_too() {
    let mut life = Life::new(draining());
    life.rendered(&[RUN]);
    life.stop();
    assert_eq!(life.stop(), ["end drain", "signal run 15"]);
    assert_eq!(life.next(), ["kill run"]);
    assert_eq!(life.now, S);

    let mut ending = Life::new(draining());
    ending.rendered(&[RUN]);
    ending.stop();
    assert_eq!(ending.ended(Job::Main, 5), ["end drain", "finish 5"]);
}

#[test]
fn only_what_runs_drains_and_health_is_checked_meanwhile() {
    let mut waiting = Life::new(draining());
    assert_eq!(waiting.stop(), ["finish 0"]);
    let mut init = Life::new(draining());
    init.rendered(&[RUN, ("hooks/init", "")]);
    assert_eq!(init.stop(), ["signal init 15"]);
    let mut life = Life::new(draining());
    life.rendered(&[RUN, ("hooks/health-check", "")]);
    life.stop();
    life.ended(Job::HealthCheck, 1);
    life.now += 9 * S;
    assert_eq!(life.machine.status().health, Health::Warning);
    let mut unhealthy = Life::new(Policy {
        health_interval: S,
        ..draining()
    });
    unhealthy.rendered(&[RUN, ("hooks/health-check", "")]);
    unhealthy.ended(Job::HealthCheck, 2);
    unhealthy.stop();
    assert_eq!(unhealthy.next(), ["start health-check"]);
}

#[test]
fn a_deletion_that_is_seen_during_a_drain_shortens_it() {
    let mut life = Life::new(draining());
    life.rendered(&[RUN]);
    assert_eq!(life.stop(), ["drain"]);
    life.feed(Event::Deleted { grace: 5 * S });
    assert_eq!(life.next(), ["end drain", "signal run 15"]);
    assert_eq!(life.now, 2 * S + S / 4);
    assert_eq!(life.next(), ["kill run"]);
    assert_eq!(life.now, 4 * S + S / 2);
}
