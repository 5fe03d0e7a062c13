//! Owns the arithmetic of a stop: how the grace period is shared between the main process and `post-stop`.
//! Never sends a signal.

use std::time::Duration;

use crate::config::POST_STOP_SHARE;

/// Kept free at the end of the grace period, so that kubesup has ended when the kubelet sends KILL.
const MARGIN: Duration = Duration::from_millis(500);
/// What a second stop signal leaves to the main process.
const SECOND_SIGNAL_GRACE: Duration = Duration::from_secs(1);

/// What the kubelet leaves between TERM and KILL even when a preStop hook has used up the grace period
/// (its `minimumGracePeriodInSeconds`).
const KUBELET_MINIMUM: Duration = Duration::from_secs(2);

/// A stop of kubesup that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    /// The signal that came.
    pub(super) signal: i32,
    /// When it came.
    pub(super) since: Duration,
    /// All is over by then.
    pub(super) deadline: Duration,
}

/// When a stop that begins now has to be over: at the end of the grace period, counted from the deletion when that was
/// seen, but never sooner than the kubelet's KILL can come.
pub(super) fn deadline(now: Duration, deleted: Option<Duration>, grace: Duration) -> Duration {
    deleted.map_or(now + grace, |deadline| deadline.max(now + KUBELET_MINIMUM))
}

/// When the main process is killed: after its own timeout, and early enough for what follows.
pub(super) fn kill_at(
    now: Duration,
    deadline: Duration,
    own_timeout: Option<Duration>,
    post_stop: PostStop,
) -> Duration {
    let left = deadline.saturating_sub(now).saturating_sub(MARGIN);
    let share = match post_stop {
        PostStop::Present => POST_STOP_SHARE.min(left / 4),
        PostStop::Absent => Duration::ZERO,
    };
    let left = left.saturating_sub(share);
    now + own_timeout.map_or(left, |timeout| timeout.min(left))
}

/// How long a drain may take: what is said, but half of what is left belongs to the main process, or less if it says that
/// it needs less.
pub(super) fn drain_time(
    now: Duration,
    deadline: Duration,
    max: Duration,
    own_timeout: Option<Duration>,
    post_stop: PostStop,
) -> Duration {
    let left = kill_at(now, deadline, None, post_stop).saturating_sub(now);
    let program = own_timeout.map_or(left / 2, |timeout| timeout.min(left / 2));
    max.min(left.saturating_sub(program))
}

/// When the main process is killed after a second stop signal.
pub(super) fn kill_at_sooner(now: Duration, kill_at: Duration) -> Duration {
    kill_at.min(now + SECOND_SIGNAL_GRACE)
}

/// When the `post-stop` hook of a final stop is killed.
pub(super) fn post_stop_until(
    now: Duration,
    deadline: Option<Duration>,
    timeout: Duration,
) -> Duration {
    let until = now + timeout;
    deadline.map_or(until, |deadline| {
        until.min(deadline.saturating_sub(MARGIN).max(now))
    })
}

/// Whether the package has a `post-stop` hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostStop {
    Present,
    Absent,
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_main_process_has_the_grace_period_but_for_what_follows() {
        assert_eq!(
            kill_at(10 * S, 40 * S, None, PostStop::Absent),
            39 * S + S / 2
        );
        assert_eq!(
            kill_at(10 * S, 40 * S, None, PostStop::Present),
            34 * S + S / 2
        );
        assert_eq!(
            kill_at(10 * S, 40 * S, Some(8 * S), PostStop::Present),
            18 * S
        );
    }

    #[test]
    fn a_short_grace_period_is_shared_and_one_that_is_over_kills_at_once() {
        assert_eq!(
            kill_at(Duration::ZERO, 2 * S + S / 2, None, PostStop::Present),
            S + S / 2
        );
        assert_eq!(kill_at(50 * S, 40 * S, None, PostStop::Present), 50 * S);
    }

    #[test]
    fn a_drain_leaves_half_of_what_is_left_to_the_program() {
        let time =
            |grace: u32, own| drain_time(10 * S, (10 + grace) * S, 10 * S, own, PostStop::Absent);
        assert_eq!(time(30, None), 10 * S);
        assert_eq!(time(11, None), 5 * S + S / 4);
        assert_eq!(time(11, Some(2 * S)), 8 * S + S / 2);
        assert_eq!(time(11, Some(60 * S)), 5 * S + S / 4);
        assert_eq!(time(0, None), Duration::ZERO);
    }

    #[test]
    fn a_stop_that_comes_late_still_has_the_kubelets_minimum() {
        assert_eq!(deadline(10 * S, None, 30 * S), 40 * S);
        assert_eq!(deadline(10 * S, Some(35 * S), 30 * S), 35 * S);
        assert_eq!(deadline(10 * S, Some(5 * S), 30 * S), 12 * S);
    }

    #[test]
    fn a_second_signal_leaves_a_second() {
        assert_eq!(kill_at_sooner(10 * S, 40 * S), 11 * S);
        assert_eq!(kill_at_sooner(10 * S, 10 * S), 10 * S);
    }

    #[test]
    fn post_stop_ends_before_the_grace_period_does() {
        assert_eq!(
            post_stop_until(10 * S, Some(12 * S), 60 * S),
            11 * S + S / 2
        );
        assert_eq!(post_stop_until(10 * S, None, 60 * S), 70 * S);
        assert_eq!(post_stop_until(10 * S, Some(5 * S), 60 * S), 10 * S);
    }
}
