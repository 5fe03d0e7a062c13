//! Owns the processes of the service: which hook is which child, what it runs with, its pid file. Never decides when one
//! starts or stops.

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use futures::stream::FuturesUnordered;
use tracing::{debug, error, warn};

use super::accept::Accepted;
use crate::files::ServiceFiles;
use crate::lifecycle::{Event, Job};
use crate::package::Run;
use crate::process::{Command, Exit, KillGroup, OutputMode, Processes, Reaped};

/// Variables that hold secrets of the supervisor and are not for hooks or the program.
const SECRETS: [&str; 1] = ["HAB_SUP_GATEWAY_AUTH_TOKEN"];

type Ending = Pin<Box<dyn Future<Output = (Job, Exit)>>>;

/// The children that run.
pub(super) struct Jobs {
    pub(super) processes: Processes,
    pub(super) running: FuturesUnordered<Ending>,
    pub(super) pids: Vec<(Job, i32)>,
    pub(super) environment: Vec<(String, String)>,
}

impl Jobs {
    /// Starts a job; what came of it.
    pub(super) fn start(&mut self, job: Job, accepted: &Accepted) -> Event {
        let Some(command) = self.command(job, accepted) else {
            return Event::Ended {
                job,
                code: NOT_FOUND,
            };
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
                self.running
                    .push(Box::pin(async move { (job, child.finished().await) }));
                // What ended before it was in the table has raised its SIGCHLD already.
                self.reap();
                Event::Started { job, pid }
            }
            Err(error) => {
                error!(hook = job.hook(), %error, "not started");
                Event::Ended {
                    job,
                    code: error.exit_code(),
                }
            }
        }
    }

    /// What the job runs. For the main process that is the copy of its hook, as in Habitat, or the command after `--`.
    fn command(&self, job: Job, accepted: &Accepted) -> Option<Command> {
        let service = accepted.service()?;
        let files = accepted.files()?;
        let (program, args) = match (job, service.package.run()?) {
            (Job::Main, Run::Command(command)) => {
                (PathBuf::from(&command.program), command.args.clone())
            }
            (Job::Main, Run::Hook(_)) => {
                let written = files.write_run(accepted.hook_text(job.hook())?);
                (
                    written
                        .inspect_err(|error| error!(%error, "run hook not installed"))
                        .ok()?,
                    Vec::new(),
                )
            }
            _ => (files.path(&format!("hooks/{}", job.hook())), Vec::new()),
        };
        let log = |stream: &str| files.path(&format!("logs/{}.{stream}.log", job.hook()));
        let own = self
            .environment
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let package = service
            .package
            .facts
            .env
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Some(Command {
            program,
            args,
            env: own.chain(package).collect(),
            env_remove: SECRETS.iter().map(OsString::from).collect(),
            current_dir: None,
            output: match job {
                Job::Main => OutputMode::Pass,
                _ => OutputMode::Logged {
                    stdout: log("stdout"),
                    stderr: log("stderr"),
                },
            },
            kill_group_on_exit: if job == Job::Main {
                KillGroup::OnExit
            } else {
                KillGroup::Never
            },
        })
    }

    /// Takes note of the end of a job.
    pub(super) fn ended(&mut self, job: Job, exit: &Exit, files: Option<&ServiceFiles>) -> Event {
        self.pids.retain(|(other, _)| *other != job);
        if job == Job::Main
            && let Some(Err(error)) = files.map(ServiceFiles::remove_pid)
        {
            warn!(%error, "pid file not removed");
        }
        debug!(hook = job.hook(), code = exit.code(), "ended");
        Event::Ended {
            job,
            code: exit.code(),
        }
    }

    /// Sends a signal to the job's group.
    pub(super) fn signal(&self, job: Job, signal: i32) {
        for (_, pid) in self.pids.iter().filter(|(other, _)| *other == job) {
            self.processes.signal_group(*pid, signal);
        }
    }

    /// Passes a signal on to the main process.
    pub(super) fn forward(&self, signal: i32) {
        debug!(signal, "forwarded");
        self.signal(Job::Main, signal);
    }

    /// Reaps what has ended, ours and orphans.
    pub(super) fn reap(&self) -> Reaped {
        self.processes.reap()
    }
}

/// The shell's code for a program that is not there.
const NOT_FOUND: i32 = 127;
