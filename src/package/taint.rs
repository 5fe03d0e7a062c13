//! Owns where in a configuration values of Secrets are, and their redaction. Never decides who may see what.

use std::collections::BTreeSet;

use serde_json::Value;

/// What stands in place of a value that is not shown.
pub const REDACTED: &str = "<redacted>";

/// JSON pointers of the leaves that came from Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taint(BTreeSet<String>);

impl FromIterator<String> for Taint {
    fn from_iter<T: IntoIterator<Item = String>>(pointers: T) -> Self {
        Taint(pointers.into_iter().collect())
    }
}

impl Taint {
    /// No value came from a Secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pointers, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether the value at this pointer, or a part of it, or what it is a part of, came from a Secret.
    pub fn touches(&self, pointer: &str) -> bool {
        let within = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.iter()
            .any(|secret| within(pointer, secret) || within(secret, pointer))
    }

    /// The configuration with [`REDACTED`] in place of each such value.
    pub fn redact(&self, cfg: &Value) -> Value {
        let mut shown = cfg.clone();
        for pointer in self.iter() {
            if let Some(value) = shown.pointer_mut(pointer) {
                *value = REDACTED.into();
            }
        }
        shown
    }
}

/// A key as a part of a JSON pointer (RFC 6901).
pub fn token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A part of a JSON pointer as a key.
pub fn key(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_its_parts_and_what_it_is_a_part_of_are_touched() {
        let taint: Taint = ["/db/password".to_owned()].into_iter().collect();
        for pointer in ["", "/db", "/db/password", "/db/password/0"] {
            assert!(taint.touches(pointer), "{pointer:?}");
        }
        for pointer in ["/d", "/db/pass", "/db/passwords", "/db/host"] {
            assert!(!taint.touches(pointer), "{pointer:?}");
        }
        assert!(!Taint::default().touches(""));
    }
}
