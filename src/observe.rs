//! Owns the loop that folds observations into the view that everybody else reads. Decides nothing: the fold does.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::world::{Fold, Observation, View, Wanted};

/// Takes in observations until their sources are gone. What is there at once becomes one view. `leaders` says whether
/// templates read who leads what is bound.
pub async fn run(
    mut fold: Fold,
    mut observations: mpsc::Receiver<Observation>,
    mut leaders: watch::Receiver<bool>,
    wanted: watch::Sender<Wanted>,
    views: watch::Sender<Arc<View>>,
) {
    let mut warned = BTreeSet::new();
    loop {
        tokio::select! {
            first = observations.recv() => match first {
                Some(first) => fold.apply(first),
                None => return,
            },
            Ok(()) = leaders.changed() => fold.read_leaders(*leaders.borrow_and_update()),
        }
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
