//! Owns the routes: which path and method gives which answer. Habitat's paths have its status codes and empty bodies
//! (contract, section 1.1); kubesup's own have text.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::routing::{any, get};
use http::{HeaderMap, Method, StatusCode, header};
use serde::Serialize;

use super::answers::{Answers, Document, json};
use super::{page, readiness};
use crate::lifecycle::status::Health;

type Answer = http::Response<Body>;
type Shared = State<Arc<Answers>>;

pub(super) fn router(answers: Arc<Answers>) -> Router {
    Router::new()
        .route("/", any(root))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/services", any(services))
        .route("/services/{svc}/{group}", any(item))
        .route("/services/{svc}/{group}/config", any(config))
        .route("/services/{svc}/{group}/health", any(health))
        .route("/services/{svc}/{group}/{org}", any(item_of_org))
        .route("/services/{svc}/{group}/{org}/config", any(config_of_org))
        .route("/services/{svc}/{group}/{org}/health", any(health_of_org))
        .with_state(answers)
}

fn empty(status: StatusCode) -> Answer {
    with(status, None, Bytes::new())
}

fn with(status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Answer {
    let mut answer = http::Response::new(Body::from(body));
    *answer.status_mut() = status;
    if let Some(content_type) = content_type {
        answer.headers_mut().insert(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static(content_type),
        );
    }
    answer
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// 200 always, as the probes of Habitat's manifests expect.
async fn root(State(answers): Shared, method: Method, headers: HeaderMap) -> Answer {
    if method != Method::GET {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let snapshot = answers.snapshot();
    if accepts.contains("text/html") {
        return with(StatusCode::OK, Some(HTML), page::html(&snapshot).into());
    }
    with(StatusCode::OK, Some(TEXT), page::line(&snapshot).into())
}

/// That it answers is the answer: the one thread works.
async fn livez(RawQuery(query): RawQuery) -> Answer {
    let body = if is_verbose(query.as_deref()) {
        "[+]ping ok\nlivez check passed\n"
    } else {
        "ok"
    };
    with(
        StatusCode::OK,
        Some(TEXT),
        Bytes::from_static(body.as_bytes()),
    )
}

async fn readyz(State(answers): Shared, RawQuery(query): RawQuery) -> Answer {
    let checks = readiness::checks(&answers.snapshot());
    let ready = readiness::is_ready(&checks);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = if ready && !is_verbose(query.as_deref()) {
        "ok".to_owned()
    } else {
        readiness::report(&checks)
    };
    with(status, Some(TEXT), body.into())
}

fn is_verbose(query: Option<&str>) -> bool {
    query
        .unwrap_or_default()
        .split('&')
        .any(|part| part == "verbose" || part.starts_with("verbose="))
}

async fn services(State(answers): Shared, method: Method) -> Answer {
    if method != Method::GET {
        return empty(StatusCode::NOT_FOUND);
    }
    answer(answers.document(Document::List))
}

fn answer(document: Option<Bytes>) -> Answer {
    match document {
        Some(bytes) => with(StatusCode::OK, Some(JSON), bytes),
        None => empty(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// What the path says, percent-decoded.
type Pair = Path<(String, String)>;
type Triple = Path<(String, String, String)>;

async fn item(State(answers): Shared, method: Method, Path((svc, group)): Pair) -> Answer {
    of_service(&answers, &method, &svc, &group, None, |answers| {
        answer(answers.document(Document::Item))
    })
}

async fn item_of_org(
    State(answers): Shared,
    method: Method,
    Path((svc, group, org)): Triple,
) -> Answer {
    of_service(&answers, &method, &svc, &group, Some(&org), |answers| {
        answer(answers.document(Document::Item))
    })
}

async fn config(State(answers): Shared, method: Method, Path((svc, group)): Pair) -> Answer {
    of_service(&answers, &method, &svc, &group, None, |answers| {
        answer(answers.document(Document::Config))
    })
}

async fn config_of_org(
    State(answers): Shared,
    method: Method,
    Path((svc, group, org)): Triple,
) -> Answer {
    of_service(&answers, &method, &svc, &group, Some(&org), |answers| {
        answer(answers.document(Document::Config))
    })
}

async fn health(State(answers): Shared, method: Method, Path((svc, group)): Pair) -> Answer {
    of_service(&answers, &method, &svc, &group, None, health_answer)
}

async fn health_of_org(
    State(answers): Shared,
    method: Method,
    Path((svc, group, org)): Triple,
) -> Answer {
    of_service(&answers, &method, &svc, &group, Some(&org), health_answer)
}

/// Answers for the one service there is: 400 for what is no service group, 404 for another, 503 before the first view.
fn of_service(
    answers: &Answers,
    method: &Method,
    svc: &str,
    group: &str,
    org: Option<&str>,
    answer: impl FnOnce(&Answers) -> Answer,
) -> Answer {
    if method != Method::GET {
        return empty(StatusCode::NOT_FOUND);
    }
    let is_word = |word: &str| !word.is_empty() && !word.contains(['#', '@', '.']);
    if !(is_word(svc) && is_word(group) && org.is_none_or(is_word)) {
        return empty(StatusCode::BAD_REQUEST);
    }
    let Some(service) = answers.service() else {
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let settings = &service.settings;
    if settings.name != svc || settings.group != group || org.is_some() {
        return empty(StatusCode::NOT_FOUND);
    }
    answer(answers)
}

/// `…/health`.
#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
    stdout: String,
    stderr: String,
}

fn health_answer(answers: &Answers) -> Answer {
    let snapshot = answers.snapshot();
    let (status, code) = match snapshot.status.health {
        Health::Ok => ("OK", StatusCode::OK),
        Health::Warning => ("WARNING", StatusCode::OK),
        Health::Critical => ("CRITICAL", StatusCode::SERVICE_UNAVAILABLE),
        Health::Unknown => ("UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR),
    };
    let log = |stream: &str| {
        let service = snapshot.service.as_ref();
        service
            .map(|service| {
                read_log(
                    &service
                        .paths
                        .svc
                        .join(format!("logs/health-check.{stream}.log")),
                )
            })
            .unwrap_or_default()
    };
    with(
        code,
        Some(JSON),
        json(&HealthBody {
            status,
            stdout: log("stdout"),
            stderr: log("stderr"),
        }),
    )
}

/// The end of a log file, at most so much: an answer must not cost the thread its time.
const MOST_LOG: u64 = 256 * 1024;

/// Empty when there is no log.
fn read_log(path: &FilePath) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let read = || {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MOST_LOG)))?;
        let mut bytes = Vec::new();
        file.take(MOST_LOG).read_to_end(&mut bytes)?;
        std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}
