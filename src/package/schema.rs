//! Owns the check of a merged configuration against the package's `config.schema.json`. Nothing is ever fetched: a schema
//! refers to itself only. Never merges.

use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::Source;
use super::document::{DATETIME, is_datetime};
use super::layers::{Layers, dotted};
use super::taint::token;

/// The file in a package.
pub const FILE: &str = "config.schema.json";

/// How many violations are told; a schema for something else gives hundreds.
const MOST: usize = 50;

/// How long the reason of one violation may be, in characters: it may quote a whole table.
const LONGEST: usize = 200;

/// A schema that is ready to check.
pub struct Schema {
    origin: String,
    validator: Validator,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.origin).finish()
    }
}

/// Why a schema, or a configuration, is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The schema itself is wrong.
    #[error("cannot use schema: {origin}: {reason}; mend it, or take it out of the package")]
    Schema {
        /// The file.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The configuration does not fit.
    #[error("configuration does not fit {origin}: {path}: {reason}{}", from(layer.as_deref()))]
    Violation {
        /// The schema's file.
        origin: String,
        /// The dotted path of the value; `the top` for the whole.
        path: String,
        /// What does not fit; without the value when it came from a Secret.
        reason: String,
        /// The layer that the value came from; `None` for a value that is missing.
        layer: Option<String>,
    },
    /// There are more.
    #[error("configuration does not fit {origin}: and {0} more", .more)]
    More {
        /// The schema's file.
        origin: String,
        /// How many more.
        more: usize,
    },
}

fn from(layer: Option<&str>) -> String {
    layer
        .map(|layer| format!(" (from {layer})"))
        .unwrap_or_default()
}

impl Schema {
    /// Reads a schema: JSON Schema of the draft that it names, else 2020-12.
    pub fn parse(source: &Source) -> Result<Schema, SchemaError> {
        let wrong = |reason: String| SchemaError::Schema {
            origin: source.origin.clone(),
            reason: short(&reason),
        };
        let schema: Value =
            serde_json::from_str(&source.text).map_err(|error| wrong(error.to_string()))?;
        if let Some(reference) = circle(&schema) {
            return Err(wrong(format!(
                "the reference {reference:?} leads in a circle"
            )));
        }
        let validator = jsonschema::validator_for(&schema).map_err(|error| {
            let at = error.instance_path().to_string();
            wrong(format!("{at}: {error}").trim_start_matches(": ").to_owned())
        })?;
        Ok(Schema {
            origin: source.origin.clone(),
            validator,
        })
    }

    /// Everything in the configuration that does not fit, each with its path and its layer.
    pub fn check(&self, layers: &Layers) -> Vec<SchemaError> {
        let mut instance = layers.cfg.clone();
        with_dates(&mut instance);
        let taint = layers.taint();
        let mut violations = Vec::new();
        for error in self.validator.iter_errors(&instance) {
            let pointer = error.instance_path().to_string();
            let mut add = |pointer: &str, reason: String, layer: Option<String>| {
                violations.push(SchemaError::Violation {
                    origin: self.origin.clone(),
                    path: match dotted(pointer) {
                        path if path.is_empty() => "the top".to_owned(),
                        path => path,
                    },
                    reason,
                    layer,
                });
            };
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected }
                | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                    for name in unexpected {
                        let pointer = format!("{pointer}/{}", token(name));
                        let layer = layers.origin_of(&pointer);
                        add(&pointer, "there is no such setting".to_owned(), layer);
                    }
                }
                ValidationErrorKind::Required { property } => {
                    let name = property.as_str().unwrap_or_default();
                    let pointer = format!("{pointer}/{}", token(name));
                    add(
                        &pointer,
                        "it is required, and no layer sets it".to_owned(),
                        None,
                    );
                }
                _ => {
                    let reason = reason(&error, taint.touches(&pointer));
                    add(&pointer, reason, layers.origin_of(&pointer));
                }
            }
        }
        let more = violations.len().saturating_sub(MOST);
        if more > 0 {
            violations.truncate(MOST);
            violations.push(SchemaError::More {
                origin: self.origin.clone(),
                more,
            });
        }
        violations
    }
}

/// What does not fit; the value is left out where it may not be shown.
fn reason(error: &ValidationError<'_>, is_secret: bool) -> String {
    if is_secret {
        short(&error.masked_with("the value").to_string())
    } else {
        short(&error.to_string())
    }
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST).chain(['…']).collect()
}

/// Dates are texts to a schema.
fn with_dates(value: &mut Value) {
    if is_datetime(value) {
        let date = value.get(DATETIME).cloned().unwrap_or_default();
        *value = date;
        return;
    }
    match value {
        Value::Object(table) => table.values_mut().for_each(with_dates),
        Value::Array(list) => list.iter_mut().for_each(with_dates),
        _ => {}
    }
}

/// A reference that leads back to itself without going down in the configuration: its check would never end.
fn circle(schema: &Value) -> Option<String> {
    let mut places = vec![schema];
    while let Some(place) = places.pop() {
        if let Some(reference) = reference(place)
            && leads_back(schema, place, &mut Vec::new())
        {
            return Some(reference.to_owned());
        }
        match place {
            Value::Object(table) => places.extend(table.values()),
            Value::Array(list) => places.extend(list),
            _ => {}
        }
    }
    None
}

/// The reference of a schema, if it has one within the file.
fn reference(schema: &Value) -> Option<&str> {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .filter(|reference| reference.starts_with('#'))
}

/// Keywords whose schemas see the same value as the schema that has them.
const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// Follows references and keywords in place; `way` are the references that were followed.
fn leads_back<'a>(top: &'a Value, schema: &'a Value, way: &mut Vec<&'a str>) -> bool {
    if let Some(reference) = reference(schema) {
        if way.contains(&reference) {
            return true;
        }
        if let Some(target) = top.pointer(reference.trim_start_matches('#')) {
            way.push(reference);
            let back = leads_back(top, target, way);
            way.pop();
            if back {
                return true;
            }
        }
    }
    IN_PLACE
        .iter()
        .filter_map(|keyword| schema.get(*keyword))
        .any(|inner| match inner {
            Value::Array(list) => list.iter().any(|inner| leads_back(top, inner, way)),
            inner => leads_back(top, inner, way),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::package::{Package, layers};
    use crate::world::{Document, Sensitivity};

    fn source(origin: &str, text: String) -> Source {
        Source {
            origin: origin.into(),
            text,
        }
    }

    fn schema(value: &Value) -> Result<Schema, SchemaError> {
        Schema::parse(&source("/package/config.schema.json", value.to_string()))
    }

    fn object(sensitivity: Sensitivity, kind: &str, data: &[(&str, &str)]) -> Document {
        Document {
            object: format!("{kind} shop/demo"),
            sensitivity,
            data: data
                .iter()
                .map(|(key, text)| ((*key).to_owned(), text.as_bytes().to_vec()))
                .collect(),
        }
    }

    fn violations(value: &Value, default: &str, objects: &[Document]) -> Vec<String> {
        let package = Package {
            default_toml: Some(source("/package/default.toml", default.to_owned())),
            ..Package::default()
        };
        let layers = layers::merge(&package, objects).unwrap();
        let violations = schema(value).unwrap().check(&layers);
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_violation_is_told_with_its_path_and_its_layer() {
        let value = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name"],
            "properties": {
                "server": {"type": "object", "required": ["host"], "properties": {"port": {"type": "integer", "maximum": 65535}}},
                "hosts": {"type": "array", "items": {"type": "string"}},
                "at": {"type": "string", "format": "date-time"},
            },
        });
        let map = object(
            Sensitivity::Public,
            "ConfigMap",
            &[
                ("server.port", "70000"),
                ("a.toml", "sevrer = 1\nhosts = ['a', 5]"),
            ],
        );
        let found = violations(
            &value,
            "[server]\nport = 80\n[other]\nx = 1\n",
            std::slice::from_ref(&map),
        );
        let start = "configuration does not fit /package/config.schema.json: ";
        for expected in [
            "server.port: 70000 is greater than the maximum of 65535 (from ConfigMap shop/demo, key server.port)",
            "hosts.1: 5 is not of type \"string\" (from ConfigMap shop/demo, key a.toml)",
            "sevrer: there is no such setting (from ConfigMap shop/demo, key a.toml)",
            "other: there is no such setting (from /package/default.toml)",
            "name: it is required, and no layer sets it",
            "server.host: it is required, and no layer sets it",
        ] {
            assert!(
                found
                    .iter()
                    .any(|line| *line == format!("{start}{expected}")),
                "{expected} is not in {found:#?}"
            );
        }
        assert_eq!(found.len(), 6, "{found:#?}");
    }

    #[test]
    fn what_fits_has_no_violation_and_a_date_is_a_text() {
        let value = json!({"properties": {"at": {"type": "string"}, "port": {"type": "integer"}}});
        assert_eq!(
            violations(&value, "port = 1\nat = 1979-05-27T07:32:00Z", &[]),
            [""; 0]
        );
    }

    #[test]
    fn a_value_of_a_secret_is_never_told() {
        let value = json!({
            "properties": {"db": {
                "properties": {"password": {"pattern": "^[0-9]+$"}, "mode": {"enum": ["a"]}},
                "not": {"required": ["password"]},
            }},
        });
        let secret = object(
            Sensitivity::Secret,
            "Secret",
            &[("db.password", "hunter2"), ("db.mode", "hunter2")],
        );
        let found = violations(&value, "", &[secret]);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(
            found.iter().all(|line| !line.contains("hunter2")),
            "{found:#?}"
        );
        assert!(
            found.iter().any(
                |line| line.contains("db.password: the value does not match")
                    && line.ends_with("(from Secret shop/demo, key db.password)")
            ),
            "{found:#?}"
        );
    }

    #[test]
    fn a_wrong_schema_is_named() {
        for (text, part) in [
            ("{", "EOF"),
            (r#"{"type": "strin"}"#, "/type"),
            (r#"{"$ref": "https://example.com/x.json"}"#, "example.com"),
            (r##"{"$ref": "#"}"##, "leads in a circle"),
            (
                r##"{"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}"##,
                "leads in a circle",
            ),
        ] {
            let error = Schema::parse(&source("/p/config.schema.json", text.to_owned()))
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("cannot use schema: /p/config.schema.json: ")
                    && error.contains(part),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_schema_may_refer_to_itself_for_what_is_further_down() {
        let value = json!({"type": "object", "additionalProperties": {"anyOf": [{"$ref": "#"}, {"type": "integer"}]}});
        assert_eq!(violations(&value, "[a.b.c]\nd = 1", &[]), [""; 0]);
        assert_eq!(violations(&value, "[a.b.c]\nd = 'x'", &[]).len(), 1);
    }

    #[test]
    fn hundreds_of_violations_are_cut() {
        let value = json!({"additionalProperties": {"type": "string"}});
        let default: Vec<_> = (0..80).map(|n| format!("k{n} = {n}")).collect();
        let found = violations(&value, &default.join("\n"), &[]);
        assert_eq!(found.len(), MOST + 1);
        assert!(found[MOST].ends_with("and 30 more"), "{}", found[MOST]);
    }
}
