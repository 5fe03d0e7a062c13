//! Owns the processes of the service: which hook is which child, what it runs with, its pid file. Never decides when one
//! starts or stops.

mod command;

use std::future::Future;
use std::pin::Pin;

use futures::StreamExt as _;
use futures::future::{AbortHandle, abortable};
use futures::stream::FuturesUnordered;
use tracing::{debug, error, info, warn};

use super::accept::Accepted;
use super::probe;
use crate::files::ServiceFiles;
use crate::lifecycle::{Event, Job};
use crate::process::{Copying, Exit, Processes, Reaped, Sweep, terminal};

type Ending = Pin<Box<dyn Future<Output = (Job, Outcome)>>>;

/// How a job ended.
pub(super) enum Outcome {
    /// A process.
    Exit(Exit),
    /// A check that is none, with the code that a hook would have.
    Probe(i32),
}

/// The children that run.
pub(super) struct Jobs {
    pub(super) processes: Processes,
    pub(super) running: FuturesUnordered<Ending>,
    pub(super) environment: Vec<(String, String)>,
    pids: Vec<(Job, i32)>,
    /// The health check that is no process, while it runs.
    probe: Option<AbortHandle>,
    /// Output of children that have ended, as long as somebody holds their pipes.
    pub(super) late_output: FuturesUnordered<Copying>,
    sweep: Option<Sweep>,
    /// A storm of orphans: others have their turn, then reaping goes on.
    pub(super) reap_more: bool,
}

impl Jobs {
    pub(super) fn new(processes: Processes, environment: Vec<(String, String)>) -> Self {
        Jobs {
            processes,
            running: FuturesUnordered::new(),
            environment,
            pids: Vec::new(),
            probe: None,
            late_output: FuturesUnordered::new(),
            sweep: None,
            reap_more: false,
        }
    }

    /// Starts a job; what came of it, if that is known now.
    pub(super) fn start(&mut self, job: Job, accepted: &Accepted) -> Option<Event> {
        if job == Job::HealthCheck
            && let Some(check) = &accepted.settings().health_check
            && let Some(probing) = probe::probe(check)
        {
            self.start_probe(probing);
            return None;
        }
        let Some(command) = self.command(job, accepted) else {
            return Some(not_started(job, NOT_FOUND, Vec::new()));
        };
        match self.processes.spawn(&command) {
            Ok(child) => {
                let pid = child.pid;
                self.pids.push((job, pid));
                if job == Job::Main
                    && let Some(files) = accepted.files()
                    && let Err(error) = files.write_pid(pid)
                {
                    warn!(%error, "pid file not written");
                }
                debug!(hook = job.hook(), pid, "started");
                self.running.push(Box::pin(async move {
                    (job, Outcome::Exit(child.finished().await))
                }));
                // What ended before it was in the table has raised its SIGCHLD already.
                self.reap();
                Some(Event::Started { job, pid })
            }
            Err(error) => {
                error!(hook = job.hook(), %error, "not started");
                Some(not_started(job, error.exit_code(), vec![error.to_string()]))
            }
        }
    }

    fn start_probe(&mut self, probing: impl Future<Output = i32> + 'static) {
        let (probing, handle) = abortable(probing);
        self.probe = Some(handle);
        self.running.push(Box::pin(async move {
            let code = probing.await.unwrap_or(KILLED);
            (Job::HealthCheck, Outcome::Probe(code))
        }));
    }

    /// Takes note of the end of a job.
    pub(super) fn ended(&mut self, job: Job, outcome: Outcome, accepted: &Accepted) -> Event {
        let exit = match outcome {
            Outcome::Probe(code) => {
                self.probe = None;
                let output = Vec::new();
                return Event::Ended { job, code, output };
            }
            Outcome::Exit(exit) => exit,
        };
        self.pids.retain(|(other, _)| *other != job);
        if job == Job::Main {
            if let Some(Err(error)) = accepted.files().map(ServiceFiles::remove_pid) {
                warn!(%error, "pid file not removed");
            }
            if accepted.settings().tty {
                terminal::take_back();
            }
        }
        debug!(hook = job.hook(), code = exit.code(), "ended");
        let (code, output) = (exit.code(), exit.last_lines());
        self.late_output.extend(exit.rest);
        Event::Ended { job, code, output }
    }

    /// Waits until all output has left.
    pub(super) async fn flush(&mut self) {
        while self.late_output.next().await.is_some() {}
        self.processes.flush().await;
    }

    /// Tells a job to stop. Its group has its time: its end alone kills nobody.
    pub(super) fn stop(&self, job: Job, signal: i32) {
        for pid in self.pids_of(job) {
            self.processes.spare_group(pid);
        }
        self.signal(job, signal);
    }

    /// KILLs a job's group.
    pub(super) fn kill(&self, job: Job) {
        if let (Job::HealthCheck, Some(probe)) = (job, &self.probe) {
            probe.abort();
        }
        self.signal(job, KILL);
    }

    fn signal(&self, job: Job, signal: i32) {
        for pid in self.pids_of(job) {
            self.processes.signal_group(pid, signal);
        }
    }

    fn pids_of(&self, job: Job) -> impl Iterator<Item = i32> {
        let pids = self.pids.iter().filter(move |(other, _)| *other == job);
        pids.map(|(_, pid)| *pid)
    }

    /// Passes a signal on to the main process.
    pub(super) fn forward(&self, signal: i32) {
        debug!(signal, "forwarded");
        self.signal(Job::Main, signal);
    }

    /// Begins to look for what is left of the program. Whether nothing is.
    pub(super) fn begin_sweep(&mut self, told: Option<i32>, others: Option<i32>) -> Option<Event> {
        let mut sweep = Sweep::new(told, others);
        let left = self.processes.sweep(&mut sweep);
        if left == 0 {
            return Some(Event::Swept);
        }
        info!(
            processes = left,
            "something of the program is left; waiting for its end"
        );
        self.sweep = Some(sweep);
        None
    }

    /// Looks again, after something has ended. Whether nothing is left.
    pub(super) fn look_again(&mut self) -> Option<Event> {
        let left = self.processes.sweep(self.sweep.as_mut()?);
        if left > 0 {
            return None;
        }
        self.sweep = None;
        Some(Event::Swept)
    }

    /// KILLs what is left.
    pub(super) fn kill_rest(&self) {
        if let Some(sweep) = &self.sweep {
            let killed = self.processes.kill_rest(sweep);
            warn!(
                processes = killed,
                "what was left of the program did not end in time and was killed"
            );
        }
    }

    /// Reaps what has ended, ours and orphans.
    pub(super) fn reap(&mut self) {
        self.reap_more = self.processes.reap() == Reaped::Some;
    }
}

fn not_started(job: Job, code: i32, output: Vec<String>) -> Event {
    Event::Ended { job, code, output }
}

/// The shell's code for a program that is not there.
const NOT_FOUND: i32 = 127;
/// KILL.
const KILL: i32 = 9;
/// What a process that was killed would have ended with.
const KILLED: i32 = 137;
