//! Owns the making of one [`Revision`]: a world and a package become merged configuration and rendered files, or the list
//! of everything that is wrong. Pure; never writes a file, and never decides what a change causes.

use std::sync::Arc;

use crate::config::Settings;
use crate::lifecycle::Files;
use crate::package::layers::Layers;
use crate::package::schema::Schema;
use crate::package::taint::Taint;
use crate::package::{Package, Source, layers, overlay, service_files};
use crate::snapshot::Paths;
use crate::template::{self, Strictness, Templates, context};
use crate::world::World;

/// A configuration that was accepted, and what it renders to.
#[derive(Debug, Clone)]
pub struct Revision {
    /// The package with what ConfigMaps lay over it.
    pub package: Arc<Package>,
    /// The merged configuration.
    pub cfg: serde_json::Value,
    /// Where in it values of Secrets are.
    pub taint: Taint,
    /// Rendered files by path below the service directory.
    pub files: Arc<Files>,
    /// What the operator should mend though it works, one line each.
    pub warnings: Vec<String>,
}

/// Makes revisions; keeps the parsed templates as long as the package stays the same.
#[derive(Debug, Default)]
pub struct Revisions {
    parsed: Option<Parsed>,
    schema: Option<(Source, Schema)>,
}

#[derive(Debug)]
struct Parsed {
    package: Arc<Package>,
    strictness: Strictness,
    templates: Templates,
    install: Templates,
}

impl Revisions {
    /// Makes the revision of this world, or says everything that is wrong with it, one line each.
    pub fn make(
        &mut self,
        world: &World,
        base: &Package,
        settings: &Settings,
        paths: &Paths,
    ) -> Result<Revision, Vec<String>> {
        let package = laid(base, world, settings)?;
        if package.run().is_none() {
            return Err(vec![format!(
                "package {} has no run hook: add hooks/run to it, name a ConfigMap with a key run in the annotation \
                 kubesup.dev/hooks, or give a command after --",
                package.facts.name
            )]);
        }
        // All at once: an operator who mends one wants to know of the others.
        let files = service_files::check(&world.files);
        let layers = layers::merge(&package, &world.config)
            .map_err(lines)
            .and_then(|layers| self.fitting(layers, package.schema.as_ref()));
        let parsed = self.parse(package, settings);
        let (layers, parsed) = match (layers, parsed) {
            (Ok(layers), Ok(parsed)) if files.is_empty() => (layers, parsed),
            (layers, parsed) => {
                let mut problems = lines(files);
                problems.extend(layers.err().unwrap_or_default());
                problems.extend(parsed.err().unwrap_or_default());
                return Err(problems);
            }
        };
        let input = context::Input {
            world,
            package: &parsed.package,
            settings,
            cfg: &layers.cfg,
            paths,
        };
        let (rendered, install) = both(
            parsed
                .templates
                .render(context::build(&input, parsed.templates.reach())),
            parsed.install.render(context::install(&input)),
        )
        .map_err(lines)?;
        let mut files = rendered.files;
        files.extend(install.files);
        Ok(Revision {
            package: Arc::clone(&parsed.package),
            taint: layers.taint(),
            cfg: layers.cfg,
            files: Arc::new(files),
            warnings: parsed.templates.warnings(),
        })
    }

    /// Whether templates read who leads what is bound; `None` when they do not parse.
    pub fn reads_leaders(
        &mut self,
        world: &World,
        base: &Package,
        settings: &Settings,
    ) -> Option<bool> {
        let package = laid(base, world, settings).ok()?;
        let parsed = self.parse(package, settings).ok()?;
        Some(parsed.templates.reach().bound_leaders)
    }

    /// The layers again, when what they make fits the schema.
    pub fn fitting(
        &mut self,
        layers: Layers,
        schema: Option<&Source>,
    ) -> Result<Layers, Vec<String>> {
        let Some(source) = schema else {
            return Ok(layers);
        };
        if self
            .schema
            .as_ref()
            .is_none_or(|(known, _)| known != source)
        {
            let schema = Schema::parse(source).map_err(|error| vec![error.to_string()])?;
            self.schema = Some((source.clone(), schema));
        }
        let violations = match &self.schema {
            Some((_, schema)) => schema.check(&layers),
            None => Vec::new(),
        };
        if violations.is_empty() {
            Ok(layers)
        } else {
            Err(lines(violations))
        }
    }

    fn parse(&mut self, package: Package, settings: &Settings) -> Result<&Parsed, Vec<String>> {
        let strictness = if settings.strict {
            Strictness::Strict
        } else {
            Strictness::Lenient
        };
        let same = |parsed: &Parsed| parsed.strictness == strictness && *parsed.package == package;
        if !self.parsed.as_ref().is_some_and(same) {
            let (templates, install) = both(
                template::compile(&package, strictness),
                template::compile_install(&package, strictness),
            )
            .map_err(lines)?;
            self.parsed = Some(Parsed {
                package: Arc::new(package),
                strictness,
                templates,
                install,
            });
        }
        self.parsed
            .as_ref()
            .ok_or_else(|| vec!["invariant: templates were just parsed".to_owned()])
    }
}

/// The package with what ConfigMaps lay over it and what the settings say about it.
fn laid(base: &Package, world: &World, settings: &Settings) -> Result<Package, Vec<String>> {
    let package = overlay::overlay(base, &world.overlay).map_err(lines)?;
    Ok(with_facts(package, settings))
}

/// Both, or the problems of both.
fn both<A, B, E>(a: Result<A, Vec<E>>, b: Result<B, Vec<E>>) -> Result<(A, B), Vec<E>> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => {
            let mut errors = a.err().unwrap_or_default();
            errors.extend(b.err().unwrap_or_default());
            Err(errors)
        }
    }
}

/// What the settings say about the package. An installed one says it itself.
fn with_facts(mut package: Package, settings: &Settings) -> Package {
    let facts = &mut package.facts;
    if facts.installed {
        return package;
    }
    facts.name.clone_from(&settings.name);
    if facts.version.is_empty() || facts.version == NO_VERSION {
        facts.version.clone_from(&settings.version);
    }
    if facts.origin.is_empty() {
        "kubesup".clone_into(&mut facts.origin);
    }
    if facts.release.is_empty() {
        facts.release = "0".repeat(RELEASE_DIGITS);
    }
    package
}

/// The version of what has none.
const NO_VERSION: &str = "0.0.0";

/// A Habitat release is a time to the second.
const RELEASE_DIGITS: usize = 14;

fn lines<E: ToString>(errors: Vec<E>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}
