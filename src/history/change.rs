//! Owns what one change is: the values that `/v1/history` shows. No logic but the bounds.

use std::time::Duration;

use serde::Serialize;

use super::{Difference, LeadChange};

/// Something that happened, and what followed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Counts changes from 1.
    pub id: u64,
    /// Grows with each update of this change; the event id of `/v1/watch`.
    pub revision: u64,
    /// When, in unix seconds.
    pub at: u64,
    /// What happened, in one line.
    pub cause: String,
    /// Which objects and keys changed; never their values.
    pub changed: Vec<Difference>,
    /// Rendered files that are new, different or gone.
    pub files: Vec<String>,
    /// What became of the lead, when that is what happened.
    pub lead: Option<LeadChange>,
    /// What it asked for.
    pub decision: Decision,
    /// Why a restart: Habitat's termination reason.
    pub reason: Option<&'static str>,
    /// What ran for it, in order; health checks are left out.
    pub hooks: Vec<HookRun>,
    /// What came of it.
    pub result: Outcome,
}

/// What a change asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing.
    None,
    /// Files were written; the program was left alone.
    RenderOnly,
    /// The `reconfigure` hook.
    Reconfigure,
    /// Stop and start.
    Restart,
    /// The first start.
    Start,
    /// It was not accepted: the last good one stays in force.
    Reject,
    /// Stop for good.
    Stop,
}

impl Decision {
    /// Its word, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::None => "none",
            Decision::RenderOnly => "render_only",
            Decision::Reconfigure => "reconfigure",
            Decision::Restart => "restart",
            Decision::Start => "start",
            Decision::Reject => "reject",
            Decision::Stop => "stop",
        }
    }
}

/// One run of a hook, `run` (the main process) included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookRun {
    /// Its file name.
    pub hook: &'static str,
    /// Its pid; `None` when it could not be started.
    pub pid: Option<i32>,
    /// When, in unix seconds.
    pub started_at: u64,
    /// Its exit code, 128+n for signal n; `None` while it runs.
    pub code: Option<i32>,
    /// How long it ran; `None` while it runs.
    pub milliseconds: Option<u64>,
    /// The last lines of its output, when it failed.
    pub output: Vec<String>,
    /// When, since the start of kubesup.
    #[serde(skip)]
    pub since: Duration,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// How it stands.
    pub state: State,
    /// What went wrong, one line each.
    pub problems: Vec<String>,
}

/// How a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// What it asked for is under way.
    Pending,
    /// It is done.
    Applied,
    /// It was tried and failed; what is retried may still succeed.
    Failed,
    /// It was not accepted.
    Rejected,
}

/// Kept of each change: a `post-run` that fails for days is retried every second.
const MOST_HOOKS: usize = 20;
/// Of one failed run.
const MOST_LINES: usize = 20;

impl Change {
    pub(super) fn add_hook(&mut self, run: HookRun) {
        if self.hooks.len() >= MOST_HOOKS {
            self.hooks.remove(0);
        }
        self.hooks.push(run);
    }

    /// The run of this hook that has not ended.
    pub(super) fn open_hook(&mut self, hook: &str) -> Option<&mut HookRun> {
        let open = |run: &&mut HookRun| run.hook == hook && run.code.is_none();
        self.hooks.iter_mut().rev().find(open)
    }

    pub(super) fn has_open_hook(&self, hook: &str) -> bool {
        self.hooks
            .iter()
            .any(|run| run.hook == hook && run.code.is_none())
    }
}

/// The last lines of what a program wrote.
pub(super) fn last_lines(output: &[String]) -> Vec<String> {
    let more = output.len().saturating_sub(MOST_LINES);
    output.iter().skip(more).cloned().collect()
}
