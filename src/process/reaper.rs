//! Owns the table of children, pid to who waits for it, and the reaping: of our children and of orphans. Never blocks.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, wait, waitid, waitpid};
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
        Ok(spawned.into_child(exit, self.clone()))
    }

    /// Reaps what has ended, at most 256 at once.
    pub fn reap(&self) -> Reaped {
        self.reap_leaders();
        self.reap_any()
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
        if matches!(waitid(WaitId::All, LOOK), Err(Errno::CHILD)) {
            return 0;
        }
        let left = sweep.look(&self.pids());
        if left == 0 {
            // What has ended since CHLD was looked at last is no leftover, but it is still a zombie, and we may end now.
            while self.reap() == Reaped::Some {}
        }
        left
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

    /// Reaps the children whose groups end with them. While one is a zombie, its pid, and so its group's id, cannot belong to
    /// anybody else: each is looked at, its group killed, and then it is reaped. There is one such child at most times, so
    /// that this costs a look a turn, and none for each orphan.
    pub(super) fn reap_leaders(&self) {
        let table = self.table.borrow();
        let leaders = table.children.iter();
        let leaders: Vec<i32> = leaders
            .filter(|(_, entry)| entry.group == KillGroup::OnExit)
            .map(|(pid, _)| *pid)
            .collect();
        drop(table);
        for leader in leaders {
            self.reap_child(leader);
        }
    }

    /// Reaps this child of ours, if it has ended and nobody has reaped it.
    pub(super) fn reap_child(&self, child: i32) {
        let group = self
            .table
            .borrow()
            .children
            .get(&child)
            .map(|entry| entry.group);
        let (Some(group), Some(pid)) = (group, Pid::from_raw(child)) else {
            return;
        };
        if group == KillGroup::OnExit {
            if !matches!(waitid(WaitId::Pid(pid), LOOK), Ok(Some(_))) {
                return;
            }
            kill_group(child, KILL);
        }
        if let Ok(Some((_, status))) = waitpid(Some(pid), WaitOptions::NOHANG) {
            self.take(child, ExitStatus::from_raw(status.as_raw()));
        }
    }

    /// Reaps whatever has ended, at most 256 at once: what is not in the table is an orphan, since a child is there before
    /// anything else can run.
    pub(super) fn reap_any(&self) -> Reaped {
        for _ in 0..TURN {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let pid = pid.as_raw_nonzero().get();
                    let status = ExitStatus::from_raw(status.as_raw());
                    if self.take(pid, status) == Some(KillGroup::OnExit) {
                        self.kill_members(pid);
                    }
                }
                Err(Errno::INTR) => {}
                Ok(None) | Err(_) => return Reaped::All,
            }
        }
        Reaped::Some
    }

    /// Takes a child that has been reaped out of the table and tells whoever waits for it.
    fn take(&self, pid: i32, status: ExitStatus) -> Option<KillGroup> {
        let mut table = self.table.borrow_mut();
        if let Some(entry) = table.children.remove(&pid) {
            // Nobody waits any more when the service has ended.
            let _ = entry.waiter.send(status);
            return Some(entry.group);
        }
        table.orphans += 1;
        debug!(pid, ?status, "orphan reaped");
        None
    }

    /// KILLs what is left of the group of a child that ended between the look at it and the reaping of all. Its number is
    /// free now, so that only descendants of ours that are in the group are meant, each found and pinned by itself.
    fn kill_members(&self, group: i32) {
        let sweep = Sweep::new(Some(group), None);
        for _ in 0..LOOKS_FOR_MEMBERS {
            if self.kill_rest(&sweep) == 0 {
                return;
            }
        }
    }
}

/// The second finds what a member started before the first one's KILL came.
const LOOKS_FOR_MEMBERS: u32 = 2;

impl Default for Processes {
    fn default() -> Self {
        Processes::new()
    }
}

pub(super) const KILL: i32 = 9;

/// Looks whether a child has ended, and leaves it a zombie.
const LOOK: WaitIdOptions = WaitIdOptions::EXITED
    .union(WaitIdOptions::NOHANG)
    .union(WaitIdOptions::NOWAIT);

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
