//! Owns the health checks that need no process: an HTTP request, a connection. Never decides what a result means: it is an
//! exit code, as that of the hook.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tracing::debug;

use crate::config::HealthCheck;
use crate::config::supervision::Host;

/// What the hook would exit with when all is well.
const OK: i32 = 0;
/// And when not: CRITICAL.
const CRITICAL: i32 = 2;

/// Runs a check of the settings to its end. The time that it may take is the life cycle's matter. `None` for a command, which
/// is a process.
pub(super) fn probe(check: &HealthCheck) -> Option<impl Future<Output = i32> + use<>> {
    let (host, port, path) = match check {
        HealthCheck::Http { host, port, path } => (*host, *port, Some(path.clone())),
        HealthCheck::Tcp { host, port } => (*host, *port, None),
        HealthCheck::Exec(_) => return None,
    };
    Some(async move {
        let result = match path {
            Some(path) => http(host, port, &path).await,
            None => connect(host, port).await.map(|_connected| ()),
        };
        match result {
            Ok(()) => OK,
            Err(error) => {
                debug!(%error, "health check failed");
                CRITICAL
            }
        }
    })
}

async fn connect(host: Host, port: u16) -> io::Result<(TcpStream, IpAddr)> {
    let addresses = match host {
        Host::Address(address) => vec![address],
        Host::Localhost => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
    };
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(address, port)).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn http(host: Host, port: u16, path: &str) -> io::Result<()> {
    let (stream, address) = connect(host, port).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = http::Request::get(path)
        .header(
            http::header::HOST,
            SocketAddr::new(address, port).to_string(),
        )
        .header(http::header::USER_AGENT, "kubesup")
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = async { sender.send_request(request).await };
    tokio::pin!(answer, connection);
    // The connection moves the bytes of the answer.
    let response = tokio::select! {
        response = &mut answer => response,
        ended = connection => {
            ended.map_err(io::Error::other)?;
            answer.await
        }
    };
    let status = response.map_err(io::Error::other)?.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(io::Error::other(format!("status {status}")))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// The result of a check of a server that answers so, once.
    async fn checked(answer: &'static str, check: impl Fn(u16) -> String) -> i32 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let check = HealthCheck::parse(&check(port)).expect("a check");
        let serve = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            code = probe(&check).expect("a probe") => code,
            () = serve => CRITICAL,
        }
    }

    #[tokio::test]
    async fn statuses_from_200_to_399_are_well_as_for_the_kubelet() {
        let http = |port| format!("http://localhost:{port}/health");
        for (answer, code) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", OK),
            ("HTTP/1.1 204 No Content\r\n\r\n", OK),
            (
                "HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n",
                OK,
            ),
            (
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
                CRITICAL,
            ),
            ("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", CRITICAL),
            ("garbage\r\n\r\n", CRITICAL),
        ] {
            assert_eq!(checked(answer, http).await, code, "{answer}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_accepted_is_well_and_a_refused_one_is_not() {
        let tcp = |port| format!("tcp://127.0.0.1:{port}");
        assert_eq!(checked("", tcp).await, OK);
        let free = {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            listener.local_addr().expect("an address").port()
        };
        let refused = HealthCheck::parse(&tcp(free)).expect("a check");
        assert_eq!(probe(&refused).expect("a probe").await, CRITICAL);
        assert!(probe(&HealthCheck::parse("exec:true").expect("a check")).is_none());
    }
}
