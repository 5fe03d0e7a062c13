//! Owns what the HTTP gateway is told at the start: its token and how much it shows, from the environment. Serves nothing.

use tokio::sync::watch;

use super::source::Source;
use super::{StartError, Surroundings};
use crate::api::access::{Access, TOKEN_VARIABLE};
use crate::api::tls::Tls;
use crate::api::{Gateway, Redaction};
use crate::config::Settings;
use crate::snapshot::Snapshot;

/// Anything but nothing withholds the configuration (contract, section 1.9).
const REDACT_VARIABLE: &str = "HAB_FEAT_REDACT_HTTP";

/// The gateway as the environment wants it; what manifests give the container counts where the real one is silent.
pub(super) fn open(
    surroundings: &Surroundings,
    source: &Source,
    settings: &Settings,
    snapshots: watch::Receiver<Snapshot>,
) -> Result<Gateway, StartError> {
    let literal = source.literal_environment();
    let in_manifests = |name: &str| {
        let found = literal.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let token = surroundings
        .token
        .as_ref()
        .map_or(in_manifests(TOKEN_VARIABLE).as_bytes(), |token| {
            token.as_encoded_bytes()
        });
    let access =
        Access::with_token(token).map_err(|error| StartError::Usage(vec![error.to_string()]))?;
    let redact = surroundings
        .environment
        .get(REDACT_VARIABLE)
        .map_or(in_manifests(REDACT_VARIABLE), String::as_str);
    let tls = settings.tls.clone().map(Tls::open).transpose();
    let tls = tls.map_err(|error| StartError::Usage(vec![error.to_string()]))?;
    Ok(Gateway {
        snapshots,
        tls,
        access,
        redaction: if redact.is_empty() {
            Redaction::Plain
        } else {
            Redaction::Redacted
        },
    })
}
