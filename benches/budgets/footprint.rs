//! Owns what kubesup weighs: the binary, an idle process, and what it asks of an API server when nothing happens.

use std::time::Duration;

use serde_json::json;

use super::measure::{Budget, Row, resident, status};
use crate::support::api_server::ApiServer;
use crate::support::block_on;
use crate::support::kubesup::{Kubesup, binary};
use crate::support::namespace::Namespace;
use crate::support::package::demo_package;

pub fn measure() -> Vec<Row> {
    let size = std::fs::metadata(binary()).expect("the binary").len();
    let (_namespace, kubesup) = idle();
    let row = |what, measured, unit, budget| Row {
        what,
        measured,
        unit,
        compared: None,
        budget: Budget::AtMost(budget),
    };
    #[expect(clippy::cast_precision_loss, reason = "a size in MB with one digit")]
    let size = size as f64 / 1e6;
    vec![
        row("static binary", size, "MB", 12.0),
        row(
            "resident memory, idle, one service",
            resident(kubesup.pid()),
            "MiB",
            10.0,
        ),
        row("threads", status(kubesup.pid(), "Threads:"), "", 3.0),
    ]
}

fn idle() -> (Namespace<'static>, Kubesup) {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&["demo-config"]);
    namespace.endpoints(&[]);
    namespace.config_map("demo-config", json!({"greeting": "hi"}));
    namespace.pod(json!({"kubesup.dev/config": "demo-config"}));
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    (namespace, kubesup)
}

/// How long the idle process is looked at.
const QUIET: Duration = Duration::from_secs(60);

pub fn idle_requests() -> Vec<Row> {
    let (namespace, _kubesup) = idle();
    let before = requests(&namespace);
    std::thread::sleep(QUIET);
    let after = requests(&namespace);
    let row = |what, index: usize| Row {
        what,
        measured: after[index] - before[index],
        unit: "in a minute",
        compared: None,
        budget: Budget::AtMost(0.0),
    };
    vec![
        row("lists of an idle supervisor", 0),
        row("writes of an idle supervisor", 1),
    ]
}

/// Lists and writes that the API server has counted of what kubesup asks for; nobody else asks for these in this run.
fn requests(namespace: &Namespace<'_>) -> [f64; 2] {
    let request = http::Request::get("/metrics")
        .body(Vec::new())
        .expect("a request");
    let text = block_on(namespace.client().request_text(request)).expect("the metrics");
    let total = |verbs: &[&str]| {
        let lines = text.lines().filter(|line| {
            line.starts_with("apiserver_request_total{")
                && ["pods", "configmaps", "endpointslices", "leases", "events"]
                    .iter()
                    .any(|resource| line.contains(&format!("resource=\"{resource}\"")))
                && line.contains("scope=\"namespace\"")
                && verbs
                    .iter()
                    .any(|verb| line.contains(&format!("verb=\"{verb}\"")))
        });
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    [
        total(&["LIST"]),
        total(&["POST", "PUT", "PATCH", "DELETE", "APPLY"]),
    ]
}
