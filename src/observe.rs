//! Owns the loop that folds observations into the view that everybody else reads. Decides nothing: the fold does.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::world::{Fold, Observation, View, Wanted};

/// Takes in observations until their sources are gone. What is there at once becomes one view.
pub async fn run(
    mut fold: Fold,
    mut observations: mpsc::Receiver<Observation>,
    wanted: watch::Sender<Wanted>,
    views: watch::Sender<Arc<View>>,
) {
    let mut warned = BTreeSet::new();
    while let Some(first) = observations.recv().await {
        fold.apply(first);
        while let Ok(next) = observations.try_recv() {
            fold.apply(next);
        }
        let view = fold.view();
        for warning in &view.warnings {
            if warned.insert(warning.clone()) {
                warn!("{warning}");
            }
        }
        wanted.send_if_modified(|known| replace(known, fold.watches().clone()));
        views.send_if_modified(|known| replace(known, Arc::new(view)));
    }
}

/// Whether the value is another one now.
fn replace<T: PartialEq>(known: &mut T, new: T) -> bool {
    let changed = *known != new;
    *known = new;
    changed
}
