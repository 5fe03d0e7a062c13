//! Owns the reading of a directory into a [`Package`]: a plain plan (`default.toml`, `hooks/*`, `config/**`) or an
//! installed Habitat package, which has metafiles too. With what is below it the only part of `package` that touches the
//! file system; never writes and never watches.
//!
//! Symbolic links are followed, since a mounted ConfigMap consists of them; what they lead to must be a regular file
//! or a directory. Names that start with `..` are the kubelet's own and are left out.

mod error;
mod metafiles;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

pub use error::DirectoryError;

use super::ident::Ident;
use super::overlay::remedy;
use super::path;
use super::schema;
use super::{Command, Facts, Hook, INSTALL, Package, Source};

/// The largest template, in bytes: sixteen times what a ConfigMap can hold. More is an archive or a mistake.
const MAX_FILE: u64 = 16 * 1024 * 1024;

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
        let top = is_directory(directory, metadata(directory)?)?;
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
            let outcome = self.config(Tree::Config, &path, "", &mut vec![identity(&top)]);
            self.kept(outcome);
        }
        if let Some(path) = existing(directory.join("config_install"), &mut self.errors) {
            let outcome = self.config(Tree::Install, &path, "", &mut vec![identity(&top)]);
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
        is_directory(directory, metadata(directory)?)?;
        for (name, path) in self.entries(directory)? {
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
        above: &mut Vec<(u64, u64)>,
    ) -> Result<(), DirectoryError> {
        let here = identity(&is_directory(directory, metadata(directory)?)?);
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
        for (name, path) in self.entries(directory)? {
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
        above: &mut Vec<(u64, u64)>,
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

    /// The entries of a directory in the order of their names, without the kubelet's own.
    fn entries(&mut self, directory: &Path) -> Result<Vec<(String, PathBuf)>, DirectoryError> {
        let failed = |source| DirectoryError::Io {
            path: directory.to_path_buf(),
            source,
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            match entry.file_name().into_string() {
                Ok(name) if name.starts_with("..") => {}
                Ok(name) => entries.push((name, entry.path())),
                Err(_) => self
                    .errors
                    .push(DirectoryError::Name { path: entry.path() }),
            }
        }
        entries.sort();
        Ok(entries)
    }

    /// Sorts an outcome into what is kept and the list of problems.
    fn kept<T>(&mut self, outcome: Result<T, DirectoryError>) -> Option<T> {
        outcome.map_err(|error| self.errors.push(error)).ok()
    }
}

/// The path if anything is there; a link that leads nowhere is there, and is a problem when it is read.
fn existing(path: PathBuf, errors: &mut Vec<DirectoryError>) -> Option<PathBuf> {
    match fs::symlink_metadata(&path) {
        Ok(_) => Some(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => {
            errors.push(DirectoryError::Io { path, source });
            None
        }
    }
}

fn metadata(path: &Path) -> Result<fs::Metadata, DirectoryError> {
    fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => DirectoryError::Missing {
            path: path.to_path_buf(),
        },
        _ if source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => DirectoryError::Cycle {
            path: path.to_path_buf(),
        },
        _ => DirectoryError::Io {
            path: path.to_path_buf(),
            source,
        },
    })
}

fn is_directory(path: &Path, metadata: fs::Metadata) -> Result<fs::Metadata, DirectoryError> {
    if metadata.is_dir() {
        return Ok(metadata);
    }
    let found = if metadata.is_file() {
        "a file"
    } else {
        "a special file"
    };
    Err(DirectoryError::Kind {
        path: path.to_path_buf(),
        found,
        needed: "a directory",
    })
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn text(path: &Path) -> Result<Source, DirectoryError> {
    let found = metadata(path)?;
    let owned = || path.to_path_buf();
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !found.is_file() {
        let found = if found.is_dir() {
            "a directory"
        } else {
            "a special file"
        };
        return Err(DirectoryError::Kind {
            path: owned(),
            found,
            needed: "a file",
        });
    }
    if found.len() > MAX_FILE {
        return Err(DirectoryError::TooLarge {
            path: owned(),
            bytes: found.len(),
            max: MAX_FILE,
        });
    }
    let bytes = fs::read(path).map_err(|source| DirectoryError::Io {
        path: owned(),
        source,
    })?;
    let text = String::from_utf8(bytes).map_err(|error| DirectoryError::NotText {
        path: owned(),
        valid_up_to: error.utf8_error().valid_up_to(),
    })?;
    Ok(Source {
        origin: path.display().to_string(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn plan(files: &[(&str, &str)]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        directory
    }

    fn errors(directory: &TempDir) -> Vec<String> {
        read(directory.path())
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_plan_is_read_with_all_its_files() {
        let plan = plan(&[
            ("default.toml", "port = 1"),
            ("hooks/run", "exec app"),
            ("hooks/health-check", "true"),
            ("config/app.conf", "a"),
            ("config/sub/dir/.hidden", "b"),
            ("plan.sh", "ignored"),
        ]);
        let Read { package, warnings } = read(plan.path()).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(package.default_toml.unwrap().text, "port = 1");
        assert_eq!(
            package.hooks.keys().collect::<Vec<_>>(),
            [&Hook::Run, &Hook::HealthCheck]
        );
        assert_eq!(
            package.config.keys().collect::<Vec<_>>(),
            ["app.conf", "sub/dir/.hidden"]
        );
        let origin = &package.config["app.conf"].origin;
        assert_eq!(
            *origin,
            plan.path().join("config/app.conf").display().to_string()
        );
        assert_eq!(package.facts.ident(), "kubesup//0.0.0/00000000000000");
    }

    #[test]
    fn an_installed_package_says_who_it_is_and_what_its_hooks_run_with() {
        let image = plan(&[
            (
                "hab/pkgs/acme/web/1.0/20240101000000/IDENT",
                "acme/web/1.0/20240101000000\n",
            ),
            (
                "hab/pkgs/acme/web/1.0/20240101000000/DEPS",
                "core/jre/17/20230101000000\n",
            ),
            (
                "hab/pkgs/acme/web/1.0/20240101000000/TDEPS",
                "core/glibc/2/20230101000000\ncore/jre/17/20230101000000\n",
            ),
            (
                "hab/pkgs/acme/web/1.0/20240101000000/PATH",
                "/hab/pkgs/acme/web/1.0/20240101000000/bin",
            ),
            ("hab/pkgs/acme/web/1.0/20240101000000/run", "#!/bin/sh\n"),
            (
                "hab/pkgs/core/jre/17/20230101000000/PATH",
                "/hab/pkgs/core/jre/17/20230101000000/bin\n",
            ),
            (
                "hab/pkgs/core/busybox-static/1.9/20240101000000/PATH",
                "/hab/pkgs/core/busybox-static/1.9/20240101000000/bin",
            ),
            (
                "hab/pkgs/core/busybox-static/1.36/20230101000000/PATH",
                "/hab/pkgs/core/busybox-static/1.36/20230101000000/bin",
            ),
        ]);
        let directory = image.path().join("hab/pkgs/acme/web/1.0/20240101000000");
        let Read { package, warnings } = read(&directory).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(package.facts.ident(), "acme/web/1.0/20240101000000");
        assert_eq!(package.facts.deps.len(), 2);
        let packages = image.path().join("hab/pkgs");
        let path = [
            "acme/web/1.0/20240101000000/bin",
            "core/jre/17/20230101000000/bin",
            "core/busybox-static/1.36/20230101000000/bin",
        ]
        .map(|path| packages.join(path).display().to_string())
        .join(":");
        assert_eq!(package.facts.env["PATH"], path);
        assert_eq!(package.command.unwrap().program, directory.join("run"));
        assert_eq!(installed(&directory).unwrap().name, "web");
        assert_eq!(installed(image.path()), None);
    }

    #[test]
    fn wrong_metafiles_are_all_named_with_their_lines() {
        let plan = plan(&[
            ("IDENT", "acme/web"),
            ("BINDS", "ok=\nwrong"),
            ("config/app.conf", ""),
        ]);
        fs::write(plan.path().join("EXPORTS"), b"a=\xff").unwrap();
        symlink("nowhere", plan.path().join("TDEPS")).unwrap();
        let errors = errors(&plan);
        for part in [
            "/IDENT: \"acme/web\" is no full package identifier",
            "/BINDS, line 2: \"wrong\" is no bind",
            "/EXPORTS: not UTF-8 from byte 2",
            "/TDEPS: it does not exist",
        ] {
            assert!(
                errors.iter().any(|error| error.contains(part)),
                "{part} is not in {errors:#?}"
            );
        }
        assert_eq!(errors.len(), 4, "{errors:#?}");
    }

    #[test]
    fn a_plan_may_have_directories_with_the_names_of_metafiles() {
        let plan = plan(&[("PATH/x", ""), ("hooks/run", "")]);
        assert_eq!(read(plan.path()).unwrap().warnings, Vec::<String>::new());
    }

    #[test]
    fn a_mounted_config_map_is_read_through_its_links() {
        let plan = plan(&[
            ("hooks/..2026_01/run", "exec app"),
            ("config/..2026_01/sub/app.conf", "a"),
        ]);
        let root = plan.path();
        for part in ["hooks", "config"] {
            symlink("..2026_01", root.join(part).join("..data")).unwrap();
        }
        symlink("..data/run", root.join("hooks/run")).unwrap();
        symlink("..data/sub", root.join("config/sub")).unwrap();
        let Read { package, warnings } = read(root).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(package.hooks[&Hook::Run].text, "exec app");
        assert_eq!(package.config.keys().collect::<Vec<_>>(), ["sub/app.conf"]);
    }

    #[test]
    fn unknown_files_in_hooks_are_warned_of() {
        let plan = plan(&[
            ("hooks/run.sh", ""),
            ("hooks/health_check", ""),
            ("hooks/lib/x", ""),
            ("hooks/reload", ""),
            ("hooks/.gitkeep", ""),
        ]);
        let warnings = read(plan.path()).unwrap().warnings;
        assert_eq!(warnings.len(), 4, "{warnings:#?}");
        assert!(
            warnings[0].ends_with("did you mean `health-check`?"),
            "{warnings:#?}"
        );
        assert!(
            warnings[1].contains("there is no hook `lib`"),
            "{warnings:#?}"
        );
        assert!(
            warnings[2].ends_with("put there what `reload` does"),
            "{warnings:#?}"
        );
        assert!(
            warnings[3].ends_with("did you mean `run`?"),
            "{warnings:#?}"
        );
    }

    #[test]
    fn an_empty_directory_is_warned_of_and_a_missing_one_is_an_error() {
        let plan = plan(&[]);
        assert!(
            read(plan.path()).unwrap().warnings[0].contains("is --package the right directory")
        );
        let errors = read(&plan.path().join("nowhere")).unwrap_err();
        assert!(
            matches!(errors[..], [DirectoryError::Missing { .. }]),
            "{errors:?}"
        );
        let errors = read(Path::new("/dev/null")).unwrap_err();
        assert!(
            matches!(errors[..], [DirectoryError::Kind { .. }]),
            "{errors:?}"
        );
    }

    #[test]
    fn all_problems_come_at_once_and_name_their_file() {
        let plan = plan(&[
            ("hooks/run/x", ""),
            ("config/ok", ""),
            ("config/line\nend", ""),
        ]);
        let root = plan.path();
        fs::write(root.join("default.toml"), b"a\xff").unwrap();
        fs::write(root.join("config").join(OsStr::from_bytes(b"\xff")), b"").unwrap();
        symlink("nowhere", root.join("config/dangling")).unwrap();
        symlink("/dev/zero", root.join("config/zero")).unwrap();
        symlink("..", root.join("config/up")).unwrap();
        symlink(".", root.join("config/here")).unwrap();
        symlink("self", root.join("config/self")).unwrap();
        let file = fs::File::create(root.join("config/huge")).unwrap();
        file.set_len(MAX_FILE + 1).unwrap();
        let errors = errors(&plan);
        for part in [
            "/default.toml: not UTF-8 from byte 1",
            "/hooks/run: it is a directory",
            "config/\\xFF\": the name is not UTF-8",
            "config/line\\nend\": the path has a control character",
            "/config/dangling: it does not exist",
            "/config/zero: it is a special file",
            "/config/up: the link leads back",
            "/config/here: the link leads back",
            "/config/self: the link leads back",
            "/config/huge: 16777217 bytes",
        ] {
            assert!(
                errors.iter().any(|error| error.contains(part)),
                "{part} is not in {errors:#?}"
            );
        }
        assert_eq!(errors.len(), 10, "{errors:#?}");
    }

    #[test]
    fn hooks_that_is_a_file_is_an_error() {
        let errors = errors(&plan(&[("hooks", "x")]));
        assert!(
            errors[0].contains("hooks: it is a file, and a directory is needed"),
            "{errors:?}"
        );
    }
}
