//! Owns what commands look at that start nothing: the package and the manifests as they are now, read once, through the same
//! parts as `kubesup run`. Never watches, never writes and never talks to an API server.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::source::{PackageSource, above, local_identity};
use super::{StartError, Surroundings, layers, package_directory, usage};
use crate::cli::run;
use crate::config::{Settings, resolve};
use crate::manifests::{self, Objects};
use crate::package::Package;
use crate::supervisor;
use crate::world::{Fold, Identity, View, World};

/// What the first rendering is made from.
pub(super) struct Offline {
    pub(super) world: Arc<World>,
    /// The package with the layers of this machine, and without what ConfigMaps lay over it.
    pub(super) base: Arc<Package>,
    pub(super) settings: Arc<Settings>,
    pub(super) warnings: Vec<String>,
}

/// Reads everything, or says everything that is wrong; `nothing` when neither a package nor manifests are named.
pub(super) fn gather(
    arguments: &run::Arguments,
    surroundings: &Surroundings,
    nothing: &str,
) -> Result<Offline, StartError> {
    let identity = local_identity(arguments, surroundings);
    let objects = match &arguments.manifests {
        None => Ok(manifests::none(&identity)),
        Some(path) => manifests::load(path, &identity),
    };
    let objects = objects.map_err(|errors| {
        let lines = errors.iter().map(ToString::to_string).collect();
        match &arguments.manifests {
            Some(path) if path.exists() => StartError::Problems(lines),
            _ => StartError::Usage(lines),
        }
    })?;
    let environment = above(
        &surroundings.environment,
        objects.literal_environment(&identity),
    );
    // As in a cluster: a rendering must not depend on the user who looks at it, so that local mode's defaults are not laid.
    let layers = layers(arguments, surroundings, None, &environment)?;
    let settings = resolve(&layers, None).map_err(usage)?;
    let directory = package_directory(&settings, arguments);
    let problem = match &settings.user_toml {
        _ if directory.is_none() && arguments.manifests.is_none() => Some(nothing.to_owned()),
        Some(path) if !path.exists() => Some(format!(
            "cannot read user.toml {}: it is not there",
            path.display()
        )),
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(StartError::Usage(vec![problem]));
    }
    let package = PackageSource {
        directory,
        config_from: settings.config_from.clone(),
        command: arguments.command.clone(),
        environment: environment.clone(),
    };
    let identity = Identity {
        pod_name: String::new(),
        ..identity
    };
    let view = observe(Fold::new(identity, layers), &objects);
    let settings = view.settings.unwrap_or_else(|| Arc::new(settings));
    let base = supervisor::lay_once(
        &package.read(),
        &settings.name,
        environment,
        &supervisor::user_toml(&settings),
    );
    match (view.world, base) {
        (Some(world), Ok(base)) => Ok(Offline {
            world,
            base,
            settings,
            warnings: view.warnings,
        }),
        (_, base) => {
            let mut problems = view.problems;
            problems.extend(base.err().unwrap_or_default());
            Err(StartError::Problems(problems))
        }
    }
}

/// What the world is after all that is wanted has been seen once.
fn observe(mut fold: Fold, objects: &Objects) -> View {
    // It costs nothing here.
    fold.read_leaders(true);
    let mut seen = BTreeSet::new();
    loop {
        let wanted: BTreeSet<_> = fold.wanted().difference(&seen).cloned().collect();
        if wanted.is_empty() {
            return fold.view();
        }
        for observation in objects.observations(&wanted) {
            fold.apply(observation);
        }
        seen.extend(wanted);
    }
}
