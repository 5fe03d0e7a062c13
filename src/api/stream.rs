//! Owns `/v1/watch`: each change of the history and each update of one, as server-sent events. Keeps nothing for a client:
//! a slow one finds what is in the history when it reads on, and one that takes nothing at all loses its connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use http::{HeaderMap, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::reply;
use crate::history::{Change, History};
use crate::metrics::{Metrics, StreamClient};

/// Clients at a time: each keeps one of the connections.
const MOST_CLIENTS: usize = 16;
/// A sign of life, so that proxies keep the connection and a client that is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The streams of all clients.
#[derive(Debug)]
pub(super) struct Streams {
    history: watch::Receiver<Arc<History>>,
    places: Arc<Semaphore>,
    metrics: Metrics,
}

impl Streams {
    pub(super) fn new(history: watch::Receiver<Arc<History>>, metrics: Metrics) -> Streams {
        Streams {
            history,
            places: Arc::new(Semaphore::new(MOST_CLIENTS)),
            metrics,
        }
    }

    /// The newest history.
    pub(super) fn history(&self) -> Arc<History> {
        Arc::clone(&self.history.borrow())
    }

    /// A stream from now on, or from after the event that the client saw last.
    pub(super) fn open(&self, headers: &HeaderMap) -> Response {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let problem = format!("{MOST_CLIENTS} clients follow already; try again later");
            return reply::error(StatusCode::SERVICE_UNAVAILABLE, &problem);
        };
        let seen = headers
            .get("last-event-id")
            .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
        let mut history = self.history.clone();
        let newest = history.borrow_and_update().revision();
        // An id from before a restart of kubesup is one that was never given: everything there is is news.
        let seen = seen.map_or(newest, |seen| if seen > newest { 0 } else { seen });
        // What came while the client was away is sent at once.
        history.mark_changed();
        let follower = Follower {
            history,
            seen,
            waiting: VecDeque::new(),
            _place: place,
            _client: self.metrics.stream_client(),
        };
        Sse::new(follower.events())
            .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
            .into_response()
    }
}

struct Follower {
    history: watch::Receiver<Arc<History>>,
    /// The revision that was sent last.
    seen: u64,
    /// At most as many as the history has.
    waiting: VecDeque<Arc<Change>>,
    _place: OwnedSemaphorePermit,
    _client: StreamClient,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(self, |mut follower| async move {
            let change = follower.next().await?;
            // Our types have string keys only, so that they always are JSON.
            let data = serde_json::to_string(&*change).unwrap_or_default();
            let event = Event::default()
                .event("change")
                .id(change.revision.to_string())
                .data(data);
            Some((Ok(event), follower))
        })
    }

    /// The next change; `None` when kubesup ends.
    async fn next(&mut self) -> Option<Arc<Change>> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                self.seen = change.revision;
                return Some(change);
            }
            self.history.changed().await.ok()?;
            self.waiting = self.history.borrow_and_update().since(self.seen).into();
        }
    }
}
