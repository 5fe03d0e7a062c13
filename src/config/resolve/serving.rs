//! Owns the settings of what is served: the address of HTTP, and the files for HTTPS. Never opens one.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::Reader;
use crate::config::{Key, Listen, TlsFiles};

impl Reader<'_> {
    pub(super) fn listen(&mut self) -> Option<Listen> {
        let text = self.text(Key::ListenHttp)?.to_owned();
        if text == "none" {
            return None;
        }
        match text.parse::<SocketAddr>() {
            Ok(SocketAddr::V6(address)) if address.ip().is_unspecified() => {
                Some(Listen::Any(address.port()))
            }
            Ok(address) => Some(Listen::At(address)),
            Err(_) => {
                let reason = format!(
                    "{text:?} is no address with a port, such as [::]:9631 or 127.0.0.1:9631, nor `none`"
                );
                self.problem(Key::ListenHttp, reason);
                None
            }
        }
    }

    pub(super) fn tls(&mut self) -> Option<TlsFiles> {
        let file = |key| self.text(key).map(PathBuf::from);
        let (key, certs, ca_certs) = (file(Key::Key), file(Key::Certs), file(Key::CaCerts));
        let mut needs = |given, what: &str| {
            self.problem(given, format!("needs {what} too, for HTTPS"));
            None
        };
        match (key, certs, ca_certs) {
            (Some(key), Some(certs), ca_certs) => Some(TlsFiles {
                key,
                certs,
                ca_certs,
            }),
            (None, None, None) => None,
            (None, None, Some(_)) => needs(Key::CaCerts, "--key and --certs"),
            (Some(_), None, _) => needs(Key::Key, "--certs"),
            (None, Some(_), _) => needs(Key::Certs, "--key"),
        }
    }
}
