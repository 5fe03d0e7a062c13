//! `kubesup install DIR`: what the init container of an unmodified image runs.
#![expect(
    clippy::disallowed_methods,
    reason = "kubesup is the test's child, not a child of kubesup"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

fn install(program: &Path, arguments: &[&Path]) -> Output {
    Command::new(program)
        .arg("install")
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .output()
        .expect("kubesup")
}

fn kubesup() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kubesup"))
}

fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect()
}

#[test]
fn the_copy_is_the_same_program_that_everybody_may_execute_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("made/on/the/way");
    // An umask of the image must not decide who may run it.
    let output = Command::new("/bin/sh")
        .args(["-c", "umask 077; exec \"$0\" install \"$1\""])
        .args([kubesup(), &directory])
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(names(&directory), ["kubesup"]);
    let copy = directory.join("kubesup");
    let mode = fs::metadata(&copy).expect("a copy").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert!(
        fs::read(&copy).expect("a copy") == fs::read(kubesup()).expect("the program"),
        "the copy differs"
    );
    let version = Command::new(&copy)
        .arg("--version")
        .output()
        .expect("it runs");
    assert!(version.stdout.starts_with(b"kubesup "), "{version:?}");
}

#[test]
fn a_copy_that_is_being_executed_is_replaced_by_a_new_file() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(install(kubesup(), &[folder.path()]).status.success());
    let copy = folder.path().join("kubesup");
    let before = fs::metadata(&copy).expect("a copy").ino();
    // The copy installs over itself: writing into a running program's file is refused by the system (text file busy).
    let again = install(&copy, &[folder.path()]);
    assert!(again.status.success(), "{again:?}");
    assert_ne!(fs::metadata(&copy).expect("a copy").ino(), before);
    assert_eq!(names(folder.path()), ["kubesup"]);
}

#[test]
fn a_directory_that_cannot_be_written_to_is_an_error_that_names_it_and_nothing_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let occupied = folder.path().join("kubesup");
    fs::create_dir_all(occupied.join("something")).expect("a folder");
    let output = install(kubesup(), &[folder.path()]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    let log = String::from_utf8(output.stderr).expect("text");
    let begin = format!(
        "kubesup: cannot install kubesup: {}: ",
        folder.path().display()
    );
    assert!(log.starts_with(&begin), "{log}");
    assert!(
        log.contains("name a directory that this user may write to"),
        "{log}"
    );
    assert_eq!(names(folder.path()), ["kubesup"]);
}

#[test]
fn without_a_directory_it_says_what_is_missing() {
    let output = install(kubesup(), &[]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    let log = String::from_utf8(output.stderr).expect("text");
    assert!(log.contains("<DIR>"), "{log}");
}

/// As the image has it: uid 65534, nothing but the mount to write to. Needs root, as the tests of PID 1 do.
#[test]
fn nobody_installs_into_a_directory_that_nobody_may_write_to() {
    let folder = tempfile::tempdir().expect("a folder");
    // The kubelet makes an emptyDir 0777.
    let directory = folder.path().join("emptydir");
    fs::create_dir(&directory).expect("a folder");
    for path in [folder.path(), &directory] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).expect("a mode");
    }
    let program = folder.path().join("program");
    fs::copy(kubesup(), &program).expect("a copy");
    let output = Command::new(&program)
        .args([Path::new("install"), &directory])
        .uid(65534)
        .gid(65534)
        .env_clear()
        .output()
        .expect("kubesup as nobody (the test needs root)");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        fs::metadata(directory.join("kubesup"))
            .expect("a copy")
            .uid(),
        65534
    );
}
