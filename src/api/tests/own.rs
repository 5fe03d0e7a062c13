//! kubesup's own paths, and who may read which.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::json;

use super::fixture::demo;
use super::{Asked, Redaction};
use crate::api::readiness::{self, Gating};
use crate::config::Key;
use crate::lifecycle::status::{Health, Phase};
use crate::snapshot::{Service, Snapshot};
use crate::world::{Departing, Progress, View, WatchKey, World};

fn failing(snapshot: &Snapshot) -> BTreeMap<&'static str, String> {
    readiness::checks(snapshot)
        .into_iter()
        .filter(|check| !check.reasons.is_empty())
        .map(|check| (check.name, check.reasons.join("; ")))
        .collect()
}

fn with_view(mut snapshot: Snapshot, change: impl FnOnce(&mut View)) -> Snapshot {
    let mut view = (*snapshot.view).clone();
    change(&mut view);
    snapshot.view = Arc::new(view);
    snapshot
}

#[tokio::test]
async fn a_running_healthy_service_is_ready() {
    let asked = Asked::new(demo().snapshot());
    let answer = asked.get("/readyz").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "ok"));
    assert_eq!(
        answer.content_type.as_deref(),
        Some("text/plain; charset=utf-8")
    );
    let report = asked.get("/readyz?verbose").await;
    assert_eq!(
        report.text(),
        "[+]synced ok\n[+]binds ok\n[+]rendered ok\n[+]running ok\n[+]healthy ok\n[+]fresh ok\n[+]accepted ok\nreadyz check passed\n"
    );
    for query in ["?verbose=1", "?x=y&verbose", "?verbose="] {
        let report = asked.get(&format!("/readyz{query}")).await;
        assert!(report.text().ends_with("readyz check passed\n"), "{query}");
    }
}

#[tokio::test]
async fn binds_gate_while_they_hold_back_the_first_start_and_are_shown_after_it() {
    let absent = "The specified service group 'postgres.default' for binding 'db' is not (yet?) present in the census data.";
    let running = demo().with(Key::Bind, "db:postgres").snapshot();
    let report = Asked::new(running.clone()).get("/readyz?verbose").await;
    assert_eq!(report.status, 200);
    assert!(
        report
            .text()
            .contains(&format!("[-]binds failed (not gating): {absent}\n")),
        "{}",
        report.text()
    );
    let waiting = Snapshot {
        waiting_for_binds: true,
        ..running
    };
    let report = Asked::new(waiting).get("/readyz?verbose").await;
    assert_eq!(report.status, 503);
    for line in [
        format!("[-]binds failed: {absent}\n"),
        "[-]rendered failed: nothing is rendered before the binds are satisfied\n".to_owned(),
    ] {
        assert!(report.text().contains(&line), "{}", report.text());
    }
}

#[tokio::test]
async fn each_check_that_gates_makes_it_503_with_its_reason() {
    let cases = [
        (
            Snapshot::default(),
            "synced",
            "nothing has been observed yet",
        ),
        (
            demo().unrendered(),
            "rendered",
            "nothing has been rendered yet",
        ),
        (
            Snapshot {
                rejections: vec!["it does not render".to_owned()],
                ..demo().unrendered()
            },
            "rendered",
            "it does not render",
        ),
        (
            demo()
                .status(|status| {
                    status.pid = None;
                    status.phase = Phase::Initializing;
                })
                .snapshot(),
            "running",
            "the init hook runs",
        ),
        (
            demo()
                .status(|status| {
                    status.pid = None;
                    status.phase = Phase::BackingOff;
                })
                .snapshot(),
            "running",
            "down, waiting for the next start (, 0 restarts)",
        ),
        (
            demo().status(|status| status.stopping = true).snapshot(),
            "running",
            "stopping",
        ),
        (
            demo()
                .status(|status| status.health = Health::Critical)
                .snapshot(),
            "healthy",
            "health is CRITICAL",
        ),
        (
            demo()
                .status(|status| status.health = Health::Unknown)
                .snapshot(),
            "healthy",
            "health is UNKNOWN",
        ),
    ];
    for (snapshot, name, reason) in cases {
        let failed = failing(&snapshot);
        assert_eq!(failed.get(name).map(String::as_str), Some(reason));
        let answer = Asked::new(snapshot).get("/readyz").await;
        assert_eq!(answer.status, 503, "{name}: {reason}");
        let line = format!("[-]{name} failed: {reason}\n");
        assert!(answer.text().contains(&line), "{}", answer.text());
        assert!(answer.text().ends_with("readyz check failed\n"));
    }
}

#[tokio::test]
async fn an_outage_or_a_rejected_edit_shows_but_does_not_gate() {
    let outage = with_view(demo().snapshot(), |view| {
        view.troubles
            .insert(WatchKey::Pod, "connection refused".to_owned());
    });
    let rejected = Snapshot {
        rejections: vec!["port is no integer".to_owned()],
        pending: vec!["group is blue".to_owned()],
        ..demo().snapshot()
    };
    let failed = demo()
        .status(|status| status.reconfigure_failure = Some("reconfigure failed".to_owned()))
        .snapshot();
    for (snapshot, line) in [
        (
            outage,
            "[-]fresh failed (not gating): own Pod: connection refused",
        ),
        (
            rejected,
            "[-]accepted failed (not gating): port is no integer; group is blue",
        ),
        (
            failed,
            "[-]accepted failed (not gating): reconfigure failed",
        ),
    ] {
        let answer = Asked::new(snapshot).get("/readyz?verbose").await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains(line), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_deleted_pod_that_still_serves_stays_ready_while_it_stops() {
    let snapshot = with_view(
        demo().status(|status| status.stopping = true).snapshot(),
        |view| view.departing = Some(Departing::Deleted { grace_seconds: 30 }),
    );
    assert_eq!(Asked::new(snapshot).get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_warning_is_ready() {
    let snapshot = demo()
        .status(|status| status.health = Health::Warning)
        .snapshot();
    assert_eq!(Asked::new(snapshot).get("/readyz").await.status, 200);
}

#[test]
fn a_group_without_a_leader_shows_and_gates_nothing() {
    let mut snapshot = demo().with(Key::Topology, "leader").snapshot();
    let checks = readiness::checks(&snapshot);
    let leader = checks.iter().find(|check| check.name == "leader");
    let leader = leader.expect("a check");
    assert_eq!(leader.gating, Gating::Shown);
    assert_eq!(leader.reasons, ["nobody leads yet: the election goes on"]);
    let mut service = Service::clone(snapshot.service.as_ref().expect("a service"));
    let mut world = World::clone(&service.world);
    world.election.progress = Progress::Finished;
    service.world = Arc::new(world);
    snapshot.service = Some(Arc::new(service));
    assert_eq!(failing(&snapshot).get("leader"), None);
    let alone = readiness::checks(&demo().snapshot());
    assert!(alone.iter().all(|check| check.name != "leader"));
}

#[test]
fn what_gates_is_what_the_design_says() {
    let gating: Vec<&str> = readiness::checks(&Snapshot::default())
        .into_iter()
        .filter(|check| check.gating == Gating::Gates)
        .map(|check| check.name)
        .collect();
    assert_eq!(gating, ["synced", "rendered", "running", "healthy"]);
}

#[tokio::test]
async fn livez_is_200_whatever_the_service_does() {
    for snapshot in [
        Snapshot::default(),
        demo()
            .status(|status| status.health = Health::Critical)
            .snapshot(),
    ] {
        let asked = Asked::new(snapshot);
        let answer = asked.get("/livez").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "ok"));
        let verbose = asked.get("/livez?verbose").await;
        assert_eq!(verbose.text(), "[+]ping ok\nlivez check passed\n");
        assert_eq!(asked.ask(Method::HEAD, "/livez").await.status, 200);
    }
}

#[tokio::test]
async fn the_root_is_one_line_for_a_probe_and_a_page_for_a_browser() {
    let asked = Asked::new(demo().member("<b>", "10.0.0.2", json!({})).snapshot());
    let line = asked.get("/").await;
    assert_eq!(
        (line.status.as_u16(), line.text()),
        (200, "kubesup: demo.default is ready\n")
    );
    let request = Request::get("/").header(header::ACCEPT, "text/html,*/*;q=0.8");
    let page = asked
        .send(request.body(Body::empty()).expect("a request"))
        .await;
    assert_eq!(
        page.content_type.as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.text().contains("<td>&lt;b&gt;<td>10.0.0.2"),
        "{}",
        page.text()
    );
    assert_eq!(
        Asked::new(Snapshot::default()).get("/").await.text(),
        "kubesup: not ready\n"
    );
}

#[tokio::test]
async fn errors_on_own_paths_have_one_json_body() {
    let asked = Asked::new(demo().snapshot());
    let answer = asked.get("/v1/nowhere").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json(),
        json!({"status": 404, "error": "there is nothing at this path"})
    );
    let answer = asked.ask(Method::POST, "/readyz").await;
    assert_eq!(
        (answer.status.as_u16(), answer.allow.as_deref()),
        (405, Some("GET, HEAD"))
    );
    assert_eq!(answer.json()["status"], 405);
}

#[tokio::test]
async fn with_a_token_everything_but_the_probes_needs_it() {
    let asked = Asked::with(demo().snapshot(), Some(b"s\xffcret"), Redaction::Plain);
    for path in ["/", "/livez", "/readyz", "/readyz?verbose"] {
        assert_eq!(asked.get(path).await.status, 200, "{path}");
    }
    for path in [
        "/services",
        "/services/demo/default",
        "/services/demo/default/health",
        "/census",
        "/butterfly",
        "/metrics",
        "/nowhere",
        "//",
        "/livez/",
    ] {
        let answer = asked.get(path).await;
        assert!(answer.is_empty(401), "{path}: {answer:?}");
        let answer = asked.get_with(path, b"Bearer secret").await;
        assert!(answer.is_empty(401), "{path}: {answer:?}");
        let answer = asked.get_with(path, b"Bearer s\xffcret").await;
        assert_ne!(answer.status, 401, "{path}");
    }
    assert_eq!(asked.get("/v1/status").await.json()["status"], 401);
    assert!(asked.ask(Method::POST, "/services").await.is_empty(401));
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_connection_after_a_while() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let (client, accepted) =
        tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
    let (stream, _) = accepted.expect("a connection");
    crate::api::drop_when_stuck(&stream);
    let millis = rustix::net::sockopt::tcp_user_timeout(&stream).expect("the option");
    assert_eq!(millis, 30_000);
    drop(client);
}
