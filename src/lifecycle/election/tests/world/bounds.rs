//! How large a world is: its candidates, its times, and what may go wrong in it.

use std::time::Duration;

use crate::config::LeaseTimes;
use crate::lifecycle::election::tests::Flaw;

pub(in super::super) const TICK: Duration = Duration::from_secs(1);

/// What may go wrong, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(in super::super) struct Faults {
    /// kubesup and its program are killed, and start again in the same Pod.
    pub(in super::super) crashes: u8,
    /// kubesup stands still for a tick while its program runs on.
    pub(in super::super) pauses: u8,
    /// A clock goes one tick ahead, or stands for one.
    pub(in super::super) drifts: u8,
    /// A request or an answer is lost.
    pub(in super::super) losses: u8,
    /// A request is delivered twice.
    pub(in super::super) duplicates: u8,
    /// A watch breaks and begins anew with a list.
    pub(in super::super) gaps: u8,
    /// Somebody empties the Lease.
    pub(in super::super) edits: u8,
    /// Somebody deletes the Lease.
    pub(in super::super) deletions: u8,
    /// A stop signal: the member hands over and is gone.
    pub(in super::super) leaves: u8,
}

/// The bounds of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Bounds {
    pub(in super::super) candidates: u8,
    pub(in super::super) times: LeaseTimes,
    /// A message, or an event of a watch, is no later than this, in ticks.
    pub(in super::super) delay: u32,
    /// Candidates bid, the last one highest.
    pub(in super::super) hooks: bool,
    pub(in super::super) faults: Faults,
    pub(in super::super) flaw: Option<Flaw>,
}

impl Bounds {
    /// Within how many calm ticks somebody leads: the Lease is waited out, and a write, its answer and its event may each
    /// be late.
    pub(in super::super) fn patience(&self) -> u32 {
        let lease = u32::try_from(self.times.lease_duration.as_secs()).expect("short");
        lease + 3 * self.delay + 1
    }
}

/// Times in ticks.
pub(in super::super) fn times(
    lease: u32,
    deadline: u32,
    renew: u32,
    retry: u32,
    demotion: u32,
    margin: u32,
) -> LeaseTimes {
    LeaseTimes {
        lease_duration: TICK * lease,
        renew_deadline: TICK * deadline,
        renew_period: TICK * renew,
        retry_period: TICK * retry,
        demotion_timeout: TICK * demotion,
        margin: TICK * margin,
    }
}
