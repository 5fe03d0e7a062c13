//! Owns what the supervisor is given by those around it, and what it asks of them. Never does anything itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Election, Reports};
use crate::config::Settings;
use crate::lifecycle::Drained;
use crate::package::Package;
use crate::process::{Processes, Signals};
use crate::snapshot::Snapshot;
use crate::world::View;

/// The package as its directory has it now, or why it cannot be read.
pub type Base = Result<Arc<Package>, Vec<String>>;

/// What the supervisor needs from the others.
#[derive(Debug)]
pub struct Dependencies {
    /// What is observed.
    pub views: watch::Receiver<Arc<View>>,
    /// Whether templates read who leads what is bound, so that this is observed.
    pub reads_leaders: watch::Sender<bool>,
    /// The package directory.
    pub base: watch::Receiver<Base>,
    /// Where readers look.
    pub snapshots: watch::Sender<Snapshot>,
    /// Where what happens is reported.
    pub reports: Reports,
    /// Children.
    pub processes: Processes,
    /// Signals to kubesup.
    pub signals: Signals,
    /// Settings until the own Pod is known.
    pub settings: Settings,
    /// Where HTTP listens.
    pub http: Option<std::net::SocketAddr>,
    /// Environment of hooks and of the main process besides the inherited one.
    pub environment: Vec<(String, String)>,
    /// The environment of kubesup, where configuration layers may be.
    pub variables: BTreeMap<String, String>,
    /// Who watches the own Pod's endpoints at a stop; `None` where nothing drains.
    pub drains: Option<mpsc::Sender<DrainRequest>>,
    /// The election of a leader.
    pub election: Election,
    /// Cancelled when no change of a file means anything any more.
    pub enough: CancellationToken,
    /// Ends the loop from outside, when another part has failed: as a TERM.
    pub shutdown: CancellationToken,
}

/// Asks what becomes of the own Pod's endpoints. Nobody waits any more when `answer` is closed.
#[derive(Debug)]
pub struct DrainRequest {
    /// The own Pod's UID.
    pub uid: String,
    /// Where to say so.
    pub answer: oneshot::Sender<Drained>,
}
