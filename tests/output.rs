//! The program's output.
#![expect(clippy::disallowed_methods, reason = "kubesup is the test's child")]

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::support::kubesup::{Kubesup, binary};
use crate::support::package::Folder;
use crate::support::{SOON, wait_for};

fn run(folder: &Folder, flags: &[&str], script: &str) -> Command {
    let manifests = folder.path().join("manifests");
    std::fs::create_dir_all(&manifests).expect("a folder");
    let mut command = Command::new(binary());
    command
        .args([
            "run",
            "--listen-http",
            "none",
            "--once",
            "--name",
            "demo",
            "-f",
        ])
        .arg(manifests)
        .arg("--root")
        .arg(folder.path().join("root"))
        .args(flags)
        .args(["--", "/bin/sh", "-c", script])
        .stdin(Stdio::null());
    command
}

/// stdout of a run.
fn output(flags: &[&str], script: &str) -> Vec<u8> {
    let folder = Folder::new();
    run(&folder, flags, script)
        .output()
        .expect("kubesup")
        .stdout
}

#[test]
fn the_last_bytes_before_an_exit_arrive_whatever_the_way() {
    let runs = if std::env::var_os("KUBESUP_SOAK").is_some() {
        1000
    } else {
        34
    };
    for number in 0..runs {
        let script = format!("printf 'last {number}'");
        let text = format!("last {number}");
        assert_eq!(output(&[], &script), text.as_bytes());
        assert_eq!(output(&["--output", "inherit"], &script), text.as_bytes());
        let habitat = output(&["--log-format", "habitat"], &script);
        assert_eq!(habitat, format!("demo.default(O): {text}\n").as_bytes());
    }
}

#[test]
fn bytes_pass_as_they_are() {
    let script = "printf 'a\\000\\377\\r\\n'; head -c 3000000 /dev/zero; printf 'no end'";
    let bytes = output(&[], script);
    assert_eq!(bytes.len(), 5 + 3_000_000 + 6);
    assert!(bytes.starts_with(b"a\0\xff\r\n") && bytes.ends_with(b"\0no end"));
}

#[test]
fn json_is_one_object_a_line_and_hooks_have_their_own_key() {
    let folder = Folder::new();
    let package = folder.path().join("package");
    folder.write("package/hooks/init", "#!/bin/sh\necho to stderr >&2\n");
    let flags = [
        "--log-format",
        "json",
        "--package",
        &package.display().to_string(),
    ];
    let bytes = run(&folder, &flags, "printf 'x \\377\\n'")
        .output()
        .expect("kubesup")
        .stdout;
    let lines: Vec<serde_json::Value> = String::from_utf8(bytes)
        .expect("JSON is UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        serde_json::json!(lines),
        serde_json::json!([
            {"preamble": "demo.default hook[init]:", "logkey": "HK", "content": "to stderr"},
            {"preamble": "demo.default", "logkey": "O", "content": "x \u{fffd}"},
        ])
    );
}

#[test]
fn a_reader_that_does_not_read_holds_up_the_program_and_not_the_supervision() {
    let folder = Folder::new();
    let marker = folder.path().join("through");
    let script = format!(
        "head -c 2000000 /dev/zero; touch {}; exec sleep 1000",
        marker.display()
    );
    let mut child = run(&folder, &[], &script)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("kubesup");
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut first = [0; 1];
    stdout.read_exact(&mut first).expect("a byte");
    assert!(!marker.exists(), "more fits into the pipes than 2 MB");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("kubesup is there");
    let status = wait_for("kubesup stops though nobody reads", SOON, || {
        child.try_wait().expect("a child").ok_or("it runs")
    });
    assert!(status.code().is_some(), "{status:?}");
}

#[test]
fn what_a_daemon_writes_after_its_parents_end_still_arrives() {
    let folder = Folder::new();
    folder.write(
        "hooks/init",
        "#!/bin/sh\n(sleep 1; echo late; echo later) &\necho early\n",
    );
    folder.write("hooks/run", "#!/bin/sh\nexec sleep 1000\n");
    let kubesup = Kubesup::builder()
        .manifests(folder.path())
        .flag("--name", "demo")
        .start();
    kubesup.wait_printed("early\nlate\nlater\n");
}
