//! Scripted lives: each test feeds events and reads what the machine asks for.

use super::*;
use crate::config::RestartBudget;
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
}

impl Life {
    fn new(policy: Policy) -> Self {
        Life {
            machine: Lifecycle::new(policy),
            now: Duration::ZERO,
            pid: 100,
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
        self.feed(Event::Ended { job, code })
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

#[derive(Debug, Clone)]
enum Move {
    Render(u8),
    End(Job, i32),
    Wait(u64),
    ChangeFiles,
    Delete,
}

fn a_move() -> impl Strategy<Value = Move> {
    let job = prop_oneof![
        Just(Job::Init),
        Just(Job::Main),
        Just(Job::PostRun),
        Just(Job::HealthCheck),
        Just(Job::Reconfigure),
        Just(Job::FileUpdated),
        Just(Job::PostStop)
    ];
    prop_oneof![
        4 => (0..128u8).prop_map(Move::Render),
        6 => (job, 0..4i32).prop_map(|(job, code)| Move::End(job, code)),
        4 => (0..40_000u64).prop_map(Move::Wait),
        2 => Just(Move::ChangeFiles),
        1 => Just(Move::Delete),
    ]
}

/// Every bit of `which` is a file that is there or has another text.
fn some_files(which: u8) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("hooks/run", if which & 1 == 0 { "1" } else { "2" }),
        ("config/a", if which & 2 == 0 { "1" } else { "2" }),
    ];
    for (bit, name) in [
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

proptest! {
    #[test]
    fn there_is_one_main_process_and_every_stop_comes_to_an_end(moves in proptest::collection::vec(a_move(), 0..60)) {
        let mut life = Life::new(policy());
        let mut up: Vec<Job> = Vec::new();
        let mut told: Option<Duration> = None;
        let mut over = false;
        let mut note = |words: Vec<String>, up: &mut Vec<Job>, now: Duration| -> Result<(), TestCaseError> {
            for word in words {
                prop_assert!(!over, "{word} after the end");
                let (verb, rest) = word.split_once(' ').unwrap_or((&word, ""));
                let job = [Job::Init, Job::Main, Job::PostRun, Job::HealthCheck, Job::Reconfigure, Job::FileUpdated, Job::PostStop]
                    .into_iter().find(|job| rest.split(' ').next() == Some(job.hook()));
                match (verb, job) {
                    ("start", Some(job)) => {
                        prop_assert!(!up.contains(&job), "two of {job:?}");
                        up.push(job);
                        if job == Job::Main { told = None; }
                    }
                    ("signal", Some(Job::Main | Job::Init)) => told = Some(now),
                    ("kill", Some(Job::Main | Job::Init)) => prop_assert!(told.is_some_and(|at| at < now), "killed before its grace"),
                    ("finish", None) => over = true,
                    _ => {}
                }
            }
            Ok(())
        };
        for a_move in moves {
            let words = match a_move {
                Move::Render(which) => life.rendered(&some_files(which)),
                Move::End(job, code) => {
                    if !up.contains(&job) { continue; }
                    up.retain(|other| *other != job);
                    life.ended(job, code)
                }
                Move::Wait(millis) => life.after(Duration::from_millis(millis)),
                Move::ChangeFiles => life.feed(Event::FilesUpdated),
                Move::Delete => life.feed(Event::Deleted { grace: 30 * S }),
            };
            note(words, &mut up, life.now)?;
        }
        let stop = life.stop();
        note(stop, &mut up, life.now)?;
        // What was killed ends, and nothing else ends by itself.
        for _ in 0..40 {
            let doomed = up.iter().copied().find(|job| life.machine.jobs.get(job).is_some_and(|job| job.killed));
            let words = if let Some(job) = doomed {
                up.retain(|other| *other != job);
                life.ended(job, 137)
            } else if let Some(deadline) = life.machine.next_deadline() {
                life.now = deadline.max(life.now);
                life.feed(Event::Tick)
            } else {
                break;
            };
            note(words, &mut up, life.now)?;
        }
        prop_assert_eq!(life.machine.status().phase, Phase::Finished);
    }
}
