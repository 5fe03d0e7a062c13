//! Owns a scripted API server for tests: plain HTTP on a port of its own, where the test itself answers each request,
//! byte by byte if need be. Never answers anything of its own accord.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::client::{Connection, connect, kubeconfig};
use super::patience::Patience;

/// The longest that a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs into a failing test instead of waiting for ever; `what` says for what.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let timed = tokio::time::timeout(DEADLINE, future).await;
    timed.unwrap_or_else(|elapsed| panic!("waited {DEADLINE:?} for {what}: {elapsed}"))
}

/// Times so short that a test can see failures through, and so long that a busy machine does not cause any.
pub(super) fn impatience() -> Patience {
    Patience {
        answer: Duration::from_secs(1),
        list: Duration::from_secs(2),
        backoff: Duration::from_millis(20)..=Duration::from_millis(160),
        steady: Duration::from_millis(100),
        ..Patience::default()
    }
}

/// The server. Each request is a connection of its own, in the order of arrival.
pub(super) struct Server {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl Server {
    pub(super) async fn start() -> Server {
        Server::at("127.0.0.1:0".parse().unwrap()).await
    }

    /// Listens where a server was before.
    pub(super) async fn at(address: SocketAddr) -> Server {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        Server { listener, address }
    }

    /// A connection to it.
    pub(super) async fn connect(&self, patience: Patience) -> Connection {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("kubeconfig");
        let text = format!(
            "{{current-context: a, contexts: [{{name: a, context: {{cluster: a, user: a}}}}], \
             clusters: [{{name: a, cluster: {{server: 'http://{}'}}}}]}}",
            self.address
        );
        std::fs::write(&file, text).unwrap();
        connect(kubeconfig(&file).unwrap(), patience).await.unwrap()
    }

    /// The next request.
    pub(super) async fn call(&self) -> Call {
        within("a request", async {
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                if let Some(call) = Call::read(stream).await {
                    return call;
                }
            }
        })
        .await
    }

    /// The next request, which must be a list of this resource.
    pub(super) async fn list(&self, resource: &str) -> Call {
        let call = self.call().await;
        assert!(!call.is_watch() && call.is_for(resource), "{}", call.target);
        call
    }

    /// The next request, which must be a watch of this resource.
    pub(super) async fn watch(&self, resource: &str) -> Call {
        let call = self.call().await;
        assert!(call.is_watch() && call.is_for(resource), "{}", call.target);
        call
    }

    /// Answers a list with these objects, and begins to answer the watch that follows.
    pub(super) async fn list_and_watch(&self, resource: &str, items: &[Value]) -> Call {
        self.list(resource).await.items(items).await;
        let mut call = self.watch(resource).await;
        call.head(200).await;
        call
    }
}

/// A request that waits for its answer. Dropping it closes the connection.
pub(super) struct Call {
    stream: TcpStream,
    /// Path and query.
    pub(super) target: String,
    /// What was sent.
    pub(super) body: String,
}

impl Call {
    async fn read(mut stream: TcpStream) -> Option<Call> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let target = head.split(' ').nth(1).unwrap().to_owned();
        let head = head.to_ascii_lowercase();
        let length = head.split_once("content-length: ").map(|(_, rest)| rest);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        stream.read_exact(&mut body).await.ok()?;
        let body = String::from_utf8(body).unwrap();
        Some(Call {
            stream,
            target,
            body,
        })
    }

    pub(super) fn is_watch(&self) -> bool {
        self.target.contains("watch=true")
    }

    pub(super) fn is_for(&self, resource: &str) -> bool {
        self.target.contains(&format!("/{resource}?"))
    }

    /// The value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    pub(super) async fn raw(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The head of a chunked answer.
    pub(super) async fn head(&mut self, code: u16) {
        self.raw(&format!(
            "HTTP/1.1 {code} X\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        ))
        .await;
    }

    pub(super) async fn chunk(&mut self, text: &str) {
        self.raw(&format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    /// One event of a watch.
    pub(super) async fn event(&mut self, kind: &str, object: &Value) {
        self.chunk(&format!("{}\n", json!({"type": kind, "object": object})))
            .await;
    }

    /// The end of a watch in good order.
    pub(super) async fn end(mut self) {
        self.raw("0\r\n\r\n").await;
    }

    /// A complete list.
    pub(super) async fn items(mut self, items: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "100"}, "items": items});
        self.head(200).await;
        self.chunk(&list.to_string()).await;
        self.end().await;
    }

    /// An object, such as what a patch made.
    pub(super) async fn object(mut self, object: &Value) {
        self.head(200).await;
        self.chunk(&object.to_string()).await;
        self.end().await;
    }

    /// A refusal.
    pub(super) async fn refuse(mut self, code: u16) {
        self.head(code).await;
        self.chunk(&status(code).to_string()).await;
        self.end().await;
    }

    /// A refusal that asks for a pause.
    pub(super) async fn refuse_for(mut self, code: u16, seconds: u32) {
        let body = status(code).to_string();
        let length = body.len();
        self.raw(&format!(
            "HTTP/1.1 {code} X\r\nConnection: close\r\nRetry-After: {seconds}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await;
    }

    /// Waits until the client has gone.
    pub(super) async fn gone(mut self) {
        let mut rest = [0];
        let closed = within("the client to close", self.stream.read(&mut rest)).await;
        assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    }
}

/// A `Status` object of this code.
pub(super) fn status(code: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": code, "reason": "X", "message": "because"})
}
