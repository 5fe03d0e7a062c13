//! Every route, status code and check, by asking the router itself.

mod fixture;
mod own;
mod schemas;
mod services;
mod tls;
mod v1;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::access::Access;
use super::status::{WatchAge, Watches};
use super::telemetry::Counted;
use super::{Gateway, Redaction};
use crate::history::History;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;

/// A router over one snapshot.
struct Asked {
    router: Counted,
    snapshots: watch::Sender<Snapshot>,
    history: watch::Sender<Arc<History>>,
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    status: StatusCode,
    content_type: Option<String>,
    allow: Option<String>,
    body: Bytes,
}

impl Asked {
    fn new(snapshot: Snapshot) -> Asked {
        Asked::with(snapshot, None, Redaction::Plain)
    }

    fn with(snapshot: Snapshot, token: Option<&[u8]>, redaction: Redaction) -> Asked {
        let (snapshots, readers) = watch::channel(snapshot);
        let (history, histories) = watch::channel(Arc::default());
        let watches = Watches::new(|| {
            vec![WatchAge {
                watch: "own Pod".to_owned(),
                resource: "pods",
                selector: "metadata.name=demo-0".to_owned(),
                age: Some(Duration::from_millis(1500)),
                relists: 2,
                errors: 3,
            }]
        });
        let gateway = Gateway {
            snapshots: readers,
            history: histories,
            metrics: Metrics::new(),
            watches,
            access: token.and_then(|token| Access::with_token(token).expect("usable")),
            redaction,
            tls: None,
        };
        Asked {
            router: gateway.into_parts().0,
            snapshots,
            history,
        }
    }

    async fn send(&self, request: Request<Body>) -> Heard {
        let answer = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let text = |name| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().expect("text").to_owned())
        };
        Heard {
            status: answer.status(),
            content_type: text(header::CONTENT_TYPE),
            allow: text(header::ALLOW),
            body: answer
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes(),
        }
    }

    async fn ask(&self, method: Method, path: &str) -> Heard {
        let request = Request::builder().method(method).uri(path);
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    async fn get(&self, path: &str) -> Heard {
        self.ask(Method::GET, path).await
    }

    async fn get_with(&self, path: &str, authorization: &[u8]) -> Heard {
        let value = http::HeaderValue::from_bytes(authorization).expect("a value");
        let request = Request::get(path).header(header::AUTHORIZATION, value);
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }
}

impl Heard {
    fn is_empty(&self, status: u16) -> bool {
        self.status == status && self.content_type.is_none() && self.body.is_empty()
    }

    fn json(&self) -> Value {
        assert_eq!(self.content_type.as_deref(), Some("application/json"));
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}
