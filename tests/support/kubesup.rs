//! A kubesup process: its log, its program's output, its HTTP API, its files.
#![expect(
    clippy::disallowed_methods,
    reason = "kubesup is the test's child, not a child of kubesup"
)]

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{SOON, wait_for, wait_until};

/// How kubesup is to be started.
pub struct Builder {
    arguments: Vec<String>,
    command: Vec<String>,
    environment: Vec<(OsString, OsString)>,
    root: Option<TempDir>,
    under: Vec<String>,
}

impl Builder {
    /// Started by this command, which ends by becoming what its last words say.
    pub fn under(mut self, words: &[&str]) -> Self {
        self.under = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Arguments as they are.
    pub fn words(mut self, words: &[&str]) -> Self {
        self.arguments
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// A root with something in it.
    pub fn root(mut self, root: TempDir) -> Self {
        self.root = Some(root);
        self
    }

    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// A flag without a value.
    pub fn switch(mut self, name: &str) -> Self {
        self.arguments.push(name.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// A variable that need not be text.
    pub fn env_bytes(mut self, name: &str, value: &[u8]) -> Self {
        let value = OsString::from_vec(value.to_vec());
        self.environment.push((name.into(), value));
        self
    }

    pub fn package(self, directory: &Path) -> Self {
        self.flag("--package", &directory.display().to_string())
    }

    pub fn manifests(self, path: &Path) -> Self {
        self.flag("-f", &path.display().to_string())
    }

    /// The command after `--`.
    pub fn command(mut self, words: &[&str]) -> Self {
        self.command = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Starts it, and waits until HTTP answers.
    pub fn start(self) -> Kubesup {
        let mut kubesup = self.spawn();
        let address = wait_for("kubesup serves HTTP", SOON, || {
            let log = kubesup.log();
            let found = log
                .lines()
                .find(|line| line.contains("serving HTTP"))
                .and_then(|line| line.split("address=").nth(1));
            found.map(|address| address.trim().to_owned()).ok_or(log)
        });
        kubesup.address = address;
        kubesup
    }

    /// Starts it, whether or not it comes up.
    pub fn spawn(self) -> Kubesup {
        self.spawn_at("127.0.0.1:0")
    }

    /// The same, with HTTP at this address.
    pub fn spawn_at(self, address: &str) -> Kubesup {
        let root = self
            .root
            .unwrap_or_else(|| tempfile::tempdir().expect("a root"));
        let mut command = match self.under.split_first() {
            None => Command::new(binary()),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(binary());
                command
            }
        };
        command
            .arg("run")
            .args(["--root", &root.path().display().to_string()]);
        // Habitat's variable says where it listens.
        if !self
            .environment
            .iter()
            .any(|(name, _)| name == "HAB_LISTEN_HTTP")
        {
            command.args(["--listen-http", address]);
        }
        command.args(&self.arguments);
        if !self.command.is_empty() {
            command.arg("--").args(&self.command);
        }
        for name in [
            "POD_NAME",
            "POD_NAMESPACE",
            "POD_UID",
            "KUBERNETES_SERVICE_HOST",
        ] {
            command.env_remove(name);
        }
        command
            .envs(self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().expect("kubesup");
        let log = collect(child.stderr.take().expect("a pipe"));
        let output = collect(child.stdout.take().expect("a pipe"));
        Kubesup {
            child,
            root,
            log,
            output,
            address: String::new(),
        }
    }
}

fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            into.lock()
                .expect("no panic")
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    text
}

/// A kubesup that runs. Killed with its program when it is dropped.
pub struct Kubesup {
    child: Child,
    root: TempDir,
    log: Arc<Mutex<String>>,
    output: Arc<Mutex<String>>,
    address: String,
}

impl Kubesup {
    pub fn builder() -> Builder {
        Builder {
            arguments: Vec::new(),
            command: Vec::new(),
            environment: Vec::new(),
            root: None,
            under: Vec::new(),
        }
    }

    /// Its root, for another one to begin with.
    pub fn into_root(mut self) -> TempDir {
        std::mem::replace(&mut self.root, tempfile::tempdir().expect("a root"))
    }

    /// What it wrote to stderr.
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// What the program wrote to stdout.
    pub fn output(&self) -> String {
        self.output.lock().expect("no panic").clone()
    }

    /// Where it serves HTTP.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A file of the service `demo`.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.path().join("svc/demo").join(path)
    }

    /// The text of a file of the service `demo`; empty when it is not there.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.file(path)).unwrap_or_default()
    }

    /// Asks the HTTP API: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}; log:\n{}", self.log()))
    }

    pub fn try_get(&self, path: &str) -> std::io::Result<(u16, String)> {
        http_get(&self.address, path)
    }

    /// Asks with header lines, each with its line end, whatever their bytes.
    pub fn send(&self, method: &str, path: &str, headers: &[u8]) -> std::io::Result<(u16, String)> {
        http_send(&self.address, method, path, headers)
    }

    /// The service item; `null` before the first view.
    pub fn item(&self) -> Value {
        serde_json::from_str(&self.get("/services/demo/default").1).unwrap_or_default()
    }

    pub fn config(&self) -> Value {
        serde_json::from_str(&self.get("/services/demo/default/config").1).unwrap_or_default()
    }

    /// Before the first view Habitat's paths answer 503, without a body.
    pub fn assert_habitats_paths_are_503(&self) {
        for path in [
            "/services",
            "/services/demo/default",
            "/services/demo/default/config",
            "/services/demo/default/health",
            "/census",
            "/butterfly",
        ] {
            assert_eq!(self.get(path), (503, String::new()), "{path}");
        }
    }

    pub fn readyz(&self) -> String {
        self.get("/readyz?verbose").1
    }

    /// Waits until `/readyz` is 200.
    pub fn wait_ready(&self) {
        wait_for("kubesup is ready", SOON, || {
            match self.get("/readyz?verbose") {
                (200, _) => Ok(()),
                (_, body) => Err(format!("{body}\n{}", self.log())),
            }
        });
    }

    /// Waits until the report of `/readyz` holds this text.
    pub fn wait_readyz(&self, text: &str) -> String {
        wait_until(
            &format!("/readyz says {text:?}"),
            || self.readyz(),
            |report| report.contains(text),
        )
    }

    /// Waits until all that the program and its hooks have printed is this.
    pub fn wait_printed(&self, text: &str) {
        wait_until(
            &format!("what is printed is {text:?}"),
            || self.output(),
            |output| output == text,
        );
    }

    /// The main process's pid; waits for one.
    pub fn main_pid(&self) -> i64 {
        wait_for("a main process", SOON, || {
            self.item()["process"]["pid"].as_i64().ok_or(self.log())
        })
    }

    /// Sends a signal to kubesup.
    pub fn signal(&self, signal: i32) {
        signal_process(i32::try_from(self.child.id()).expect("a pid"), signal);
    }

    /// What it wrote last may still be on its way. A program that outlives it may hold a pipe, so that this has an end.
    fn wait_output(&self) {
        let is_read = |text: &Arc<Mutex<String>>| Arc::strong_count(text) == 1;
        for _ in 0..100 {
            if is_read(&self.log) && is_read(&self.output) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end: the exit code, 128+n for a signal.
    pub fn wait_exit(&mut self) -> i32 {
        let log = Arc::clone(&self.log);
        let child = &mut self.child;
        let status = wait_for("kubesup ends", Duration::from_secs(40), || {
            child
                .try_wait()
                .expect("a child")
                .ok_or_else(|| log.lock().expect("no panic").clone())
        });
        drop(log);
        self.wait_output();
        status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .expect("a code")
    }
}

/// The kubesup that is tested: `KUBESUP_BINARY`, else the one that cargo has built with the tests.
pub fn binary() -> PathBuf {
    std::env::var_os("KUBESUP_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_kubesup").into(), PathBuf::from)
}

/// Sends a signal to a process that is there.
pub fn signal_process(pid: i32, signal: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    let signal = rustix::process::Signal::from_named_raw(signal).expect("a signal");
    rustix::process::kill_process(pid, signal).expect("the process is there");
}

/// What a command left that ends by itself.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub log: String,
}

/// A command of kubesup with an environment of its own, to its end.
pub fn command(words: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let output = Command::new(binary())
        .args(words)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("kubesup");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome {
        code: output.status.code(),
        stdout: text(&output.stdout),
        log: text(&output.stderr),
    }
}

/// Asks any HTTP server: status and body.
pub fn http_get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    http_get_as(address, path, "*/*")
}

/// The same, wanting this type.
pub fn http_get_as(address: &str, path: &str, accept: &str) -> std::io::Result<(u16, String)> {
    let accept = format!("Accept: {accept}\r\n");
    http_send(address, "GET", path, accept.as_bytes())
}

/// Sends a body, wanting JSON.
pub fn http_post(address: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let length = body.len();
    let rest = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
    http_exchange(address, "POST", path, rest.as_bytes(), body)
}

fn http_send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[u8],
) -> std::io::Result<(u16, String)> {
    http_exchange(address, method, path, headers, "")
}

fn http_exchange(
    address: &str,
    method: &str,
    path: &str,
    headers: &[u8],
    body: &str,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: kubesup\r\nConnection: close\r\n").into_bytes();
    head.extend_from_slice(headers);
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(body.as_bytes());
    stream.write_all(&head)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_default();
    let body = text
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    Ok((status, body))
}

impl Drop for Kubesup {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Its end by TERM takes the program with it; KILL is for a kubesup that is broken.
        self.signal(15);
        self.signal(15);
        for _ in 0..300 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
