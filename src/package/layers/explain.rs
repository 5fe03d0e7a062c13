//! Owns the answer to where each value of the configuration came from, and so to what may be shown of it. Never merges.

use serde_json::{Map, Value};

use super::way::{Way, dotted, split};
use super::{Layer, Layers};
use crate::package::document::as_table;
use crate::package::taint::Taint;
use crate::world::Sensitivity;

/// One leaf of the configuration: a scalar, an array, a TOML datetime or an empty table.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf<'a> {
    /// Its dotted path; parts that are not plain are quoted as in TOML.
    pub path: String,
    /// The same as a JSON pointer.
    pub pointer: String,
    /// Its value.
    pub value: &'a Value,
    /// The layer that it came from: `/package/default.toml`, `ConfigMap shop/demo-config, key app.toml`.
    pub origin: String,
    /// Whether the value may be shown.
    pub sensitivity: Sensitivity,
}

impl Layers {
    /// Every leaf with the layer that it came from, in the order of `cfg`.
    pub fn explain(&self) -> Vec<Leaf<'_>> {
        let mut leaves = Vec::new();
        let tables: Vec<_> = self
            .stack
            .iter()
            .map(|layer| (layer, &layer.table))
            .collect();
        if let Some(cfg) = self.cfg.as_object() {
            explain(cfg, &tables, &Way::default(), &mut leaves);
        }
        leaves
    }

    /// The highest layer that has something at this pointer; `None` for the top, which all layers have, and for nothing.
    pub fn origin_of(&self, pointer: &str) -> Option<String> {
        let (first, rest) = split(pointer)?;
        let has = |layer: &&Layer| {
            let value = layer.table.get(&first);
            value.and_then(|value| value.pointer(rest)).is_some()
        };
        let layer = self.stack.iter().rev().find(has)?;
        Some(layer.origin.describe(&dotted(pointer)))
    }

    /// Where values of Secrets are.
    pub fn taint(&self) -> Taint {
        // Most have none: that is known without a walk.
        if self
            .stack
            .iter()
            .all(|layer| layer.sensitivity == Sensitivity::Public)
        {
            return Taint::default();
        }
        let leaves = self.explain().into_iter();
        leaves
            .filter(|leaf| leaf.sensitivity == Sensitivity::Secret)
            .map(|leaf| leaf.pointer)
            .collect()
    }
}

/// A leaf came from the highest layer that has its path: a layer above that replaced a part of the path would have
/// removed the leaf.
fn explain<'a>(
    table: &'a Map<String, Value>,
    layers: &[(&'a Layer, &'a Map<String, Value>)],
    way: &Way,
    leaves: &mut Vec<Leaf<'a>>,
) {
    for (key, value) in table {
        let way = way.down(key);
        match as_table(value) {
            Some(inner) if !inner.is_empty() => {
                let below: Vec<_> = layers
                    .iter()
                    .filter_map(|(layer, table)| Some((*layer, as_table(table.get(key)?)?)))
                    .collect();
                explain(inner, &below, &way, leaves);
            }
            _ => {
                let layer = layers
                    .iter()
                    .rev()
                    .find(|(_, table)| table.contains_key(key));
                let layer = layer.map(|(layer, _)| layer);
                leaves.push(Leaf {
                    origin: layer
                        .map(|layer| layer.origin.describe(&way.path))
                        .unwrap_or_default(),
                    sensitivity: layer.map(|layer| layer.sensitivity).unwrap_or_default(),
                    path: way.path,
                    pointer: way.pointer,
                    value,
                });
            }
        }
    }
}
