//! Owns the routes: which path and method gives which answer. Habitat's paths have its status codes and empty bodies
//! (contract, section 1.1); kubesup's own have text, and one JSON body for errors.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::handler::Handler;
use axum::middleware;
use axum::routing::{MethodRouter, any, get};
use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::access::{self, Access};
use super::answers::{Answers, Document};
use super::reply::{self, Answer, HTML, JSON, TEXT};
use super::telemetry::{self, Counted};
use super::{health, page, readiness};

type Shared = State<Arc<Answers>>;

/// The routes, as the label of metrics has them. Of two that a path matches the first is its own.
pub(super) const ROUTES: [&str; 16] = [
    "/",
    "/livez",
    "/readyz",
    "/metrics",
    "/census",
    "/butterfly",
    "/services",
    "/services/{svc}/{group}",
    "/services/{svc}/{group}/config",
    "/services/{svc}/{group}/health",
    "/services/{svc}/{group}/{org}",
    "/services/{svc}/{group}/{org}/config",
    "/services/{svc}/{group}/{org}/health",
    "/v1/status",
    "/v1/history",
    "/v1/watch",
];

pub(super) fn router(answers: Arc<Answers>, access: Option<Access>) -> Counted {
    let mut router = Router::new()
        .route("/", resource(root))
        .route("/census", resource(census))
        .route("/butterfly", resource(butterfly))
        .route("/metrics", resource(metrics))
        .route("/v1/status", own(status))
        .route("/v1/history", own(history))
        .route("/v1/watch", own(stream))
        .route("/livez", own(livez))
        .route("/readyz", own(readyz))
        .route("/services", any(services));
    for group in ["/services/{svc}/{group}", "/services/{svc}/{group}/{org}"] {
        for (end, part) in [
            ("", Part::Item),
            ("/config", Part::Config),
            ("/health", Part::Health),
        ] {
            let answer = move |State(answers): Shared, method: Method, path: GroupPath| async move {
                of_service(part, &answers, &method, path)
            };
            router = router.route(&format!("{group}{end}"), any(answer));
        }
    }
    let metrics = answers.metrics.clone();
    let mut router = router.fallback(nowhere).with_state(answers);
    // A layer costs a twentieth of an answer: without a token there is none.
    if let Some(access) = access {
        let gate = middleware::from_fn_with_state(Arc::new(access), access::gate);
        router = router.layer(gate);
    }
    // Outermost: what is refused is counted too.
    Counted { router, metrics }
}

/// One of Habitat's resources: 405 without a body for all but GET, HEAD included.
fn resource<H, T>(answer: H) -> MethodRouter<Arc<Answers>>
where
    H: Handler<T, Arc<Answers>>,
    T: 'static,
{
    let not_allowed =
        || async { reply::not_allowed("GET", reply::empty(StatusCode::METHOD_NOT_ALLOWED)) };
    get(answer).head(not_allowed).fallback(not_allowed)
}

/// One of kubesup's own: GET and HEAD.
fn own<H, T>(answer: H) -> MethodRouter<Arc<Answers>>
where
    H: Handler<T, Arc<Answers>>,
    T: 'static,
{
    get(answer).fallback(|method: Method| async move {
        let problem = format!("{method} is not allowed here; nothing is writable over HTTP");
        let answer = reply::error(StatusCode::METHOD_NOT_ALLOWED, &problem);
        reply::not_allowed("GET, HEAD", answer)
    })
}

async fn nowhere(uri: Uri) -> Answer {
    if reply::is_own(uri.path()) {
        return reply::error(StatusCode::NOT_FOUND, "there is nothing at this path");
    }
    reply::empty(StatusCode::NOT_FOUND)
}

/// 200 always, as the probes of Habitat's manifests expect.
async fn root(State(answers): Shared, headers: HeaderMap) -> Answer {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let snapshot = answers.snapshot();
    if accepts.contains("text/html") {
        return reply::with(StatusCode::OK, HTML, page::html(&snapshot).into());
    }
    reply::with(StatusCode::OK, TEXT, page::line(&snapshot).into())
}

/// That it answers is the answer: the one thread works.
async fn livez(RawQuery(query): RawQuery) -> Answer {
    let body = if is_verbose(query.as_deref()) {
        "[+]ping ok\nlivez check passed\n"
    } else {
        "ok"
    };
    reply::with(StatusCode::OK, TEXT, Bytes::from_static(body.as_bytes()))
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
    reply::with(status, TEXT, body.into())
}

fn is_verbose(query: Option<&str>) -> bool {
    query
        .unwrap_or_default()
        .split('&')
        .any(|part| part == "verbose" || part.starts_with("verbose="))
}

/// 404 for another method: in Habitat the guard is on the resource, so that it is missed.
async fn services(State(answers): Shared, method: Method) -> Answer {
    if method != Method::GET {
        return reply::empty(StatusCode::NOT_FOUND);
    }
    reply::document(answers.document(Document::List))
}

async fn census(State(answers): Shared) -> Answer {
    ring_view(&answers, Document::Census)
}

async fn butterfly(State(answers): Shared) -> Answer {
    ring_view(&answers, Document::Butterfly)
}

async fn metrics(State(answers): Shared) -> Answer {
    telemetry::answer(&answers)
}

async fn status(State(answers): Shared) -> Answer {
    reply::with(StatusCode::OK, JSON, answers.status())
}

async fn history(State(answers): Shared) -> Answer {
    reply::with(StatusCode::OK, JSON, answers.history())
}

async fn stream(State(answers): Shared, headers: HeaderMap) -> Answer {
    answers.streams.open(&headers)
}

/// Views of the whole group: not there when redacted, as in Habitat.
fn ring_view(answers: &Answers, document: Document) -> Answer {
    if answers.is_redacted() {
        return reply::empty(StatusCode::NOT_FOUND);
    }
    reply::document(answers.document(document))
}

/// The parts of a path that name a service group, percent-decoded; an error for what does not decode to text.
type GroupPath = Result<Path<Vec<String>>, PathRejection>;

/// What of the one service is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Item,
    Config,
    Health,
}

/// Answers for the one service there is: 400 for what is no service group, 404 for another, 503 before the first view.
fn of_service(part: Part, answers: &Answers, method: &Method, path: GroupPath) -> Answer {
    if method != Method::GET {
        return reply::empty(StatusCode::NOT_FOUND);
    }
    let Ok(Path(words)) = path else {
        return reply::empty(StatusCode::BAD_REQUEST);
    };
    let is_word = |word: &String| !word.is_empty() && !word.contains(['#', '@', '.']);
    if !words.iter().all(is_word) {
        return reply::empty(StatusCode::BAD_REQUEST);
    }
    let Some(service) = answers.service() else {
        return reply::empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let settings = &service.settings;
    let own = [
        Some(&settings.name),
        Some(&settings.group),
        settings.org.as_ref(),
    ];
    if !words.iter().eq(own.into_iter().flatten()) {
        return reply::empty(StatusCode::NOT_FOUND);
    }
    match part {
        Part::Item => reply::document(answers.document(Document::Item)),
        Part::Config => reply::document(answers.document(Document::Config)),
        Part::Health => health::answer(&answers.snapshot()),
    }
}
