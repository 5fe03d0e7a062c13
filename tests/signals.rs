//! Signals: what kubesup passes on, to whom, and as what; as PID 1 and not, with a terminal and without.
#![expect(
    clippy::disallowed_methods,
    reason = "unshare and script are the test's children, not kubesup's"
)]

use std::process::{Command, Stdio};

use crate::support::kubesup::{Kubesup, binary};
use crate::support::package::Folder;
use crate::support::pid1::AsPid1;
use crate::support::{SOON, wait_for, wait_until};

/// What cannot be caught, is fatal to whoever catches it, or is the C library's.
const NOT_FOR_US: [i32; 7] = [4, 8, 9, 11, 19, 32, 33];
/// HUP is for kubesup; TERM, INT and QUIT stop; CHLD is about its children.
const WITH_A_MEANING: [i32; 5] = [1, 2, 3, 15, 17];
/// A broken pipe of kubesup's, and what is about a terminal.
const SWALLOWED: [i32; 4] = [13, 20, 21, 22];

/// Every signal that is to reach the program.
fn forwarded() -> Vec<i32> {
    (1..=64)
        .filter(|signal| {
            ![
                NOT_FOR_US.as_slice(),
                WITH_A_MEANING.as_slice(),
                SWALLOWED.as_slice(),
            ]
            .iter()
            .any(|others| others.contains(signal))
        })
        .collect()
}

/// A program that says which signals come; a second process in its group says so too.
const LISTENER: &str = r#"
listen() {
  for n in $(seq 1 64); do
    case $n in 9|19|17|32|33) ;; *) trap "echo $1 $n" $n ;; esac
  done
  exec 3<> "$FIFO"
  echo $1 up
  # No child of its own: the signals are all for this process. When the test fails kubesup is killed, and this ends too.
  while kill -0 $PPID; do read -t 0.02 -u 3 ignored; done
}
FIFO=$(mktemp -u); mkfifo "$FIFO"
(listen member) 2>/dev/null &
listen leader 2>/dev/null
"#;

fn send(pid: u32, signal: i32) {
    // Real-time signals have no name in rustix; this sends any.
    let sent = Command::new("/bin/kill")
        .args([format!("-{signal}"), pid.to_string()])
        .status()
        .expect("kill");
    assert!(sent.success(), "kill -{signal}");
}

/// Sends every signal, waits for each, and returns what the program said.
fn send_all(pid: u32, output: impl Fn() -> String) -> String {
    wait_until("both listen", &output, |text| {
        text.contains("leader up") && text.contains("member up")
    });
    for signal in forwarded() {
        send(pid, signal);
        wait_until(&format!("signal {signal} has come"), &output, |text| {
            ["leader", "member"]
                .iter()
                .all(|who| text.lines().any(|line| line == format!("{who} {signal}")))
        });
    }
    output()
}

fn assert_once_and_in_order(output: &str) {
    for who in ["leader", "member"] {
        let got: Vec<i32> = output
            .lines()
            .filter_map(|line| line.strip_prefix(who)?.trim().parse().ok())
            .collect();
        assert_eq!(got, forwarded(), "{who}");
    }
}

/// A plain process: neither PID 1 nor below anything that takes orphans in, but for what the system has.
#[test]
fn every_signal_that_means_nothing_to_kubesup_reaches_the_whole_group_once_and_in_order() {
    let folder = Folder::new();
    let kubesup = Kubesup::builder()
        .manifests(folder.path())
        .command(&["/bin/bash", "-c", LISTENER])
        .start();
    // The others are not for the program, and must not end kubesup either.
    for signal in SWALLOWED {
        send(kubesup.pid(), signal);
    }
    let output = send_all(kubesup.pid(), || kubesup.output());
    assert_once_and_in_order(&output);
}

/// A kubesup that takes orphans in itself, below another one that does so too.
#[test]
fn below_a_subreaper_every_signal_reaches_the_group_too_and_orphans_come_to_kubesup() {
    let folder = Folder::new();
    let manifests = folder.path().join("manifests");
    std::fs::create_dir(&manifests).expect("a folder");
    let orphan = folder.path().join("orphan");
    let program = format!(
        "(setsid sleep 1000 & echo $! > {})\n{LISTENER}",
        orphan.display()
    );
    let text = |path: &std::path::Path| path.display().to_string();
    let mut proxy = Kubesup::builder()
        .manifests(&manifests)
        .flag("--name", "demo")
        .flag("--on-exit", "exit")
        .command(&[
            &text(&binary()),
            "run",
            "--listen-http",
            "none",
            "--root",
            &text(&folder.path().join("inner")),
            "-f",
            &text(&manifests),
            "--",
            "/bin/bash",
            "-c",
            &program,
        ])
        .start();
    let inner = u32::try_from(proxy.main_pid()).expect("a pid");
    let output = send_all(inner, || proxy.output());
    assert_once_and_in_order(&output);
    let orphan = std::fs::read_to_string(&orphan).expect("a pid");
    assert_eq!(parent_of(orphan.trim()), inner);
    // The listener says so and goes on; a second signal shortens its grace.
    for count in 1..=2 {
        send(inner, 15);
        wait_until(
            "TERM has come",
            || proxy.log(),
            |log| log.matches("stop signal").count() >= count,
        );
    }
    assert_eq!(proxy.wait_exit(), 0, "{}", proxy.log());
    let orphan = std::path::PathBuf::from(format!("/proc/{}", orphan.trim()));
    assert!(!orphan.exists(), "it was stopped with the rest");
}

fn parent_of(pid: &str) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    line.and_then(|parent| parent.trim().parse().ok())
        .expect("its parent")
}

#[test]
fn as_pid_1_every_signal_reaches_the_group_too_and_term_stops() {
    let mut kubesup = AsPid1::start(&[], LISTENER);
    let pid = kubesup.pid();
    let output = send_all(pid, || kubesup.read("out"));
    assert_once_and_in_order(&output);
    // The listener says so and goes on; a second signal shortens its grace.
    send(pid, 15);
    wait_until(
        "TERM has come",
        || kubesup.read("out"),
        |text| text.contains("leader 15") && text.contains("member 15"),
    );
    send(pid, 15);
    assert_eq!(kubesup.wait_exit(), 0, "{}", kubesup.read("err"));
}

#[test]
fn signals_are_rewritten_swapped_and_dropped() {
    let folder = Folder::new();
    let mut kubesup = Kubesup::builder()
        .manifests(folder.path())
        .flag("--rewrite-signal", "TERM=USR1,USR1=USR2,WINCH=none,HUP=CONT,INT=none")
        .command(&[
            "/bin/bash",
            "-c",
            "for n in 1 2 10 12 15 18 28; do trap \"echo $n\" $n; done; trap 'echo stop; exit 0' USR1; echo up; while :; do sleep 0.02; done",
        ])
        .start();
    wait_until("up", || kubesup.output(), |text| text == "up\n");
    for (signal, text) in [(10, "up\n12\n"), (1, "up\n12\n18\n")] {
        kubesup.signal(signal);
        wait_until("it has come", || kubesup.output(), |output| output == text);
    }
    // Dropped: neither the program nor kubesup does anything.
    kubesup.signal(28);
    kubesup.signal(2);
    wait_until(
        "INT is dropped",
        || kubesup.log(),
        |log| log.contains("dropped"),
    );
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0);
    assert_eq!(kubesup.output(), "up\n12\n18\nstop\n");
}

/// Runs kubesup with a terminal, types this when it is up, and returns all that the terminal showed, and the exit code.
fn with_terminal(program: &str, keys: &str) -> (String, i32) {
    use std::io::Write as _;
    let folder = Folder::new();
    let shown = folder.path().join("shown");
    let command = format!(
        "{} run --tty --on-exit exit --listen-http none --root {}/root -f {}/manifests -- /bin/bash -c '{program}'",
        binary().display(),
        folder.path().display(),
        folder.path().display()
    );
    std::fs::create_dir(folder.path().join("manifests")).expect("a folder");
    let mut script = Command::new("script")
        .args(["-q", "-e", "-f", "-c", &format!("exec {command}")])
        .arg(&shown)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("script, of util-linux");
    let read = || String::from_utf8_lossy(&std::fs::read(&shown).unwrap_or_default()).into_owned();
    wait_until("the program is up", read, |text| text.contains("up"));
    let mut stdin = script.stdin.take().expect("a pipe");
    stdin.write_all(keys.as_bytes()).expect("typed");
    let status = wait_for("kubesup ends", SOON, || {
        script.try_wait().expect("a child").ok_or_else(&read)
    });
    (read(), status.code().expect("a code"))
}

#[test]
fn with_a_terminal_the_program_reads_from_it_and_is_in_the_foreground() {
    let program = r#"tty -s && echo is-a-tty; read -r _ _ _ _ pgrp _ _ tpgid _ < /proc/self/stat; [ "$pgrp" = "$tpgid" ] && echo foreground; echo up; read line; echo "got $line"; exit 7"#;
    let (shown, code) = with_terminal(program, "hello\n");
    assert!(
        shown.contains("is-a-tty") && shown.contains("foreground") && shown.contains("got hello"),
        "{shown}"
    );
    assert_eq!(code, 7, "{shown}");
}

#[test]
fn control_c_on_a_terminal_ends_the_program_and_kubesup() {
    let (shown, code) = with_terminal("echo up; exec sleep 1000", "\u{3}");
    assert_eq!(code, 130, "{shown}");
}
