//! Owns the bytes of the answers: built at the first request after a change, and served as they are until the next.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use super::services::Item;
use crate::snapshot::{Service, Snapshot};

/// Answers from the newest snapshot.
#[derive(Debug)]
pub(super) struct Answers {
    snapshots: watch::Receiver<Snapshot>,
    /// Requests share the bytes; held for a look or a build, never across an await.
    ready: Mutex<Ready>,
}

/// What was built from one version of the snapshot.
#[derive(Debug, Default)]
struct Ready {
    seen: Option<watch::Receiver<Snapshot>>,
    list: Option<Bytes>,
    item: Option<Bytes>,
    config: Option<Bytes>,
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
}

impl Answers {
    pub(super) fn new(snapshots: watch::Receiver<Snapshot>) -> Self {
        Answers {
            snapshots,
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
        let place = match document {
            Document::List => &mut ready.list,
            Document::Item => &mut ready.item,
            Document::Config => &mut ready.config,
        };
        if place.is_none() {
            let snapshot = self.snapshots.borrow();
            let service = snapshot.service.as_deref()?;
            *place = Some(match document {
                Document::List => json(&[Item::new(service, &snapshot.status)]),
                Document::Item => json(&Item::new(service, &snapshot.status)),
                Document::Config => json(service.shown_cfg()),
            });
        }
        place.clone()
    }
}

/// Compact JSON. Our types have string keys only, so that they always are JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
