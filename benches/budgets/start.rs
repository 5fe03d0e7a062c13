//! Owns the figures of a start: until HTTP answers, and until the run hook executes.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::json;

use super::measure::{Bell, Budget, Row, median, millis};
use crate::support::api_server::ApiServer;
use crate::support::kubesup::{Builder, Kubesup};
use crate::support::namespace::Namespace;
use crate::support::package::Folder;

const STARTS: u32 = 20;

pub fn measure() -> Vec<Row> {
    let package = Folder::new();
    let bell = Bell::new(package.path(), "bell");
    package
        .write("default.toml", "greeting = \"hello\"\n")
        .write("config/app.conf", "{{cfg.greeting}}\n")
        .write(
            "hooks/run",
            &format!("#!/bin/sh\n{}\nexec sleep 10000\n", bell.ring()),
        );
    let local = Folder::new();
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&[]);
    namespace.endpoints(&[]);
    namespace.pod(json!({}));

    let (mut http, mut run, mut cluster, mut init) = (vec![], vec![], vec![], vec![]);
    for _ in 0..STARTS {
        let here = Kubesup::builder()
            .manifests(local.path())
            .package(package.path());
        let (answered, ran) = start(here, &bell);
        http.push(answered);
        run.push(ran);
        cluster.push(start(namespace.kubesup().package(package.path()), &bell).1);
        init.extend(tini());
    }
    let tini = (!init.is_empty()).then(|| (median(init), "`tini -- true`, whole"));
    let row = |what, measured, compared, budget| Row {
        what,
        measured,
        unit: "ms",
        compared,
        budget: Budget::AtMost(budget),
    };
    vec![
        row("start → HTTP up (local mode)", median(http), tini, 10.0),
        row(
            "start → run hook executed (local mode)",
            median(run),
            tini,
            30.0,
        ),
        row(
            "start → run hook executed (real API server)",
            median(cluster),
            None,
            150.0,
        ),
    ]
}

/// Milliseconds until HTTP accepts, and until the run hook runs.
fn start(kubesup: Builder, bell: &Bell) -> (f64, f64) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address: SocketAddr = port.expect("a port");
    let begun = Instant::now();
    let running = kubesup.spawn_at(&address.to_string());
    let connecting = std::thread::spawn(move || {
        while TcpStream::connect(address).is_err() {
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        Instant::now()
    });
    let ran = bell.wait();
    let answered = connecting.join().expect("a connection");
    drop(running);
    (millis(answered - begun), millis(ran - begun))
}

/// An init that does nothing else, from its start to its end; `None` where it is not installed.
fn tini() -> Option<f64> {
    let begun = Instant::now();
    let status = Command::new("tini")
        .args(["-s", "--", "true"])
        .stderr(Stdio::null())
        .status()
        .ok()?;
    status.success().then(|| millis(begun.elapsed()))
}
