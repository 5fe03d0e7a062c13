//! Owns how files from ConfigMaps and the command after `--` are laid over a base [`Package`]. Never reads a
//! directory and never renders.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::path::{self, PathProblem};
use super::{Command, Hook, INSTALL, Package, Source};
use crate::world::OverlayFile;

/// How alike a name must be to a hook's to be proposed for it, from 0 to 1 (Jaro-Winkler).
const ALIKE: f64 = 0.85;

/// Why a file of a ConfigMap cannot be part of the package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverlayError {
    /// No hook has this name.
    #[error("cannot use hook: {object}: there is no hook `{name}`; {}", remedy(.name))]
    UnknownHook {
        /// How messages name the file: ConfigMap and key.
        object: String,
        /// The name that is not a hook's.
        name: String,
    },
    /// The bytes are not text.
    #[error(
        "cannot use template: {object}: not UTF-8 from byte {valid_up_to} on; store it as text"
    )]
    NotText {
        /// How messages name the file: ConfigMap and key.
        object: String,
        /// How many bytes are well-formed.
        valid_up_to: usize,
    },
    /// The path cannot name a file.
    #[error("cannot use template: {object}: {path:?}: {problem}")]
    Path {
        /// How messages name the file: ConfigMap and key.
        object: String,
        /// The path as it was given.
        path: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// It is neither below `hooks/` nor below `config/`.
    #[error(
        "cannot use template: {object}: {path:?} is neither in hooks/ nor in config/; move it there"
    )]
    Elsewhere {
        /// How messages name the file: ConfigMap and key.
        object: String,
        /// The path as it was given.
        path: String,
    },
    /// One path would be a file and a directory at once.
    #[error(
        "cannot use template: {object}: config/{path} needs a directory where {other} is the file config/{file}; rename one of them"
    )]
    FileAndDirectory {
        /// How messages name the file below the directory.
        object: String,
        /// Its path below `config/`.
        path: String,
        /// How messages name the file that is in the way.
        other: String,
        /// Its path below `config/`.
        file: String,
    },
}

/// Lays `files` (by path: `hooks/<name>`, `config/<path>`) over `base`; a file of the same path replaces the one
/// below. Returns every problem at once.
pub fn overlay(
    base: &Package,
    files: &BTreeMap<String, OverlayFile>,
) -> Result<Package, Vec<OverlayError>> {
    let mut package = base.clone();
    let mut errors = Vec::new();
    for (path, file) in files {
        if let Err(error) = lay(&mut package, path, file) {
            errors.push(error);
        }
    }
    errors.extend(collisions(&package));
    if errors.is_empty() {
        Ok(package)
    } else {
        Err(errors)
    }
}

/// The command after `--`: the program and its arguments, executed without a shell; `None` when there is none.
pub fn command_hook(args: &[OsString]) -> Option<Command> {
    let (program, args) = args.split_first()?;
    Some(Command {
        program: program.clone(),
        args: args.to_vec(),
    })
}

/// The hook that is probably meant by a name that is not a hook's: `health_check`, `run.sh`, `reconfgure`.
pub fn suggest_hook(name: &str) -> Option<Hook> {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let plain = stem
        .trim_end_matches('~')
        .to_ascii_lowercase()
        .replace(['_', ' '], "-");
    Hook::from_file_name(&plain).or_else(|| {
        Hook::ALL
            .into_iter()
            .map(|hook| (strsim::jaro_winkler(&plain, hook.file_name()), hook))
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, hook)| hook)
    })
}

/// What to do about a name that is not a hook's.
pub(super) fn remedy(name: &str) -> String {
    // Habitat had it until 2025 (contract, section 2.1): a change of the configuration restarts there too.
    if name == "reload" {
        return "without `reconfigure` a change of config/ restarts the program; put there what `reload` does".to_owned();
    }
    match suggest_hook(name) {
        Some(hook) => format!("did you mean `{}`?", hook.file_name()),
        None => format!("hooks are {}", Hook::ALL.map(Hook::file_name).join(", ")),
    }
}

/// Config files below a path that is itself a config file: no directory can hold both.
fn collisions(package: &Package) -> Vec<OverlayError> {
    let mut errors = Vec::new();
    for (path, source) in &package.config {
        for parent in path::parents(path) {
            if let Some(other) = package.config.get(parent) {
                errors.push(OverlayError::FileAndDirectory {
                    object: source.origin.clone(),
                    path: path.clone(),
                    other: other.origin.clone(),
                    file: parent.to_owned(),
                });
            }
        }
    }
    errors
}

fn lay(package: &mut Package, path: &str, file: &OverlayFile) -> Result<(), OverlayError> {
    let object = || file.object.clone();
    let text = || match str::from_utf8(&file.content) {
        Ok(text) => Ok(Source {
            origin: object(),
            text: text.to_owned(),
        }),
        Err(error) => Err(OverlayError::NotText {
            object: object(),
            valid_up_to: error.valid_up_to(),
        }),
    };
    if let Some(name) = path.strip_prefix("hooks/") {
        if name == INSTALL {
            package.install = Some(text()?);
            return Ok(());
        }
        let Some(hook) = Hook::from_file_name(name) else {
            return Err(OverlayError::UnknownHook {
                object: object(),
                name: name.to_owned(),
            });
        };
        package.hooks.insert(hook, text()?);
    } else if let Some(relative) = path.strip_prefix("config/") {
        path::check(relative).map_err(|problem| OverlayError::Path {
            object: object(),
            path: path.to_owned(),
            problem,
        })?;
        package.config.insert(relative.to_owned(), text()?);
    } else {
        return Err(OverlayError::Elsewhere {
            object: object(),
            path: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Run;
    use super::*;

    fn file(object: &str, content: &[u8]) -> OverlayFile {
        OverlayFile {
            object: object.into(),
            content: content.into(),
        }
    }

    fn files<const N: usize>(files: [(&str, &[u8]); N]) -> BTreeMap<String, OverlayFile> {
        files
            .into_iter()
            .map(|(path, content)| {
                (
                    path.into(),
                    file(&format!("ConfigMap shop/files, key {path}"), content),
                )
            })
            .collect()
    }

    fn base() -> Package {
        let source = |text: &str| Source {
            origin: "/package".into(),
            text: text.into(),
        };
        Package {
            hooks: [(Hook::Run, source("run")), (Hook::Init, source("init"))].into(),
            config: [("app.conf".into(), source("app"))].into(),
            ..Package::default()
        }
    }

    #[test]
    fn a_file_of_the_same_path_replaces_and_the_others_stay() {
        let laid = overlay(
            &base(),
            &files([
                ("hooks/run", b"new"),
                ("config/sub/x", b"x"),
                ("config/app.conf", b"y"),
            ]),
        )
        .unwrap();
        assert_eq!(laid.hooks[&Hook::Run].text, "new");
        assert_eq!(
            laid.hooks[&Hook::Run].origin,
            "ConfigMap shop/files, key hooks/run"
        );
        assert_eq!(laid.hooks[&Hook::Init].text, "init");
        assert_eq!(laid.config["sub/x"].text, "x");
        assert_eq!(laid.config["app.conf"].text, "y");
    }

    #[test]
    fn all_problems_come_at_once_and_say_what_is_meant() {
        let errors = overlay(
            &base(),
            &files([
                ("hooks/health_check", b""),
                ("hooks/zzz", b""),
                ("hooks/init", b"ok\xff"),
                ("config/../x", b""),
                ("config/app.conf/x", b""),
                ("default.toml", b""),
            ]),
        )
        .unwrap_err();
        let all = errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(errors.len(), 6, "{all}");
        for part in [
            "key hooks/health_check: there is no hook `health_check`; did you mean `health-check`?",
            "no hook `zzz`; hooks are health-check, init",
            "key hooks/init: not UTF-8 from byte 2 on",
            "a part `..`",
            "config/app.conf/x needs a directory where /package is the file config/app.conf",
            "neither in hooks/ nor in config/",
        ] {
            assert!(all.contains(part), "{part:?} is not in\n{all}");
        }
    }

    #[test]
    fn names_near_a_hook_suggest_it() {
        for (name, hook) in [
            ("run.sh", Some(Hook::Run)),
            ("run~", Some(Hook::Run)),
            ("Health_Check", Some(Hook::HealthCheck)),
            ("reconfgure", Some(Hook::Reconfigure)),
            ("poststop", Some(Hook::PostStop)),
            ("README.md", None),
            ("", None),
        ] {
            assert_eq!(suggest_hook(name), hook, "{name}");
        }
    }

    #[test]
    fn the_command_runs_only_while_there_is_no_run_hook() {
        let args = ["nginx", "-g", "daemon off;"].map(OsString::from);
        let command = command_hook(&args).unwrap();
        assert_eq!(command.program, "nginx");
        assert_eq!(command.args, ["-g", "daemon off;"]);
        let mut package = Package {
            command: Some(command.clone()),
            ..base()
        };
        assert!(matches!(package.run(), Some(Run::Hook(hook)) if hook.text == "run"));
        package.hooks.clear();
        assert_eq!(package.run(), Some(Run::Command(&command)));
        assert_eq!(command_hook(&[]), None);
        assert_eq!(Package::default().run(), None);
    }
}
