//! Owns the templates of a package: parses them all, renders them all, and names every problem. Pure; never reads or writes
//! a file, and never merges configuration.

pub mod context;
pub mod engine;
pub mod error;
mod helpers;
pub mod mock;

mod nesting;
mod partials;
pub mod reach;
mod scan;

use std::collections::BTreeMap;

use handlebars::Context;
use serde_json::Value;

use crate::package::{INSTALL, Package, Source};
use engine::Registry;
pub use engine::Strictness;
pub use error::TemplateError;
pub use reach::{Bound, Reach};

/// All templates of a package, parsed: one registry for each hook, and one for all of `config/`, as in Habitat, so that a
/// config file can include another as a partial.
#[derive(Debug)]
pub struct Templates {
    registries: Vec<Registry>,
    reach: Reach,
    /// Uses of the old path syntax.
    old_paths: Vec<TemplateError>,
}

/// What a render gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// Path below the service directory (`hooks/run`, `config/sub/app.conf`) to text.
    pub files: BTreeMap<String, String>,
}

/// Parses all templates. The error lists every problem.
pub fn compile(package: &Package, strictness: Strictness) -> Result<Templates, Vec<TemplateError>> {
    let hooks = package
        .hooks
        .iter()
        .map(|(hook, source)| ("hooks", vec![(hook.file_name(), source)]));
    let config = named(&package.config);
    parse(hooks.chain([("config", config)]).collect(), strictness)
}

/// Parses the templates of the `install` hook; there may be none.
pub fn compile_install(
    package: &Package,
    strictness: Strictness,
) -> Result<Templates, Vec<TemplateError>> {
    let hook = package.install.iter().map(|source| (INSTALL, source));
    let groups = vec![
        ("hooks", hook.collect()),
        ("config_install", named(&package.config_install)),
    ];
    parse(groups, strictness)
}

/// Templates of one registry, with their directory below the service's.
type Group<'a> = (&'static str, Vec<(&'a str, &'a Source)>);

fn named(files: &BTreeMap<String, Source>) -> Vec<(&str, &Source)> {
    files
        .iter()
        .map(|(path, source)| (path.as_str(), source))
        .collect()
}

fn parse(groups: Vec<Group<'_>>, strictness: Strictness) -> Result<Templates, Vec<TemplateError>> {
    let mut errors = Vec::new();
    let mut registries = Vec::new();
    for (directory, files) in &groups {
        let mut registry = Registry::new(directory, strictness);
        for (name, source) in files {
            errors.extend(registry.add(name, source).err());
        }
        registries.push(registry);
    }
    errors.extend(
        registries
            .iter()
            .filter_map(|registry| registry.check_partials().err()),
    );
    let sources = || {
        groups
            .iter()
            .flat_map(|(_, files)| files)
            .map(|(_, source)| *source)
    };
    let old_paths: Vec<_> = sources().flat_map(error::old_paths).collect();
    if errors.is_empty() {
        Ok(Templates {
            registries,
            reach: Reach::of(sources().map(|source| source.text.as_str())),
            old_paths,
        })
    } else {
        Err(error::with_reasons(&old_paths, errors))
    }
}

impl Templates {
    /// Renders everything. The context is moved, since cloning it is what costs. The error lists every file that does not
    /// render.
    pub fn render(&self, context: Value) -> Result<Rendered, Vec<TemplateError>> {
        let mut owned = Context::null();
        *owned.data_mut() = context;
        let mut rendered = Rendered::default();
        let mut errors = Vec::new();
        for registry in &self.registries {
            registry.render(&owned, &mut rendered.files, &mut errors);
        }
        if errors.is_empty() {
            Ok(rendered)
        } else {
            Err(error::with_reasons(&self.old_paths, errors))
        }
    }

    /// Which trees of the context some template can reach.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// What works less than it seems, one line each.
    pub fn warnings(&self) -> Vec<String> {
        self.old_paths.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests;
