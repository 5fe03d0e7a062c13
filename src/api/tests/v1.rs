//! `/v1/status`, `/v1/history`, `/v1/watch` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::fixture::demo;
use super::{Asked, Redaction};
use crate::api::routes::ROUTES;
use crate::history::{Attempt, Difference, History, Kind};
use crate::lifecycle::Now;
use crate::snapshot::Snapshot;
use crate::world::WatchKey;

fn change(history: &mut History, key: &str) {
    let attempt = Attempt {
        cause: "the view changed".to_owned(),
        lead: None,
        differences: vec![Difference {
            object: "ConfigMap shop/demo".to_owned(),
            key: Some(key.to_owned()),
            change: Kind::Changed,
        }],
        files: vec!["config/app.conf".to_owned()],
        rejections: Vec::new(),
    };
    let wall = 1_700_000_000;
    history.tried(
        attempt,
        Now {
            mono: Duration::ZERO,
            wall,
        },
    );
}

impl Asked {
    fn happens(&self, key: &str) {
        self.history
            .send_modify(|history| change(Arc::make_mut(history), key));
    }
}

#[tokio::test]
async fn the_status_shows_freshness_configuration_and_the_last_changes() {
    let mut snapshot = Snapshot {
        rejections: vec!["port is no integer".to_owned()],
        ..demo().snapshot()
    };
    let mut view = (*snapshot.view).clone();
    view.troubles
        .insert(WatchKey::Pod, "connection refused".to_owned());
    snapshot.view = Arc::new(view);
    let asked = Asked::new(snapshot);
    for number in 0..12 {
        asked.happens(&format!("key-{number}"));
    }
    let status = asked.get("/v1/status").await;
    assert_eq!(status.status, 200);
    let status = status.json();
    assert_eq!(status["service_group"], "demo.default");
    assert_eq!(status["ready"], true);
    assert_eq!(status["phase"], "running");
    assert_eq!(
        status["configuration"],
        json!({"incarnation": 1, "rejections": ["port is no integer"], "pending": [], "reconfigure_failure": null})
    );
    assert_eq!(
        status["watches"],
        json!([{
            "watch": "own Pod", "resource": "pods", "selector": "metadata.name=demo-0",
            "age_seconds": 1.5, "relists": 2, "errors": 3, "trouble": "connection refused",
        }])
    );
    assert_eq!(status["last_changes"].as_array().map(Vec::len), Some(10));
    assert_eq!(status["last_changes"][0]["changed"][0]["key"], "key-11");
    let accepted = status["checks"].as_array().expect("checks").iter();
    let accepted = accepted.clone().find(|check| check["name"] == "accepted");
    assert_eq!(
        accepted.expect("the check"),
        &json!({"name": "accepted", "ok": false, "gating": false, "reasons": ["port is no integer"]})
    );
}

#[tokio::test]
async fn the_status_is_there_before_the_first_view() {
    let status = Asked::new(Snapshot::default())
        .get("/v1/status")
        .await
        .json();
    assert_eq!(status["service_group"], Value::Null);
    assert_eq!(status["ready"], false);
    assert_eq!(status["configuration"]["incarnation"], 0);
}

#[tokio::test]
async fn the_history_has_the_newest_change_first_with_all_keys() {
    let asked = Asked::new(demo().snapshot());
    asked.happens("a");
    asked.happens("b");
    let history = asked.get("/v1/history").await.json();
    assert_eq!(history["changes"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        history["changes"][0],
        json!({
            "id": 2, "revision": 2, "at": 1_700_000_000, "cause": "the view changed",
            "changed": [{"object": "ConfigMap shop/demo", "key": "b", "change": "changed"}],
            "files": ["config/app.conf"], "lead": null,
            "decision": "render_only", "reason": null, "hooks": [],
            "result": {"state": "applied", "problems": []},
        })
    );
}

/// The next event of a stream, as it is on the wire.
async fn next(body: &mut Body) -> String {
    let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await;
    let frame = frame
        .expect("in time")
        .expect("not the end")
        .expect("no error");
    let data = frame.into_data().expect("data");
    String::from_utf8(data.to_vec()).expect("text")
}

async fn follow(asked: &Asked, last_seen: Option<&str>) -> http::Response<Body> {
    let mut request = Request::get("/v1/watch");
    if let Some(id) = last_seen {
        request = request.header("last-event-id", id);
    }
    let request = request.body(Body::empty()).expect("a request");
    asked
        .router
        .clone()
        .oneshot(request)
        .await
        .expect("an answer")
}

#[tokio::test]
async fn the_stream_has_each_change_from_now_on() {
    let asked = Asked::new(demo().snapshot());
    asked.happens("before");
    let answer = follow(&asked, None).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    asked.happens("after");
    let event = next(&mut body).await;
    assert!(
        event.starts_with("event: change\nid: 2\ndata: {\"id\":2,"),
        "{event}"
    );
    assert!(
        event.contains("\"key\":\"after\"") && event.ends_with("\n\n"),
        "{event}"
    );
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed() {
    let asked = Asked::new(demo().snapshot());
    for key in ["a", "b", "c"] {
        asked.happens(key);
    }
    for (last_seen, expected) in [
        ("1", &["b", "c"][..]),
        ("0", &["a", "b", "c"]),
        ("99", &["a", "b", "c"]),
    ] {
        let mut body = follow(&asked, Some(last_seen)).await.into_body();
        for key in expected {
            let event = next(&mut body).await;
            assert!(
                event.contains(&format!("\"key\":\"{key}\"")),
                "{last_seen}: {event}"
            );
        }
    }
}

#[tokio::test]
async fn a_slow_client_keeps_no_more_than_the_history() {
    let asked = Asked::new(demo().snapshot());
    let mut body = follow(&asked, None).await.into_body();
    for number in 0..1000 {
        asked.happens(&format!("key-{number}"));
    }
    let first = next(&mut body).await;
    assert!(first.contains("\"key\":\"key-900\""), "{first}");
}

#[tokio::test]
async fn clients_of_the_stream_are_few_and_counted() {
    let asked = Asked::new(demo().snapshot());
    let mut clients = Vec::new();
    for _ in 0..16 {
        let answer = follow(&asked, None).await;
        assert_eq!(answer.status(), 200);
        clients.push(answer);
    }
    let refused = asked.get("/v1/watch").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json()["status"], 503);
    let text = asked.get("/metrics").await;
    assert!(text.text().contains("kubesup_stream_clients 16\n"));
    clients.pop();
    assert_eq!(follow(&asked, None).await.status(), 200);
}

#[tokio::test]
async fn the_stream_ends_when_kubesup_does() {
    let asked = Asked::new(demo().snapshot());
    let mut body = follow(&asked, None).await.into_body();
    drop(asked.history);
    let end = tokio::time::timeout(Duration::from_secs(20), body.frame()).await;
    assert!(end.expect("in time").is_none());
}

#[tokio::test]
async fn metrics_are_counted_by_route_and_refusals_too() {
    let asked = Asked::with(demo().snapshot(), Some(b"secret"), Redaction::Plain);
    let bearer = b"Bearer secret";
    asked.get_with("/services/demo/default", bearer).await;
    asked.get_with("/services/other/default", bearer).await;
    asked.get("/services").await;
    asked.get_with("/a/path/of/its/own", bearer).await;
    let answer = asked.get_with("/metrics", bearer).await;
    assert_eq!(
        answer.content_type.as_deref(),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = answer.text();
    for line in [
        "hab_sup_http_gateway_requests_total{path=\"/services/{svc}/{group}\"} 2",
        "hab_sup_http_gateway_requests_total{path=\"/services\"} 1",
        "hab_sup_http_gateway_requests_total{path=\"other\"} 1",
        "hab_sup_http_gateway_request_duration_seconds_count{path=\"/services\"} 1",
        "kubesup_ready 1",
        "kubesup_health{health=\"ok\"} 1",
        "kubesup_main_process_up 1",
        "kubesup_members{state=\"not_ready\"} 1",
        "kubesup_configuration_incarnation 1",
        "kubesup_watch_age_seconds{watch=\"own Pod\"} 1.5",
        "kubesup_watch_relists_total{watch=\"own Pod\"} 2",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}:\n{text}");
    }
    assert!(!text.contains("of/its/own"), "{text}");
}

#[tokio::test]
async fn every_route_that_is_counted_is_one() {
    let asked = Asked::new(demo().snapshot());
    for route in ROUTES {
        let path = route
            .replace("{svc}", "demo")
            .replace("{group}", "default")
            .replace("{org}", "acme");
        let request = Request::get(&path).body(Body::empty()).expect("a request");
        // The stream has no end: its head is enough.
        let answer = asked
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        assert_ne!(answer.status(), 405, "{route}");
        let text = asked.get("/metrics").await;
        let line = format!("hab_sup_http_gateway_requests_total{{path=\"{route}\"}}");
        assert!(text.text().contains(&line), "{route}");
    }
}
