//! Owns the helpers that take any value: the serialisers, `default` and `required`.

use handlebars::RenderError;
use serde::Serialize as _;
use serde_json::Value;

use super::Arguments;

/// Pretty JSON with an indent of two, keys in their order.
pub(super) fn to_json(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    let text = serde_json::to_string_pretty(arguments.value(0)?);
    text.map_err(|_| arguments.error("Can't serialize parameter to JSON"))
}

/// A table is a document, anything else a TOML value.
pub(super) fn to_toml(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    let value = arguments.value(0)?;
    let text = if value.is_object() {
        toml::to_string(value)
    } else {
        let mut text = String::new();
        let written = value.serialize(toml::ser::ValueSerializer::new(&mut text));
        written.map(drop).map(|()| text)
    };
    text.map_err(|error| arguments.error(&format!("Can't serialize parameter to TOML: {error}")))
}

/// YAML without the `---` line.
pub(super) fn to_yaml(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    let text = serde_yaml::to_string(arguments.value(0)?);
    text.map_err(|_| arguments.error("Can't serialize parameter to YAML"))
}

/// `{{default "fallback" value}}`: the value, unless it is missing, null or an empty string.
pub(super) fn default(arguments: &Arguments<'_>) -> Result<Value, RenderError> {
    let fallback = arguments.value(0)?;
    let value = arguments.value(1)?;
    Ok(if is_nothing(value) {
        fallback.clone()
    } else {
        value.clone()
    })
}

/// `{{required "message" value}}`: the value, or the message as an error.
pub(super) fn required(arguments: &Arguments<'_>) -> Result<Value, RenderError> {
    let message = arguments.string(0)?;
    match arguments.values.get(1) {
        Some(value) if !is_nothing(value) => Ok((*value).clone()),
        _ => Err(arguments.error(message)),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}
