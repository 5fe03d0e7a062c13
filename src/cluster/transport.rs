//! Owns how bytes travel to the API server: one pool of connections, time limits, and the stamp on each answer by
//! which freshness is measured. Never retries: kube's own client does so up to 15 times and in silence, so that a
//! watch in trouble would show minutes late.
//!
//! With HTTP/2 (negotiated by ALPN, which every API server does over TLS) all requests share one connection. A dead
//! peer shows within 30 s, three times over: HTTP/2 pings, TCP keepalive for what speaks HTTP/1.1, and
//! `TCP_USER_TIMEOUT` for data that nobody acknowledges, where the kernel sends no keepalives.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, DynBody};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tower::BoxError;

use super::freshness::Contact;
use super::gate::{ClosesAtEnd, Gate};
use super::patience::Patience;
use super::resolver::Resolver;

/// How long one TCP connect may take; the handshake after it is within [`Patience::answer`]. 5 s survive three lost
/// SYNs (sent anew after 1 s and 3 s) and leave time for a second address.
const CONNECT: Duration = Duration::from_secs(5);
/// A ping when nothing was heard for this long …
const PING: Duration = Duration::from_secs(10);
/// … and the connection is dead without an answer to it for this long: 30 s together.
const PONG: Duration = Duration::from_secs(20);
/// TCP asks after [`PING`] of silence, then this often …
const PROBE: Duration = Duration::from_secs(5);
/// … so many times: 10 s + 3 × 5 s.
const PROBES: u32 = 3;
/// Sent data that is not acknowledged for this long ends the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(25);

/// A request got no head of an answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", after.as_secs_f32())]
pub(super) struct NoAnswer {
    /// How long it was waited for.
    pub(super) after: Duration,
}

/// The way to the API server. Clones share the connections.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: Client<HttpsConnector<HttpConnector<Resolver>>, Body>,
    gate: Gate,
    patience: Patience,
}

impl Transport {
    /// Sets it up; connects at the first request. `server_name` replaces the URL's host in what the server's
    /// certificate must say.
    pub(super) fn new(
        tls: ClientConfig,
        server_name: Option<ServerName<'static>>,
        patience: Patience,
    ) -> Transport {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_keepalive(Some(PING));
        tcp.set_keepalive_interval(Some(PROBE));
        tcp.set_keepalive_retries(Some(PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));

        let mut https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http();
        if let Some(name) = server_name {
            https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
        }
        let http = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PONG)
            .build(https.enable_all_versions().wrap_connector(tcp));
        Transport {
            http,
            gate: Gate::new(),
            patience,
        }
    }

    /// The gate that all requests pass.
    pub(super) fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Sends a request and returns the head of its answer, within [`Patience::answer`]. What is heard is noted in
    /// `contact`; a watch request first keeps its distance from the one before it.
    pub(super) async fn send(
        self,
        request: Request<Body>,
        contact: Option<Contact>,
    ) -> Result<Response<Box<DynBody>>, BoxError> {
        let watching = is_watch(request.uri());
        if watching && let Some(contact) = &contact {
            tokio::time::sleep_until(contact.request_watch(self.patience.steady)).await;
        }
        let after = self.patience.answer;
        let answer = async {
            let _turn = self.gate.pass().await;
            let answer = tokio::time::timeout(after, self.http.request(request)).await;
            let answer = answer.map_err(|_elapsed| NoAnswer { after })??;
            self.gate.open();
            Ok::<_, BoxError>(answer)
        };
        let answer = answer.await.inspect_err(|_| self.gate.close())?;
        let success = answer.status().is_success();
        if let Some(contact) = &contact {
            if !success {
                // Heard, but not what was asked for: the view gets no younger.
                contact.refused(retry_after(answer.headers()));
            } else if watching {
                contact.stands();
            }
        }
        let stamp = Stamp {
            contact: contact.filter(|_| success),
            _end: watching.then(|| ClosesAtEnd(self.gate)),
        };
        stamp.heard();
        Ok(answer.map(move |body| {
            let stamped = body.map_frame(move |frame| {
                stamp.heard();
                frame
            });
            Box::new(stamped.map_err(BoxError::from)) as Box<DynBody>
        }))
    }
}

/// What the body of an answer keeps until it is dropped.
struct Stamp {
    contact: Option<Contact>,
    _end: Option<ClosesAtEnd>,
}

impl Stamp {
    fn heard(&self) {
        if let Some(contact) = &self.contact {
            contact.heard();
        }
    }
}

fn is_watch(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair == "watch=true")
}

/// The pause that an answer asks for, in seconds; a date is not understood, as in client-go.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_request_is_known_by_its_query() {
        let cases = [
            (
                "/api/v1/namespaces/shop/pods?&watch=true&timeoutSeconds=290",
                true,
            ),
            ("/api/v1/namespaces/shop/pods?&limit=500", false),
            (
                "/api/v1/namespaces/shop/pods?labelSelector=watch=trueish",
                false,
            ),
            ("/api/v1/namespaces/watch=true/pods", false),
        ];
        for (uri, expected) in cases {
            assert_eq!(is_watch(&uri.parse().unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers).map(|pause| pause.as_secs())
        };
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        assert_eq!(
            [read("7"), read(" 1 "), read("-1"), read(date)],
            [Some(7), Some(1), None, None]
        );
    }

    #[test]
    fn a_dead_peer_shows_within_thirty_seconds() {
        let limit = Duration::from_secs(30);
        assert!(PING + PONG <= limit);
        assert!(PING + PROBE * PROBES <= limit);
        assert!(UNACKNOWLEDGED <= limit);
    }
}
