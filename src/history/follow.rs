//! Owns how the history follows what happens: renderings, events and the commands that they led to.

use super::change::last_lines;
use super::{Attempt, Change, Decision, History, HookRun, State};
use crate::lifecycle::{Command, Event, Job, Notice, Now};

impl History {
    /// A rendering was tried. What it asks for follows with the life cycle's next step.
    pub fn tried(&mut self, attempt: Attempt, now: Now) {
        let rejected = !attempt.rejections.is_empty();
        if rejected {
            // Tried again in vain: nothing new.
            let same = |change: &Change| {
                change.decision == Decision::Reject && change.result.problems == attempt.rejections
            };
            if self.changes.back().is_some_and(|change| same(change)) {
                return;
            }
        } else if attempt.differences.is_empty() && attempt.files.is_empty() {
            return;
        }
        let change = self.add(attempt.cause.to_owned(), now.wall);
        change.changed = attempt.differences;
        change.files = attempt.files;
        if rejected {
            change.decision = Decision::Reject;
            change.result.state = State::Rejected;
            change.result.problems = attempt.rejections;
        } else {
            change.result.state = State::Applied;
            if !change.files.is_empty() {
                change.decision = Decision::RenderOnly;
            }
        }
    }

    /// The life cycle took in an event and said what to do.
    pub fn stepped(&mut self, event: &Event, commands: &[Command], now: Now) {
        self.heard(event, now);
        for command in commands {
            self.told(command, now);
        }
    }

    fn heard(&mut self, event: &Event, now: Now) {
        match event {
            Event::Started { job, pid } => {
                let hook = job.hook();
                self.update(
                    |change| change.has_open_hook(hook),
                    |change| {
                        if let Some(run) = change.open_hook(hook) {
                            run.pid = Some(*pid);
                        }
                    },
                );
            }
            Event::Ended { job, code, output } => {
                let hook = job.hook();
                let wall = now.mono;
                self.update(
                    |change| change.has_open_hook(hook),
                    |change| {
                        if let Some(run) = change.open_hook(hook) {
                            run.code = Some(*code);
                            let ran = wall.saturating_sub(run.since);
                            run.milliseconds =
                                Some(u64::try_from(ran.as_millis()).unwrap_or(u64::MAX));
                            if *code != 0 {
                                run.output = last_lines(output);
                            }
                        }
                    },
                );
            }
            Event::Stop { signal } => {
                let change = self.add(format!("stop signal {signal}"), now.wall);
                change.decision = Decision::Stop;
            }
            Event::Deleted { .. } => {
                let change = self.add("the own Pod is being deleted".to_owned(), now.wall);
                change.result.state = State::Applied;
            }
            _ => {}
        }
    }

    fn told(&mut self, command: &Command, now: Now) {
        match command {
            Command::Start(Job::HealthCheck | Job::Suitability) => {}
            Command::Start(job) => self.starting(*job, now),
            Command::Tell(notice) => self.noticed(notice, now),
            Command::Finish { code } => {
                let ending = |change: &Change| change.result.state == State::Pending;
                self.update(ending, |change| {
                    change.result.state = State::Applied;
                    if *code != 0 {
                        let line = format!("kubesup ends with code {code}");
                        change.result.problems.push(line);
                    }
                });
            }
            _ => {}
        }
    }

    fn starting(&mut self, job: Job, now: Now) {
        let run = HookRun {
            hook: job.hook(),
            pid: None,
            started_at: now.wall,
            code: None,
            milliseconds: None,
            output: Vec::new(),
            since: now.mono,
        };
        if self.changes.is_empty() {
            self.add("the beginning".to_owned(), now.wall);
        }
        self.update(
            |_| true,
            |change| {
                let undecided = matches!(change.decision, Decision::None | Decision::RenderOnly);
                match job {
                    Job::Reconfigure if undecided || change.decision == Decision::Reconfigure => {
                        change.decision = Decision::Reconfigure;
                        change.result.state = State::Pending;
                    }
                    Job::Init | Job::Main if undecided => {
                        // After a failure it is there again.
                        let again = change.reason.is_some();
                        change.decision = if again {
                            Decision::Restart
                        } else {
                            Decision::Start
                        };
                        change.result.state = State::Pending;
                    }
                    _ => {}
                }
                change.add_hook(run);
            },
        );
    }

    fn noticed(&mut self, notice: &Notice, now: Now) {
        let asked_to_run = |change: &Change| {
            matches!(change.decision, Decision::Start | Decision::Restart)
                && change.result.state == State::Pending
        };
        match notice {
            Notice::RestartDue { reason, .. } => {
                self.update(
                    |change| !matches!(change.decision, Decision::Reject | Decision::Stop),
                    |change| {
                        change.decision = Decision::Restart;
                        change.reason = Some(reason.as_str());
                        change.result.state = State::Pending;
                    },
                );
            }
            Notice::Started { .. } => {
                self.update(asked_to_run, |change| {
                    change.result.state = State::Applied;
                });
            }
            Notice::Failed { job, .. } => self.failed(*job, notice.to_string(), now),
            Notice::FailedToStart { .. } => self.failed(Job::Main, notice.to_string(), now),
            Notice::Unhealthy { .. } => {
                let change = self.add(notice.to_string(), now.wall);
                change.decision = Decision::Restart;
            }
            Notice::Reconfigured => {
                self.update(
                    |change| change.decision == Decision::Reconfigure,
                    |change| change.result.state = State::Applied,
                );
            }
            Notice::ReconfigureFailed { .. } => {
                let line = notice.to_string();
                self.update(
                    |change| change.decision == Decision::Reconfigure,
                    |change| {
                        change.result.state = State::Failed;
                        // Of tries in a row the last is told.
                        change.result.problems = vec![line];
                    },
                );
            }
            Notice::BackingOff(_) => {
                self.update(|_| true, |change| change.decision = Decision::Restart);
            }
            Notice::TimedOut(_) | Notice::Killed(_) | Notice::BudgetSpent { .. } => {
                let line = notice.to_string();
                self.update(
                    |_| true,
                    |change| {
                        if change.result.problems.last() != Some(&line) {
                            change.result.problems.push(line);
                        }
                    },
                );
            }
            _ => {}
        }
    }

    /// The main process or `init` ended by itself: a change of its own, with how that run went.
    fn failed(&mut self, job: Job, line: String, now: Now) {
        self.update(
            |change| {
                matches!(change.decision, Decision::Start | Decision::Restart)
                    && change.result.state == State::Pending
            },
            |change| {
                change.result.state = State::Failed;
                change.result.problems.push(line.clone());
            },
        );
        let run = self.changes.iter().rev().find_map(|change| {
            let run = change.hooks.iter().rev().find(|run| run.hook == job.hook());
            run.filter(|run| run.code.is_some()).cloned()
        });
        let change = self.add(line, now.wall);
        change.hooks.extend(run);
        change.reason = Some(if job == Job::Init {
            "init_hook_failed"
        } else {
            "run_hook_failed"
        });
    }
}
