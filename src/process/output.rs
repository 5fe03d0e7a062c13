//! Owns the way of a child's bytes: from its pipes to our stdout and stderr, to log files, to the tail. Never changes a
//! byte but as the format says, and never lets a slow reader of ours stop the thread: the child's pipe fills instead.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::{Mutex, mpsc, oneshot};
use tracing::warn;

use super::format::{Format, Lines, StderrTo};
use super::tail::{Tail, Tails};

/// Where a child's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputMode {
    /// To our stdout and stderr, byte for byte, with the tail kept.
    Pass,
    /// The same, and to two log files, which begin anew.
    Logged {
        /// The file for stdout.
        stdout: PathBuf,
        /// The file for stderr.
        stderr: PathBuf,
    },
    /// The child has our stdout and stderr; there is no tail.
    Inherit,
    /// The child has our stdin too, and is in the foreground of the terminal that it is.
    Terminal,
}

/// The log files of one child, if it has any.
#[derive(Debug, Default)]
pub(super) struct LogFiles {
    pub(super) stdout: Option<File>,
    pub(super) stderr: Option<File>,
}

impl OutputMode {
    pub(super) fn open_files(&self) -> io::Result<LogFiles> {
        let OutputMode::Logged { stdout, stderr } = self else {
            return Ok(LogFiles::default());
        };
        let create = |path: &Path| {
            let named = |error: io::Error| {
                io::Error::new(
                    error.kind(),
                    format!("log file {}: {error}", path.display()),
                )
            };
            File::create(path).map_err(named)
        };
        Ok(LogFiles {
            stdout: Some(create(stdout)?),
            stderr: Some(create(stderr)?),
        })
    }
}

/// Our stdout and stderr.
#[derive(Debug, Clone)]
pub(super) struct Outputs {
    stdout: Sink,
    stderr: Sink,
}

impl Outputs {
    pub(super) fn open() -> Outputs {
        Outputs {
            stdout: Sink::open(Stream::Stdout),
            stderr: Sink::open(Stream::Stderr),
        }
    }

    /// The two ways of one child's output.
    pub(super) fn copies(
        &self,
        stdout: Receiver,
        stderr: Receiver,
        tails: &Tails,
        files: LogFiles,
        format: &Format,
    ) -> [Copy; 2] {
        let stderr_sink = match format.stderr_to() {
            StderrTo::Stderr => &self.stderr,
            StderrTo::Stdout => &self.stdout,
        };
        [
            Copy {
                from: stdout,
                to: self.stdout.clone(),
                tails: [tails.stdout.clone(), tails.both.clone()],
                file: files.stdout,
                lines: format.stdout_lines(),
            },
            Copy {
                from: stderr,
                to: stderr_sink.clone(),
                tails: [tails.stderr.clone(), tails.both.clone()],
                file: files.stderr,
                lines: format.stderr_lines(),
            },
        ]
    }

    pub(super) async fn flush(&self) {
        self.stdout.flush().await;
        self.stderr.flush().await;
    }
}

/// One stream of one child.
#[derive(Debug)]
pub(super) struct Copy {
    from: Receiver,
    to: Sink,
    tails: [Tail; 2],
    file: Option<File>,
    /// `None`: byte for byte.
    lines: Option<Lines>,
}

/// As much as a pipe holds.
const CHUNK: usize = 64 * 1024;

impl Copy {
    /// Copies to the end of the stream.
    pub(super) async fn run(mut self) {
        let mut chunk = Vec::new();
        loop {
            // Allocated when there is something to read, so that an idle child costs nothing.
            if self.from.readable().await.is_err() {
                break;
            }
            chunk.reserve(CHUNK);
            match self.from.read_buf(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            for tail in &self.tails {
                tail.push(&chunk);
            }
            if let Some(Err(error)) = self.file.as_mut().map(|file| file.write_all(&chunk)) {
                warn!(%error, "a hook's log file cannot be written any more");
                self.file = None;
            }
            let bytes = match &mut self.lines {
                None => std::mem::take(&mut chunk),
                Some(lines) => {
                    let shown = lines.push(&chunk);
                    chunk.clear();
                    shown
                }
            };
            self.to.write(bytes).await;
        }
        if let Some(lines) = &mut self.lines {
            self.to.write(lines.finish()).await;
        }
    }
}

/// Where bytes leave us. A reader that has gone away is no reason to stop anything: then they are dropped.
#[derive(Debug, Clone)]
enum Sink {
    /// A pipe, opened anew so that only we see it as non-blocking.
    Pipe(Rc<Mutex<Sender>>),
    /// A file never blocks for long. Written through the descriptor that we were given, whose offset others share.
    File(Stream),
    /// Anything else (a terminal, a socket, somebody else's pipe, which cannot be opened): a thread that may block.
    Thread(mpsc::Sender<Message>),
}

#[derive(Debug)]
enum Message {
    Bytes(Vec<u8>),
    Flush(oneshot::Sender<()>),
}

/// Chunks that wait for the thread; when it is full, the child waits.
const WAITING: usize = 16;

impl Sink {
    fn open(stream: Stream) -> Sink {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        if std::fs::metadata(stream.path()).is_ok_and(|metadata| metadata.is_file()) {
            return Sink::File(stream);
        }
        let reopened = rustix::fs::open(stream.path(), flags, Mode::empty());
        if let Some(pipe) = reopened
            .ok()
            .and_then(|file| Sender::from_owned_fd(file).ok())
        {
            return Sink::Pipe(Rc::new(Mutex::new(pipe)));
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new().name(format!("{stream:?}").to_lowercase());
        if let Err(error) = thread.spawn(move || write_from(receiver, stream)) {
            warn!(%error, ?stream, "no thread for output; it is dropped");
        }
        Sink::Thread(sender)
    }

    async fn write(&self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            // One chunk after the other, so that what children write at once is not mixed within a chunk.
            Sink::Pipe(pipe) => write_when_ready(&*pipe.lock().await, &bytes).await,
            Sink::File(stream) => stream.write(&bytes),
            Sink::Thread(sender) => drop(sender.send(Message::Bytes(bytes)).await),
        }
    }

    async fn flush(&self) {
        if let Sink::Thread(sender) = self {
            let (done, flushed) = oneshot::channel();
            if sender.send(Message::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        }
    }
}

async fn write_when_ready(pipe: &Sender, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        if pipe.writable().await.is_err() {
            return;
        }
        match pipe.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => return,
        }
    }
}

fn write_from(mut receiver: mpsc::Receiver<Message>, stream: Stream) {
    while let Some(message) = receiver.blocking_recv() {
        match message {
            Message::Bytes(bytes) => stream.write(&bytes),
            Message::Flush(done) => drop(done.send(())),
        }
    }
}

/// One of the two that we were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn path(self) -> &'static str {
        match self {
            Stream::Stdout => "/proc/self/fd/1",
            Stream::Stderr => "/proc/self/fd/2",
        }
    }

    /// May block. A reader that has gone away is no failure.
    fn write(self, bytes: &[u8]) {
        let _ = match self {
            Stream::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            Stream::Stderr => io::stderr().lock().write_all(bytes),
        };
    }
}
