//! The API server goes away, or is not there yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::api_server::{ApiServer, User};
use crate::support::kubesup::Kubesup;
use crate::support::namespace::{Namespace, POD};
use crate::support::package::{RECONFIGURE, demo_package};
use crate::support::{wait_for, wait_until};

/// How long the API server is away: longer than the longest pause between two tries.
const OUTAGE: Duration = Duration::from_secs(30);

#[test]
fn an_outage_of_thirty_seconds_leaves_the_program_alone_and_an_edit_after_it_arrives() {
    let server = ApiServer::start();
    let namespace = Namespace::new(&server);
    namespace.grant(&["demo-config"]);
    namespace.endpoints(&[]);
    namespace.config_map("demo-config", json!({"app.toml": "greeting = \"hi\"\n"}));
    namespace.pod(json!({"kubesup.dev/config": "demo-config"}));
    let package = demo_package();
    package.write("hooks/reconfigure", RECONFIGURE);
    let kubesup = Arc::new(namespace.kubesup().package(package.path()).start());
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    server.kill();
    let over = Arc::new(AtomicBool::new(false));
    let polling = {
        let (kubesup, over) = (Arc::clone(&kubesup), Arc::clone(&over));
        std::thread::spawn(move || {
            let mut answers = Vec::new();
            while !over.load(Ordering::Relaxed) {
                answers.push((kubesup.get("/livez").0, kubesup.get("/readyz").0));
                std::thread::sleep(Duration::from_millis(100));
            }
            answers
        })
    };
    kubesup.wait_readyz("[-]fresh failed (not gating)");
    // The outage's length is what is tested.
    std::thread::sleep(OUTAGE);
    assert_eq!(kubesup.main_pid(), pid);
    server.resume();
    namespace.config_map("demo-config", json!({"app.toml": "greeting = \"after\"\n"}));

    let waiting = Duration::from_secs(60);
    wait_for("the edit arrives", waiting, || {
        match kubesup.read("var/reconfigured") {
            noted if noted.ends_with("end\n") => Ok(()),
            noted => Err((noted, kubesup.readyz(), kubesup.log())),
        }
    });
    assert_eq!(
        kubesup.read("var/reconfigured"),
        "greeting=after\nport=8080\nend\n"
    );
    wait_until(
        "the view is fresh again",
        || kubesup.readyz(),
        |report| report.contains("[+]fresh ok"),
    );
    over.store(true, Ordering::Relaxed);
    let answers = polling.join().expect("no panic");
    assert!(
        answers.len() > 100 && answers.iter().all(|answer| *answer == (200, 200)),
        "{answers:?}"
    );
    assert_eq!(kubesup.main_pid(), pid, "the program was never touched");
}

#[test]
fn without_an_api_server_http_answers_and_the_start_waits_for_it() {
    let server = ApiServer::start();
    let namespace = Namespace::new(&server);
    namespace.grant(&[]);
    namespace.endpoints(&[]);
    namespace.pod(json!({}));
    server.kill();
    let package = demo_package();
    let kubesup = Kubesup::builder()
        .flag(
            "--kubeconfig",
            &server.kubeconfig(User::Kubesup).display().to_string(),
        )
        .env("POD_NAMESPACE", &namespace.name)
        .env("POD_NAME", POD)
        .package(package.path())
        .start();
    assert_eq!(kubesup.get("/livez").0, 200);
    assert_eq!(kubesup.get("/").0, 200);
    kubesup.assert_habitats_paths_are_503();
    let report = kubesup.wait_readyz("connection refused");
    assert!(
        report.contains("[-]synced failed: ") && report.contains("readyz check failed"),
        "{report}"
    );
    assert_eq!(kubesup.get("/readyz").0, 503);

    server.resume();

    let waiting = Duration::from_secs(60);
    wait_for("it starts by itself", waiting, || {
        match kubesup.get("/readyz?verbose") {
            (200, _) => Ok(()),
            (_, report) => Err(report),
        }
    });
}

/// Longer than a silent connection is trusted.
const PAUSE: Duration = Duration::from_secs(30);

#[test]
fn a_pause_of_thirty_seconds_leaves_the_program_alone_and_an_edit_after_it_arrives() {
    let server = ApiServer::start();
    let namespace = Namespace::new(&server);
    namespace.grant(&["demo-config"]);
    namespace.endpoints(&[]);
    namespace.config_map("demo-config", json!({"greeting": "hi"}));
    namespace.pod(json!({"kubesup.dev/config": "demo-config"}));
    let package = demo_package();
    package.write("hooks/reconfigure", RECONFIGURE);
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    server.pause();
    // Connections stay, and nobody answers: the pause's length is what is tested.
    std::thread::sleep(PAUSE);
    assert_eq!(kubesup.get("/livez").0, 200);
    assert_eq!(kubesup.get("/readyz").0, 200);
    server.unpause();
    namespace.config_map("demo-config", json!({"greeting": "after"}));

    wait_for(
        "the edit arrives",
        Duration::from_secs(60),
        || match kubesup.read("config/app.conf") {
            text if text.contains("greeting=after") => Ok(()),
            text => Err((text, kubesup.readyz(), kubesup.log())),
        },
    );
    assert_eq!(kubesup.main_pid(), pid, "the program was never touched");
}
