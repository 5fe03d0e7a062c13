//! Owns the start of one child: its process group, its environment, its pipes. Never waits for it.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;

use super::format::Format;
use super::output::{Copy, OutputMode, Outputs};
use super::reaper::{KillGroup, Processes};
use super::tail::Tails;
use super::terminal;
use super::users::{self, Ids};

/// What to start, and how.
#[derive(Debug, Clone)]
pub struct Command {
    /// A path, or a name that is looked up in `PATH`.
    pub program: PathBuf,
    /// Arguments, without the program.
    pub args: Vec<OsString>,
    /// Laid over the inherited environment.
    pub env: Vec<(OsString, OsString)>,
    /// Taken out of it.
    pub env_remove: Vec<OsString>,
    /// The working directory; the inherited one without it.
    pub current_dir: Option<PathBuf>,
    /// Where its output goes.
    pub output: OutputMode,
    /// How its output is shown.
    pub format: Format,
    /// Who it runs as; without it as we do.
    pub user: Option<Ids>,
    /// What happens to the rest of its group when it has ended.
    pub kill_group_on_exit: KillGroup,
}

/// Why a child was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such program.
    #[error("cannot run {}: not found (or the interpreter in its first line is not); check the path and the image", program.display())]
    NotFound {
        /// The program.
        program: PathBuf,
    },
    /// It is no program.
    #[error("cannot run {}: {source}; is it a program, or a script with #! in its first line, with the run bit set", program.display())]
    NotExecutable {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refuses.
    #[error("cannot run {}: {source}", program.display())]
    System {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SpawnError {
    /// What a shell would end with: 127 for what is not there, 126 for what cannot be run.
    pub fn exit_code(&self) -> i32 {
        match self {
            SpawnError::NotFound { .. } => 127,
            SpawnError::NotExecutable { .. } | SpawnError::System { .. } => 126,
        }
    }
}

/// How a child ended, with the last of its output.
#[derive(Debug)]
pub struct Exit {
    /// The status that the kernel gave.
    pub status: ExitStatus,
    /// The last bytes of stdout, at most 8 KiB.
    pub stdout_tail: Vec<u8>,
    /// The last bytes of stderr, at most 8 KiB.
    pub stderr_tail: Vec<u8>,
    /// The last bytes of both as they came, at most 8 KiB.
    pub tail: Vec<u8>,
    /// Output that still flows: somebody in the background holds the pipe, or our reader is slow. Whoever drops it closes
    /// the pipe.
    pub rest: Option<Copying>,
}

/// Output on its way.
pub struct Copying(Pin<Box<dyn Future<Output = ()>>>);

impl Future for Copying {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl std::fmt::Debug for Copying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Copying")
    }
}

impl Exit {
    /// The exit code; 128+n for signal n.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .or_else(|| self.status.signal().map(|signal| 128 + signal))
            .unwrap_or(255)
    }

    /// The last lines of its output, at most 20, each of at most 1,000 characters.
    pub fn last_lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.tail);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(LAST_LINES);
        let last = lines.into_iter().skip(first);
        last.map(|line| line.chars().take(LONGEST_SHOWN).collect())
            .collect()
    }
}

/// Enough to see why something ended.
const LAST_LINES: usize = 20;
/// A line that is longer is cut: it is for people.
const LONGEST_SHOWN: usize = 1000;

/// A child that runs. Its output flows while [`Child::finished`] is polled.
pub struct Child {
    /// Its pid, and its process group's id.
    pub pid: i32,
    exit: oneshot::Receiver<ExitStatus>,
    copying: Copying,
    tails: Tails,
    /// Tells its end though CHLD is looked at only now and then when much ends, orphans or hooks; `None` where the kernel has no
    /// such descriptor or a sandbox refuses it.
    end: Option<Receiver>,
    processes: Processes,
}

/// After the exit the pipes are read for at most this long: what the child wrote has arrived by then, and something in the
/// background that holds them open must not keep the child "running".
const DRAIN: Duration = Duration::from_millis(500);

impl Child {
    /// Passes output on until the child has ended and its pipes are empty.
    pub async fn finished(self) -> Exit {
        let Child {
            pid,
            mut exit,
            mut copying,
            tails,
            end,
            processes,
        } = self;
        let ended = async move {
            match end {
                Some(end) => drop(end.readable().await),
                None => std::future::pending().await,
            }
        };
        tokio::pin!(ended);
        let mut reaped = false;
        let mut copied = false;
        let status = loop {
            tokio::select! {
                status = &mut exit => break status,
                () = &mut copying, if !copied => copied = true,
                () = &mut ended, if !reaped => {
                    reaped = true;
                    processes.reap_child(pid);
                }
            }
        };
        // Either all has been read soon, or somebody else holds the pipe.
        let rest = if copied || tokio::time::timeout(DRAIN, &mut copying).await.is_ok() {
            None
        } else {
            Some(copying)
        };
        Exit {
            // The reaper is gone only when the program ends.
            status: status.unwrap_or_else(|_| ExitStatus::from_raw(0xff00)),
            stdout_tail: tails.stdout.take(),
            stderr_tail: tails.stderr.take(),
            tail: tails.both.take(),
            rest,
        }
    }
}

/// A child that was started and is not in the table yet.
pub(super) struct Spawned {
    pub(super) pid: i32,
    copying: Copying,
    tails: Tails,
    end: Option<Receiver>,
}

impl Spawned {
    pub(super) fn into_child(
        self,
        exit: oneshot::Receiver<ExitStatus>,
        processes: Processes,
    ) -> Child {
        let Spawned {
            pid,
            copying,
            tails,
            end,
        } = self;
        Child {
            pid,
            exit,
            copying,
            tails,
            end,
            processes,
        }
    }
}

/// Starts the child and the futures that carry its output.
pub(super) fn spawn(command: &Command, outputs: &Outputs) -> Result<Spawned, SpawnError> {
    let system = |source: io::Error| SpawnError::System {
        program: command.program.clone(),
        source,
    };
    let mut prepared = std::process::Command::new(&command.program);
    prepared.args(&command.args).process_group(0);
    if command.output != OutputMode::Terminal {
        prepared.stdin(Stdio::null());
    }
    prepared.envs(command.env.iter().map(|(name, value)| (name, value)));
    for name in &command.env_remove {
        prepared.env_remove(name);
    }
    if let Some(directory) = &command.current_dir {
        prepared.current_dir(directory);
    }
    let tails = Tails::default();
    let mut copies: Vec<Copy> = Vec::new();
    if !matches!(command.output, OutputMode::Inherit | OutputMode::Terminal) {
        let (stdout, child_stdout) = pipe().map_err(system)?;
        let (stderr, child_stderr) = pipe().map_err(system)?;
        if let Some(Ids { uid, gid, .. }) = &command.user {
            // Else the child could not open /dev/stdout anew.
            for end in [&child_stdout, &child_stderr] {
                chown(end, *uid, *gid).map_err(system)?;
            }
        }
        prepared
            .stdout(Stdio::from(child_stdout))
            .stderr(Stdio::from(child_stderr));
        let files = command.output.open_files().map_err(system)?;
        copies.extend(outputs.copies(stdout, stderr, &tails, files, &command.format));
    }
    let child = match &command.user {
        None => start(&mut prepared),
        Some(ids) => start_as(&mut prepared, ids),
    };
    let child = child.map_err(|source| classify(command, source))?;
    // `std::process::Child` neither waits nor kills when it is dropped.
    let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
    let copying = async move {
        futures::future::join_all(copies.into_iter().map(Copy::run)).await;
    };
    if command.output == OutputMode::Terminal {
        terminal::hand_over(pid);
    }
    Ok(Spawned {
        pid,
        copying: Copying(Box::pin(copying)),
        tails,
        end: end_of(pid),
    })
}

/// No pipe, but waited for as one: readable when the child has ended. It is not reaped yet, so that the number is its own.
fn end_of(pid: i32) -> Option<Receiver> {
    let pid = Pid::from_raw(pid)?;
    let descriptor = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
    Receiver::from_owned_fd_unchecked(descriptor).ok()
}

fn chown(end: &OwnedFd, uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(uid),
        rustix::fs::Gid::from_raw(gid),
    );
    Ok(rustix::fs::fchown(end, Some(uid), Some(gid))?)
}

/// Starts the child on a thread that has become its user, and that ends with it: credentials are a thread's own.
fn start_as(command: &mut std::process::Command, ids: &Ids) -> io::Result<std::process::Child> {
    std::thread::scope(|scope| {
        let started = std::thread::Builder::new()
            .name("spawn".into())
            .spawn_scoped(scope, || {
                users::become_user(ids)?;
                start(command)
            })?;
        started
            .join()
            .unwrap_or_else(|_panicked| Err(io::Error::other("the spawning thread panicked")))
    })
}

/// A script that was written a moment ago may still be open for writing in a child that another thread is starting.
const BUSY_PAUSES: [u64; 4] = [1, 2, 4, 8];

fn start(command: &mut std::process::Command) -> io::Result<std::process::Child> {
    for pause in BUSY_PAUSES {
        match start_unmasked(command) {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(pause));
            }
            other => return other,
        }
    }
    start_unmasked(command)
}

/// Without the mask of this thread, which the child would inherit. CHLD that comes meanwhile has a handler (`deaths`).
fn start_unmasked(command: &mut std::process::Command) -> io::Result<std::process::Child> {
    let before = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let started = command.spawn();
    before.thread_set_mask()?;
    started
}

/// The kernel's ENOEXEC: a script without `#!`, or a program for another machine.
const ENOEXEC: i32 = 8;

fn classify(command: &Command, source: io::Error) -> SpawnError {
    let program = command.program.clone();
    match source.kind() {
        io::ErrorKind::NotFound => SpawnError::NotFound { program },
        io::ErrorKind::PermissionDenied => SpawnError::NotExecutable { program, source },
        _ if source.raw_os_error() == Some(ENOEXEC) => {
            SpawnError::NotExecutable { program, source }
        }
        _ => SpawnError::System { program, source },
    }
}

/// A pipe: our end for the runtime, the child's end as it expects it (blocking).
fn pipe() -> io::Result<(Receiver, OwnedFd)> {
    let (ours, childs) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((Receiver::from_owned_fd(ours)?, childs))
}
