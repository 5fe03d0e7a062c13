//! Owns the configuration layers that are this container's: variables of the environment, read once, and `user.toml`,
//! which is followed. Never merges them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::info;

use super::Base;
use crate::files::watched_file::{self, WatchedFile};
use crate::package::{Source, variables};

/// What `user.toml` says; the error is why it cannot be read.
type UserToml = Result<Option<Source>, String>;

/// The layers between a package's `default.toml` and the ConfigMaps.
#[derive(Debug)]
pub(super) struct Local {
    environment: BTreeMap<String, String>,
    /// `None` until it is known where it is.
    file: Option<WatchedFile>,
    user: UserToml,
}

impl Local {
    pub(super) fn new(environment: BTreeMap<String, String>) -> Self {
        Local {
            environment,
            file: None,
            user: Ok(None),
        }
    }

    /// Follows the file from now on.
    pub(super) fn follow(&mut self, path: PathBuf) {
        let file = WatchedFile::start(path);
        self.user = read(file.path());
        if let Ok(Some(source)) = &self.user {
            info!(path = source.origin, "user.toml found");
        }
        self.file = Some(file);
    }

    /// Does not follow it any more; what it said stays.
    pub(super) fn unfollow(&mut self) {
        self.file = None;
    }

    /// Waits until `user.toml` says something else. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        let Some(file) = &mut self.file else {
            return std::future::pending().await;
        };
        loop {
            file.changed().await;
            let user = read(file.path());
            if user != self.user {
                info!(path = %file.path().display(), "user.toml changed");
                self.user = user;
                return;
            }
        }
    }

    /// The package with these layers. `name` is the service's.
    pub(super) fn lay(&self, base: &Base, name: &str) -> Base {
        let (package, user) = match (base, &self.user) {
            (Ok(package), Ok(user)) => (package, user),
            (base, user) => {
                let mut problems = base.clone().err().unwrap_or_default();
                problems.extend(user.clone().err());
                return Err(problems);
            }
        };
        let name = if package.facts.installed {
            &package.facts.name
        } else {
            name
        };
        let variables = variables::layers(name, &self.environment);
        if variables.is_empty() && user.is_none() {
            return base.clone();
        }
        let mut package = (**package).clone();
        package.variables = variables;
        package.user_toml.clone_from(user);
        Ok(Arc::new(package))
    }
}

/// The package with these layers as they are now. `name` is the service's.
pub fn lay_once(
    base: &Base,
    name: &str,
    environment: BTreeMap<String, String>,
    user_toml: &Path,
) -> Base {
    let local = Local {
        user: read(user_toml),
        ..Local::new(environment)
    };
    local.lay(base, name)
}

fn read(path: &Path) -> UserToml {
    let origin = path.display().to_string();
    match watched_file::read(path) {
        Ok(text) => Ok(text.map(|text| Source { origin, text })),
        Err(error) => Err(format!("cannot use configuration: {origin}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Facts, Package};

    fn package(facts: Facts) -> Arc<Package> {
        Arc::new(Package {
            facts,
            ..Package::default()
        })
    }

    #[test]
    fn the_variable_is_that_of_the_package_and_of_a_plan_that_of_the_service() {
        let local = Local::new(
            ["HAB_WEB", "HAB_DEMO"]
                .map(|name| (name.to_owned(), String::new()))
                .into(),
        );
        let origin = |facts: Facts| {
            let laid = local.lay(&Ok(package(facts)), "demo").expect("a package");
            laid.variables[0].origin.clone()
        };
        assert_eq!(origin(Facts::default()), "environment variable HAB_DEMO");
        let installed = Facts {
            installed: true,
            name: "web".into(),
            ..Facts::default()
        };
        assert_eq!(origin(installed), "environment variable HAB_WEB");
    }

    #[test]
    fn without_layers_the_package_is_the_same_one() {
        let before = package(Facts::default());
        let after = Local::new(BTreeMap::new()).lay(&Ok(Arc::clone(&before)), "demo");
        assert!(Arc::ptr_eq(&before, &after.expect("a package")));
    }

    #[test]
    fn problems_of_the_package_and_of_the_file_come_at_once() {
        let mut local = Local::new(BTreeMap::new());
        local.user = Err("b".into());
        assert_eq!(
            local.lay(&Err(vec!["a".into()]), "demo"),
            Err(vec!["a".into(), "b".into()])
        );
        assert_eq!(
            local.lay(&Ok(package(Facts::default())), "demo"),
            Err(vec!["b".into()])
        );
    }
}
