//! Owns the HTTP API: Habitat's `/services` and its relatives, and kubesup's own probes and page, answered from snapshots.
//! Never changes anything, and never lets a slow or hostile client hold up the supervision.

pub mod access;
mod answers;
pub mod butterfly;
pub mod census;
mod health;
mod page;
pub mod readiness;
mod reply;
mod routes;
pub mod services;
pub mod status;
mod stream;
mod telemetry;
pub mod tls;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config::Listen;
use crate::history::History;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use access::Access;
use answers::{Answers, Sources};
use status::Watches;
use telemetry::Counted;
use tls::Tls;

/// What is served, and to whom.
#[derive(Debug)]
pub struct Gateway {
    /// What there is to see.
    pub snapshots: watch::Receiver<Snapshot>,
    /// What happened.
    pub history: watch::Receiver<Arc<History>>,
    /// What is counted.
    pub metrics: Metrics,
    /// How old the view is.
    pub watches: Watches,
    /// Who may see it; everybody without a token.
    pub access: Option<Access>,
    /// How much of it.
    pub redaction: Redaction,
    /// HTTPS; plain HTTP without.
    pub tls: Option<Tls>,
}

/// Whether configuration and views of the whole group are shown: `HAB_FEAT_REDACT_HTTP` (contract, section 1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redaction {
    /// They are.
    Plain,
    /// They are withheld.
    Redacted,
}

/// Why HTTP cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen for HTTP: {address}: {source}; free the port, or choose another with --listen-http"
)]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

impl Gateway {
    fn into_parts(self) -> (Counted, Option<Tls>) {
        let answers = Answers::new(Sources {
            snapshots: self.snapshots,
            history: self.history,
            metrics: self.metrics,
            watches: self.watches,
            redaction: self.redaction,
        });
        (routes::router(Arc::new(answers), self.access), self.tls)
    }
}

/// Connections at a time; more wait to be accepted. Enough for probes, scrapers and a few people, in bounded memory.
const MOST_CONNECTIONS: usize = 256;
/// For a request's head to arrive, and for a kept-alive connection to be used again.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a failed accept: there are no descriptors to be had for the moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that wait in the kernel.
const BACKLOG: u32 = 128;

/// Binds the address. Both families for [`Listen::Any`], IPv4 alone where there is no IPv6. Needs the runtime.
pub fn bind(listen: &Listen) -> Result<TcpListener, BindError> {
    match listen {
        Listen::At(address) => bind_at(*address),
        Listen::Any(port) => {
            let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port));
            bind_at(both).or_else(|error| match error.source.kind() {
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
                _ => bind_at(SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port))),
            })
        }
    }
}

fn bind_at(address: SocketAddr) -> Result<TcpListener, BindError> {
    let bound = || {
        let socket = if address.is_ipv6() {
            TcpSocket::new_v6()?
        } else {
            TcpSocket::new_v4()?
        };
        // A restart must not wait for the connections of its predecessor to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|source| BindError { address, source })
}

/// Serves until shut down.
///
/// All connections are futures of this one task, so that nothing is left behind when it ends.
pub async fn serve(listener: TcpListener, gateway: Gateway, shutdown: CancellationToken) {
    let (router, tls) = gateway.into_parts();
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    // Answers are written at once; waiting for more only delays them.
                    let _ = stream.set_nodelay(true);
                    drop_when_stuck(&stream);
                    let acceptor = tls.as_ref().map(Tls::acceptor);
                    connections.push(connection(&http, stream, acceptor, service.clone()));
                }
                Err(error) => {
                    warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // What a client did to its connection is its own matter.
            Some(()) = connections.next() => {}
        }
    }
}

/// One connection, to its end.
async fn connection(
    http: &http1::Builder,
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    service: TowerToHyperService<Counted>,
) {
    let Some(acceptor) = acceptor else {
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
        return;
    };
    match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        }
        Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
        Err(_) => debug!("TLS handshake timed out"),
    }
}

/// The kernel ends a connection whose peer takes nothing for so long: a reader that has stopped reading holds up nothing
/// else, but its answer and its place among the connections.
fn drop_when_stuck(stream: &TcpStream) {
    let millis = u32::try_from(PATIENCE.as_millis()).unwrap_or(u32::MAX);
    // Where the kernel has no such option the keepalive of the peer has to do.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, millis);
}

#[cfg(test)]
mod tests;
