//! Owns the table of children, pid to who waits for it, and the reaping: of our children and of orphans. Never blocks.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use rustix::process::{Pid, WaitOptions};
use rustix_libc_wrappers::process::SignalExt as _;
use tokio::sync::oneshot;
use tracing::debug;

use super::leftovers::Sweep;
use super::output::Outputs;
use super::spawn::{self, Child, Command, SpawnError};

/// Reaped in one turn; then others have theirs, so that HTTP lives through a storm of orphans.
const TURN: usize = 256;

/// All children. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Processes {
    /// Shared between the supervisor and its futures on one thread, and never held across an await.
    table: Rc<RefCell<Table>>,
    outputs: Outputs,
}

#[derive(Debug, Default)]
struct Table {
    children: HashMap<i32, Entry>,
    orphans: u64,
}

#[derive(Debug)]
struct Entry {
    waiter: oneshot::Sender<ExitStatus>,
    group: KillGroup,
}

/// What happens to the rest of a child's process group when the child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillGroup {
    /// It is killed: the group was one program, and a new one may need its ports and files.
    OnExit,
    /// It lives on: a hook may leave something in the background.
    Never,
}

/// Whether a turn of reaping has left something for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// All that has ended is reaped.
    All,
    /// There is more.
    Some,
}

impl Processes {
    /// No children yet. Opens our stdout and stderr for passing output on; needs the runtime.
    pub fn new() -> Self {
        Processes {
            table: Rc::default(),
            outputs: Outputs::open(),
        }
    }

    /// Starts a child. It is in the table before anything else can run.
    pub fn spawn(&self, command: &Command) -> Result<Child, SpawnError> {
        let spawned = spawn::spawn(command, &self.outputs)?;
        let (waiter, exit) = oneshot::channel();
        let entry = Entry {
            waiter,
            group: command.kill_group_on_exit,
        };
        self.table.borrow_mut().children.insert(spawned.pid, entry);
        Ok(spawned.into_child(exit))
    }

    /// Reaps what has ended, at most 256 at once.
    pub fn reap(&self) -> Reaped {
        for _ in 0..TURN {
            match peek() {
                Peek::Ended(pid) => self.reap_one(pid),
                Peek::EndedBySomeSignal => self.reap_any(),
                Peek::Nothing | Peek::NoChildren => return Reaped::All,
            }
        }
        Reaped::Some
    }

    /// Sends a signal to the group of a child that has not been reaped; false when there is none.
    pub fn signal_group(&self, pid: i32, signal: i32) -> bool {
        self.table.borrow().children.contains_key(&pid) && kill_group(pid, signal)
    }

    /// From now on the end of this child leaves the rest of its group alone: it has been told to stop, and has its time.
    pub fn spare_group(&self, pid: i32) {
        if let Some(entry) = self.table.borrow_mut().children.get_mut(&pid) {
            entry.group = KillGroup::Never;
        }
    }

    /// Looks once for what a sweep is about, and tells whom it has not told yet. How many are left.
    ///
    /// Without any child there is no descendant either, since orphans come to us: `/proc` is not read for nothing, which
    /// would be most of the time between the end of a program and ours.
    pub fn sweep(&self, sweep: &mut Sweep) -> usize {
        if matches!(peek(), Peek::NoChildren) {
            return 0;
        }
        sweep.look(&self.pids())
    }

    /// KILLs all that a sweep is about; how many that were.
    pub fn kill_rest(&self, sweep: &Sweep) -> usize {
        sweep.kill(&self.pids())
    }

    fn pids(&self) -> BTreeSet<i32> {
        self.table.borrow().children.keys().copied().collect()
    }

    /// Orphans reaped so far: processes that were not ours and whose parent had ended.
    pub fn orphans_reaped(&self) -> u64 {
        self.table.borrow().orphans
    }

    /// Waits until all output has left, as far as our readers take it.
    pub async fn flush(&self) {
        self.outputs.flush().await;
    }

    /// Reaps one zombie. While it is one, its pid, and so its group's id, cannot belong to anybody else.
    fn reap_one(&self, pid: i32) {
        if self
            .table
            .borrow()
            .children
            .get(&pid)
            .is_some_and(|entry| entry.group == KillGroup::OnExit)
        {
            kill_group(pid, KILL);
        }
        if let Ok(Some((_, status))) =
            rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::NOHANG)
        {
            self.hand_over(pid, ExitStatus::from_raw(status.as_raw()));
        }
    }

    /// Reaps any zombie: the peek cannot tell which one was ended by a real-time signal.
    fn reap_any(&self) {
        if let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            self.hand_over(
                pid.as_raw_nonzero().get(),
                ExitStatus::from_raw(status.as_raw()),
            );
        }
    }

    fn hand_over(&self, pid: i32, status: ExitStatus) {
        let mut table = self.table.borrow_mut();
        if let Some(entry) = table.children.remove(&pid) {
            // Nobody waits any more when the service has ended.
            let _ = entry.waiter.send(status);
        } else {
            table.orphans += 1;
            debug!(pid, ?status, "orphan reaped");
        }
    }
}

impl Default for Processes {
    fn default() -> Self {
        Processes::new()
    }
}

pub(super) const KILL: i32 = 9;

enum Peek {
    Ended(i32),
    EndedBySomeSignal,
    /// None has.
    Nothing,
    /// There is none at all.
    NoChildren,
}

/// Looks whether a child has ended, and leaves it a zombie.
fn peek() -> Peek {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::All, flags) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) => {
                return Peek::Ended(pid.as_raw());
            }
            Err(Errno::EINTR) => {}
            // nix has no name for real-time signals, and so no status for what they ended.
            Err(Errno::EINVAL) => return Peek::EndedBySomeSignal,
            Err(Errno::ECHILD) => return Peek::NoChildren,
            Ok(_) | Err(_) => return Peek::Nothing,
        }
    }
}

/// The signal of this number, real-time ones included but for the C library's own.
pub(super) fn named(signal: i32) -> Option<rustix::process::Signal> {
    rustix::process::Signal::from_raw(signal)
}

/// Signals a process group; false when it is empty.
fn kill_group(group: i32, signal: i32) -> bool {
    match (Pid::from_raw(group), named(signal)) {
        (Some(group), Some(signal)) => rustix::process::kill_process_group(group, signal).is_ok(),
        _ => false,
    }
}
