//! Owns `/metrics`, and the count of requests and of how long answers take. Never labels a request with what it asked for.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::routing::future::RouteFuture;
use http::{Request, StatusCode};
use tokio::time::Instant;
use tower::Service;

use super::answers::Answers;
use super::readiness;
use super::reply::{self, Answer};
use super::routes::ROUTES;
use crate::lifecycle::status::Health;
use crate::metrics::{self, Look, Metrics};
use crate::snapshot::Snapshot;

/// The label of a path that is no route.
const OTHER: &str = "other";

/// The routes, with each answer counted and timed, refusals included.
///
/// Around the router and no layer of it, which would cost each request a box and two clones, a tenth of what `/services` takes.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) router: Router,
    pub(super) metrics: Metrics,
}

impl<B> Service<Request<B>> for Counted
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Counting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, request: Request<B>) -> Counting {
        Counting {
            route: route(request.uri().path()),
            begin: Instant::now(),
            answer: self.router.call(request),
            metrics: self.metrics.clone(),
        }
    }
}

/// An answer that is being made.
pub(super) struct Counting {
    route: &'static str,
    begin: Instant,
    answer: RouteFuture<Infallible>,
    metrics: Metrics,
}

impl Future for Counting {
    type Output = Result<Answer, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        self.metrics.answered(self.route, self.begin.elapsed());
        Poll::Ready(answer)
    }
}

/// The route that a path takes, as the router decides it: fixed parts before others, of which only the last may not be empty.
fn route(path: &str) -> &'static str {
    let matches = |route: &&str| {
        let (mut segments, mut parts) = (path.split('/'), route.split('/'));
        let same = |part: &str, segment: &str| part == segment || part.starts_with('{');
        loop {
            match (parts.next(), segments.next()) {
                (None, None) => return !path.ends_with('/') || *route == "/",
                (Some(part), Some(segment)) if same(part, segment) => {}
                _ => return false,
            }
        }
    };
    ROUTES.into_iter().find(matches).unwrap_or(OTHER)
}

/// The answer to a scrape.
pub(super) fn answer(answers: &Answers) -> Answer {
    let text = answers.metrics.text(&look(&answers.snapshot(), answers));
    reply::with(StatusCode::OK, metrics::CONTENT_TYPE, text.into())
}

const HEALTH: [&str; 4] = ["ok", "warning", "critical", "unknown"];

fn look<'a>(snapshot: &Snapshot, answers: &Answers) -> Look<'a> {
    let health = match snapshot.status.health {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Critical => "critical",
        Health::Unknown => "unknown",
    };
    let mut members = [("ready", 0), ("not_ready", 0), ("terminating", 0)];
    let all = snapshot
        .service
        .iter()
        .flat_map(|service| service.world.members.values());
    for member in all {
        let state = match (member.terminating, member.ready) {
            (true, _) => "terminating",
            (false, true) => "ready",
            (false, false) => "not_ready",
        };
        for (name, count) in &mut members {
            *count += usize::from(*name == state);
        }
    }
    let watches = answers.watches.look().into_iter();
    let service = snapshot.service.as_ref();
    let leader = service.and_then(|service| service.world.election.leader.as_ref());
    Look {
        ready: readiness::is_ready(&readiness::checks(snapshot)),
        health: (health, &HEALTH),
        up: snapshot.status.pid.is_some(),
        members,
        own_term: leader
            .filter(|leader| leader.is_me)
            .map(|leader| leader.term),
        term: leader.map(|leader| leader.term),
        incarnation: service.map_or(0, |service| service.incarnation),
        rejected: !snapshot.rejections.is_empty(),
        watches: watches
            .map(|watch| {
                let age = watch.age.map(|age| age.as_secs_f64());
                (watch.watch, age, watch.relists, watch.errors)
            })
            .collect(),
        open_files: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        cpu_time: cpu_time(),
    }
}

/// Of this process, without its children.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_counted_as_the_route_that_answers_it() {
        for (path, counted) in [
            ("/", "/"),
            ("/services", "/services"),
            ("/services/web/default", "/services/{svc}/{group}"),
            (
                "/services/web/default/acme",
                "/services/{svc}/{group}/{org}",
            ),
            (
                "/services/web/default/config",
                "/services/{svc}/{group}/config",
            ),
            (
                "/services/web/config/health",
                "/services/{svc}/{group}/health",
            ),
            (
                "/services/web/default/acme/health",
                "/services/{svc}/{group}/{org}/health",
            ),
            ("/v1/watch", "/v1/watch"),
            ("/v1", "other"),
            ("", "other"),
            ("//", "other"),
            ("/services/", "other"),
            ("/services//default", "/services/{svc}/{group}"),
            ("/services/web/", "other"),
            ("/services/web/default/acme/else", "other"),
            ("/services/web/default/acme/health/", "other"),
        ] {
            assert_eq!(route(path), counted, "{path}");
        }
    }

    /// axum knows which of its routes answers: both must say the same.
    #[tokio::test]
    async fn it_is_the_route_that_the_router_matches() {
        use axum::extract::MatchedPath;
        use axum::routing::any;
        use tower::ServiceExt as _;
        let matched = |path: MatchedPath| async move { path.as_str().to_owned() };
        let router = ROUTES.into_iter().fold(Router::new(), |router, route| {
            router.route(route, any(matched))
        });
        let router = router.fallback(|| async { OTHER });
        let words = ["services", "config", "health", "web", "", "v1", "watch"];
        let mut paths = vec![String::new()];
        for _ in 0..6 {
            let longer = paths
                .iter()
                .flat_map(|path| words.map(|word| format!("{path}/{word}")));
            paths = longer.collect();
            paths.retain(|path| !path.starts_with("/v1") || path.len() < 12);
            for path in paths.iter().step_by(1 + paths.len() / 300) {
                let request = Request::get(path)
                    .body(axum::body::Body::empty())
                    .expect("a request");
                let answer = router.clone().oneshot(request).await.expect("an answer");
                let body = axum::body::to_bytes(answer.into_body(), 1000)
                    .await
                    .expect("a body");
                assert_eq!(route(path).as_bytes(), &body, "{path}");
            }
        }
    }
}
