use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::*;

struct Service {
    root: TempDir,
    files: ServiceFiles,
}

fn service() -> Service {
    let root = tempfile::tempdir().unwrap();
    let files = ServiceFiles::open(root.path().join("svc/demo"), None).unwrap();
    Service { root, files }
}

impl Service {
    fn svc(&self) -> PathBuf {
        self.root.path().join("svc/demo")
    }

    fn write(&mut self, pairs: &[(&str, &str)]) -> Result<Written, FilesError> {
        let rendered = pairs
            .iter()
            .map(|(path, text)| ((*path).into(), (*text).into()))
            .collect();
        self.files.write(&rendered)
    }

    fn reopen(&mut self) {
        self.files = ServiceFiles::open(self.svc(), None).unwrap();
    }

    /// All files and directories below `config` and `hooks`, directories with a slash.
    fn listing(&self) -> Vec<String> {
        let mut found = Vec::new();
        for top in ["config", "hooks"] {
            list(&self.svc().join(top), top, &mut found);
        }
        found.sort();
        found
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.svc().join(path)).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.svc().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    }
}

fn list(directory: &Path, name: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{name}/{}", entry.file_name().display());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &name, found);
            found.push(format!("{name}/"));
        } else {
            found.push(name);
        }
    }
}

#[test]
fn the_layout_has_the_modes_of_the_contract() {
    let mut service = service();
    assert_eq!(service.mode(""), 0o755);
    for (name, mode) in WRITTEN.into_iter().chain(OFFERED) {
        assert_eq!(service.mode(name), mode, "{name}");
    }
    service
        .write(&[
            ("hooks/run", "r"),
            ("config/a", "a"),
            ("config/sub/deep/b", "b"),
        ])
        .unwrap();
    for (path, mode) in [
        ("hooks/run", 0o755),
        ("config/a", 0o740),
        ("config/sub", 0o770),
        ("config/sub/deep", 0o770),
        ("config/sub/deep/b", 0o740),
    ] {
        assert_eq!(service.mode(path), mode, "{path}");
    }
}

#[test]
fn directories_that_are_there_stay_as_they_are() {
    let root = tempfile::tempdir().unwrap();
    let svc = root.path().join("svc/demo");
    fs::create_dir_all(svc.join("config")).unwrap();
    fs::create_dir(root.path().join("volume")).unwrap();
    fs::set_permissions(svc.join("config"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink(root.path().join("volume"), svc.join("data")).unwrap();
    ServiceFiles::open(svc.clone(), None).unwrap();
    assert_eq!(
        fs::metadata(svc.join("config"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    assert!(fs::symlink_metadata(svc.join("data")).unwrap().is_symlink());
}

#[test]
fn only_what_differs_is_written() {
    let mut service = service();
    let written = service
        .write(&[("config/a", "1"), ("config/b", "1")])
        .unwrap();
    assert_eq!(written.written, ["config/a", "config/b"]);
    let inode = |service: &Service, path| fs::metadata(service.svc().join(path)).unwrap().ino();
    let (a, b) = (inode(&service, "config/a"), inode(&service, "config/b"));
    let written = service
        .write(&[("config/a", "1"), ("config/b", "2")])
        .unwrap();
    assert_eq!(
        written,
        Written {
            written: vec!["config/b".into()],
            removed: vec![]
        }
    );
    assert_eq!(inode(&service, "config/a"), a);
    assert_ne!(inode(&service, "config/b"), b);
    service.reopen();
    assert_eq!(
        service
            .write(&[("config/a", "1"), ("config/b", "2")])
            .unwrap(),
        Written::default()
    );
}

#[test]
fn files_whose_template_is_gone_are_removed_also_after_a_restart_and_others_stay() {
    let mut service = service();
    service
        .write(&[
            ("hooks/init", "i"),
            ("config/sub/deep/a", "a"),
            ("config/kept/b", "b"),
        ])
        .unwrap();
    fs::write(service.svc().join("config/kept/theirs"), "x").unwrap();
    fs::write(service.svc().join("config/theirs"), "x").unwrap();
    service.reopen();
    let written = service.write(&[]).unwrap();
    assert_eq!(
        written.removed,
        ["config/kept/b", "config/sub/deep/a", "hooks/init"]
    );
    assert_eq!(
        service.listing(),
        ["config/kept/", "config/kept/theirs", "config/theirs"]
    );
    assert_eq!(service.write(&[]).unwrap(), Written::default());
}

#[test]
fn a_file_may_become_a_directory_and_back() {
    let mut service = service();
    for pairs in [
        &[("config/a", "1")],
        &[("config/a/b/c", "2")],
        &[("config/a/b", "3")],
        &[("config/a", "4")],
    ] {
        service.write(pairs).unwrap();
        let (path, text) = pairs[0];
        assert_eq!(service.text(path), text);
        assert_eq!(
            service
                .listing()
                .iter()
                .filter(|name| !name.ends_with('/'))
                .count(),
            1
        );
    }
    assert_eq!(service.listing(), ["config/a"]);
}

#[test]
fn paths_that_could_leave_the_directory_are_refused_before_anything_is_written() {
    let mut service = service();
    for path in [
        "config/../../x",
        "/etc/x",
        "config/a\0b",
        "hooks/a/b",
        "data/x",
        "run",
        "config",
        "config/",
    ] {
        let error = service
            .write(&[("config/a", "new"), (path, "x")])
            .unwrap_err();
        assert!(
            matches!(
                error,
                FilesError::Path { .. } | FilesError::Elsewhere { .. }
            ),
            "{path}: {error}"
        );
    }
    assert_eq!(service.listing(), Vec::<String>::new());
}

#[test]
fn a_failure_half_way_leaves_the_old_set_and_no_leftovers() {
    let mut service = service();
    service
        .write(&[("config/a", "old"), ("hooks/run", "old")])
        .unwrap();
    symlink("/tmp", service.svc().join("config/out")).unwrap();
    let error = service
        .write(&[
            ("config/a", "new"),
            ("config/out/x", "x"),
            ("hooks/run", "new"),
        ])
        .unwrap_err();
    assert!(
        matches!(&error, FilesError::NotDirectory { path } if path.ends_with("config/out")),
        "{error}"
    );
    assert_eq!(
        (service.text("config/a"), service.text("hooks/run")),
        ("old".into(), "old".into())
    );
    fs::remove_file(service.svc().join("config/out")).unwrap();

    fs::create_dir(service.svc().join("config/z")).unwrap();
    let error = service
        .write(&[("config/a", "new"), ("config/z", "x"), ("hooks/run", "old")])
        .unwrap_err();
    assert!(
        error.to_string().contains("config/z: Is a directory"),
        "{error}"
    );
    assert_eq!(service.text("config/a"), "old");
    assert_eq!(service.listing(), ["config/a", "config/z/", "hooks/run"]);
    service.reopen();
    service.write(&[("config/a", "new")]).unwrap();
    assert_eq!(service.listing(), ["config/a", "config/z/"]);
}

#[test]
fn a_linked_config_directory_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let svc = root.path().join("svc/demo");
    fs::create_dir_all(&svc).unwrap();
    symlink("/tmp", svc.join("config")).unwrap();
    let error = ServiceFiles::open(svc, None).unwrap_err();
    assert!(matches!(error, FilesError::NotDirectory { .. }), "{error}");
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_or_removed_but_not_followed() {
    let mut service = service();
    service
        .write(&[("config/a", "1"), ("config/b", "1")])
        .unwrap();
    let outside = service.root.path().join("outside");
    fs::write(&outside, "1").unwrap();
    for name in ["a", "b"] {
        let path = service.svc().join("config").join(name);
        fs::remove_file(&path).unwrap();
        symlink(&outside, &path).unwrap();
    }
    let written = service.write(&[("config/a", "1")]).unwrap();
    assert_eq!(
        written,
        Written {
            written: vec!["config/a".into()],
            removed: vec!["config/b".into()]
        }
    );
    assert!(
        fs::symlink_metadata(service.svc().join("config/a"))
            .unwrap()
            .is_file()
    );
    assert_eq!(service.listing(), ["config/a"]);
    assert_eq!(fs::read_to_string(outside).unwrap(), "1");
}

#[test]
fn leftovers_of_a_crash_are_cleared_and_files_like_them_are_not() {
    let mut service = service();
    service.write(&[("config/sub/a", "1")]).unwrap();
    let svc = service.svc();
    let leftovers = ["x", "config/x", "config/sub/x", "hooks/x"]
        .map(|path| svc.join(path).with_file_name(".kubesup-1-7.tmp"));
    for path in &leftovers {
        fs::write(path, "half").unwrap();
    }
    fs::write(svc.join("config/.kubesup-notes"), "theirs").unwrap();
    service.reopen();
    for path in &leftovers {
        assert!(!path.exists(), "{}", path.display());
    }
    assert_eq!(
        service.listing(),
        ["config/.kubesup-notes", "config/sub/", "config/sub/a"]
    );
}

#[test]
fn run_and_pid_are_written_and_pid_is_removed() {
    let service = service();
    let run = service.files.write_run("#!/bin/sh\n").unwrap();
    assert_eq!(run, service.svc().join("run"));
    assert_eq!(service.mode("run"), 0o755);
    service.files.write_pid(4711).unwrap();
    assert_eq!(service.text("PID"), "4711");
    assert_eq!(service.mode("PID"), 0o644);
    service.files.write_pid(47).unwrap();
    assert_eq!(service.text("PID"), "47");
    service.files.remove_pid().unwrap();
    service.files.remove_pid().unwrap();
    assert!(!service.svc().join("PID").exists());
}

#[test]
fn a_root_that_cannot_be_made_says_which_and_what_to_do() {
    let error = ServiceFiles::open("/proc/kubesup/svc/demo".into(), None).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot make directory: /proc/kubesup/svc/demo: "),
        "{text}"
    );
}

#[test]
fn a_reader_never_sees_an_empty_or_half_file() {
    let mut service = service();
    let texts = ["a".repeat(100_000), "b".repeat(100_000)];
    let target = service.svc().join("config/a");
    service.write(&[("config/a", &texts[0])]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) || reads == 0 {
                let text = fs::read_to_string(&target).unwrap();
                assert!(texts.contains(&text), "{} bytes", text.len());
                reads += 1;
            }
        });
        for round in 0..300 {
            service.write(&[("config/a", &texts[round % 2])]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}
