//! Owns the check of the grace period: whether the stop fits into it. Never measures one.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::Finding;
use crate::config::{POST_STOP_SHARE, Settings};
use crate::world::DEFAULT_GRACE_SECONDS;

/// Whether there is a `post-stop` hook, which is part of the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostStop {
    /// There is one.
    Present,
    /// None was found where it could be looked.
    NotSeen,
}

/// The stop has to fit: what is left after the drain is all that the program and `post-stop` get.
pub(super) fn finding(pod: &Pod, settings: &Settings, post_stop: PostStop) -> Finding {
    let spec = pod.spec.as_ref();
    let grace = spec
        .and_then(|spec| spec.termination_grace_period_seconds)
        .unwrap_or(DEFAULT_GRACE_SECONDS);
    let grace = Duration::from_secs(u64::try_from(grace).unwrap_or_default());
    let drain = settings.drain_max;
    let hook = match post_stop {
        PostStop::Present => settings.post_stop_timeout.min(POST_STOP_SHARE),
        PostStop::NotSeen => Duration::ZERO,
    };
    let stop = settings.shutdown_timeout.unwrap_or_default();
    let needed = drain + stop + hook;
    // Rounded up to the seconds of the manifest, with one more to end in.
    let seconds = needed.as_secs() + 1 + u64::from(needed.subsec_nanos() > 0);
    let line = format!("  terminationGracePeriodSeconds: {seconds}");
    let mut parts = vec![format!("drain-max {drain:?}")];
    let shutdown = settings.shutdown_timeout;
    parts.extend(shutdown.map(|stop| format!("shutdown-timeout {stop:?}")));
    parts.extend((!hook.is_zero()).then(|| format!("post-stop {hook:?}")));
    let parts = parts.join(" and ");
    if grace < needed || (shutdown.is_none() && grace <= drain + hook) {
        let text = format!(
            "the grace period of {grace:?} is shorter than the stop, {parts}: the program is killed before it has ended"
        );
        return Finding::error("grace period", text).add(&["spec:", &line]);
    }
    let left = grace.saturating_sub(drain + hook).as_secs();
    let whose = match post_stop {
        PostStop::Present => format!("the program has {left}s between the drain and the hook"),
        PostStop::NotSeen => {
            format!("the program and its post-stop hook have {left}s after the drain")
        }
    };
    Finding::ok("grace period", format!("{grace:?}; {parts}; {whose}"))
}
