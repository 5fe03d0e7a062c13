//! Owns the merge of the configuration layers into the one value that templates see as `cfg`; what is below it says which
//! layer each leaf came from. Never decides whether a configuration goes into force, and never reads a file.

mod explain;
mod tables;
mod way;

use serde_json::{Map, Value};

use super::document::parse::ParseError;
use super::document::{Format, documents, parse, scalars};
pub use super::document::{Layer, LayerError, Origin};
use super::{Package, Source};
use crate::world::{Document, Sensitivity};
pub use explain::Leaf;
pub use tables::{MAX_MERGE_DEPTH, TooDeep, merge_tables};
pub use way::dotted;

/// The merged configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers {
    /// The merged configuration, always an object; its keys are in the order of their first occurrence.
    pub cfg: Value,
    stack: Vec<Layer>,
}

/// Merges `default.toml`, the environment, `user.toml`, and the ConfigMaps and Secrets in their order. Returns every problem at once.
pub fn merge(package: &Package, world_config: &[Document]) -> Result<Layers, Vec<LayerError>> {
    let mut layers = Layers::default();
    let mut errors = Vec::new();
    if let Some(source) = &package.default_toml {
        errors.extend(layers.lay_toml(source).err());
    }
    for source in &package.variables {
        errors.extend(layers.lay_variable(source).err());
    }
    if let Some(source) = &package.user_toml {
        errors.extend(layers.lay_toml(source).err());
    }
    for document in world_config {
        errors.extend(layers.lay_object(document));
    }
    if errors.is_empty() {
        Ok(layers)
    } else {
        Err(errors)
    }
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            cfg: Value::Object(Map::new()),
            stack: Vec::new(),
        }
    }
}

impl Layers {
    /// Lays a TOML text over what is there.
    pub fn lay_toml(&mut self, source: &Source) -> Result<(), LayerError> {
        let table = parse(Format::Toml, &source.text).map_err(|error| LayerError {
            object: source.origin.clone(),
            key: None,
            position: error.position,
            reason: error.reason,
        })?;
        self.lay(Layer {
            origin: Origin::Named(source.origin.clone()),
            sensitivity: Sensitivity::Public,
            table,
        })
    }

    /// Lays the text of a variable over what is there: TOML, else JSON, as in Habitat.
    pub fn lay_variable(&mut self, source: &Source) -> Result<(), LayerError> {
        let table = parse(Format::Toml, &source.text).or_else(|as_toml| {
            parse(Format::Json, &source.text).map_err(|as_json| LayerError {
                object: source.origin.clone(),
                key: None,
                position: None,
                reason: format!(
                    "it is neither TOML ({}) nor JSON ({})",
                    placed(&as_toml),
                    placed(&as_json)
                ),
            })
        })?;
        self.lay(Layer {
            origin: Origin::Named(source.origin.clone()),
            sensitivity: Sensitivity::Public,
            table,
        })
    }

    /// Lays one ConfigMap over what is there: its documents, then its dotted keys. Returns its problems.
    pub fn lay_object(&mut self, document: &Document) -> Vec<LayerError> {
        let (layers, mut errors) = documents(document);
        errors.extend(layers.into_iter().filter_map(|layer| self.lay(layer).err()));
        let empty = Map::new();
        let (layer, problems) = scalars(document, self.cfg.as_object().unwrap_or(&empty));
        errors.extend(problems);
        errors.extend(layer.and_then(|layer| self.lay(layer).err()));
        errors
    }

    /// Lays one layer over what is there. A layer that nests too deep changes nothing.
    pub fn lay(&mut self, layer: Layer) -> Result<(), LayerError> {
        let mut merged = self.cfg.as_object().cloned().unwrap_or_default();
        if let Err(TooDeep { path }) = merge_tables(&mut merged, &layer.table) {
            let (object, key) = match layer.origin {
                Origin::Named(object) => (object, None),
                Origin::Document { object, key } => (object, Some(key)),
                Origin::Keys { object } => (object, Some(path)),
            };
            let reason = format!(
                "maximum merge depth of {MAX_MERGE_DEPTH} exceeded: tables that several layers have may nest no deeper; flatten them"
            );
            return Err(LayerError {
                object,
                key,
                position: None,
                reason,
            });
        }
        self.cfg = Value::Object(merged);
        self.stack.push(layer);
        Ok(())
    }
}

/// A parser's reason with its place.
fn placed(error: &ParseError) -> String {
    match error.position {
        Some(position) => format!("{position}: {}", error.reason),
        None => error.reason.clone(),
    }
}

#[cfg(test)]
mod tests;
