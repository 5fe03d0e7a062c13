//! Owns `/metrics`, and the count of requests and of how long answers take. Never labels a request with what it asked for.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use http::StatusCode;
use tokio::time::Instant;

use super::answers::Answers;
use super::readiness;
use super::reply::{self, Answer};
use super::routes::ROUTES;
use crate::lifecycle::status::Health;
use crate::metrics::{self, Look, Metrics};
use crate::snapshot::Snapshot;

/// The label of a path that is no route.
const OTHER: &str = "other";

/// Counts and times the answer, refusals included.
pub(super) async fn measure(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Answer {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .and_then(|path| ROUTES.into_iter().find(|route| *route == path.as_str()))
        .unwrap_or(OTHER);
    let begin = Instant::now();
    let answer = next.run(request).await;
    metrics.answered(route, begin.elapsed());
    answer
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
