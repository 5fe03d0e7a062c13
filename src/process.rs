//! Owns every child process: spawns, reaps, signals, and passes its output on. Never decides when a child starts or stops.
//!
//! One thread spawns and reaps, so that no exit status can be lost between the two: everything here runs on the
//! current-thread runtime, and nothing else in the program may wait for a child (`clippy.toml` bans it).

mod deaths;
pub mod format;
mod leftovers;
pub mod output;
pub mod reaper;
pub mod signals;
pub mod spawn;
mod tail;
pub mod terminal;
pub mod users;

use std::io;

pub use format::{Format, Labels, StderrTo};
pub use leftovers::Sweep;
pub use output::OutputMode;
pub use reaper::{KillGroup, Processes, Reaped};
pub use signals::{Signal, Signals};
pub use spawn::{Child, Command, Copying, Exit, SpawnError};
pub use users::Ids;

/// First lines of `main`, before the runtime, any thread and any child: no signal is blocked but CHLD, which is read from a
/// descriptor (`deaths`), and orphans come to us although we may not be PID 1.
pub fn prepare() -> io::Result<()> {
    deaths::chld().thread_set_mask()?;
    if std::process::id() != 1 {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    Ok(())
}

/// Closes what a careless parent left open beside the three standard descriptors, so that no child inherits it.
/// For `main` only, before anything of ours is open.
pub fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The listing's own is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

#[cfg(test)]
mod tests;
