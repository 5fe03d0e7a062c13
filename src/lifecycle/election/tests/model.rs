//! The election under a model checker: every order of deliveries and faults within the bounds.

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::Flaw;
use super::world::{Action, Bounds, Faults, World, times};

struct Cluster {
    bounds: Bounds,
}

impl Model for Cluster {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds)]
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        if state.broken.is_none() {
            state.actions(actions);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut next = last.clone();
        next.apply(action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one leader", |_: &Cluster, world: &World| {
                world.broken.is_none()
            }),
            Property::always("a leader in time", |model: &Cluster, world: &World| {
                let calm = world.time - world.calm_since;
                calm <= model.bounds.patience() || world.leaders() == 1 || world.is_empty()
            }),
            Property::sometimes("the lead moves", |_: &Cluster, world: &World| world.moved),
        ]
    }
}

/// The deadline is three ticks, the demotion one, the margin one. Somebody who stands still for a tick, or a clock that
/// is a tick off, is within the margin.
fn bounds(faults: Faults) -> Bounds {
    Bounds {
        candidates: 2,
        times: times(6, 3, 1, 2, 1, 1),
        delay: 1,
        hooks: false,
        faults,
        flaw: None,
    }
}

/// The least that is still safe where everything happens on the tick: with one less, or counted from elsewhere, a tick of
/// standing still is too much.
fn tight(faults: Faults) -> Bounds {
    Bounds {
        times: times(5, 3, 1, 2, 1, 0),
        ..bounds(faults)
    }
}

const NONE: Faults = Faults {
    crashes: 0,
    pauses: 0,
    drifts: 0,
    losses: 0,
    duplicates: 0,
    gaps: 0,
    edits: 0,
    deletions: 0,
    leaves: 0,
};

fn check(bounds: Bounds) -> impl Checker<Cluster> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cluster = Cluster { bounds };
    let checker = cluster.checker().threads(threads);
    checker
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join()
}

/// No order of events breaks a rule, and in some the lead moves.
fn assert_holds(bounds: Bounds) {
    explore(bounds).assert_any_discovery("the lead moves");
}

fn explore(bounds: Bounds) -> impl Checker<Cluster> {
    let checker = check(bounds);
    for rule in ["one leader", "a leader in time"] {
        if let Some(path) = checker.discovery(rule) {
            let world = path.last_state().clone();
            panic!("{rule}: {:?} after {:?}", world.broken, path.into_actions());
        }
    }
    // What is explored is not empty.
    assert!(checker.is_done() && checker.unique_state_count() > 5_000);
    checker
}

/// Some order of events breaks it.
fn assert_caught(rule: &'static str, bounds: Bounds) {
    check(bounds).assert_any_discovery(rule);
}

/// `make soak` explores what takes minutes.
fn is_soak() -> bool {
    option_env!("KUBESUP_SOAK").is_some_and(|soak| soak == "1")
}

#[test]
fn one_of_two_leads_whatever_is_late() {
    explore(bounds(Faults { gaps: 1, ..NONE }));
}

#[test]
fn one_of_two_leads_when_one_crashes_and_comes_back() {
    assert_holds(bounds(Faults { crashes: 1, ..NONE }));
}

#[test]
fn one_of_two_leads_when_one_stands_still_for_a_tick() {
    assert_holds(tight(Faults { pauses: 1, ..NONE }));
}

#[test]
fn one_of_two_leads_when_a_clock_is_off_by_a_tick() {
    assert_holds(tight(Faults { drifts: 1, ..NONE }));
}

#[test]
fn one_of_two_leads_when_a_message_is_lost() {
    assert_holds(bounds(Faults { losses: 1, ..NONE }));
}

#[test]
fn one_of_two_leads_when_a_request_is_sent_twice() {
    assert_holds(bounds(Faults {
        duplicates: 1,
        ..NONE
    }));
}

#[test]
fn one_of_two_leads_when_the_lease_is_emptied_or_deleted_by_hand() {
    assert_holds(bounds(Faults { edits: 1, ..NONE }));
    assert_holds(bounds(Faults {
        deletions: 1,
        ..NONE
    }));
}

#[test]
fn one_of_two_leads_when_the_leader_leaves() {
    assert_holds(bounds(Faults { leaves: 1, ..NONE }));
    assert_holds(Bounds {
        hooks: true,
        ..bounds(Faults { leaves: 1, ..NONE })
    });
}

#[test]
fn one_of_three_leads() {
    explore(Bounds {
        candidates: 3,
        ..bounds(NONE)
    });
}

#[test]
fn one_leads_when_two_things_go_wrong() {
    if !is_soak() {
        return;
    }
    for faults in [
        Faults {
            pauses: 1,
            losses: 1,
            ..NONE
        },
        Faults {
            pauses: 1,
            drifts: 1,
            ..NONE
        },
        Faults {
            crashes: 1,
            losses: 1,
            ..NONE
        },
        Faults {
            crashes: 1,
            leaves: 1,
            ..NONE
        },
        Faults {
            edits: 1,
            losses: 1,
            ..NONE
        },
        Faults { crashes: 2, ..NONE },
    ] {
        assert_holds(bounds(faults));
    }
    for faults in [
        Faults { leaves: 1, ..NONE },
        Faults { crashes: 1, ..NONE },
        Faults { losses: 1, ..NONE },
    ] {
        assert_holds(Bounds {
            candidates: 3,
            ..bounds(faults)
        });
    }
}

// The model can fail: each of these takes away one thing that the rules need.

const LOSS_AND_PAUSE: Faults = Faults {
    losses: 1,
    pauses: 1,
    ..NONE
};

#[test]
fn without_a_margin_standing_still_gives_two_leaders() {
    assert_caught(
        "one leader",
        Bounds {
            times: times(4, 3, 1, 2, 1, 0),
            ..bounds(LOSS_AND_PAUSE)
        },
    );
}

#[test]
fn without_the_kill_a_program_that_does_not_obey_gives_two_leaders() {
    assert_caught(
        "one leader",
        Bounds {
            times: times(6, 3, 1, 2, 100, 1),
            ..bounds(Faults { losses: 1, ..NONE })
        },
    );
}

#[test]
fn a_deadline_that_counts_from_the_answer_gives_two_leaders() {
    assert_caught(
        "one leader",
        Bounds {
            flaw: Some(Flaw::CountsFromTheAnswer),
            ..tight(Faults { pauses: 1, ..NONE })
        },
    );
}

#[test]
fn taking_an_emptied_lease_for_a_released_one_gives_two_leaders() {
    assert_caught(
        "one leader",
        Bounds {
            flaw: Some(Flaw::TakesAnEmptiedLease),
            ..bounds(Faults { edits: 1, ..NONE })
        },
    );
}

#[test]
fn a_term_that_is_not_counted_up_has_two_leaders() {
    assert_caught(
        "one leader",
        Bounds {
            flaw: Some(Flaw::KeepsTheTerm),
            ..bounds(Faults { crashes: 1, ..NONE })
        },
    );
}

#[test]
fn writing_without_comparing_gives_two_leaders() {
    assert_caught(
        "one leader",
        Bounds {
            flaw: Some(Flaw::WritesWithoutComparing),
            ..bounds(NONE)
        },
    );
}
