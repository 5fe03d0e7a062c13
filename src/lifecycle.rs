//! Owns the life of the service as a pure state machine: what to start, signal and kill, and when, from events and `now`.
//! Never spawns, sleeps, reads a clock or logs: the supervisor executes its [`Command`]s and feeds [`Event`]s back.
//!
//! # Theory of operation
//!
//! The first rendering starts the service: `init`, then the main process, then health checks. A later rendering is compared
//! with the last one that was *applied* (`plan::reaction`); the result is a `reconfigure`, a restart or nothing.
//! Every way down, wanted or not, goes through `post-stop`, and from there to a new start, a backoff, or the end.
//!
//! ```text
//!            ┌──────────────────────────── restart ◀───────────────────────────┐
//!            ▼                                                                 │
//! Waiting ─▶ Initializing ─▶ Running ─▶ Stopping ─▶ PostStop ─▶ BackingOff ────┤
//!                 └────────────┴───────────┴──────────▲  └────▶ Finished       │
//!                         ended by itself             └── (no backoff) ────────┘
//! ```
//!
//! Between Running and Stopping the program drains when kubesup itself is to end; between Stopping and `PostStop` what is
//! left of it is swept. Both are passed through when there is nothing to wait for.

pub mod election;
mod health;
mod machine;
mod reconfigure;
mod restart;
pub mod settle;
pub mod status;
mod stop;
pub mod suitability;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{OnExit, OnHealthFailure, RestartBudget, RewriteSignals};
pub use machine::Lifecycle;
use status::TerminationReason;

/// A moment: monotonic time since the start of kubesup for decisions, unix seconds for what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Since the start of kubesup.
    pub mono: Duration,
    /// Unix seconds.
    pub wall: u64,
}

/// A rendering: path below the service directory (`hooks/run`, `config/app.conf`) to text.
pub type Files = BTreeMap<String, String>;

/// Something that runs as a process. At most one of each at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// The `install` hook, once for a package.
    Install,
    /// The `init` hook.
    Init,
    /// The main process.
    Main,
    /// The `post-run` hook.
    PostRun,
    /// The `health-check` hook.
    HealthCheck,
    /// The `reconfigure` hook.
    Reconfigure,
    /// The `file-updated` hook.
    FileUpdated,
    /// The `post-stop` hook.
    PostStop,
    /// The `suitability` hook. The supervisor runs it, apart from the life cycle: it goes on whatever the program does.
    Suitability,
}

impl Job {
    /// The hook's file name.
    pub fn hook(self) -> &'static str {
        match self {
            Job::Install => "install",
            Job::Init => "init",
            Job::Main => "run",
            Job::PostRun => "post-run",
            Job::HealthCheck => "health-check",
            Job::Reconfigure => "reconfigure",
            Job::FileUpdated => "file-updated",
            Job::PostStop => "post-stop",
            Job::Suitability => "suitability",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A rendering is on disk. `members` is the size of the group, which spreads restarts.
    Rendered {
        /// The files as they are on disk now.
        files: Arc<Files>,
        /// Members of the group, self included.
        members: usize,
    },
    /// The program is to run with this rendering, which does not let it lead, at once.
    Demote {
        /// The files as they are on disk now.
        files: Arc<Files>,
    },
    /// The program is killed: it did not give up its lead in time.
    KillProgram,
    /// Service files on disk are others than before.
    FilesUpdated,
    /// The job that a command asked for has this pid.
    Started {
        /// Which.
        job: Job,
        /// Its pid.
        pid: i32,
    },
    /// The job ended, or could not be started (code 126 or 127).
    Ended {
        /// Which.
        job: Job,
        /// Exit code; 128+n for signal n.
        code: i32,
        /// The last lines of its output.
        output: Vec<String>,
    },
    /// The endpoints of the own Pod do not serve any more, or there are none. Answers [`Command::Drain`].
    Drained(Drained),
    /// Nothing of the program is left. Answers [`Command::Sweep`].
    Swept,
    /// A stop signal came.
    Stop {
        /// The signal.
        signal: i32,
    },
    /// The own Pod is being deleted: nothing is restarted any more, and the grace period runs.
    Deleted {
        /// How much of it there is, counted from now.
        grace: Duration,
    },
    /// Time has passed; see [`Lifecycle::next_deadline`].
    Tick,
}

/// What the supervisor is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Start this job; answered by `Started` or `Ended`.
    Start(Job),
    /// Send a signal to the job's process group.
    Signal {
        /// Which.
        job: Job,
        /// The signal.
        signal: i32,
    },
    /// KILL the job's process group.
    Kill(Job),
    /// Have the own Pod's endpoints watched; answered by `Drained`.
    Drain,
    /// Nobody waits for that any more.
    EndDrain,
    /// Look for what is left of the program, and wait for it; answered by `Swept`.
    Sweep {
        /// This process group has the stop signal already: its members are waited for.
        told: Option<i32>,
        /// All other processes that are ours get this signal and are waited for.
        others: Option<i32>,
    },
    /// KILL what the sweep still waits for.
    KillRest,
    /// Tell the operator.
    Tell(Notice),
    /// Nothing runs any more: end kubesup with this code.
    Finish {
        /// The exit code.
        code: i32,
    },
}

/// What became of the own Pod's endpoints at a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// No EndpointSlice has the Pod: there is nothing to wait for.
    InNoService,
    /// Every one shows it absent, terminating or not serving.
    Gone,
}

/// What an operator wants to know, once each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The main process runs.
    Started {
        /// Its pid.
        pid: i32,
    },
    /// The main process or `init` ended by itself.
    Failed {
        /// Which.
        job: Job,
        /// Exit code.
        code: i32,
        /// The last lines of its output.
        output: Vec<String>,
    },
    /// The main process ended with a failure within a second of its start.
    FailedToStart {
        /// Exit code.
        code: i32,
        /// How long it ran.
        ran: Duration,
        /// The last lines of its output.
        output: Vec<String>,
    },
    /// So many health checks in a row have failed that the main process is restarted.
    Unhealthy {
        /// How many.
        failures: u32,
    },
    /// A stop waits for the endpoints to go.
    Draining {
        /// For at most this time.
        longest: Duration,
    },
    /// What became of them.
    Drained(Drained),
    /// What was left of the program was killed and is still there.
    LeftBehind,
    /// A new rendering asks for a restart, after this pause.
    RestartDue {
        /// Why.
        reason: TerminationReason,
        /// The pause that spreads a group's restarts.
        after: Duration,
    },
    /// The main process is told to stop.
    Stopping {
        /// With this signal.
        signal: i32,
        /// KILL follows after this time.
        grace: Duration,
    },
    /// The grace was over.
    Killed(Job),
    /// A hook took longer than it may.
    TimedOut(Job),
    /// The `reconfigure` hook succeeded.
    Reconfigured,
    /// The `reconfigure` hook failed and is tried again after this time.
    ReconfigureFailed {
        /// Exit code.
        code: i32,
        /// Time until the next try.
        retry: Duration,
    },
    /// Another hook failed; nothing follows but this line.
    HookFailed {
        /// Which.
        job: Job,
        /// Exit code.
        code: i32,
    },
    /// The next start comes after this time.
    BackingOff(Duration),
    /// Too many failures: kubesup ends with the child's code.
    BudgetSpent {
        /// The child's last code.
        code: i32,
    },
    /// The health check's result changed.
    Health(status::Health),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Started { pid } => write!(f, "main process started, pid {pid}"),
            Notice::Failed { job, code, .. } => {
                write!(f, "{} hook ended by itself with code {code}", job.hook())
            }
            Notice::FailedToStart { code, ran, .. } => write!(
                f,
                "run hook ended by itself with code {code} after {ran:.1?}: it has not started; see its last output"
            ),
            Notice::Unhealthy { failures } => {
                write!(
                    f,
                    "restarting: {failures} health checks in a row have failed"
                )
            }
            Notice::Draining { longest } => write!(
                f,
                "draining: serving on until the own endpoints are gone, at most {longest:.1?}"
            ),
            Notice::Drained(Drained::InNoService) => {
                write!(f, "the own Pod is in no EndpointSlice, nothing to drain")
            }
            Notice::Drained(Drained::Gone) => write!(f, "the own endpoints are gone"),
            Notice::LeftBehind => write!(
                f,
                "something of the program is left that KILL does not end; going on without it"
            ),
            Notice::RestartDue { reason, after } => {
                write!(f, "restart in {after:.1?}: {}", reason.as_str())
            }
            Notice::Stopping { signal, grace } => write!(
                f,
                "stopping the main process with signal {signal}, KILL in {grace:.1?}"
            ),
            Notice::Killed(job) => write!(f, "{} did not stop in time and was killed", job.hook()),
            Notice::TimedOut(job) => write!(f, "{} hook timed out and was killed", job.hook()),
            Notice::Reconfigured => write!(f, "reconfigured"),
            Notice::ReconfigureFailed { code, retry } => {
                write!(
                    f,
                    "reconfigure hook failed with code {code}, next try in {retry:.1?}"
                )
            }
            Notice::HookFailed { job, code } => {
                write!(f, "{} hook failed with code {code}", job.hook())
            }
            Notice::BackingOff(time) => write!(f, "next start in {time:.1?}"),
            Notice::BudgetSpent { code } => {
                write!(f, "restart budget spent, ending with code {code}")
            }
            Notice::Health(health) => write!(f, "health is {health:?}"),
        }
    }
}

/// What checks the health of the main process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckKind {
    /// The `health-check` hook, if there is one. Its every result shows, as in Habitat.
    Hook,
    /// A setting. It is CRITICAL when as many checks in a row as the threshold says have failed, and WARNING before.
    Setting,
}

/// How long a stop waits for the endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// For kube-proxy and load balancers, after the endpoints are gone.
    pub linger: Duration,
    /// At most, lingering included.
    pub max: Duration,
}

/// What the settings, the package and the own Pod say about the life cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What the end of the main process means.
    pub on_exit: OnExit,
    /// The first pause before a restart after a failure.
    pub min_backoff: Duration,
    /// The longest one.
    pub max_backoff: Duration,
    /// A run longer than this resets the backoff.
    pub cooldown: Duration,
    /// How many failures in which time are the end.
    pub budget: Option<RestartBudget>,
    /// How often the health check runs.
    pub health_interval: Duration,
    /// How long a health check may take.
    pub health_timeout: Duration,
    /// How long `reconfigure` may take.
    pub reconfigure_timeout: Duration,
    /// How long `file-updated` may take.
    pub file_updated_timeout: Duration,
    /// How long `post-stop` may take.
    pub post_stop_timeout: Duration,
    /// How long the main process may take to stop, if that is said.
    pub shutdown_timeout: Option<Duration>,
    /// The Pod's grace period: a stop fits into it, hooks included.
    pub grace: Duration,
    /// The stop signal that the package names.
    pub stop_signal: Option<i32>,
    /// Signals that the program gets as others.
    pub rewrite: RewriteSignals,
    /// How long `post-run` may take; `None`: no limit.
    pub post_run_timeout: Option<Duration>,
    /// How long `init` and `install` may take; `None`: no limit.
    pub init_timeout: Option<Duration>,
    /// What checks the health.
    pub check: CheckKind,
    /// How many failed checks in a row count.
    pub health_threshold: u32,
    /// How long after the start the first check is.
    pub health_start_delay: Duration,
    /// What so many failures mean.
    pub on_health_failure: OnHealthFailure,
    /// How a stop drains; `None`: not at all.
    pub drain: Option<Drain>,
    /// Seeds the jitter; any number but the same for all.
    pub seed: u64,
}
