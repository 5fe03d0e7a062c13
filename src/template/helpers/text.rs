//! Owns the helpers that make texts from texts.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handlebars::RenderError;
use serde_json::Value;

use super::Arguments;

/// `{{pkgPathFor "origin/name"}}`: the path of the first dependency that fits; nothing when none does.
pub(super) fn pkg_path_for(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    let invalid = || arguments.error("Invalid package identifier for \"pkgPathFor\"");
    let wanted = arguments.value(0)?.as_str().ok_or_else(invalid)?;
    let wanted: Vec<&str> = wanted.split('/').collect();
    if !(2..=IDENT.len()).contains(&wanted.len()) {
        return Err(invalid());
    }
    let dependencies = arguments
        .context
        .pointer("/pkg/deps")
        .and_then(Value::as_array);
    let dependencies =
        dependencies.ok_or_else(|| arguments.error("there is no pkg.deps in the context"))?;
    for dependency in dependencies {
        let part = |key: &&str| dependency.get(key).and_then(Value::as_str);
        let Some(ident) = IDENT.iter().map(part).collect::<Option<Vec<_>>>() else {
            return Err(
                arguments.error("an entry of pkg.deps lacks its origin, name, version or release")
            );
        };
        if ident.starts_with(&wanted) {
            return Ok(format!("/hab/pkgs/{}", ident.join("/")));
        }
    }
    Ok(String::new())
}

/// The parts of a package's identifier.
const IDENT: [&str; 4] = ["origin", "name", "version", "release"];

/// Tables are dropped; everything else is JSON with its quotes taken out, as in Habitat.
fn without_quotes(value: &Value) -> Option<String> {
    (!value.is_object()).then(|| value.to_string().replace('"', ""))
}

#[expect(clippy::unnecessary_wraps, reason = "all helpers have one shape")]
pub(super) fn str_concat(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    Ok(arguments
        .values
        .iter()
        .copied()
        .filter_map(without_quotes)
        .collect())
}

pub(super) fn str_join(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    let list = arguments.value(0)?;
    let list = list.as_array().ok_or_else(|| {
        arguments.error(&format!(
            "argument 1 must be a list and is {}",
            super::kind(list)
        ))
    })?;
    let separator = arguments.string(1)?;
    Ok(list
        .iter()
        .filter_map(without_quotes)
        .collect::<Vec<_>>()
        .join(separator))
}

pub(super) fn str_replace(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    Ok(arguments
        .string(0)?
        .replace(arguments.string(1)?, arguments.string(2)?))
}

pub(super) fn to_uppercase(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    Ok(arguments.string(0)?.to_uppercase())
}

pub(super) fn to_lowercase(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    Ok(arguments.string(0)?.to_lowercase())
}

pub(super) fn b64encode(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    Ok(STANDARD.encode(arguments.string(0)?))
}

pub(super) fn b64decode(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    let bytes = STANDARD
        .decode(arguments.string(0)?.trim())
        .map_err(|_| arguments.error("argument 1 is not base64"))?;
    String::from_utf8(bytes).map_err(|_| arguments.error("argument 1 holds bytes that are no text"))
}

pub(super) fn sha256(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    let digest = ring::digest::digest(&ring::digest::SHA256, arguments.string(0)?.as_bytes());
    let mut text = String::new();
    for byte in digest.as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// `{{indent 4 text}}`: every line that is not empty begins with so many spaces.
pub(super) fn indent(arguments: &Arguments<'_>) -> Result<String, RenderError> {
    const WIDEST: u64 = 256;
    let width = arguments
        .value(0)?
        .as_u64()
        .filter(|width| *width <= WIDEST);
    let width = width
        .ok_or_else(|| arguments.error("argument 1 must be a number of spaces, at most 256"))?;
    let spaces = " ".repeat(usize::try_from(width).unwrap_or_default());
    let indented = |line: &str| {
        if line.trim_end_matches('\n').is_empty() {
            line.to_owned()
        } else {
            format!("{spaces}{line}")
        }
    };
    Ok(arguments
        .string(1)?
        .split_inclusive('\n')
        .map(indented)
        .collect())
}
