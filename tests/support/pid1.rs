//! kubesup, or another init, as PID 1 of a PID namespace of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "unshare is the test's child, not kubesup's"
)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::kubesup::binary;
use super::package::Folder;
use super::{SOON, wait_for};

/// An init and its program. Killed with all that is in the namespace when it is dropped.
pub struct AsPid1 {
    unshare: Child,
    folder: Folder,
}

impl AsPid1 {
    /// kubesup with these arguments and without HTTP, before a script of bash.
    pub fn start(arguments: &[&str], script: &str) -> AsPid1 {
        Self::start_with(&[], arguments, script)
    }

    /// The same, with these variables.
    pub fn start_with(environment: &[(&str, &str)], arguments: &[&str], script: &str) -> AsPid1 {
        let folder = Folder::new();
        let text = |name: &str| folder.path().join(name).display().to_string();
        let (program, manifests, root) = (
            binary().display().to_string(),
            text("manifests"),
            text("root"),
        );
        std::fs::create_dir(&manifests).expect("a folder");
        let mut words = vec![
            program.as_str(),
            "run",
            "--listen-http",
            "none",
            "-f",
            &manifests,
            "--root",
            &root,
        ];
        words.extend(arguments);
        words.push("--");
        let unshare = unshare(&folder, environment, &words, script);
        AsPid1 { unshare, folder }
    }

    /// Another init: these words before a script of bash.
    pub fn start_other(words: &[&str], script: &str) -> AsPid1 {
        let folder = Folder::new();
        let unshare = unshare(&folder, &[], words, script);
        AsPid1 { unshare, folder }
    }

    /// A file of the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What was written to `out` or `err`, or to any other file of the working directory.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The init's pid as seen from outside.
    pub fn pid(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.unshare.id());
        wait_for("unshare has forked", SOON, || {
            let text = std::fs::read_to_string(&children).unwrap_or_default();
            text.trim().parse().map_err(|_| text)
        })
    }

    /// Time that the init, with all its threads, has had on a processor.
    pub fn processor_time(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("the init");
        let times = tasks.flatten().map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let nanos = text.split(' ').next().and_then(|first| first.parse().ok());
            Duration::from_nanos(nanos.unwrap_or_default())
        });
        times.sum()
    }

    /// The code of the init's end, within this time.
    pub fn wait_exit_within(&mut self, time: Duration) -> i32 {
        let unshare = &mut self.unshare;
        let status = wait_for("the init ends", time, || {
            unshare.try_wait().expect("a child").ok_or("it runs")
        });
        status.code().expect("a code")
    }

    /// The code of the init's end.
    pub fn wait_exit(&mut self) -> i32 {
        self.wait_exit_within(SOON)
    }
}

fn unshare(folder: &Folder, environment: &[(&str, &str)], init: &[&str], script: &str) -> Child {
    let file = |name: &str| std::fs::File::create(folder.path().join(name)).expect("a file");
    Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .args(init)
        .args(["/bin/bash", "-c", script])
        .envs(environment.iter().copied())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(file("out"))
        .stderr(file("err"))
        .spawn()
        .expect("unshare; these tests need root")
}

impl Drop for AsPid1 {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}
