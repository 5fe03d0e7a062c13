//! Owns what a layer of settings is: values as they were written, with where they came from. Never reads what they mean.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::config::Key;

/// Where a value came from, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config/kubesup.yaml`, embedded.
    Defaults,
    /// What an installed Habitat package changes in the defaults, by its directory.
    Package(PathBuf),
    /// What local mode changes in the defaults.
    LocalMode,
    /// A line of the file given with `--config`.
    File(PathBuf),
    /// The own Pod, as `namespace/name`.
    Pod(String),
    /// A variable that Habitat's supervisor reads too.
    HabitatEnvironment,
    /// A `KUBESUP_` variable.
    Environment,
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Defaults => write!(f, "built-in defaults"),
            Origin::Package(path) => write!(f, "Habitat package {}", path.display()),
            Origin::LocalMode => write!(f, "local mode"),
            Origin::File(path) => write!(f, "settings file {}", path.display()),
            Origin::Pod(pod) => write!(f, "Pod {pod}"),
            Origin::HabitatEnvironment | Origin::Environment => write!(f, "environment"),
            Origin::Flag => write!(f, "flag"),
        }
    }
}

/// The values that one origin sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Where they come from.
    pub origin: Origin,
    /// Each value with its place.
    pub values: BTreeMap<Key, Value>,
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The text.
    pub text: String,
    /// Its line, counted from 1, in a file.
    pub line: Option<usize>,
    /// What of the own Pod says it, such as `label app.kubernetes.io/name`.
    pub field: Option<String>,
}

impl Layer {
    /// An empty layer.
    pub fn new(origin: Origin) -> Self {
        Layer {
            origin,
            values: BTreeMap::new(),
        }
    }

    /// Sets one value that has no line.
    #[must_use]
    pub fn with(mut self, key: Key, text: impl Into<String>) -> Self {
        self.values.insert(
            key,
            Value {
                text: text.into(),
                line: None,
                field: None,
            },
        );
        self
    }

    /// Sets one value that a field of the own Pod says.
    #[must_use]
    pub fn with_field(mut self, key: Key, text: impl Into<String>, field: String) -> Self {
        self.values.insert(
            key,
            Value {
                text: text.into(),
                line: None,
                field: Some(field),
            },
        );
        self
    }
}

/// Layers, lowest first: defaults, installed package, local mode, file, own Pod, environment, flags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layers {
    /// Defaults, installed package, local mode and the settings file.
    pub below_pod: Vec<Layer>,
    /// Environment and flags.
    pub above_pod: Vec<Layer>,
}

/// Why the settings cannot be used: one problem of one value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Problem {
    /// Where: `flag --group`, `settings file x.yaml, line 3`, `Pod shop/demo-0, annotation kubesup.dev/group`.
    pub place: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}
