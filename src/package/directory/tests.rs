use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::entry::MAX_FILE;
use super::*;

fn plan(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

fn errors(directory: &TempDir) -> Vec<String> {
    read(directory.path())
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_plan_is_read_with_all_its_files() {
    let plan = plan(&[
        ("default.toml", "port = 1"),
        ("hooks/run", "exec app"),
        ("hooks/health-check", "true"),
        ("config/app.conf", "a"),
        ("config/sub/dir/.hidden", "b"),
        ("plan.sh", "ignored"),
    ]);
    let Read { package, warnings } = read(plan.path()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(package.default_toml.unwrap().text, "port = 1");
    assert_eq!(
        package.hooks.keys().collect::<Vec<_>>(),
        [&Hook::Run, &Hook::HealthCheck]
    );
    assert_eq!(
        package.config.keys().collect::<Vec<_>>(),
        ["app.conf", "sub/dir/.hidden"]
    );
    let origin = &package.config["app.conf"].origin;
    assert_eq!(
        *origin,
        plan.path().join("config/app.conf").display().to_string()
    );
    assert_eq!(package.facts.ident(), "kubesup//0.0.0/00000000000000");
}

#[test]
fn an_installed_package_says_who_it_is_and_what_its_hooks_run_with() {
    let image = plan(&[
        (
            "hab/pkgs/acme/web/1.0/20240101000000/IDENT",
            "acme/web/1.0/20240101000000\n",
        ),
        (
            "hab/pkgs/acme/web/1.0/20240101000000/DEPS",
            "core/jre/17/20230101000000\n",
        ),
        (
            "hab/pkgs/acme/web/1.0/20240101000000/TDEPS",
            "core/glibc/2/20230101000000\ncore/jre/17/20230101000000\n",
        ),
        (
            "hab/pkgs/acme/web/1.0/20240101000000/PATH",
            "/hab/pkgs/acme/web/1.0/20240101000000/bin",
        ),
        ("hab/pkgs/acme/web/1.0/20240101000000/run", "#!/bin/sh\n"),
        (
            "hab/pkgs/core/jre/17/20230101000000/PATH",
            "/hab/pkgs/core/jre/17/20230101000000/bin\n",
        ),
        (
            "hab/pkgs/core/busybox-static/1.9/20240101000000/PATH",
            "/hab/pkgs/core/busybox-static/1.9/20240101000000/bin",
        ),
        (
            "hab/pkgs/core/busybox-static/1.36/20230101000000/PATH",
            "/hab/pkgs/core/busybox-static/1.36/20230101000000/bin",
        ),
    ]);
    let directory = image.path().join("hab/pkgs/acme/web/1.0/20240101000000");
    let Read { package, warnings } = read(&directory).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(package.facts.ident(), "acme/web/1.0/20240101000000");
    assert_eq!(package.facts.deps.len(), 2);
    let packages = image.path().join("hab/pkgs");
    let path = [
        "acme/web/1.0/20240101000000/bin",
        "core/jre/17/20230101000000/bin",
        "core/busybox-static/1.36/20230101000000/bin",
    ]
    .map(|path| packages.join(path).display().to_string())
    .join(":");
    assert_eq!(package.facts.env["PATH"], path);
    assert_eq!(package.command.unwrap().program, directory.join("run"));
    assert_eq!(installed(&directory).unwrap().name, "web");
    assert_eq!(installed(image.path()), None);
}

#[test]
fn wrong_metafiles_are_all_named_with_their_lines() {
    let plan = plan(&[
        ("IDENT", "acme/web"),
        ("BINDS", "ok=\nwrong"),
        ("config/app.conf", ""),
    ]);
    fs::write(plan.path().join("EXPORTS"), b"a=\xff").unwrap();
    symlink("nowhere", plan.path().join("TDEPS")).unwrap();
    let errors = errors(&plan);
    for part in [
        "/IDENT: \"acme/web\" is no full package identifier",
        "/BINDS, line 2: \"wrong\" is no bind",
        "/EXPORTS: not UTF-8 from byte 2",
        "/TDEPS: it does not exist",
    ] {
        assert!(
            errors.iter().any(|error| error.contains(part)),
            "{part} is not in {errors:#?}"
        );
    }
    assert_eq!(errors.len(), 4, "{errors:#?}");
}

#[test]
fn a_plan_may_have_directories_with_the_names_of_metafiles() {
    let plan = plan(&[("PATH/x", ""), ("hooks/run", "")]);
    assert_eq!(read(plan.path()).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn a_mounted_config_map_is_read_through_its_links() {
    let plan = plan(&[
        ("hooks/..2026_01/run", "exec app"),
        ("config/..2026_01/sub/app.conf", "a"),
    ]);
    let root = plan.path();
    for part in ["hooks", "config"] {
        symlink("..2026_01", root.join(part).join("..data")).unwrap();
    }
    symlink("..data/run", root.join("hooks/run")).unwrap();
    symlink("..data/sub", root.join("config/sub")).unwrap();
    let Read { package, warnings } = read(root).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(package.hooks[&Hook::Run].text, "exec app");
    assert_eq!(package.config.keys().collect::<Vec<_>>(), ["sub/app.conf"]);
}

#[test]
fn unknown_files_in_hooks_are_warned_of() {
    let plan = plan(&[
        ("hooks/run.sh", ""),
        ("hooks/health_check", ""),
        ("hooks/lib/x", ""),
        ("hooks/reload", ""),
        ("hooks/.gitkeep", ""),
    ]);
    let warnings = read(plan.path()).unwrap().warnings;
    assert_eq!(warnings.len(), 4, "{warnings:#?}");
    assert!(
        warnings[0].ends_with("did you mean `health-check`?"),
        "{warnings:#?}"
    );
    assert!(
        warnings[1].contains("there is no hook `lib`"),
        "{warnings:#?}"
    );
    assert!(
        warnings[2].ends_with("put there what `reload` does"),
        "{warnings:#?}"
    );
    assert!(
        warnings[3].ends_with("did you mean `run`?"),
        "{warnings:#?}"
    );
}

#[test]
fn an_empty_directory_is_warned_of_and_a_missing_one_is_an_error() {
    let plan = plan(&[]);
    assert!(read(plan.path()).unwrap().warnings[0].contains("is --package the right directory"));
    let errors = read(&plan.path().join("nowhere")).unwrap_err();
    assert!(
        matches!(errors[..], [DirectoryError::Missing { .. }]),
        "{errors:?}"
    );
    let errors = read(Path::new("/dev/null")).unwrap_err();
    assert!(
        matches!(errors[..], [DirectoryError::Kind { .. }]),
        "{errors:?}"
    );
}

#[test]
fn all_problems_come_at_once_and_name_their_file() {
    let plan = plan(&[
        ("hooks/run/x", ""),
        ("config/ok", ""),
        ("config/line\nend", ""),
    ]);
    let root = plan.path();
    fs::write(root.join("default.toml"), b"a\xff").unwrap();
    fs::write(root.join("config").join(OsStr::from_bytes(b"\xff")), b"").unwrap();
    symlink("nowhere", root.join("config/dangling")).unwrap();
    symlink("/dev/zero", root.join("config/zero")).unwrap();
    symlink("..", root.join("config/up")).unwrap();
    symlink(".", root.join("config/here")).unwrap();
    symlink("self", root.join("config/self")).unwrap();
    let file = fs::File::create(root.join("config/huge")).unwrap();
    file.set_len(MAX_FILE + 1).unwrap();
    let errors = errors(&plan);
    for part in [
        "/default.toml: not UTF-8 from byte 1",
        "/hooks/run: it is a directory",
        "config/\\xFF\": the name is not UTF-8",
        "config/line\\nend\": the path has a control character",
        "/config/dangling: it does not exist",
        "/config/zero: it is a special file",
        "/config/up: the link leads back",
        "/config/here: the link leads back",
        "/config/self: the link leads back",
        "/config/huge: 16777217 bytes",
    ] {
        assert!(
            errors.iter().any(|error| error.contains(part)),
            "{part} is not in {errors:#?}"
        );
    }
    assert_eq!(errors.len(), 10, "{errors:#?}");
}

#[test]
fn hooks_that_is_a_file_is_an_error() {
    let errors = errors(&plan(&[("hooks", "x")]));
    assert!(
        errors[0].contains("hooks: it is a file, and a directory is needed"),
        "{errors:?}"
    );
}
