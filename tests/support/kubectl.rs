//! kubectl and helm, as people use them, on the test's API server or on none.
#![expect(
    clippy::disallowed_methods,
    reason = "they are the test's children, not children of kubesup"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::api_server::User;
use super::namespace::Namespace;

/// What kubectl printed, or complained about.
pub type Answer = Result<String, String>;

/// What `make test` has built, or is built now.
fn built(name: &str) -> PathBuf {
    let script = format!("tests/kubernetes/{name}.sh");
    let built = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .stderr(Stdio::inherit())
        .output()
        .expect("bash");
    assert!(built.status.success(), "{name} cannot be built; see above");
    PathBuf::from(String::from_utf8(built.stdout).expect("a path").trim())
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built("kubectl"))
}

/// Without an API server.
pub fn helm(arguments: &[&str]) -> Answer {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    run(PROGRAM.get_or_init(|| built("helm")), arguments, "")
}

/// Without an API server.
pub fn kubectl(arguments: &[&str]) -> Answer {
    run(program(), arguments, "")
}

/// In a test's namespace, as its administrator.
pub fn in_namespace(namespace: &Namespace<'_>, arguments: &[&str], input: &str) -> Answer {
    let kubeconfig = namespace.server.kubeconfig(User::Admin);
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let place = format!("--namespace={}", namespace.name);
    run(
        program(),
        &[&[&*kubeconfig, &place], arguments].concat(),
        input,
    )
}

fn run(program: &Path, arguments: &[&str], input: &str) -> Answer {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("KUBECONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // The inputs are smaller than a pipe; a program that does not read it has its reason in stderr.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes());
    let output = child.wait_with_output().expect("its output");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}
