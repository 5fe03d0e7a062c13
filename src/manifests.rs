//! Owns the local source: the manifests that `kubectl apply -f` takes, as the same observations that a cluster gives.
//! Never talks to an API server, and never changes a file.

pub mod load;
pub mod objects;
mod pod;

use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::files::watching::Watching;
use crate::world::{Identity, Observation, Wanted, WatchKey};
pub use load::{LoadError, load, none};
pub use objects::Objects;

/// Observes manifests until shut down: all at once, and again whenever a file changes or another object is wanted.
///
/// A folder with a broken file is not taken in at all: what was read before stays, and the trouble says why.
pub async fn run(
    path: PathBuf,
    identity: Identity,
    mut wanted: watch::Receiver<Wanted>,
    observations: mpsc::Sender<Observation>,
    mut changes: Watching,
    shutdown: CancellationToken,
) {
    let mut objects = None;
    let mut broken = None;
    loop {
        read(&path, &identity, &mut objects, &mut broken);
        let trouble = Observation::Trouble {
            watch: WatchKey::Pod,
            problem: broken.clone(),
        };
        let known = wanted.borrow_and_update().keys().cloned().collect();
        let seen = objects
            .iter()
            .flat_map(|objects| objects.observations(&known));
        for observation in seen.chain([trouble]).collect::<Vec<_>>() {
            if observations.send(observation).await.is_err() {
                return;
            }
        }
        // Another object may be wanted because of what was just sent; that needs no reading.
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = changes.changed() => {}
            asked = wanted.changed() => if asked.is_err() { return },
        }
    }
}

/// Reads the manifests; what was read before stays when they are broken.
fn read(
    path: &Path,
    identity: &Identity,
    objects: &mut Option<Objects>,
    broken: &mut Option<String>,
) {
    match load(path, identity) {
        Ok(loaded) => {
            if broken.take().is_some() {
                info!(path = %path.display(), "manifests can be read again");
            }
            *objects = Some(loaded);
        }
        Err(errors) => {
            let reason = errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ");
            if broken.as_deref() != Some(&reason) {
                warn!(%reason, "manifests not taken in");
            }
            *broken = Some(reason);
        }
    }
}
