//! Owns the account of settings that wait for the next start. Never takes them over.

use std::collections::BTreeMap;

use super::Accepted;
use crate::config::{Key, Settings};
use crate::world::View;

impl Accepted {
    /// Settings that the own Pod has now but not at the start, and that are not followed.
    pub(in super::super) fn pending(&self, view: &View) -> Vec<String> {
        let (true, Some(settings)) = (self.pinned, &view.settings) else {
            return Vec::new();
        };
        if **settings == *self.settings {
            return Vec::new();
        }
        let live = [
            Key::Config,
            Key::Secrets,
            Key::Hooks,
            Key::Templates,
            Key::Files,
        ];
        let shown = |settings: &Settings| -> BTreeMap<&str, String> {
            settings
                .shown()
                .into_iter()
                .filter(|(key, _)| !live.contains(key))
                .map(|(key, text)| (key.name(), text))
                .collect()
        };
        let (old, new) = (shown(&self.settings), shown(settings));
        let differs = new.iter().filter(|(key, text)| old.get(*key) != Some(text));
        differs
            .map(|(key, text)| {
                format!("{key} is {text} in the own Pod now; it is read at the next start")
            })
            .collect()
    }
}
