//! Owns the main figure: from the moment at which a ConfigMap edit is sent to the moment at which `reconfigure` runs.

use std::time::Instant;

use serde_json::json;

use super::bare::Bare;
use super::measure::{Bell, Budget, Row, median, millis};
use crate::support::api_server::{ApiServer, User};
use crate::support::namespace::Namespace;
use crate::support::package::Folder;

/// Enough for a median on a busy machine.
const EDITS: u32 = 60;

pub fn measure() -> Vec<Row> {
    let (at_once, floor) = edits(Some("0s"));
    let (settled, _) = edits(None);
    vec![
        Row {
            what: "ConfigMap edit → `reconfigure` hook running, settling off",
            measured: at_once,
            unit: "ms",
            compared: Some((floor, "a bare watch that renders and writes")),
            budget: Budget::TimesCompared(2.0),
        },
        Row {
            what: "ConfigMap edit → `reconfigure` hook running, defaults",
            measured: settled,
            unit: "ms",
            compared: None,
            budget: Budget::AtMost(100.0),
        },
    ]
}

/// The medians of kubesup and of the bare watch, which see the same edits.
fn edits(quiet: Option<&str>) -> (f64, f64) {
    let server = ApiServer::shared();
    let namespace = Namespace::new(server);
    namespace.grant(&["demo-config"]);
    namespace.endpoints(&[]);
    namespace.config_map("demo-config", json!({"number": "0"}));
    namespace.pod(json!({"kubesup.dev/config": "demo-config"}));
    let package = Folder::new();
    let hook = Bell::new(package.path(), "hook-bell");
    let bare_bell = Bell::new(package.path(), "bare-bell");
    package
        .write("config/number", "{{cfg.number}}")
        .write("hooks/run", "#!/bin/sh\nexec sleep 10000\n")
        .write(
            "hooks/reconfigure",
            &format!("#!/bin/sh\n{}\n", hook.ring()),
        );
    let mut kubesup = namespace.kubesup().package(package.path());
    if let Some(quiet) = quiet {
        kubesup = kubesup.flag("--settle-quiet", quiet);
    }
    let kubesup = kubesup.start();
    kubesup.wait_ready();
    let mut bare = Bare::start(&[
        "bare-watch",
        &server.kubeconfig(User::Admin).display().to_string(),
        &namespace.name,
        "demo-config",
        &package.path().join("bare").display().to_string(),
        &bare_bell.path.display().to_string(),
    ]);
    bare.first_line();
    bare_bell.wait();
    let mut times = (Vec::new(), Vec::new());
    for number in 1..=EDITS {
        let sent = Instant::now();
        namespace.config_map("demo-config", json!({"number": number.to_string()}));
        times.0.push(millis(hook.wait() - sent));
        times.1.push(millis(bare_bell.wait() - sent));
    }
    (median(times.0), median(times.1))
}
