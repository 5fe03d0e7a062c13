//! Owns the templates of a package: parses them all, renders them all, and names every problem. Pure; never reads or writes
//! a file, and never merges configuration.

pub mod context;
pub mod engine;
pub mod error;
mod helpers;
mod nesting;
mod partials;
pub mod reach;

use std::collections::BTreeMap;

use handlebars::Context;
use serde_json::Value;

use crate::package::Package;
use engine::Registry;
pub use engine::Strictness;
pub use error::TemplateError;
pub use reach::Reach;

/// All templates of a package, parsed: one registry for each hook, and one for all of `config/`, as in Habitat, so that a
/// config file can include another as a partial.
#[derive(Debug)]
pub struct Templates {
    hooks: Vec<Registry>,
    config: Registry,
    reach: Reach,
    warnings: Vec<String>,
}

/// What a render gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// Path below the service directory (`hooks/run`, `config/sub/app.conf`) to text.
    pub files: BTreeMap<String, String>,
}

/// Parses all templates. The error lists every problem.
pub fn compile(package: &Package, strictness: Strictness) -> Result<Templates, Vec<TemplateError>> {
    let mut errors = Vec::new();
    let mut hooks = Vec::new();
    for (hook, source) in &package.hooks {
        let mut registry = Registry::new("hooks", strictness);
        errors.extend(registry.add(hook.file_name(), source).err());
        hooks.push(registry);
    }
    let mut config = Registry::new("config", strictness);
    for (path, source) in &package.config {
        errors.extend(config.add(path, source).err());
    }
    errors.extend(config.check_partials().err());
    if !errors.is_empty() {
        return Err(errors);
    }
    let sources = || package.hooks.values().chain(package.config.values());
    Ok(Templates {
        reach: Reach::of(sources().map(|source| source.text.as_str())),
        warnings: sources().flat_map(error::old_path_warnings).collect(),
        hooks,
        config,
    })
}

impl Templates {
    /// Renders everything. The context is moved, since cloning it is what costs. The error lists every file that does not
    /// render.
    pub fn render(&self, context: Value) -> Result<Rendered, Vec<TemplateError>> {
        let mut owned = Context::null();
        *owned.data_mut() = context;
        let mut rendered = Rendered::default();
        let mut errors = Vec::new();
        for registry in self.hooks.iter().chain([&self.config]) {
            registry.render(&owned, &mut rendered.files, &mut errors);
        }
        if errors.is_empty() {
            Ok(rendered)
        } else {
            Err(errors)
        }
    }

    /// Which trees of the context some template can reach.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// What works less than it seems, one line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

#[cfg(test)]
mod tests;
