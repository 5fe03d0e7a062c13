//! Owns the public face of the life cycle: what `/services`, `/readyz` and the history show of it. Plain values, no logic.

use std::sync::Arc;
use std::time::Duration;

use super::Job;

/// The state of the service at one moment. Times are unix seconds, as Habitat's JSON has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Where in its life the service is.
    pub phase: Phase,
    /// The main process, while it runs.
    pub pid: Option<i32>,
    /// When `pid` last came or went.
    pub process_state_entered: u64,
    /// True from the moment the main process was started (after `init` succeeded) until it goes down.
    pub initialized: bool,
    /// The last result of the health check.
    pub health: Health,
    /// Restarts after failures since the last intentional restart.
    pub restart_count: u64,
    /// When the next start is due, while a backoff is pending.
    pub next_restart_at: Option<u64>,
    /// A stop signal has come: kubesup ends.
    pub stopping: bool,
    /// How the previous main process ended.
    pub last_process: Option<LastProcess>,
    /// The same with what matters to an operator: code, last lines.
    pub last_end: Option<Arc<Ended>>,
    /// Why the rendering in force has not been taken over by the program yet: the failed `reconfigure`, in one line.
    pub reconfigure_failure: Option<String>,
}

/// Where in its life the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing has been started: the first complete and valid view has not come.
    #[default]
    Waiting,
    /// The `init` hook runs.
    Initializing,
    /// The main process runs.
    Running,
    /// A stop has begun; the main process serves on until its endpoints are gone.
    Draining,
    /// The main process has been told to stop.
    Stopping,
    /// The `post-stop` hook runs.
    PostStop,
    /// Down until the backoff has passed.
    BackingOff,
    /// Over; kubesup ends.
    Finished,
}

/// The result of a health check, as Habitat has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Exit code 0.
    Ok,
    /// Exit code 1.
    Warning,
    /// Exit code 2, or no hook and the process is down.
    Critical,
    /// Exit code 3, anything else, or not checked yet.
    #[default]
    Unknown,
}

/// How the previous main process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastProcess {
    /// Its pid; `None` when `init` failed, so that there was none.
    pub pid: Option<i32>,
    /// Why it ended.
    pub reason: TerminationReason,
    /// When.
    pub terminated_at: u64,
}

/// How the main process or `init` ended, for the history and the termination log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which of the two.
    pub job: Job,
    /// The exit code; 128+n for signal n.
    pub code: i32,
    /// How long it ran.
    pub ran: Duration,
    /// It ended by itself with a failure within a second: it never was up.
    pub failed_to_start: bool,
    /// It was told to stop.
    pub wanted: bool,
    /// It was killed, because a time was over.
    pub killed: bool,
    /// The last lines of its output, stdout and stderr as they came, at most 20.
    pub output: Vec<String>,
    /// When, in unix seconds.
    pub at: u64,
}

/// Why a main process ended, in the spelling of `/services`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminationReason {
    /// `init` failed.
    InitHookFailed,
    /// The main process ended by itself, with whatever code.
    RunHookFailed,
    /// `config/` changed and there is no `reconfigure` hook.
    AppConfigUpdated,
    /// The rendered `init` changed.
    InitHookUpdated,
    /// The rendered `run` changed.
    RunHookUpdated,
    /// The rendered `post-run` changed.
    PostRunHookUpdated,
}

impl TerminationReason {
    /// The spelling of `/services`.
    pub fn as_str(self) -> &'static str {
        match self {
            TerminationReason::InitHookFailed => "init_hook_failed",
            TerminationReason::RunHookFailed => "run_hook_failed",
            TerminationReason::AppConfigUpdated => "app_config_updated",
            TerminationReason::InitHookUpdated => "init_hook_updated",
            TerminationReason::RunHookUpdated => "run_hook_updated",
            TerminationReason::PostRunHookUpdated => "post_run_hook_updated",
        }
    }
}
