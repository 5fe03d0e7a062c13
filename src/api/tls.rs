//! Owns HTTPS of the gateway: key, certificates and the authorities of clients from PEM files, read again when they
//! change, as a Secret's mounted files do. Never falls back to plain HTTP.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::config::TlsFiles;

/// Why HTTPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("cannot serve HTTPS: {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The files do not fit together.
    #[error("cannot serve HTTPS: {}: {source}", path.display())]
    Rejected {
        /// The file with the certificates.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// Takes TLS connections.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    /// What the files said last; held for a look at their times, never across an await.
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    stamps: Stamps,
}

/// When the files were written; what changes is read again.
type Stamps = Vec<Option<SystemTime>>;

impl Tls {
    /// Reads the files.
    pub fn open(files: TlsFiles) -> Result<Tls, TlsError> {
        let current = Current {
            stamps: stamps(&files),
            config: Arc::new(read(&files)?),
        };
        Ok(Tls {
            files,
            current: Mutex::new(current),
        })
    }

    /// For one connection. Files that have changed but cannot be used leave the last ones in force.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.files);
        if current.stamps != stamps {
            current.stamps = stamps;
            match read(&self.files) {
                Ok(config) => {
                    info!("new certificates for HTTPS");
                    current.config = Arc::new(config);
                }
                Err(error) => warn!(%error, "new certificates are not used"),
            }
        }
        TlsAcceptor::from(Arc::clone(&current.config))
    }
}

fn stamps(files: &TlsFiles) -> Stamps {
    let paths = [&files.key, &files.certs]
        .into_iter()
        .chain(&files.ca_certs);
    paths
        .map(|path| {
            fs::metadata(path)
                .and_then(|metadata| metadata.modified())
                .ok()
        })
        .collect()
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| problem(&files.key, &error))?;
    let certificates = certificates(&files.certs)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let rejected = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Rejected { path, source }
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(rejected(&files.certs))?;
    let builder = match &files.ca_certs {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in self::certificates(path)? {
                roots.add(certificate).map_err(rejected(path))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| problem(path, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(certificates, key)
        .map_err(rejected(&files.certs))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| problem(path, &error));
    match found {
        Ok(found) if found.is_empty() => Err(problem(path, &"it holds no certificate in PEM")),
        found => found,
    }
}

fn problem(path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
