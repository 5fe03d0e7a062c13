//! Owns what is kept of a ConfigMap or Secret: its keys and bytes, and the last ones it had when it is gone. Never parses them.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

/// The keys of a ConfigMap, `data` and `binaryData` together, or of a Secret.
pub type Content = BTreeMap<String, Vec<u8>>;

/// One ConfigMap or Secret that is wanted by name.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Watched {
    /// What it held when it was last there.
    pub content: Option<Content>,
    /// Whether it is there now; `None` until that is known.
    pub present: Option<bool>,
}

impl Watched {
    /// It is there, with this content.
    pub fn seen(&mut self, content: Content) {
        self.content = Some(content);
        self.present = Some(true);
    }

    /// It does not exist, or no longer.
    pub fn gone(&mut self) {
        self.present = Some(false);
    }
}

/// Without the content, which may be a Secret's.
impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("present", &self.present)
            .finish_non_exhaustive()
    }
}

/// What a Secret holds. In a manifest texts may be given as they are, and win.
pub fn secret_content(secret: &Secret) -> Content {
    let data = secret
        .data
        .iter()
        .flatten()
        .map(|(key, bytes)| (key.clone(), bytes.0.clone()));
    let text = secret
        .string_data
        .iter()
        .flatten()
        .map(|(key, text)| (key.clone(), text.clone().into_bytes()));
    data.chain(text).collect()
}

/// What a ConfigMap holds.
pub fn content(config_map: &ConfigMap) -> Content {
    let text = config_map
        .data
        .iter()
        .flatten()
        .map(|(key, text)| (key.clone(), text.clone().into_bytes()));
    let binary = config_map
        .binary_data
        .iter()
        .flatten()
        .map(|(key, bytes)| (key.clone(), bytes.0.clone()));
    text.chain(binary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_and_binary_keys_are_one_set() {
        let object =
            serde_json::from_value(json!({"data": {"a": "x"}, "binaryData": {"b": "AP8="}}))
                .expect("a ConfigMap");
        assert_eq!(
            content(&object),
            Content::from([("a".into(), b"x".to_vec()), ("b".into(), vec![0, 255])])
        );
    }

    #[test]
    fn the_texts_of_a_secret_win_as_they_do_when_it_is_applied() {
        let object = serde_json::from_value(
            json!({"data": {"a": "AP8=", "b": "AA=="}, "stringData": {"b": "x"}}),
        )
        .expect("a Secret");
        assert_eq!(
            secret_content(&object),
            Content::from([("a".into(), vec![0, 255]), ("b".into(), b"x".to_vec())])
        );
    }

    #[test]
    fn what_a_deleted_one_held_is_remembered() {
        let mut watched = Watched::default();
        watched.seen([("a".to_owned(), b"x".to_vec())].into());
        watched.gone();
        assert_eq!(watched.present, Some(false));
        assert!(watched.content.is_some());
    }
}
