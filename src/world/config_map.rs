//! Owns what is kept of a ConfigMap: its keys and bytes, and the last ones it had when it is gone. Never parses them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

/// The keys of a ConfigMap, `data` and `binaryData` together.
pub type Content = BTreeMap<String, Vec<u8>>;

/// One ConfigMap that is wanted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watched {
    /// What it held when it was last there.
    pub content: Option<Content>,
    /// Whether it is there now; `None` until that is known.
    pub present: Option<bool>,
}

impl Watched {
    /// It is there, with this content.
    pub fn seen(&mut self, config_map: &ConfigMap) {
        self.content = Some(content(config_map));
        self.present = Some(true);
    }

    /// It does not exist, or no longer.
    pub fn gone(&mut self) {
        self.present = Some(false);
    }
}

fn content(config_map: &ConfigMap) -> Content {
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
    fn what_a_deleted_one_held_is_remembered() {
        let mut watched = Watched::default();
        watched.seen(&serde_json::from_value(json!({"data": {"a": "x"}})).expect("a ConfigMap"));
        watched.gone();
        assert_eq!(watched.present, Some(false));
        assert!(watched.content.is_some());
    }
}
