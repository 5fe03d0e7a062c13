//! Owns the two spellings of a value's place: the dotted path for people, the JSON pointer for programs.

use crate::package::taint::{key, token};

/// The place of a value, in both spellings.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    pub(super) path: String,
    pub(super) pointer: String,
}

impl Way {
    /// The place of what has this key in the table that is here.
    pub(super) fn down(&self, key: &str) -> Way {
        let part = if is_plain(key) {
            key.to_owned()
        } else {
            format!("{key:?}")
        };
        Way {
            path: if self.path.is_empty() {
                part
            } else {
                format!("{}.{part}", self.path)
            },
            pointer: format!("{}/{}", self.pointer, token(key)),
        }
    }
}

/// A JSON pointer as a dotted path.
pub fn dotted(pointer: &str) -> String {
    let mut way = Way::default();
    let mut rest = pointer;
    while let Some((key, below)) = split(rest) {
        way = way.down(&key);
        rest = below;
    }
    way.path
}

/// The first token of a pointer, decoded, and the rest.
pub(super) fn split(pointer: &str) -> Option<(String, &str)> {
    let path = pointer.strip_prefix('/')?;
    let (first, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    Some((key(first), rest))
}

/// A part of a path that TOML writes without quotes.
fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
