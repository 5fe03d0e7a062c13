//! Owns how one ConfigMap or Secret becomes configuration layers: its document keys, and its dotted keys with one scalar each.
//! Never merges the layers (that is `layers`) and never reads a file.

pub mod node;
pub mod parse;
pub mod scalar;

use std::fmt;

use serde_json::{Map, Value};

use crate::world::{Document, Sensitivity};
pub use parse::{Format, parse};

/// The key under which TOML datetimes live in JSON, as in Habitat: `{"$__toml_private_datetime": "1979-05-27"}`.
pub const DATETIME: &str = "$__toml_private_datetime";

/// One configuration layer: a table and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Where it came from.
    pub origin: Origin,
    /// Whether its values may be shown.
    pub sensitivity: Sensitivity,
    /// Its values.
    pub table: Map<String, Value>,
}

/// Where a layer came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file or a variable: `/package/default.toml`.
    Named(String),
    /// A document in one key of an object.
    Document {
        /// `ConfigMap shop/demo-config`.
        object: String,
        /// `app.toml`.
        key: String,
    },
    /// The dotted keys of an object: each value's path is its key.
    Keys {
        /// `ConfigMap shop/demo-config`.
        object: String,
    },
}

impl Origin {
    /// How messages name the origin of the value at `path` (dotted).
    pub fn describe(&self, path: &str) -> String {
        match self {
            Origin::Named(name) => name.clone(),
            Origin::Document { object, key } => format!("{object}, key {key}"),
            Origin::Keys { object } => format!("{object}, key {path}"),
        }
    }
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a configuration layer is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot use configuration: {object}{}{}: {reason}",
    .key.as_ref().map(|key| format!(", key {key}")).unwrap_or_default(),
    .position.map(|position| format!(", {position}")).unwrap_or_default()
)]
pub struct LayerError {
    /// `ConfigMap shop/demo-config`, or `/package/default.toml`.
    pub object: String,
    /// The key of a ConfigMap.
    pub key: Option<String>,
    /// Where in the text.
    pub position: Option<Position>,
    /// What is wrong and what to do, in one line.
    pub reason: String,
}

/// The layers of the keys that are documents (`*.toml`, `*.yaml`, `*.yml`, `*.json`), in the order of their names,
/// and the problems of those that are none.
pub fn documents(document: &Document) -> (Vec<Layer>, Vec<LayerError>) {
    let mut layers = Vec::new();
    let mut errors = Vec::new();
    for (key, content) in &document.data {
        let Some(format) = Format::of(key) else {
            continue;
        };
        let (object, key) = (document.object.clone(), key.clone());
        match text(content)
            .map_err(|reason| (None, reason))
            .and_then(|text| {
                parse(format, text)
                    .map_err(|error| (error.position, reason(document, format, error.reason)))
            }) {
            Ok(table) => layers.push(Layer {
                origin: Origin::Document { object, key },
                sensitivity: document.sensitivity,
                table,
            }),
            Err((position, reason)) => {
                errors.push(LayerError {
                    object,
                    key: Some(key),
                    position,
                    reason,
                });
            }
        }
    }
    (layers, errors)
}

/// The layer of all other keys: dotted paths with one scalar each, typed by what `lower`, the layers below, hold
/// there; `None` when there are no such keys. And the problems of those that do not fit.
pub fn scalars(
    document: &Document,
    lower: &Map<String, Value>,
) -> (Option<Layer>, Vec<LayerError>) {
    let mut table = Map::new();
    let mut errors = Vec::new();
    for (key, content) in &document.data {
        if Format::of(key).is_some() {
            continue;
        }
        let outcome = text(content)
            .and_then(|text| scalar::set(&mut table, lower, key, text, document.sensitivity));
        if let Err(reason) = outcome {
            let (object, key) = (document.object.clone(), Some(key.clone()));
            errors.push(LayerError {
                object,
                key,
                position: None,
                reason,
            });
        }
    }
    let layer = Layer {
        origin: Origin::Keys {
            object: document.object.clone(),
        },
        sensitivity: document.sensitivity,
        table,
    };
    ((!layer.table.is_empty()).then_some(layer), errors)
}

/// The parser's reason may quote the text, and a Secret's text is never shown.
fn reason(document: &Document, format: Format, reason: String) -> String {
    match document.sensitivity {
        Sensitivity::Public => reason,
        Sensitivity::Secret => format!(
            "malformed {}, or a value that configuration cannot hold; a Secret's text is not shown",
            format.name()
        ),
    }
}

/// A TOML datetime as it lives in JSON.
pub fn is_datetime(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|map| map.len() == 1 && map.get(DATETIME).is_some_and(Value::is_string))
}

/// A table that merges: an object that is not a TOML datetime.
pub fn as_table(value: &Value) -> Option<&Map<String, Value>> {
    if is_datetime(value) {
        None
    } else {
        value.as_object()
    }
}

fn text(content: &[u8]) -> Result<&str, String> {
    str::from_utf8(content).map_err(|error| {
        format!(
            "not UTF-8 from byte {} on; store it as text",
            error.valid_up_to()
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document<const N: usize>(data: [(&str, &[u8]); N]) -> Document {
        Document {
            object: "ConfigMap shop/demo".into(),
            sensitivity: Sensitivity::Public,
            data: data
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        }
    }

    #[test]
    fn documents_come_in_the_order_of_their_names_and_dotted_keys_are_left() {
        let (layers, errors) = documents(&document([
            ("b.json", br#"{"x": 2}"#),
            ("a.toml", b"x = 1"),
            ("c.yml", b"x: 3"),
            ("d.yaml", b"# nothing"),
            ("server.port", b"80"),
        ]));
        assert_eq!(errors, []);
        let origins: Vec<_> = layers
            .iter()
            .map(|layer| layer.origin.describe("x"))
            .collect();
        assert_eq!(
            origins,
            ["a.toml", "b.json", "c.yml", "d.yaml"]
                .map(|key| format!("ConfigMap shop/demo, key {key}"))
        );
        assert_eq!(layers[1].table["x"], json!(2));
        assert!(layers[3].table.is_empty());
    }

    #[test]
    fn every_problem_names_object_key_place_and_reason() {
        let (layers, errors) = documents(&document([
            ("a.toml", b"x = 1\ny = = 2\n"),
            ("b.json", b"{\"x\": \n}"),
            ("c.yaml", b"x: [1\ny: 2"),
            ("d.yaml", b"\xff"),
            ("e.yaml", b"- a"),
        ]));
        assert_eq!(layers, []);
        let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
        for (error, start) in all.iter().zip([
            "cannot use configuration: ConfigMap shop/demo, key a.toml, line 2, column 5: ",
            "cannot use configuration: ConfigMap shop/demo, key b.json, line 2, column 1: ",
            "cannot use configuration: ConfigMap shop/demo, key c.yaml, line 2, column ",
            "cannot use configuration: ConfigMap shop/demo, key d.yaml: not UTF-8 from byte 0",
            "cannot use configuration: ConfigMap shop/demo, key e.yaml: the document is a list",
        ]) {
            assert!(
                error.starts_with(start),
                "{error}\ndoes not start with\n{start}"
            );
            assert!(!error.contains('\n'), "{error}");
        }
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn problems_of_a_secret_name_object_key_line_and_kind_and_no_text() {
        let lower =
            json!({"port": 1, "on": true, "ratio": 1.5, "at": {DATETIME: "1979-05-27"}, "t": {}});
        let secret = Document {
            object: "Secret shop/demo".into(),
            sensitivity: Sensitivity::Secret,
            ..document([
                ("a.toml", b"hunter2 = hunter2"),
                ("b.json", br#"{"hunter2": 1, "hunter2": 2}"#),
                ("c.yaml", b"- hunter2"),
                ("d.yaml", b"hunter2: !hunter2 hunter2\nhunter2: *hunter2"),
                ("on", b"hunter2"),
                ("port", b"hunter2"),
                ("ratio", b"hunter2"),
                ("at", b"hunter2"),
                ("t", b"hunter2"),
                ("lines", b"hunter2\nhunter2"),
            ])
        };
        let mut errors = documents(&secret).1;
        errors.extend(scalars(&secret, lower.as_object().unwrap()).1);
        let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(all.len(), 10, "{all:#?}");
        assert!(
            all.iter().all(|error| !error.contains("hunter2")),
            "{all:#?}"
        );
        assert!(
            all[0].starts_with(
                "cannot use configuration: Secret shop/demo, key a.toml, line 1, column 11: malformed TOML"
            ),
            "{all:#?}"
        );
        assert!(
            all.iter()
                .any(|error| error.contains("key port: the value is not an integer of 64 bits")),
            "{all:#?}"
        );
        assert!(!format!("{secret:?}").contains("104, 117"), "{secret:?}");
    }

    #[test]
    fn dotted_keys_are_one_layer_whose_values_name_their_key() {
        let lower = json!({"server": {"port": 1}});
        let (layer, errors) = scalars(
            &document([
                ("server.port", b"8080"),
                ("server.host", b"db"),
                ("x.toml", b""),
            ]),
            lower.as_object().unwrap(),
        );
        assert_eq!(errors, []);
        let layer = layer.unwrap();
        assert_eq!(
            Value::Object(layer.table),
            json!({"server": {"host": "db", "port": 8080}})
        );
        assert_eq!(
            layer.origin.describe("server.port"),
            "ConfigMap shop/demo, key server.port"
        );
    }

    #[test]
    fn binary_data_under_a_dotted_key_is_a_problem() {
        let (layer, errors) = scalars(&document([("logo", b"\x89PNG\xff")]), &Map::new());
        assert_eq!(layer, None);
        assert_eq!(
            errors[0].to_string(),
            "cannot use configuration: ConfigMap shop/demo, key logo: not UTF-8 from byte 0 on; store it as text"
        );
    }

    #[test]
    fn a_datetime_is_no_table() {
        let date = json!({DATETIME: "1979-05-27"});
        assert!(is_datetime(&date) && as_table(&date).is_none());
        assert!(as_table(&json!({DATETIME: 5})).is_some());
    }
}
