//! Real children in real time. Reaping takes every child of the process, so one test runs at a time.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::*;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a test on a runtime of its own.
fn alone<F: Future>(test: F) {
    let _alone = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // The harness starts each test on a new thread; the kernel's masks are a thread's own.
    prepare().expect("prepared");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        test.await;
    });
}

/// The same, with a loop that reaps.
fn with_processes<F: AsyncFnOnce(Processes)>(test: F) {
    alone(async {
        let mut signals = Signals::open().expect("signals");
        let processes = Processes::new();
        let reaping = processes.clone();
        let reap = async move {
            loop {
                if signals.recv().await == Signal::Child {
                    while reaping.reap() == reaper::Reaped::Some {}
                }
            }
        };
        let test = async {
            tokio::time::timeout(Duration::from_secs(60), test(processes))
                .await
                .expect("in time");
        };
        tokio::select! { () = test => {}, () = reap => {} }
    });
}

fn command(program: &str, args: &[&str]) -> Command {
    Command {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        env: Vec::new(),
        env_remove: Vec::new(),
        current_dir: None,
        output: OutputMode::Logged {
            stdout: "/dev/null".into(),
            stderr: "/dev/null".into(),
        },
        format: Format::Plain,
        user: None,
        kill_group_on_exit: KillGroup::Never,
    }
}

fn sh(script: &str) -> Command {
    command("/bin/sh", &["-c", script])
}

async fn finished(processes: &Processes, command: &Command) -> Exit {
    let child = processes.spawn(command).expect("a child");
    processes.reap();
    child.finished().await
}

#[test]
fn every_exit_code_comes_out() {
    with_processes(async |processes| {
        let children = (0..256).map(|code| {
            (
                code,
                processes
                    .spawn(&sh(&format!("exit {code}")))
                    .expect("a child"),
            )
        });
        for (code, child) in children.collect::<Vec<_>>() {
            assert_eq!(child.finished().await.code(), code);
        }
    });
}

#[test]
fn death_by_a_signal_is_128_and_its_number_for_real_time_signals_too() {
    with_processes(async |processes| {
        for signal in [1, 2, 3, 9, 15, 10, 36, 64] {
            assert_eq!(
                finished(&processes, &sh(&format!("kill -{signal} $$")))
                    .await
                    .code(),
                128 + signal
            );
        }
    });
}

#[test]
fn what_is_not_there_is_127_and_what_is_no_program_is_126() {
    with_processes(async |processes| {
        let code = |program: &str| {
            processes
                .spawn(&command(program, &[]))
                .map(|_| ())
                .expect_err("no child")
                .exit_code()
        };
        assert_eq!(
            [
                code("/nonexistent/program"),
                code("/etc/passwd"),
                code("/etc")
            ],
            [127, 126, 126]
        );
    });
}

#[test]
fn a_burst_of_deaths_loses_no_status_while_orphans_are_reaped() {
    with_processes(async |processes| {
        let storm = processes.spawn(&sh("for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.05 & sleep 0.05 & sleep 0.05 & :) ; done")).expect("a child");
        let children: Vec<_> = (0..500)
            .map(|number| {
                (
                    number % 7,
                    processes
                        .spawn(&sh(&format!("exit {}", number % 7)))
                        .expect("a child"),
                )
            })
            .collect();
        for (code, child) in children {
            assert_eq!(child.finished().await.code(), code);
        }
        assert_eq!(storm.finished().await.code(), 0);
        until(|| processes.orphans_reaped() >= 30).await;
        assert_eq!(processes.orphans_reaped(), 30);
    });
}

/// Waits for a condition that reaping brings about.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn the_rest_of_a_group_is_killed_with_its_leader_when_that_is_asked_for() {
    with_processes(async |processes| {
        let mut leaver = sh("sleep 600 & echo $!");
        leaver.kill_group_on_exit = KillGroup::OnExit;
        let exit = finished(&processes, &leaver).await;
        assert_eq!(exit.code(), 0);
        let rest = String::from_utf8(exit.stdout_tail).expect("a pid");
        until(|| !Path::new(&format!("/proc/{}", rest.trim())).exists()).await;
    });
}

#[test]
fn the_rest_of_a_group_is_killed_though_its_leader_was_reaped_as_one_of_many() {
    with_processes(async |processes| {
        let folder = tempfile::tempdir().expect("a folder");
        let pids = folder.path().join("pids");
        // The leader ends when the other one has left its group, and not while it is about to.
        let script = format!(
            "sleep 600 & echo $! > {0}; (setsid sh -c 'echo $$ >> {0}; exec sleep 601' &); \
             until [ \"$(wc -l < {0})\" -eq 2 ]; do sleep 0.01; done",
            pids.display()
        );
        let mut leaver = sh(&script);
        leaver.kill_group_on_exit = KillGroup::OnExit;
        let child = processes.spawn(&leaver).expect("a child");
        // Not through the runtime, whose loop would look before it reaps.
        while !is_zombie(child.pid) {
            std::thread::sleep(Duration::from_millis(5));
        }
        processes.reap_any();
        assert_eq!(child.finished().await.code(), 0);
        let pids = std::fs::read_to_string(pids).expect("pids");
        let there = |pid: &str| Path::new(&format!("/proc/{pid}")).exists();
        let (member, other) = pids.trim().split_once('\n').expect("two");
        until(|| !there(member)).await;
        assert!(there(other), "it is in a group of its own");
        let other = rustix::process::Pid::from_raw(other.parse().expect("a number"));
        rustix::process::kill_process(other.expect("a pid"), rustix::process::Signal::KILL)
            .expect("killed");
    });
}

fn is_zombie(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the child");
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.starts_with(" Z"))
}

/// As in a storm, when CHLD waits. A hook is such a child too, and so is a main process that was told to stop.
#[test]
fn the_end_of_a_child_is_seen_though_nobody_looks_at_chld() {
    alone(async {
        let processes = Processes::new();
        for (group, spared) in [
            (KillGroup::OnExit, false),
            (KillGroup::OnExit, true),
            (KillGroup::Never, false),
        ] {
            let mut command = sh("sleep 0.1; echo last; exit 5");
            command.kill_group_on_exit = group;
            let child = processes.spawn(&command).expect("a child");
            if spared {
                processes.spare_group(child.pid);
            }
            let exit = tokio::time::timeout(Duration::from_secs(20), child.finished()).await;
            let exit = exit.expect("in time");
            assert_eq!((exit.code(), exit.stdout_tail), (5, b"last\n".to_vec()));
        }
    });
}

/// It may be the last thing that kubesup does.
#[test]
fn a_sweep_that_finds_nothing_alive_leaves_no_zombie_though_nobody_looks_at_chld() {
    alone(async {
        let processes = Processes::new();
        let child = processes
            .spawn(&sh("sleep 600 & echo $!"))
            .expect("a child");
        let exit = child.finished().await;
        let left = String::from_utf8(exit.stdout_tail).expect("a pid");
        let left: i32 = left.trim().parse().expect("a pid");
        let mut sweep = Sweep::new(None, Some(9));
        assert_eq!(processes.sweep(&mut sweep), 1);
        until(|| is_zombie(left)).await;
        assert_eq!(processes.sweep(&mut sweep), 0);
        assert!(!Path::new(&format!("/proc/{left}")).exists());
    });
}

#[test]
fn the_rest_of_a_group_is_killed_when_a_real_time_signal_has_ended_its_leader() {
    with_processes(async |processes| {
        let mut leaver = sh("sleep 600 & echo $!; kill -36 $$");
        leaver.kill_group_on_exit = KillGroup::OnExit;
        let exit = finished(&processes, &leaver).await;
        assert_eq!(exit.code(), 128 + 36);
        let rest = String::from_utf8(exit.stdout_tail).expect("a pid");
        until(|| !Path::new(&format!("/proc/{}", rest.trim())).exists()).await;
    });
}

#[test]
fn something_in_the_background_that_holds_the_pipe_does_not_keep_a_hook_running() {
    with_processes(async |processes| {
        let started = std::time::Duration::from_secs(5);
        let exit = tokio::time::timeout(
            started,
            finished(&processes, &sh("echo left; sleep 30 & exit 3")),
        )
        .await
        .expect("soon");
        assert_eq!((exit.code(), exit.stdout_tail), (3, b"left\n".to_vec()));
    });
}

#[test]
fn the_last_bytes_before_an_exit_always_arrive() {
    with_processes(async |processes| {
        for number in 0..200 {
            let exit = finished(
                &processes,
                &sh(&format!("printf 'out {number}'; printf 'err {number}' >&2")),
            )
            .await;
            assert_eq!(exit.stdout_tail, format!("out {number}").into_bytes());
            assert_eq!(exit.stderr_tail, format!("err {number}").into_bytes());
        }
    });
}

#[test]
fn both_streams_are_read_together_and_a_line_of_five_megabytes_passes() {
    with_processes(async |processes| {
        let directory = tempfile::tempdir().expect("a directory");
        let mut loud = sh("head -c 5000000 /dev/zero | tr '\\0' x >&2; printf done");
        let (stdout, stderr) = (directory.path().join("out"), directory.path().join("err"));
        std::fs::write(&stdout, "from the run before").expect("a file");
        loud.output = OutputMode::Logged {
            stdout: stdout.clone(),
            stderr: stderr.clone(),
        };
        // Its stderr passes through ours as well; the test harness throws that away.
        assert_eq!(finished(&processes, &loud).await.code(), 0);
        assert_eq!(std::fs::read(stdout).expect("a log"), b"done");
        assert_eq!(std::fs::metadata(stderr).expect("a log").len(), 5_000_000);
    });
}

#[test]
fn a_child_begins_with_no_signal_blocked_ignored_or_caught() {
    with_processes(async |processes| {
        let exit = finished(&processes, &command("/bin/cat", &["/proc/self/status"])).await;
        let status = String::from_utf8(exit.stdout_tail).expect("text");
        let mask = |name: &str| {
            let line = status
                .lines()
                .find(|line| line.starts_with(name))
                .expect("a mask");
            u64::from_str_radix(line.split_whitespace().nth(1).expect("a number"), 16).expect("hex")
        };
        // The C library's own 32 and 33 are left out.
        let ours = !(0b11 << 31);
        assert_eq!(
            [
                mask("SigBlk") & ours,
                mask("SigIgn") & ours,
                mask("SigCgt") & ours
            ],
            [0, 0, 0]
        );
    });
}

#[test]
fn a_child_has_its_own_group_and_only_the_three_descriptors() {
    with_processes(async |processes| {
        let exit = finished(&processes, &command("/bin/ls", &["/proc/self/fd"])).await;
        let listed = String::from_utf8(exit.stdout_tail).expect("text");
        let count = listed.split_whitespace().count();
        // What the harness itself was given, stdin, stdout and stderr, and the directory that ls reads.
        assert!(count <= inheritable() + 4, "{listed}");
        let child = processes
            .spawn(&sh("kill -STOP $$; exit 5"))
            .expect("a child");
        assert!(
            processes.signal_group(child.pid, 9),
            "it is a group's leader"
        );
        assert_eq!(child.finished().await.code(), 137);
    });
}

/// Descriptors above 2 that were open before us and that every child inherits.
fn inheritable() -> usize {
    const O_CLOEXEC: u64 = 0o2_000_000;
    let entries = std::fs::read_dir("/proc/self/fdinfo").expect("fdinfo");
    let is_inheritable = |name: &str| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{name}")).unwrap_or_default();
        let flags = info
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .map(str::trim);
        flags
            .and_then(|flags| u64::from_str_radix(flags, 8).ok())
            .is_some_and(|flags| flags & O_CLOEXEC == 0)
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name.parse::<u32>().is_ok_and(|number| number > 2) && is_inheritable(name))
        .count()
}

#[test]
fn nothing_is_signalled_that_is_not_ours_any_more() {
    with_processes(async |processes| {
        let child = processes.spawn(&sh("exit 0")).expect("a child");
        let pid = child.pid;
        child.finished().await;
        assert!(!processes.signal_group(pid, 9));
        assert!(!processes.signal_group(1, 0));
    });
}

#[test]
fn secrets_are_taken_out_of_the_environment_and_own_values_laid_over_it() {
    with_processes(async |processes| {
        let mut env = command("/usr/bin/env", &[]);
        env.env = vec![("OWN".into(), "1".into()), ("SECRET".into(), "2".into())];
        env.env_remove = vec!["SECRET".into()];
        let exit = finished(&processes, &env).await;
        let text = String::from_utf8(exit.stdout_tail).expect("text");
        assert!(
            text.contains("OWN=1\n") && !text.contains("SECRET"),
            "{text}"
        );
    });
}
