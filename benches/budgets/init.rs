//! Owns the comparison with inits that do nothing else: the same work under kubesup, tini and dumb-init, in turn.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::measure::{Bell, Budget, Row, median, millis, processor_time, resident};
use crate::support::kubesup::binary;
use crate::support::wait_for;

const ROUNDS: u32 = 20;
const STORMS: u32 = 3;
const ORPHANS: u32 = 2_000;

/// An init as it is put before a command.
#[derive(Clone, Copy)]
enum Init {
    Kubesup,
    Tini,
    Dumb,
}

impl Init {
    /// The init before `sh -c SCRIPT`, as PID 1 of a namespace of its own or as it is.
    fn command(self, folder: &Path, script: &str, namespace: Namespace) -> Command {
        let mut words: Vec<String> = match namespace {
            Namespace::Own => vec!["unshare", "-pf", "--mount-proc", "--kill-child"],
            Namespace::Ours => vec![],
        }
        .into_iter()
        .map(str::to_owned)
        .collect();
        let text = |path: &Path| path.display().to_string();
        words.extend(match self {
            Init::Kubesup => {
                let words = [
                    text(&binary()),
                    "run".into(),
                    "-f".into(),
                    text(&folder.join("none")),
                ];
                let flags = [
                    "--name",
                    "bench",
                    "--once",
                    "--listen-http",
                    "none",
                    "--root",
                ];
                let flags = flags.map(str::to_owned);
                words
                    .into_iter()
                    .chain(flags)
                    .chain([text(&folder.join("root")), "--".into()])
                    .collect::<Vec<_>>()
            }
            Init::Tini => vec!["tini".to_owned(), "-s".to_owned(), "--".to_owned()],
            Init::Dumb => vec!["dumb-init".to_owned()],
        });
        words.extend(["sh".to_owned(), "-c".to_owned(), script.to_owned()]);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn name(self) -> &'static str {
        match self {
            Init::Kubesup => "kubesup",
            Init::Tini => "tini",
            Init::Dumb => "dumb-init",
        }
    }
}

#[derive(Clone, Copy)]
enum Namespace {
    Own,
    Ours,
}

pub fn measure() -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("none")).expect("a folder");
    let bell = Bell::new(folder.path(), "bell");
    let others: Vec<Init> = [Init::Tini, Init::Dumb]
        .into_iter()
        .filter(|init| is_installed(*init))
        .collect();
    let mut rows = Vec::new();
    for other in others {
        let (ours, theirs) = turns(&folder, &bell, other);
        let row = |what, unit, measured, compared| Row {
            what,
            measured,
            unit,
            compared: Some((compared, other.name())),
            budget: Budget::None,
        };
        rows.extend([
            row(
                "start → exec of the program",
                "ms",
                ours.start,
                theirs.start,
            ),
            row(
                "end of the program → end of the init",
                "ms",
                ours.end,
                theirs.end,
            ),
            row(
                "resident memory beside a sleeping program",
                "MiB",
                ours.memory,
                theirs.memory,
            ),
            row(
                "PID 1: processor time of 2,000 orphans",
                "ms",
                ours.reaping,
                theirs.reaping,
            ),
        ]);
    }
    rows
}

fn is_installed(init: Init) -> bool {
    let found = Command::new(init.name()).arg("--version").output().is_ok();
    if !found {
        println!(
            "{} is not installed: nothing is compared with it (Debian: apt-get install {})",
            init.name(),
            init.name()
        );
    }
    found
}

struct Figures {
    start: f64,
    end: f64,
    memory: f64,
    reaping: f64,
}

/// Both in turn, so that what else the machine does hits both.
fn turns(folder: &TempDir, bell: &Bell, other: Init) -> (Figures, Figures) {
    let mut all = [Init::Kubesup, other].map(|init| (init, [vec![], vec![], vec![], vec![]]));
    for round in 0..ROUNDS {
        for (init, figures) in &mut all {
            let (start, end) = run(*init, folder.path(), bell);
            figures[0].push(start);
            figures[1].push(end);
            if round < STORMS {
                figures[2].push(memory(*init, folder.path(), bell));
                figures[3].push(reaping(*init, folder.path(), bell));
            }
        }
    }
    let [ours, theirs] = all.map(|(_, [start, end, memory, reaping])| Figures {
        start: median(start),
        end: median(end),
        memory: median(memory),
        reaping: median(reaping),
    });
    (ours, theirs)
}

/// Milliseconds until the program runs, and from its last word to the end of the init.
fn run(init: Init, folder: &Path, bell: &Bell) -> (f64, f64) {
    let begun = Instant::now();
    let mut child = init
        .command(folder, &bell.ring(), Namespace::Ours)
        .spawn()
        .expect("an init");
    let rang = bell.wait();
    let status = child.wait().expect("a child");
    let ended = Instant::now();
    assert!(status.success(), "{}: {status}", init.name());
    (millis(rang - begun), millis(ended - rang))
}

fn memory(init: Init, folder: &Path, bell: &Bell) -> f64 {
    let script = format!("{}; exec sleep 1000", bell.ring());
    let child = init.command(folder, &script, Namespace::Ours).spawn();
    let running = Running(child.expect("an init"));
    bell.wait();
    resident(running.0.id())
}

/// Processor time of PID 1 while orphans die, from before the first to after the last.
fn reaping(init: Init, folder: &Path, bell: &Bell) -> f64 {
    let ring = bell.ring();
    // Each subshell ends at once and leaves `true` to PID 1.
    let script = format!(
        "{ring}; sleep 0.3; i=0; while [ $i -lt {ORPHANS} ]; do (sleep 0.01 &); i=$((i+1)); done; sleep 0.3; {ring}; exec sleep 1000"
    );
    let child = init.command(folder, &script, Namespace::Own).spawn();
    let running = Running(child.expect("an init"));
    bell.wait();
    let first = child_of(running.0.id());
    let before = processor_time(first);
    bell.wait();
    millis(processor_time(first).saturating_sub(before))
}

/// The one child of `unshare`: PID 1 inside.
fn child_of(pid: u32) -> u32 {
    wait_for("PID 1 of the namespace", Duration::from_secs(5), || {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace()
            .next()
            .and_then(|pid| pid.parse().ok())
            .ok_or(text)
    })
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // unshare's --kill-child, tini and dumb-init take the program with them; kubesup's own end does.
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
        let _ = rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::TERM);
        for _ in 0..100 {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
