//! Owns the start of one child: its process group, its environment, its pipes. Never waits for it.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;

use super::output::{Copy, OutputMode, Outputs};
use super::reaper::KillGroup;
use super::tail::Tail;

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
}

impl Exit {
    /// The exit code; 128+n for signal n.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .or_else(|| self.status.signal().map(|signal| 128 + signal))
            .unwrap_or(255)
    }
}

/// A child that runs. Its output flows while [`Child::finished`] is polled.
pub struct Child {
    /// Its pid, and its process group's id.
    pub pid: i32,
    exit: oneshot::Receiver<ExitStatus>,
    copying: Pin<Box<dyn Future<Output = ()>>>,
    stdout_tail: Tail,
    stderr_tail: Tail,
}

/// After the exit the pipes are read for at most this long: what the child wrote has arrived by then, and something in the
/// background that holds them open must not keep the child "running".
const DRAIN: Duration = Duration::from_millis(500);

impl Child {
    /// Passes output on until the child has ended and its pipes are empty.
    pub async fn finished(self) -> Exit {
        let Child {
            mut exit,
            mut copying,
            stdout_tail,
            stderr_tail,
            ..
        } = self;
        let (status, copied) = tokio::select! {
            status = &mut exit => (status, false),
            () = &mut copying => (exit.await, true),
        };
        if !copied {
            // Either all has been read, or somebody else holds the pipe.
            let _ = tokio::time::timeout(DRAIN, copying).await;
        }
        Exit {
            // The reaper is gone only when the program ends.
            status: status.unwrap_or_else(|_| ExitStatus::from_raw(0xff00)),
            stdout_tail: stdout_tail.take(),
            stderr_tail: stderr_tail.take(),
        }
    }
}

/// A child that was started and is not in the table yet.
pub(super) struct Spawned {
    pub(super) pid: i32,
    copying: Pin<Box<dyn Future<Output = ()>>>,
    stdout_tail: Tail,
    stderr_tail: Tail,
}

impl Spawned {
    pub(super) fn into_child(self, exit: oneshot::Receiver<ExitStatus>) -> Child {
        let Spawned {
            pid,
            copying,
            stdout_tail,
            stderr_tail,
        } = self;
        Child {
            pid,
            exit,
            copying,
            stdout_tail,
            stderr_tail,
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
    prepared
        .args(&command.args)
        .stdin(Stdio::null())
        .process_group(0);
    prepared.envs(command.env.iter().map(|(name, value)| (name, value)));
    for name in &command.env_remove {
        prepared.env_remove(name);
    }
    if let Some(directory) = &command.current_dir {
        prepared.current_dir(directory);
    }
    let (stdout_tail, stderr_tail) = (Tail::default(), Tail::default());
    let mut copies: Vec<Copy> = Vec::new();
    if !matches!(command.output, OutputMode::Inherit) {
        let (stdout, child_stdout) = pipe().map_err(system)?;
        let (stderr, child_stderr) = pipe().map_err(system)?;
        prepared
            .stdout(Stdio::from(child_stdout))
            .stderr(Stdio::from(child_stderr));
        let files = command.output.open_files().map_err(system)?;
        copies.push(outputs.stdout_copy(stdout, stdout_tail.clone(), files.stdout));
        copies.push(outputs.stderr_copy(stderr, stderr_tail.clone(), files.stderr));
    }
    let child = start(&mut prepared).map_err(|source| classify(command, source))?;
    // `std::process::Child` neither waits nor kills when it is dropped.
    let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
    let copying = async move {
        futures::future::join_all(copies.into_iter().map(Copy::run)).await;
    };
    Ok(Spawned {
        pid,
        copying: Box::pin(copying),
        stdout_tail,
        stderr_tail,
    })
}

/// A script that was written a moment ago may still be open for writing in a child that another thread is starting.
const BUSY_PAUSES: [u64; 4] = [1, 2, 4, 8];

fn start(command: &mut std::process::Command) -> io::Result<std::process::Child> {
    for pause in BUSY_PAUSES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(pause));
            }
            other => return other,
        }
    }
    command.spawn()
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
