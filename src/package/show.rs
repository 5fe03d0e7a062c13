//! Owns how a merged configuration is printed for people: as TOML, or value by value with its layer. Values of Secrets are
//! always redacted.

use std::fmt::Write as _;

use serde_json::Value;

use super::document::{DATETIME, is_datetime};
use super::layers::{Layers, dotted};
use super::taint::{REDACTED, token};
use crate::world::Sensitivity;

/// One TOML document. TOML has no null: such values are left out.
pub fn document(layers: &Layers) -> String {
    let shown = layers.taint().redact(&layers.cfg);
    match to_toml(&shown) {
        Some(table) => toml::to_string(&table).unwrap_or_default(),
        None => String::new(),
    }
}

/// `server.port = 8080  # ConfigMap shop/demo-config, key app.toml`, a line for each value, in the order of the
/// configuration. But for null it is TOML too.
pub fn explained(layers: &Layers) -> String {
    let mut text = String::new();
    for leaf in layers.explain() {
        let value = match leaf.sensitivity {
            Sensitivity::Secret => inline(&REDACTED.into()),
            Sensitivity::Public => inline(leaf.value),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} = {value}  # {}", leaf.path, leaf.origin);
    }
    text
}

/// In one line, whatever line ends texts have: a JSON text is a TOML text too.
fn inline(value: &Value) -> String {
    let all = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Null => "null".to_owned(),
        Value::String(_) => value.to_string(),
        Value::Array(list) => format!("[{}]", all(list.iter().map(inline).collect())),
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) if !is_datetime(value) => {
            let pair = |(key, value): (&String, &Value)| {
                format!(
                    "{} = {}",
                    dotted(&format!("/{}", token(key))),
                    inline(value)
                )
            };
            format!("{{ {} }}", all(table.iter().map(pair).collect()))
        }
        _ => to_toml(value)
            .map(|value| value.to_string())
            .unwrap_or_default(),
    }
}

/// The value as TOML has it; `None` for null.
fn to_toml(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(on) => (*on).into(),
        Value::String(text) => text.as_str().into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(float)) if number.is_f64() => float.into(),
            // Larger than TOML's integers.
            _ => number.to_string().into(),
        },
        Value::Array(list) => list.iter().filter_map(to_toml).collect::<Vec<_>>().into(),
        date if is_datetime(date) => {
            let text = date.get(DATETIME).and_then(Value::as_str)?;
            text.parse::<toml::value::Datetime>()
                .map_or_else(|_| text.into(), toml::Value::Datetime)
        }
        Value::Object(table) => {
            let pairs = table
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), to_toml(value)?)));
            toml::Value::Table(pairs.collect())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Package, Source, layers};
    use crate::world::Document;

    fn merged() -> Layers {
        let package = Package {
            default_toml: Some(Source {
                origin: "/package/default.toml".into(),
                text: "name = 'x'\nlines = 'a\\nb'\ntext = \"\"\"a\nb\"\"\"\nat = 1979-05-27\nratio = 1.0\n[server]\nport = 80\n'odd key' = []\n[empty]\n".into(),
            }),
            ..Package::default()
        };
        let object = |object: &str, sensitivity, key: &str, text: &str| Document {
            object: object.into(),
            sensitivity,
            data: [(key.to_owned(), text.as_bytes().to_vec())].into(),
        };
        let objects = [
            object(
                "ConfigMap shop/c",
                Sensitivity::Public,
                "a.yaml",
                "none: null\nserver: {hosts: [a, {b: 1}]}",
            ),
            object(
                "Secret shop/s",
                Sensitivity::Secret,
                "db.password",
                "hunter2",
            ),
        ];
        layers::merge(&package, &objects).unwrap()
    }

    #[test]
    fn each_value_is_explained_by_its_layer() {
        insta::assert_snapshot!(explained(&merged()), @r#"
        name = "x"  # /package/default.toml
        lines = "a\\nb"  # /package/default.toml
        text = "a\nb"  # /package/default.toml
        at = 1979-05-27  # /package/default.toml
        ratio = 1.0  # /package/default.toml
        server.port = 80  # /package/default.toml
        server."odd key" = []  # /package/default.toml
        server.hosts = ["a", { b = 1 }]  # ConfigMap shop/c, key a.yaml
        empty = {}  # /package/default.toml
        none = null  # ConfigMap shop/c, key a.yaml
        db.password = "<redacted>"  # Secret shop/s, key db.password
        "#);
    }

    #[test]
    fn the_document_is_toml_that_reads_back_without_secrets_and_nulls() {
        let text = document(&merged());
        assert!(
            !text.contains("hunter2") && !text.contains("none"),
            "{text}"
        );
        let read = layers::merge(
            &Package {
                default_toml: Some(Source {
                    origin: "x".into(),
                    text,
                }),
                ..Package::default()
            },
            &[],
        )
        .unwrap();
        let mut expected = merged().taint().redact(&merged().cfg);
        expected.as_object_mut().unwrap().remove("none");
        assert_eq!(read.cfg, expected);
    }
}
