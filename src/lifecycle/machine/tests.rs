//! Scripted lives: each test feeds events and reads what the machine asks for.

use super::super::{CheckKind, Drain, Drained};
use super::*;
use crate::config::{OnExit, OnHealthFailure, RestartBudget, RewriteSignals};
use proptest::prelude::*;

const S: Duration = Duration::from_secs(1);

fn policy() -> Policy {
    Policy {
        on_exit: OnExit::Restart,
        min_backoff: S,
        max_backoff: 30 * S,
        cooldown: 300 * S,
        budget: Some(RestartBudget {
            failures: 5,
            within: 300 * S,
        }),
        health_interval: 30 * S,
        health_timeout: 60 * S,
        reconfigure_timeout: 60 * S,
        file_updated_timeout: 60 * S,
        post_stop_timeout: 60 * S,
        shutdown_timeout: None,
        grace: 30 * S,
        stop_signal: None,
        rewrite: RewriteSignals::default(),
        post_run_timeout: None,
        init_timeout: None,
        check: CheckKind::Hook,
        health_threshold: 3,
        health_start_delay: Duration::ZERO,
        on_health_failure: OnHealthFailure::Nothing,
        drain: None,
        seed: 1,
    }
}

fn files(pairs: &[(&str, &str)]) -> Arc<Files> {
    Arc::new(
        pairs
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect(),
    )
}

/// Runs a life: starts succeed at once, with pids that count up.
struct Life {
    machine: Lifecycle,
    now: Duration,
    pid: i32,
    /// Something of the program stays behind; else every sweep finds nothing.
    leaves_something: bool,
}

impl Life {
    fn new(policy: Policy) -> Self {
        Life {
            machine: Lifecycle::new(policy),
            now: Duration::ZERO,
            pid: 100,
            leaves_something: false,
        }
    }

    /// Feeds one event; what was asked for, in short words, notices left out.
    fn feed(&mut self, event: Event) -> Vec<String> {
        let now = Now {
            mono: self.now,
            wall: self.now.as_secs(),
        };
        let mut words = Vec::new();
        for command in self.machine.step(event, now) {
            match command {
                Command::Start(job) => {
                    words.push(format!("start {}", job.hook()));
                    self.pid += 1;
                    words.extend(self.feed(Event::Started { job, pid: self.pid }));
                }
                Command::Signal { job, signal } => {
                    words.push(format!("signal {} {signal}", job.hook()));
                }
                Command::Kill(job) => words.push(format!("kill {}", job.hook())),
                Command::Finish { code } => words.push(format!("finish {code}")),
                Command::Drain => words.push("drain".to_owned()),
                Command::EndDrain => words.push("end drain".to_owned()),
                Command::Sweep { .. } if !self.leaves_something => {
                    words.extend(self.feed(Event::Swept));
                }
                Command::Sweep { told, others } => words.push(format!(
                    "sweep {} {}",
                    told.map_or("nobody", |_| "the group"),
                    others.unwrap_or_default()
                )),
                Command::KillRest => words.push("kill rest".to_owned()),
                Command::Tell(_) => {}
            }
        }
        words
    }

    fn rendered(&mut self, pairs: &[(&str, &str)]) -> Vec<String> {
        self.group(pairs, 1)
    }

    fn group(&mut self, pairs: &[(&str, &str)], members: usize) -> Vec<String> {
        self.feed(Event::Rendered {
            files: files(pairs),
            members,
        })
    }

    fn ended(&mut self, job: Job, code: i32) -> Vec<String> {
        let output = vec!["last".to_owned()];
        self.feed(Event::Ended { job, code, output })
    }

    fn stop(&mut self) -> Vec<String> {
        self.feed(Event::Stop { signal: 15 })
    }

    fn after(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.feed(Event::Tick)
    }

    /// Lets time pass to the next deadline.
    fn next(&mut self) -> Vec<String> {
        self.now = self
            .machine
            .next_deadline()
            .expect("a deadline")
            .max(self.now);
        self.feed(Event::Tick)
    }
}

const RUN: (&str, &str) = ("hooks/run", "1");
const CONFIG_1: (&str, &str) = ("config/a", "1");
const CONFIG_2: (&str, &str) = ("config/a", "2");
const RECONFIGURE: (&str, &str) = ("hooks/reconfigure", "r");
const INSTALL: (&str, &str) = ("hooks/install", "i");
const FILE_UPDATED: (&str, &str) = ("hooks/file-updated", "f");

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

    let mut drain = Life::new(draining());
    drain.rendered(&[RUN]);
    assert_eq!(drain.stop(), ["drain"]);
    drain.feed(Event::Deleted { grace: 5 * S });
    assert_eq!(drain.next(), ["end drain", "signal run 15"]);
    assert_eq!(drain.now, 2 * S + S / 4);
    assert_eq!(drain.next(), ["kill run"]);
    assert_eq!(drain.now, 4 * S + S / 2);

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
fn changed_service_files_run_their_hook_once_each_and_one_at_a_time() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, FILE_UPDATED]);
    assert_eq!(life.feed(Event::FilesUpdated), ["start file-updated"]);
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    assert_eq!(life.ended(Job::FileUpdated, 0), ["start file-updated"]);
    assert_eq!(life.ended(Job::FileUpdated, 7), [""; 0], "nothing follows");
}

#[test]
fn service_files_that_change_while_init_runs_are_told_when_the_main_process_is_up() {
    let mut life = Life::new(policy());
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    assert_eq!(
        life.rendered(&[RUN, FILE_UPDATED, ("hooks/init", "1")]),
        ["start init"],
        "before init they are there already"
    );
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    assert_eq!(
        life.ended(Job::Init, 0),
        ["start run", "start file-updated"]
    );
}

#[test]
fn a_file_updated_hook_that_hangs_is_killed_and_one_of_an_older_run_says_nothing() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN, FILE_UPDATED]);
    life.feed(Event::FilesUpdated);
    assert_eq!(life.after(60 * S), ["kill file-updated"]);
    life.ended(Job::FileUpdated, 137);
    life.feed(Event::FilesUpdated);
    assert_eq!(life.ended(Job::Main, 1), ["kill file-updated"]);
    life.next();
    assert_eq!(
        life.feed(Event::FilesUpdated),
        [""; 0],
        "the old one is there"
    );
    assert_eq!(life.ended(Job::FileUpdated, 137), ["start file-updated"]);
}

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
fn without_the_hook_or_once_it_stops_changed_service_files_mean_nothing() {
    let mut life = Life::new(policy());
    life.rendered(&[RUN]);
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
    let mut life = Life::new(policy());
    life.rendered(&[RUN, FILE_UPDATED]);
    life.stop();
    assert_eq!(life.feed(Event::FilesUpdated), [""; 0]);
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

// Health.

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

fn checked(on_health_failure: OnHealthFailure) -> Policy {
    Policy {
        check: CheckKind::Setting,
        on_health_failure,
        ..policy()
    }
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

#[test]
fn failures_in_a_row_restart_the_program_and_count_as_its_failure() {
    let mut life = Life::new(checked(OnHealthFailure::Restart));
    life.rendered(&[RUN]);
    for _ in 0..2 {
        assert_eq!(life.ended(Job::HealthCheck, 2), [""; 0]);
        assert_eq!(life.next(), ["start health-check"]);
    }
    assert_eq!(life.ended(Job::HealthCheck, 2), ["signal run 15"]);
    assert_eq!(life.ended(Job::Main, 143), [""; 0]);
    let status = life.machine.status();
    assert_eq!((status.phase, status.restart_count), (Phase::BackingOff, 1));
    assert_eq!(life.next(), ["start run", "start health-check"]);
    life.ended(Job::HealthCheck, 2);
    assert_eq!(life.next(), ["start health-check"], "it counts anew");
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

// The rest of the program.

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

// The drain.

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

#[derive(Debug, Clone)]
enum Move {
    Drained(bool),
    Swept,
    Stop(i32),
    Render(u8),
    End(Job, i32),
    Wait(u64),
    ChangeFiles,
    Delete(u32),
}

fn a_move() -> impl Strategy<Value = Move> {
    let job = prop_oneof![
        Just(Job::Install),
        Just(Job::Init),
        Just(Job::Main),
        Just(Job::PostRun),
        Just(Job::HealthCheck),
        Just(Job::Reconfigure),
        Just(Job::FileUpdated),
        Just(Job::PostStop)
    ];
    prop_oneof![
        4 => any::<u8>().prop_map(Move::Render),
        6 => (job, 0..4i32).prop_map(|(job, code)| Move::End(job, code)),
        4 => (0..40_000u64).prop_map(Move::Wait),
        2 => Just(Move::ChangeFiles),
        1 => prop_oneof![Just(30), Just(5), Just(0)].prop_map(Move::Delete),
        1 => any::<bool>().prop_map(Move::Drained),
        2 => Just(Move::Swept),
        1 => prop_oneof![Just(15), Just(2)].prop_map(Move::Stop),
    ]
}

/// Every bit of `which` is a file that is there or has another text.
fn some_files(which: u8) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("hooks/run", if which & 1 == 0 { "1" } else { "2" }),
        ("config/a", if which & 2 == 0 { "1" } else { "2" }),
    ];
    for (bit, name) in [
        (128, "hooks/install"),
        (4, "hooks/init"),
        (8, "hooks/reconfigure"),
        (16, "hooks/post-stop"),
        (32, "hooks/health-check"),
        (64, "hooks/file-updated"),
    ] {
        if which & bit != 0 {
            all.push((name, "x"));
        }
    }
    all
}

/// Policies that differ in what may hold up or hasten an end.
fn a_policy() -> impl Strategy<Value = Policy> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(drains, exits, checks, backs_off)| Policy {
            drain: drains.then_some(Drain {
                linger: 3 * S,
                max: 10 * S,
            }),
            on_exit: if exits { OnExit::Exit } else { OnExit::Restart },
            check: if checks {
                CheckKind::Setting
            } else {
                CheckKind::Hook
            },
            health_threshold: 2,
            on_health_failure: OnHealthFailure::Restart,
            min_backoff: if backs_off { S } else { Duration::ZERO },
            max_backoff: if backs_off { 30 * S } else { Duration::ZERO },
            ..policy()
        },
    )
}

/// What an outsider sees of a life, and what must be true of it.
#[derive(Default)]
struct Witness {
    up: Vec<Job>,
    told: Option<Duration>,
    /// What shortens the grace: deletions and stop signals so far.
    hurry: u32,
    over: bool,
}

const JOBS: [Job; 8] = [
    Job::Install,
    Job::Init,
    Job::Main,
    Job::PostRun,
    Job::HealthCheck,
    Job::Reconfigure,
    Job::FileUpdated,
    Job::PostStop,
];

impl Witness {
    fn note(&mut self, words: Vec<String>, now: Duration) -> Result<(), TestCaseError> {
        for word in words {
            prop_assert!(!self.over, "{word} after the end");
            let (verb, rest) = word.split_once(' ').unwrap_or((&word, ""));
            let job = JOBS
                .into_iter()
                .find(|job| rest.split(' ').next() == Some(job.hook()));
            match (verb, job) {
                ("start", Some(job)) => {
                    prop_assert!(!self.up.contains(&job), "two of {job:?}");
                    prop_assert!(
                        job != Job::Init || !self.up.contains(&Job::Main),
                        "init beside the main process"
                    );
                    self.up.push(job);
                    if matches!(job, Job::Main | Job::Init) {
                        self.told = None;
                    }
                }
                ("signal", Some(Job::Main | Job::Init)) => {
                    prop_assert!(self.told.is_none(), "told twice");
                    self.told = Some(now);
                }
                ("kill", Some(Job::Main | Job::Init)) => {
                    let Some(told) = self.told else {
                        return Err(TestCaseError::fail("killed without having been told"));
                    };
                    // 30 s without the margin, the share of post-stop and the longest drain.
                    let least = if self.hurry > 1 {
                        Duration::ZERO
                    } else {
                        14 * S
                    };
                    prop_assert!(now > told + least, "killed before its grace");
                }
                ("finish", None) => {
                    prop_assert!(
                        !self.up.contains(&Job::Main) && !self.up.contains(&Job::Init),
                        "the end beside something that runs"
                    );
                    self.over = true;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Histories that are tried, more of them with `KUBESUP_SOAK`.
fn histories() -> u32 {
    if std::env::var_os("KUBESUP_SOAK").is_some() {
        50_000
    } else {
        1_000
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(histories()))]
    #[test]
    fn there_is_one_main_process_and_every_stop_comes_to_an_end(
        policy in a_policy(),
        leaves_something in any::<bool>(),
        moves in proptest::collection::vec(a_move(), 0..60),
    ) {
        let mut life = Life { leaves_something, ..Life::new(policy) };
        let mut witness = Witness::default();
        for a_move in moves {
            let words = match a_move {
                Move::Render(which) => life.rendered(&some_files(which)),
                Move::End(job, code) => {
                    if !witness.up.contains(&job) { continue; }
                    witness.up.retain(|other| *other != job);
                    life.ended(job, code)
                }
                Move::Wait(millis) => {
                    let until = life.now + Duration::from_millis(millis);
                    // As the supervisor does, which sleeps to each deadline. What is due at once never stays so.
                    for _ in 0..1000 {
                        let Some(due) = life.machine.next_deadline().filter(|at| *at <= until) else { break };
                        life.now = due.max(life.now);
                        let words = life.feed(Event::Tick);
                        witness.note(words, life.now)?;
                    }
                    life.now = until;
                    life.feed(Event::Tick)
                }
                Move::ChangeFiles => life.feed(Event::FilesUpdated),
                Move::Delete(grace) => {
                    witness.hurry += 2;
                    life.feed(Event::Deleted { grace: grace * S })
                }
                Move::Drained(gone) => life.feed(Event::Drained(if gone { Drained::Gone } else { Drained::InNoService })),
                Move::Swept => life.feed(Event::Swept),
                Move::Stop(signal) => {
                    witness.hurry += 1;
                    life.feed(Event::Stop { signal })
                }
            };
            witness.note(words, life.now)?;
        }
        witness.hurry += 1;
        let stop = life.stop();
        witness.note(stop, life.now)?;
        // What was killed ends, and nothing else ends by itself.
        for _ in 0..60 {
            let doomed = witness.up.iter().copied().find(|job| life.machine.jobs.get(job).is_some_and(|job| job.killed));
            let words = if let Some(job) = doomed {
                witness.up.retain(|other| *other != job);
                life.ended(job, 137)
            } else if let Some(deadline) = life.machine.next_deadline() {
                life.now = deadline.max(life.now);
                life.feed(Event::Tick)
            } else {
                break;
            };
            witness.note(words, life.now)?;
        }
        prop_assert_eq!(life.machine.status().phase, Phase::Finished);
    }
}
