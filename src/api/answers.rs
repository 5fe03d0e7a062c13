//! Owns the bytes of the answers: built at the first request after a change, and served as they are until the next.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::Redaction;
use super::butterfly::Butterfly;
use super::census::Census;
use super::services::Item;
use super::status::{HistoryBody, StatusBody, Watches};
use super::stream::Streams;
use crate::history::History;
use crate::metrics::Metrics;
use crate::snapshot::{Service, Snapshot};

/// What answers are made from.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) snapshots: watch::Receiver<Snapshot>,
    pub(super) history: watch::Receiver<Arc<History>>,
    pub(super) metrics: Metrics,
    pub(super) watches: Watches,
    pub(super) redaction: Redaction,
}

/// Answers from the newest snapshot.
#[derive(Debug)]
pub(super) struct Answers {
    snapshots: watch::Receiver<Snapshot>,
    pub(super) streams: Streams,
    pub(super) metrics: Metrics,
    pub(super) watches: Watches,
    redaction: Redaction,
    /// Requests share the bytes; held for a look or a build, never across an await.
    ready: Mutex<Ready>,
}

/// What was built from one version of the snapshot.
#[derive(Debug, Default)]
struct Ready {
    seen: Option<watch::Receiver<Snapshot>>,
    documents: [Option<Bytes>; Document::COUNT],
}

/// Which of the JSON documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    /// `/services`.
    List,
    /// `/services/{svc}/{group}`.
    Item,
    /// `…/config`.
    Config,
    /// `/census`.
    Census,
    /// `/butterfly`.
    Butterfly,
}

impl Document {
    const COUNT: usize = Document::Butterfly as usize + 1;
}

impl Answers {
    pub(super) fn new(sources: Sources) -> Self {
        Answers {
            snapshots: sources.snapshots,
            streams: Streams::new(sources.history, sources.metrics.clone()),
            metrics: sources.metrics,
            watches: sources.watches,
            redaction: sources.redaction,
            ready: Mutex::default(),
        }
    }

    /// The newest snapshot.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }

    /// The service in force.
    pub(super) fn service(&self) -> Option<Arc<Service>> {
        self.snapshots.borrow().service.clone()
    }

    /// Whether views of the whole group are withheld.
    pub(super) fn is_redacted(&self) -> bool {
        self.redaction == Redaction::Redacted
    }

    /// The document; `None` before the first complete view.
    pub(super) fn document(&self, document: Document) -> Option<Bytes> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready
            .seen
            .as_ref()
            .is_none_or(|seen| seen.has_changed().unwrap_or(false))
        {
            let mut seen = self.snapshots.clone();
            seen.mark_unchanged();
            *ready = Ready {
                seen: Some(seen),
                ..Ready::default()
            };
        }
        let place = ready.documents.get_mut(document as usize)?;
        if place.is_none() {
            let snapshot = self.snapshots.borrow();
            let service = snapshot.service.as_deref()?;
            *place = Some(self.build(document, service, &snapshot));
        }
        place.clone()
    }

    /// `/v1/status`: made anew each time, since the ages of watches move without a change.
    pub(super) fn status(&self) -> Bytes {
        let history = self.streams.history();
        json(&StatusBody::new(
            &self.snapshot(),
            &history,
            self.watches.look(),
        ))
    }

    /// `/v1/history`.
    pub(super) fn history(&self) -> Bytes {
        json(&HistoryBody::new(&self.streams.history()))
    }

    fn build(&self, document: Document, service: &Service, snapshot: &Snapshot) -> Bytes {
        let cfg = || match self.redaction {
            Redaction::Redacted => None,
            Redaction::Plain => Some(service.shown_cfg()),
        };
        match document {
            Document::List => json(&[Item::new(service, &snapshot.status, cfg())]),
            Document::Item => json(&Item::new(service, &snapshot.status, cfg())),
            Document::Config => json(&cfg()),
            Document::Census => json(&Census::new(service)),
            Document::Butterfly => json(&Butterfly::new(service)),
        }
    }
}

/// Compact JSON. Our types have string keys only, so that they always are JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
