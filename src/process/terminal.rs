//! Owns the controlling terminal: gives it to the main process and takes it back. Never fails: without a terminal there is
//! nothing to give.

use std::io;

use nix::sys::signal::{SigSet, Signal as NixSignal};
use rustix::process::{Pid, Signal, getpgrp, kill_process_group};
use rustix::termios::tcsetpgrp;
use tracing::debug;

/// Gives the terminal to a child's process group. What it tried with the terminal before goes on.
pub(super) fn hand_over(pid: i32) {
    let Some(group) = Pid::from_raw(pid) else {
        return;
    };
    if let Err(error) = set_foreground(group) {
        debug!(%error, "no terminal to hand over");
    }
    let _ = kill_process_group(group, Signal::CONT);
}

/// Takes it back.
pub fn take_back() {
    if let Err(error) = set_foreground(getpgrp()) {
        debug!(%error, "no terminal to take back");
    }
}

/// A process in the background that does this is stopped by TTOU, unless it blocks that.
fn set_foreground(group: Pid) -> io::Result<()> {
    let mut stopping = SigSet::empty();
    stopping.add(NixSignal::SIGTTOU);
    stopping.thread_block()?;
    let result = tcsetpgrp(rustix::stdio::stdin(), group);
    // Children inherit the mask.
    stopping.thread_unblock()?;
    Ok(result?)
}
