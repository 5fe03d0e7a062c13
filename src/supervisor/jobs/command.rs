//! Owns what a job runs: its program, its environment, its user, and where its output goes. Never starts it.

use std::ffi::OsString;
use std::path::PathBuf;

use tracing::error;

use super::Jobs;
use crate::config::{HealthCheck, LogFormat, Output, Settings};
use crate::lifecycle::Job;
use crate::package::Run;
use crate::process::{Command, Format, KillGroup, Labels, OutputMode, StderrTo};
use crate::supervisor::accept::Accepted;

/// Variables that hold secrets of the supervisor and are not for hooks or the program.
const SECRETS: [&str; 1] = ["HAB_SUP_GATEWAY_AUTH_TOKEN"];

impl Jobs {
    /// What the job runs. For the main process that is the copy of its hook, as in Habitat, or the command after `--`.
    pub(super) fn command(&self, job: Job, accepted: &Accepted) -> Option<Command> {
        let service = accepted.service()?;
        let files = accepted.files()?;
        let settings = accepted.settings();
        let (program, args) = match (job, service.package.run()?, &settings.health_check) {
            (Job::Main, Run::Command(command), _) => {
                (PathBuf::from(&command.program), command.args.clone())
            }
            (Job::Main, Run::Hook(_), _) => {
                let written = files.write_run(accepted.hook_text(job.hook())?);
                (
                    written
                        .inspect_err(|error| error!(%error, "run hook not installed"))
                        .ok()?,
                    Vec::new(),
                )
            }
            (Job::HealthCheck, _, Some(HealthCheck::Exec(words))) => {
                let (program, args) = words.split_first()?;
                (
                    PathBuf::from(program),
                    args.iter().map(OsString::from).collect(),
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
            output: match (job, settings.tty, settings.output) {
                (Job::Main, true, _) => OutputMode::Terminal,
                (Job::Main, false, Output::Inherit) => OutputMode::Inherit,
                (Job::Main, false, Output::Pass) => OutputMode::Pass,
                _ => OutputMode::Logged {
                    stdout: log("stdout"),
                    stderr: log("stderr"),
                },
            },
            format: format(job, settings),
            user: accepted.user().cloned(),
            kill_group_on_exit: if job == Job::Main {
                KillGroup::OnExit
            } else {
                KillGroup::Never
            },
        })
    }
}

/// How the job's output is shown, with Habitat's labels.
fn format(job: Job, settings: &Settings) -> Format {
    let group = format!("{}.{}", settings.name, settings.group);
    let labels = match job {
        Job::Main => Labels {
            preamble: group,
            stdout: "O",
            stderr: "E",
            stderr_to: StderrTo::Stderr,
        },
        _ => Labels {
            preamble: format!("{group} hook[{}]:", job.hook()),
            stdout: "HK",
            stderr: "HK",
            stderr_to: StderrTo::Stdout,
        },
    };
    match settings.log_format {
        LogFormat::Plain => Format::Plain,
        LogFormat::Habitat => Format::Habitat(labels),
        LogFormat::Json => Format::Json(labels),
    }
}
