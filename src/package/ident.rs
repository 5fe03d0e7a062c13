//! Owns the identity of a Habitat package: `origin/name/version/release`. Never looks whether it is installed.

use std::fmt;

/// How many parts a full identity has.
const PARTS: usize = 4;

/// A fully qualified identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ident {
    /// Who made it.
    pub origin: String,
    /// The package's name.
    pub name: String,
    /// The version of what is packaged.
    pub version: String,
    /// When it was built: 14 digits.
    pub release: String,
}

impl Ident {
    /// Reads `origin/name/version/release`. The error says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Ident, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_part = |part: &&str| {
            !part.is_empty()
                && **part != *".."
                && **part != *"."
                && !part.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        match parts.as_slice() {
            [origin, name, version, release] if parts.iter().all(is_part) => Ok(Ident {
                origin: (*origin).to_owned(),
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                release: (*release).to_owned(),
            }),
            _ => Err(format!(
                "{text:?} is no full package identifier, which has {PARTS} parts: origin/name/version/release"
            )),
        }
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ident {
            origin,
            name,
            version,
            release,
        } = self;
        write!(f, "{origin}/{name}/{version}/{release}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_identifier_is_read_and_written_alike() {
        let text = "core/nginx/1.25.0/20240101000000";
        let ident = Ident::parse(text).unwrap();
        assert_eq!(ident.version, "1.25.0");
        assert_eq!(ident.to_string(), text);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "core",
            "core/nginx",
            "core/nginx/1.0",
            "core/nginx/1.0/",
            "core/nginx/1.0/1/2",
            "core/../1.0/1",
            "core/ng inx/1/2",
        ] {
            let error = Ident::parse(text).unwrap_err();
            assert!(error.contains("origin/name/version/release"), "{error}");
        }
    }
}
