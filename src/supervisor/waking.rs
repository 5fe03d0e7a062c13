//! Owns the words for what has woken the loop, and the waits that may have nothing to wait for. Never acts on it.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::jobs::Outcome;
use crate::lifecycle::{Drained, Job};
use crate::process::Signal;

/// What the loop has waited for.
pub(super) enum Woken {
    Ended(Job, Outcome),
    Drained(Drained),
    Signal(Signal),
    View,
    /// Nobody observes any more.
    NoMoreViews,
    /// The package, or the own layer.
    Files,
    Shutdown,
    Reap,
    Time,
    /// What is known by the time of its arrival.
    Told,
}

/// Whether a signal was about anything that readers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Something,
    Nothing,
}

/// The answer that is waited for, if one is.
pub(super) async fn answer(
    draining: &mut Option<oneshot::Receiver<Drained>>,
) -> Result<Drained, oneshot::error::RecvError> {
    let Some(receiver) = draining else {
        return std::future::pending().await;
    };
    let answer = receiver.await;
    *draining = None;
    answer
}

pub(super) async fn sleep_until(start: Instant, deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(start + deadline).await,
        None => std::future::pending().await,
    }
}
