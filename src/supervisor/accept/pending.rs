//! Owns the account of settings that wait for the next start. Never takes them over.

use super::Accepted;
use crate::world::View;

impl Accepted {
    /// Settings that the own Pod has now but not at the start, and that are not followed.
    pub(in super::super) fn pending(&self, view: &View) -> Vec<String> {
        let (true, Some(settings)) = (self.pinned, &view.settings) else {
            return Vec::new();
        };
        self.settings.pending(settings)
    }
}
