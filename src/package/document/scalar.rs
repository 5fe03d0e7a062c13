//! Owns the dotted keys of a ConfigMap: `server.port: "8080"` sets one scalar, typed by what the layers below hold at
//! that path. Never guesses a type from the text.

use serde_json::{Map, Number, Value};

use super::{DATETIME, as_table, is_datetime};
use crate::world::Sensitivity;

/// How much of a value a message shows, in characters.
const SHOWN: usize = 40;

/// Sets the scalar `text` at the dotted path `key` of `table`, typed by the value of `lower` at that path. The error
/// is the reason in one line.
pub fn set(
    table: &mut Map<String, Value>,
    lower: &Map<String, Value>,
    key: &str,
    text: &str,
    sensitivity: Sensitivity,
) -> Result<(), String> {
    let parts: Vec<&str> = key.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err("the key is a dotted path with an empty part; remove the extra dot".into());
    }
    let value = typed(one_line(text)?, key, below(lower, &parts)?, sensitivity)?;
    insert(table, &parts, value)
}

/// The text without its line end; an error when it has several lines.
fn one_line(text: &str) -> Result<&str, String> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(['\n', '\r']) {
        return Err(format!(
            "the value has {} lines, and a dotted key takes one scalar; give a document a key that ends in .toml, .yaml or .json",
            text.lines().count().max(2)
        ));
    }
    Ok(line)
}

/// What the layers below hold at the path; an error when a part of the way is no table.
fn below<'a>(lower: &'a Map<String, Value>, parts: &[&str]) -> Result<Option<&'a Value>, String> {
    let Some((last, way)) = parts.split_last() else {
        return Ok(None);
    };
    let mut table = lower;
    for (at, part) in way.iter().enumerate() {
        match table.get(*part) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => {
                table = as_table(value).ok_or_else(|| {
                    let path = parts.get(..=at).unwrap_or_default().join(".");
                    format!(
                        "{path} is {} in the layers below, and nothing can be set in it",
                        kind(value)
                    )
                })?;
            }
        }
    }
    Ok(table.get(*last))
}

fn typed(
    text: &str,
    key: &str,
    lower: Option<&Value>,
    sensitivity: Sensitivity,
) -> Result<Value, String> {
    let misfit = |what: &str, example: &str| {
        format!(
            "{} is not {what}, as {key} is in the layers below; write {example}",
            match sensitivity {
                Sensitivity::Public => shown(text),
                Sensitivity::Secret => "the value".to_owned(),
            }
        )
    };
    match lower {
        None | Some(Value::Null | Value::String(_)) => Ok(text.into()),
        Some(Value::Bool(_)) => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err(misfit("a boolean", "true or false")),
        },
        Some(Value::Number(number)) if number.is_f64() => text
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| misfit("a finite number", "digits such as 1.5")),
        Some(Value::Number(_)) => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<u64>().map(Value::from))
            .map_err(|_| misfit("an integer of 64 bits", "digits such as 8080")),
        Some(date) if is_datetime(date) => match text.parse::<toml::value::Datetime>() {
            Ok(datetime) => Ok(Value::Object(
                [(DATETIME.to_owned(), datetime.to_string().into())]
                    .into_iter()
                    .collect(),
            )),
            Err(_) => Err(misfit("a date or time", "one such as 1979-05-27T07:32:00Z")),
        },
        Some(other) => Err(format!(
            "{key} is {} in the layers below, and a dotted key takes one scalar; set it in a document (a key that ends in .toml, .yaml or .json)",
            kind(other)
        )),
    }
}

/// Puts `value` at the path; an error when another key of the object is on the way.
fn insert(table: &mut Map<String, Value>, parts: &[&str], value: Value) -> Result<(), String> {
    let conflict = |parts: &[&str]| {
        format!(
            "the key {} conflicts with it: one path cannot be a value and a table; keep one of them",
            parts.join(".")
        )
    };
    let Some((last, way)) = parts.split_last() else {
        return Ok(());
    };
    let mut inner = table;
    for (at, part) in way.iter().enumerate() {
        inner = match inner
            .entry(*part)
            .or_insert_with(|| Value::Object(Map::new()))
        {
            // A datetime is one value, though it is an object.
            Value::Object(table) if !table.contains_key(DATETIME) => table,
            _ => return Err(conflict(parts.get(..=at).unwrap_or_default())),
        };
    }
    match inner.get(*last) {
        None => {
            inner.insert((*last).to_owned(), value);
            Ok(())
        }
        Some(_) => Err(conflict(&[&parts.join("."), "*"])),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) if is_datetime(value) => "a date or time",
        Value::Object(_) => "a table",
    }
}

fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set_all(pairs: &[(&str, &str)]) -> Result<Value, String> {
        let lower = json!({
            "port": 80, "ratio": 1.5, "on": false, "name": "x", "none": null, "list": [1],
            "server": {"port": 80}, "at": {DATETIME: "1979-05-27"},
        });
        let mut table = Map::new();
        for (key, text) in pairs {
            set(
                &mut table,
                lower.as_object().unwrap(),
                key,
                text,
                Sensitivity::Public,
            )?;
        }
        Ok(Value::Object(table))
    }

    #[test]
    fn a_scalar_takes_the_type_that_is_there() {
        for (key, text, expected) in [
            ("port", "8080", json!({"port": 8080})),
            ("port", "-1\n", json!({"port": -1})),
            ("port", "18446744073709551615", json!({"port": u64::MAX})),
            ("ratio", "2", json!({"ratio": 2.0})),
            ("ratio", "1e3", json!({"ratio": 1000.0})),
            ("on", "true", json!({"on": true})),
            ("name", "8080", json!({"name": "8080"})),
            ("name", "", json!({"name": ""})),
            ("none", "1", json!({"none": "1"})),
            (
                "new.deep.key",
                "8080",
                json!({"new": {"deep": {"key": "8080"}}}),
            ),
            ("server.port", "81", json!({"server": {"port": 81}})),
            (
                "at",
                "1980-01-02T00:00:00Z",
                json!({"at": {DATETIME: "1980-01-02T00:00:00Z"}}),
            ),
        ] {
            assert_eq!(set_all(&[(key, text)]), Ok(expected), "{key}: {text:?}");
        }
    }

    #[test]
    fn a_scalar_that_does_not_fit_says_what_is_allowed() {
        for (key, text, part) in [
            (
                "port",
                "eighty",
                "\"eighty\" is not an integer of 64 bits, as port is in the layers below; write digits",
            ),
            ("port", "1.5", "not an integer"),
            ("port", " 80", "not an integer"),
            ("port", "", "\"\" is not an integer"),
            ("ratio", "inf", "not a finite number"),
            ("on", "yes", "write true or false"),
            ("at", "soon", "not a date or time"),
            ("list", "1", "list is an array"),
            ("server", "1", "server is a table"),
            (
                "port.x",
                "1",
                "port is an integer in the layers below, and nothing can be set in it",
            ),
            ("list.0", "1", "list is an array"),
            ("at.x", "1", "at is a date or time"),
            ("app.conf", "a\nb\n", "has 2 lines"),
            ("a..b", "1", "empty part"),
            (".a", "1", "empty part"),
            ("a.", "1", "empty part"),
        ] {
            let error = set_all(&[(key, text)]).unwrap_err();
            assert!(error.contains(part), "{key}: {error}");
        }
    }

    #[test]
    fn a_value_and_a_table_at_one_path_conflict_in_either_order() {
        let error = set_all(&[("a", "1"), ("a.b", "2")]).unwrap_err();
        assert!(error.contains("the key a conflicts"), "{error}");
        let error = set_all(&[("a.b", "2"), ("a", "1")]).unwrap_err();
        assert!(error.contains("the key a.* conflicts"), "{error}");
    }

    #[test]
    fn a_long_value_is_cut_in_the_message() {
        let error = set_all(&[("port", &"é".repeat(1000))]).unwrap_err();
        assert!(
            error.chars().count() < 200 && error.contains('…'),
            "{error}"
        );
    }
}
