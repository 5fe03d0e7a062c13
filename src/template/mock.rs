//! Owns the context of a template that is rendered by itself: `cfg` from `default.toml` and `user.toml`, and mock data over
//! all of it, as `hab plan render` has it. Pure; never reads a file.

use serde_json::{Map, Value};

use crate::package::Source;
use crate::package::document::{Format, LayerError, parse};

/// What a context is made from.
#[derive(Debug, Clone, Default)]
pub struct Mock {
    /// `default.toml`: the lowest layer of `cfg`.
    pub default_toml: Option<Source>,
    /// `user.toml`: the layer over it.
    pub user_toml: Option<Source>,
    /// JSON whose top-level trees are the context, laid over `cfg` too.
    pub data: Option<Source>,
}

/// Merges them, or returns every problem.
pub fn context(mock: &Mock) -> Result<Value, Vec<LayerError>> {
    let mut context = Map::from_iter([("cfg".to_owned(), Value::Object(Map::new()))]);
    let mut errors = Vec::new();
    let layers = [
        (&mock.default_toml, Format::Toml),
        (&mock.user_toml, Format::Toml),
        (&mock.data, Format::Json),
    ];
    for (source, format) in layers {
        let Some(source) = source else { continue };
        match parse(format, &source.text) {
            Ok(table) if format == Format::Toml => {
                merge(
                    &mut context,
                    Map::from_iter([("cfg".to_owned(), Value::Object(table))]),
                );
            }
            Ok(table) => merge(&mut context, table),
            Err(error) => errors.push(LayerError {
                object: source.origin.clone(),
                key: None,
                position: error.position,
                reason: error.reason,
            }),
        }
    }
    if errors.is_empty() {
        Ok(Value::Object(context))
    } else {
        Err(errors)
    }
}

/// Tables merge without a bound, since parsing has one; all else replaces. Keys stay where they were first.
fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            (Some(place), value) => *place = value,
            (None, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            origin: "it".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn user_toml_lies_over_default_toml_and_mock_data_over_both() {
        let mock = Mock {
            default_toml: Some(source(
                "z = 1\na = \"d\"\nlist = [1, 2]\n[t]\nx = 1\ny = 1.0\nwhen = 1979-05-27\n",
            )),
            user_toml: Some(source("a = \"u\"\nlist = [3]\nnew = true\n[t]\nx = 2\n")),
            data: Some(source(
                r#"{"sys": {"ip": "1.2.3.4"}, "cfg": {"t": {"y": null}, "z": {"deep": 1}}, "bind": {}}"#,
            )),
        };
        assert_eq!(
            context(&mock).expect("a context").to_string(),
            r#"{"cfg":{"z":{"deep":1},"a":"u","list":[3],"t":{"x":2,"y":null,"when":{"$__toml_private_datetime":"1979-05-27"}},"new":true},"sys":{"ip":"1.2.3.4"},"bind":{}}"#
        );
    }

    #[test]
    fn without_anything_there_is_an_empty_cfg() {
        assert_eq!(
            context(&Mock::default()).expect("a context").to_string(),
            r#"{"cfg":{}}"#
        );
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let mock = Mock {
            default_toml: Some(source("a = \n")),
            user_toml: Some(source("a = 1\na = 2\n")),
            data: Some(source("[1]")),
        };
        let errors = context(&mock).expect_err("errors");
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 3, "{errors:#?}");
        assert!(
            errors[0].starts_with("cannot use configuration: it, line 1"),
            "{errors:#?}"
        );
        assert!(
            errors[1].starts_with("cannot use configuration: it, line 2"),
            "{errors:#?}"
        );
        assert!(errors[2].contains("the document is a list"), "{errors:#?}");
    }
}
