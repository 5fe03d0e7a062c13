//! Owns Habitat's merge of one table into another. Knows nothing of layers.

use serde_json::{Map, Value};

use crate::package::document::as_table;

/// How deep tables are merged into tables, as in Habitat; the top counts as level 0.
pub const MAX_MERGE_DEPTH: usize = 30;

/// Tables nest deeper than the merge allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooDeep {
    /// The dotted path at which it is.
    pub path: String,
}

/// Habitat's merge: tables into tables, everything else of `from` replaces what `into` has. On an error `into` is
/// merged in part.
pub fn merge_tables(
    into: &mut Map<String, Value>,
    from: &Map<String, Value>,
) -> Result<(), TooDeep> {
    merge_at(into, from, 0).map_err(|mut path| {
        path.reverse();
        TooDeep {
            path: path.join("."),
        }
    })
}

/// The error is the path, innermost part first.
fn merge_at(
    into: &mut Map<String, Value>,
    from: &Map<String, Value>,
    depth: usize,
) -> Result<(), Vec<String>> {
    if depth > MAX_MERGE_DEPTH {
        return Err(Vec::new());
    }
    for (key, value) in from {
        let theirs = as_table(value);
        let ours = into
            .get_mut(key)
            .filter(|ours| as_table(ours).is_some())
            .and_then(Value::as_object_mut);
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            merge_at(ours, theirs, depth + 1).map_err(|mut path| {
                path.push(key.clone());
                path
            })?;
        } else {
            into.insert(key.clone(), value.clone());
        }
    }
    Ok(())
}
