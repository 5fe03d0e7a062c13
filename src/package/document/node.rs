//! Owns the one way in which a TOML, YAML or JSON document becomes a JSON value: bounded in depth and size, duplicate
//! keys refused. Never knows which format it reads, but for YAML's merge keys.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How many levels of tables and lists a document may have. The merge of layers ends at 30; what reads JSON
/// elsewhere ends at 128 (the default of `serde_json`).
pub const MAX_DEPTH: usize = 64;

/// YAML's key for mappings that are merged into the one that holds it.
const MERGE_KEY: &str = "<<";

/// Whether `<<` is a merge key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeKeys {
    /// It is, as in YAML 1.1 and in kubectl.
    Merged,
    /// It is a key like any other.
    Plain,
}

/// What one document may still use up.
#[derive(Debug)]
pub struct Budget {
    left: Cell<usize>,
    merge_keys: MergeKeys,
}

impl Budget {
    /// For a document of `bytes` bytes. Each value costs one, and each string its length, so that a document without
    /// aliases costs about its own size, and one that multiplies itself by aliases runs out.
    pub fn new(bytes: usize, merge_keys: MergeKeys) -> Self {
        Self {
            left: Cell::new(bytes.saturating_mul(2).saturating_add(64 * 1024)),
            merge_keys,
        }
    }

    fn spend<E: Error>(&self, cost: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(cost);
        self.left.set(left.ok_or_else(|| {
            E::custom("the document grows far beyond its text by aliases; write its values out")
        })?);
        Ok(())
    }
}

/// One value at some depth of a document; a serde seed.
#[derive(Debug, Clone, Copy)]
pub struct Node<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl<'b> Node<'b> {
    /// The whole document.
    pub fn root(budget: &'b Budget) -> Self {
        Self { budget, depth: 0 }
    }

    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!(
                "nested deeper than {MAX_DEPTH} levels; flatten it"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.budget.spend(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, a list, a string, a number or a boolean, without a tag")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        Err(E::custom(format_args!(
            "the integer {value} is too large; write it as a string"
        )))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        Err(E::custom(format_args!(
            "the integer {value} is too large; write it as a string"
        )))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| {
            E::custom(format_args!(
                "{value} is not a finite number; write it as a string"
            ))
        })
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.budget.spend(value.len())?;
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key_seed(Key {
            budget: self.budget,
        })? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "the key {key:?} is there twice; remove one"
                )));
            }
            let value = access.next_value_seed(inner)?;
            map.insert(key, value);
        }
        if self.budget.merge_keys == MergeKeys::Merged
            && let Some(merged) = map.shift_remove(MERGE_KEY)
        {
            merge_keys(&mut map, merged)
                .ok_or_else(|| A::Error::custom("`<<` needs a mapping or a list of mappings"))?;
        }
        Ok(Value::Object(map))
    }
}

/// Adds what `merged` has and `map` has not; `None` when it is neither a mapping nor a list of mappings.
fn merge_keys(map: &mut Map<String, Value>, merged: Value) -> Option<()> {
    match merged {
        Value::Object(other) => {
            for (key, value) in other {
                map.entry(key).or_insert(value);
            }
            Some(())
        }
        Value::Array(list) => list.into_iter().try_for_each(|other| match other {
            Value::Object(_) => merge_keys(map, other),
            _ => None,
        }),
        _ => None,
    }
}

/// The key of a table. YAML's numbers and booleans are taken as their text, as kubectl does.
#[derive(Debug, Clone, Copy)]
struct Key<'b> {
    budget: &'b Budget,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string as key")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        self.budget.spend(value.len())?;
        Ok(value.to_owned())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        self.visit_str(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        self.visit_str(&value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn yaml(text: &str) -> Result<Value, String> {
        let budget = Budget::new(text.len(), MergeKeys::Merged);
        Node::root(&budget)
            .deserialize(serde_yaml::Deserializer::from_str(text))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn scalars_keep_their_kind_and_keys_become_text() {
        assert_eq!(
            yaml("1: a\ntrue: 1.0\n-2: ~\nx: [18446744073709551615, 'y', yes]")
                .unwrap()
                .to_string(),
            r#"{"1":"a","true":1.0,"-2":null,"x":[18446744073709551615,"y","yes"]}"#
        );
    }

    #[test]
    fn merge_keys_give_way_to_what_is_written() {
        assert_eq!(
            yaml("base: &b {x: 1, y: 2}\na: {<<: *b, x: 3}\nl: {<<: [*b, {z: 9, y: 8}]}").unwrap(),
            json!({"base": {"x": 1, "y": 2}, "a": {"x": 3, "y": 2}, "l": {"x": 1, "y": 2, "z": 9}})
        );
        assert!(
            yaml("a: {<<: 5}")
                .unwrap_err()
                .contains("`<<` needs a mapping")
        );
    }

    #[test]
    fn what_json_cannot_hold_is_an_error_that_says_why() {
        for (text, part) in [
            ("a: 1\na: 2", "the key \"a\" is there twice"),
            ("a: .inf", "not a finite number"),
            ("a: 99999999999999999999", "too large"),
            ("a: !secret x", "without a tag"),
            ("[x]: 1", "a string as key"),
            ("~: 1", "a string as key"),
        ] {
            let error = yaml(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
