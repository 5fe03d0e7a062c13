//! A network of a test's own, for programs that connect to each other at Pod addresses: the test runs again in a fresh
//! network namespace where `10.213.0.0/16` is this machine. Nothing of it reaches any other network.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Says that this process is inside.
const INSIDE: &str = "TESTS_OWN_NETWORK";
/// Where the real programs are, for the process inside, which can fetch nothing.
const PROGRAMS: &str = "TESTS_PROGRAMS";

/// Runs `body` in a network of its own. `test` is the test's full name: `module::function`.
#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for its own children"
)]
pub fn in_own_network(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let status = Command::new("unshare")
        .args(["--net", "--", "/bin/sh", "-c"])
        .arg(r#"ip link set lo up && ip route add local 10.213.0.0/16 dev lo && exec "$@""#)
        .arg("sh")
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(INSIDE, "1")
        .env(PROGRAMS, programs())
        .env("PATH", path())
        .stdin(Stdio::null())
        .status()
        .expect("unshare, of util-linux");
    assert!(
        status.success(),
        "{test} failed in its own network, which needs root; see above: {status}"
    );
}

/// The directory with redis-server, redis-cli, nginx, ip and tini.
#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for its own children"
)]
pub fn programs() -> &'static Path {
    static PROGRAMS_AT: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS_AT.get_or_init(|| {
        if let Some(directory) = std::env::var_os(PROGRAMS) {
            return directory.into();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs.sh");
        let brought = Command::new(script)
            .stderr(Stdio::inherit())
            .output()
            .expect("bash");
        assert!(
            brought.status.success(),
            "real programs are missing; see above"
        );
        PathBuf::from(String::from_utf8(brought.stdout).expect("a path").trim())
    })
}

/// `PATH` with the real programs first.
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no main that reads the environment"
)]
pub fn path() -> String {
    let rest = std::env::var("PATH").unwrap_or_default();
    format!("{}:{rest}", programs().display())
}
