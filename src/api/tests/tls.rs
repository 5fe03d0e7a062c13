//! HTTPS, with real handshakes.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::fixture::demo;
use crate::api::status::Watches;
use crate::api::tls::Tls;
use crate::api::{Gateway, Redaction, serve};
use crate::config::TlsFiles;
use crate::metrics::Metrics;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

/// Writes `<name>.pem` and `<name>.key`.
fn issue(authority: &Authority, folder: &Path, name: &str) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).expect("a file");
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("a file");
}

struct Https {
    folder: TempDir,
    authority: Authority,
}

impl Https {
    fn new() -> Https {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = authority();
        issue(&authority, folder.path(), "server");
        issue(&authority, folder.path(), "client");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
        Https { folder, authority }
    }

    fn files(&self) -> TlsFiles {
        TlsFiles {
            key: self.folder.path().join("server.key"),
            certs: self.folder.path().join("server.pem"),
            ca_certs: None,
        }
    }

    fn with_client_authority(&self) -> TlsFiles {
        TlsFiles {
            ca_certs: Some(self.folder.path().join("ca.pem")),
            ..self.files()
        }
    }

    fn client(&self, certificate: Option<&str>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.pem().as_bytes());
        roots.add(root.expect("a certificate")).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        match certificate {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let path = |end: &str| self.folder.path().join(format!("{name}.{end}"));
                let certificate =
                    CertificateDer::from_pem_file(path("pem")).expect("a certificate");
                let key = PrivateKeyDer::from_pem_file(path("key")).expect("a key");
                builder
                    .with_client_auth_cert(vec![certificate], key)
                    .expect("a client certificate")
            }
        }
    }
}

/// Serves, and does something meanwhile.
async fn while_serving<T>(tls: Tls, act: impl AsyncFnOnce(u16) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (_snapshots, readers) = tokio::sync::watch::channel(demo().snapshot());
    let gateway = Gateway {
        snapshots: readers,
        history: tokio::sync::watch::channel(Arc::default()).1,
        metrics: Metrics::new(),
        watches: Watches::new(Vec::new),
        access: None,
        redaction: Redaction::Plain,
        tls: Some(tls),
    };
    let shutdown = CancellationToken::new();
    let (done, ()) = tokio::join!(
        async {
            let done = act(port).await;
            shutdown.cancel();
            done
        },
        serve(listener, gateway, shutdown.clone())
    );
    done
}

async fn get(port: u16, client: ClientConfig) -> std::io::Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let mut stream = connector.connect(name, stream).await?;
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn it_serves_https_and_nothing_else() {
    let https = Https::new();
    let tls = Tls::open(https.files()).expect("usable files");
    let (answer, plain) = while_serving(tls, async |port| {
        let answer = get(port, https.client(None)).await;
        let mut plain = TcpStream::connect(("127.0.0.1", port))
            .await
            .expect("a connection");
        plain
            .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .expect("sent");
        let mut heard = Vec::new();
        let _ = plain.read_to_end(&mut heard).await;
        (answer, heard)
    })
    .await;
    let answer = answer.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(!plain.starts_with(b"HTTP"), "plain HTTP was answered");
}

#[tokio::test]
async fn with_an_authority_for_clients_only_theirs_get_in() {
    let https = Https::new();
    issue(&authority(), https.folder.path(), "stranger");
    let tls = Tls::open(https.with_client_authority()).expect("usable files");
    let (none, stranger, known) = while_serving(tls, async |port| {
        (
            get(port, https.client(None)).await,
            get(port, https.client(Some("stranger"))).await,
            get(port, https.client(Some("client"))).await,
        )
    })
    .await;
    assert!(none.is_err(), "{none:?}");
    assert!(stranger.is_err(), "{stranger:?}");
    assert!(known.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 OK")));
}

#[tokio::test]
async fn new_files_are_used_from_the_next_connection_and_broken_ones_are_not() {
    let https = Https::new();
    let tls = Tls::open(https.files()).expect("usable files");
    let folder = https.folder.path();
    let certificate = |client: ClientConfig, port| async move {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .expect("a connection");
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let stream = connector.connect(name, stream).await.expect("a handshake");
        let (_, session) = stream.get_ref();
        session.peer_certificates().expect("a certificate")[0].to_vec()
    };
    while_serving(tls, async |port| {
        let first = certificate(https.client(None), port).await;
        std::fs::write(folder.join("server.pem"), "nonsense").expect("a file");
        assert_eq!(certificate(https.client(None), port).await, first);
        issue(&https.authority, folder, "server");
        assert_ne!(certificate(https.client(None), port).await, first);
    })
    .await;
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let https = Https::new();
    let folder = https.folder.path();
    issue(&authority(), folder, "other");
    std::fs::write(folder.join("empty"), "").expect("a file");
    let file = |name: &str| folder.join(name);
    for (files, name) in [
        (
            TlsFiles {
                key: file("nowhere"),
                ..https.files()
            },
            "nowhere: ",
        ),
        (
            TlsFiles {
                key: file("empty"),
                ..https.files()
            },
            "empty: ",
        ),
        (
            TlsFiles {
                certs: file("empty"),
                ..https.files()
            },
            "empty: it holds no certificate",
        ),
        (
            TlsFiles {
                key: file("other.key"),
                ..https.files()
            },
            "server.pem: ",
        ),
        (
            TlsFiles {
                ca_certs: Some(file("empty")),
                ..https.files()
            },
            "empty: it holds no certificate",
        ),
    ] {
        let error = Tls::open(files).expect_err("an error").to_string();
        assert!(
            error.starts_with("cannot serve HTTPS: ") && error.contains(name),
            "{error}"
        );
    }
}
