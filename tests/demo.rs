//! The demo of the README, as a newcomer runs it.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::support::kubesup::{Kubesup, http_get, http_get_as};
use crate::support::package::Folder;
use crate::support::{wait_for, wait_until};

/// `init` compiles the program; that takes a second where nothing else is going on.
const COMPILED: Duration = Duration::from_secs(120);

/// A copy of the demo, so that a test can edit it, which listens at a port of its own.
fn copy_of_the_demo(port: u16) -> Folder {
    let folder = Folder::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/demo");
    for directory in ["", "hooks", "config"] {
        let entries = std::fs::read_dir(source.join(directory)).expect("the demo");
        for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
            let text = std::fs::read_to_string(entry.path()).expect("a file");
            let name = entry.file_name().into_string().expect("a name");
            let path = Path::new(directory).join(name);
            folder.write(path.to_str().expect("a path"), &with_port(&text, port));
        }
    }
    folder
}

fn with_port(text: &str, port: u16) -> String {
    text.replace("server.port: \"8080\"", &format!("server.port: \"{port}\""))
}

#[test]
fn the_demo_runs_here_and_an_edit_of_its_config_map_reaches_the_program() {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let folder = copy_of_the_demo(port);
    let mut kubesup = Kubesup::builder().manifests(folder.path()).start();
    wait_for("the demo is ready", COMPILED, || {
        match kubesup.get("/readyz?verbose") {
            (200, _) => Ok(()),
            (_, report) => Err(format!("{report}\n{}", kubesup.log())),
        }
    });
    let address = format!("127.0.0.1:{port}");
    let ask = |path: &str| http_get(&address, path).map_err(|error| error.to_string());
    assert_eq!(ask("/health"), Ok((200, "ok\n".to_owned())));
    assert_eq!(
        ask("/"),
        Ok((
            200,
            "Hello from a ConfigMap from demo-0\npeers: demo-0 (127.0.0.1)\n".to_owned()
        ))
    );
    assert_eq!(
        kubesup.get("/services/demo/default/health").0,
        200,
        "{}",
        kubesup.get("/services/demo/default/health").1
    );
    let page = http_get_as(kubesup.address(), "/", "text/html").expect("the page");
    assert!(page.1.contains("<h1>demo.default</h1>"), "{page:?}");
    let pid = kubesup.main_pid();

    let config_map = std::fs::read_to_string(folder.path().join("config-map.yaml"));
    let edited = config_map
        .expect("a file")
        .replace("Hello from a ConfigMap", "Edited");
    folder.write("config-map.yaml", &edited);

    wait_until(
        "the program has the new greeting",
        || ask("/").expect("an answer").1,
        |page| page.starts_with("Edited from demo-0"),
    );
    assert_eq!(kubesup.main_pid(), pid);

    kubesup.signal(15);
    assert_eq!(
        kubesup.wait_exit(),
        0,
        "a stop that went well is no failure"
    );
    wait_until(
        "the last words of post-stop",
        || kubesup.output(),
        |output| output.ends_with("the demo has stopped\n"),
    );
}
