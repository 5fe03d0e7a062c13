//! Hooks and the program as another user. These tests need root, as kubesup does to choose.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use crate::support::kubesup::Kubesup;
use crate::support::package::{Folder, demo_package};
use crate::support::wait_until;

const WHO: &str =
    "#!/bin/sh\necho $(id -u):$(id -g):$(id -G)\necho again > /dev/stdout\nexec sleep 1000\n";

fn start(package: &Folder, user: &str) -> Kubesup {
    // Others have to get through to the service's directory.
    let root = tempfile::tempdir().expect("a root");
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .root(root)
        .flag("--user", user)
        .start()
}

#[test]
fn the_program_has_the_users_ids_and_groups_and_can_open_its_output_anew() {
    let package = demo_package();
    package.write("hooks/run", WHO);
    let kubesup = start(&package, "65534:4");
    kubesup.wait_printed("65534:4:4 65534\nagain\n");
    let owner = std::fs::metadata(kubesup.file("var")).expect("a directory");
    assert_eq!((owner.uid(), owner.gid()), (65534, 4));
}

#[test]
fn a_user_that_is_not_there_is_named_and_nothing_runs() {
    let package = demo_package();
    package.write("hooks/run", WHO);
    let kubesup = start(&package, "nosuchuser");
    kubesup.wait_readyz("no such user in /etc/passwd");
    assert_eq!(kubesup.output(), "");
}

/// As root, but as a Pod that drops these capabilities has it: uid 0 alone says nothing.
#[test]
fn without_the_capabilities_it_runs_as_self_and_says_so() {
    for dropped in ["-setuid", "-setgid", "-chown"] {
        let package = demo_package();
        package.write("hooks/run", WHO);
        let kubesup = Kubesup::builder()
            .under(&["setpriv", "--bounding-set", dropped])
            .manifests(package.path())
            .flag("--name", "demo")
            .flag("--user", "65534:4")
            .start();
        wait_until(
            "it says who it is",
            || kubesup.output(),
            |output| output.starts_with("0:0:") && output.ends_with("again\n"),
        );
        wait_until(
            "the warning",
            || kubesup.log(),
            |log| {
                log.lines().any(|line| {
                    line.contains("WARN") && line.contains("running as self and not as 65534")
                })
            },
        );
    }
}
