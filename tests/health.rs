//! Health checks that need no hook, and what failures mean.

use crate::support::kubesup::{Builder, Kubesup};
use crate::support::package::Folder;
use crate::support::wait_until;

fn checked(folder: &Folder, check: &str) -> Builder {
    Kubesup::builder()
        .manifests(folder.path())
        .flag("--name", "demo")
        .flag("--health-check", check)
        .flag("--health-check-interval", "1s")
        .flag("--service-min-backoff-period", "10ms")
        .command(&["/bin/sh", "-c", "echo up; exec sleep 1000"])
}

#[test]
fn a_port_that_is_open_is_healthy_and_critical_when_it_closes() {
    let folder = Folder::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let kubesup = checked(&folder, &format!("tcp://127.0.0.1:{port}"))
        .flag("--health-check-threshold", "1")
        .start();
    kubesup.wait_ready();
    drop(listener);
    kubesup.wait_readyz("health is CRITICAL");
    assert_eq!(kubesup.output(), "up\n", "a report, and nothing else");
}

#[test]
fn failures_in_a_row_restart_the_program_when_that_is_asked_for() {
    let folder = Folder::new();
    let file = folder.path().join("sick");
    // Exit code 1 would be a warning, as of the hook.
    let check = format!(
        r#"exec:["/bin/sh", "-c", "test ! -e {} || exit 2"]"#,
        file.display()
    );
    let kubesup = checked(&folder, &check)
        .flag("--health-check-threshold", "2")
        .flag("--on-health-failure", "restart")
        .start();
    kubesup.wait_ready();
    std::fs::write(&file, "").expect("a file");
    wait_until(
        "it is restarted",
        || kubesup.log(),
        |log| log.contains("restarting: 2 health checks in a row have failed"),
    );
    std::fs::remove_file(&file).expect("a file");
    kubesup.wait_printed("up\nup\n");
    kubesup.wait_ready();
}
