//! Owns the reading of a directory into a [`Package`]: a plain plan (`default.toml`, `hooks/*`, `config/**`) or an
//! installed Habitat package, which has metafiles too. With what is below it the only part of `package` that touches the
//! file system; never writes and never watches.
//!
//! Symbolic links are followed, since a mounted ConfigMap consists of them; what they lead to must be a regular file
//! or a directory. Names that start with `..` are the kubelet's own and are left out.

mod entry;
mod error;
mod metafiles;

use std::path::{Path, PathBuf};

pub use error::DirectoryError;

use super::ident::Ident;
use super::overlay::remedy;
use super::path;
use super::schema;
use super::{Command, Facts, Hook, INSTALL, Package};
use entry::{Identity, entries, existing, metadata, text};

/// How deep directories may nest below `config/`.
const MAX_DEPTH: usize = 32;

/// A package and what looked odd about its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The package; its name, version and user are for the settings to fill in.
    pub package: Package,
    /// One line each.
    pub warnings: Vec<String>,
}

/// Reads the package in `directory`. Returns every problem at once.
pub fn read(directory: &Path) -> Result<Read, Vec<DirectoryError>> {
    let mut reader = Reader::default();
    // What is no directory has its own error below.
    let (facts, errors) = if directory.is_dir() {
        metafiles::read(directory)
    } else {
        Default::default()
    };
    reader.errors.extend(errors);
    reader.package.facts = Facts {
        path: directory.display().to_string(),
        ..facts
    };
    if !reader.package.facts.installed {
        reader.package.facts.origin = "kubesup".into();
        reader.package.facts.version = "0.0.0".into();
        reader.package.facts.release = "0".repeat(14);
    }
    if let Err(error) = reader.plan(directory) {
        reader.errors.push(error);
    }
    let Reader {
        package,
        warnings,
        errors,
    } = reader;
    if errors.is_empty() {
        Ok(Read { package, warnings })
    } else {
        Err(errors)
    }
}

/// Who the package in `directory` is, when it is an installed one. What is wrong with it, [`read`] says.
pub fn installed(directory: &Path) -> Option<Ident> {
    let text = text(&directory.join("IDENT")).ok()?.text;
    Ident::parse(text.trim()).ok()
}

/// Which directory of config file templates.
#[derive(Debug, Clone, Copy)]
enum Tree {
    Config,
    Install,
}

#[derive(Default)]
struct Reader {
    package: Package,
    warnings: Vec<String>,
    errors: Vec<DirectoryError>,
}

impl Reader {
    fn plan(&mut self, directory: &Path) -> Result<(), DirectoryError> {
        let top = entry::directory(directory)?;
        let mut found = false;
        if let Some(path) = existing(directory.join("default.toml"), &mut self.errors) {
            found = true;
            let source = text(&path);
            self.package.default_toml = self.kept(source);
        }
        if let Some(path) = existing(directory.join(schema::FILE), &mut self.errors) {
            let source = text(&path);
            self.package.schema = self.kept(source);
        }
        if let Some(path) = existing(directory.join("hooks"), &mut self.errors) {
            found = true;
            let outcome = self.hooks(&path);
            self.kept(outcome);
        }
        if let Some(path) = existing(directory.join("config"), &mut self.errors) {
            found = true;
            let outcome = self.config(Tree::Config, &path, "", &mut vec![top]);
            self.kept(outcome);
        }
        if let Some(path) = existing(directory.join("config_install"), &mut self.errors) {
            let outcome = self.config(Tree::Install, &path, "", &mut vec![top]);
            self.kept(outcome);
        }
        let run = directory.join("run");
        if self.package.facts.installed
            && !self.package.hooks.contains_key(&Hook::Run)
            && run.is_file()
        {
            found = true;
            // As in Habitat: a program of this name at the top is what runs when there is no hook.
            self.package.command = Some(Command {
                program: run.into_os_string(),
                args: Vec::new(),
            });
        }
        if !found {
            self.warnings.push(format!(
                "package {}: it holds no default.toml, hooks/ or config/; is --package the right directory?",
                directory.display()
            ));
        }
        Ok(())
    }

    fn hooks(&mut self, directory: &Path) -> Result<(), DirectoryError> {
        entry::directory(directory)?;
        for (name, path) in entries(directory, &mut self.errors)? {
            match Hook::from_file_name(&name) {
                Some(hook) => {
                    let source = text(&path);
                    if let Some(source) = self.kept(source) {
                        self.package.hooks.insert(hook, source);
                    }
                }
                None if name == INSTALL => {
                    let source = text(&path);
                    self.package.install = self.kept(source);
                }
                // Nothing is ever uninstalled here.
                None if name == "uninstall" => {}
                // `.gitkeep` and the like mean nothing.
                None if name.starts_with('.') => {}
                None => self.warnings.push(format!(
                    "package {}: there is no hook `{name}`, so that the file is never used; {}",
                    path.display(),
                    remedy(&name)
                )),
            }
        }
        Ok(())
    }

    /// Reads `directory`, which is `prefix` below `config/` (empty, or with a slash at the end). `above` are the
    /// directories that it is in.
    fn config(
        &mut self,
        tree: Tree,
        directory: &Path,
        prefix: &str,
        above: &mut Vec<Identity>,
    ) -> Result<(), DirectoryError> {
        let here = entry::directory(directory)?;
        let path = || directory.to_path_buf();
        if above.contains(&here) {
            return Err(DirectoryError::Cycle { path: path() });
        }
        if above.len() > MAX_DEPTH {
            return Err(DirectoryError::TooDeep {
                path: path(),
                max: MAX_DEPTH,
            });
        }
        above.push(here);
        for (name, path) in entries(directory, &mut self.errors)? {
            let relative = format!("{prefix}{name}");
            let outcome = self.config_entry(tree, &relative, path, above);
            self.kept(outcome);
        }
        above.pop();
        Ok(())
    }

    fn config_entry(
        &mut self,
        tree: Tree,
        relative: &str,
        path: PathBuf,
        above: &mut Vec<Identity>,
    ) -> Result<(), DirectoryError> {
        if let Err(problem) = path::check(relative) {
            return Err(DirectoryError::Path { path, problem });
        }
        if metadata(&path)?.is_dir() {
            return self.config(tree, &path, &format!("{relative}/"), above);
        }
        let files = match tree {
            Tree::Config => &mut self.package.config,
            Tree::Install => &mut self.package.config_install,
        };
        files.insert(relative.to_owned(), text(&path)?);
        Ok(())
    }

    /// Sorts an outcome into what is kept and the list of problems.
    fn kept<T>(&mut self, outcome: Result<T, DirectoryError>) -> Option<T> {
        outcome.map_err(|error| self.errors.push(error)).ok()
    }
}

#[cfg(test)]
mod tests;
