//! Owns the clock that leads are counted on: it runs through suspend, as timers do not.

use std::time::Duration;

/// Since the machine was started (`CLOCK_BOOTTIME`).
pub fn boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
