//! Scripted lives: each test feeds events and reads what the machine asks for.

mod changes;
mod drain;
mod file_updated;
mod health;
mod install;
mod laws;
mod starting;
mod stopping;
mod sweep;

use super::super::{CheckKind, Drain, Drained};
use super::*;
use crate::config::{OnExit, OnHealthFailure, RestartBudget, RewriteSignals};

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
