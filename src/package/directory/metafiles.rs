//! Owns the reading of a package's metafiles, and of those of its dependencies where the environment needs them. Never
//! says what they mean (that is `habitat`).

use std::fs;
use std::io;
use std::path::Path;

use super::{DirectoryError, text};
use crate::package::Facts;
use crate::package::habitat::{self, METAFILES, Metafiles, environment};
use crate::package::ident::Ident;

/// The package that Habitat gives to every service for its commands.
const INTERPRETER: &str = "core/busybox-static";

/// The facts that the metafiles in `directory` say, with everything that is wrong.
pub(super) fn read(directory: &Path) -> (Facts, Vec<DirectoryError>) {
    let mut errors = Vec::new();
    let mut files = Metafiles::new();
    for name in METAFILES {
        match one(directory, name) {
            Ok(Some(text)) => {
                files.insert(name, text);
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    let (mut facts, mut problems) = habitat::facts(&files);
    if facts.installed {
        let ident = Ident {
            origin: facts.origin.clone(),
            name: facts.name.clone(),
            version: facts.version.clone(),
            release: facts.release.clone(),
        };
        let root = environment::root(directory, &ident);
        let packages = root.join(environment::PACKAGES);
        let dependencies = if files.contains_key("RUNTIME_PATH") {
            Vec::new()
        } else {
            let direct = files.get("DEPS").map(String::as_str).unwrap_or_default();
            let direct = direct
                .lines()
                .filter_map(|line| Ident::parse(line.trim()).ok());
            direct
                .chain(facts.deps.iter().cloned())
                .filter_map(|ident| with_path(&packages, ident))
                .collect()
        };
        let interpreter =
            newest(&packages, INTERPRETER).and_then(|ident| with_path(&packages, ident));
        let (composed, more) = environment::compose(&environment::Input {
            files: &files,
            ident: &ident,
            directory,
            root: &root,
            dependencies: &dependencies,
            interpreter: interpreter.as_ref(),
        });
        facts.env = composed;
        problems.extend(more);
    } else {
        let (given, more) = environment::of_plan(&files);
        facts.env = given;
        problems.extend(more);
    }
    errors.extend(
        problems
            .into_iter()
            .map(|problem| DirectoryError::Metafile {
                path: directory.join(problem.file),
                line: problem.line,
                reason: problem.reason,
            }),
    );
    (facts, errors)
}

/// The text of one metafile; `None` when there is no file of this name. A directory is no metafile: a plan may have one.
fn one(directory: &Path, name: &str) -> Result<Option<String>, DirectoryError> {
    let path = directory.join(name);
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(None),
        Ok(_) => Ok(Some(text(&path)?.text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DirectoryError::Io { path, source }),
    }
}

/// A dependency with its `PATH` metafile, if it is installed and has one.
fn with_path(packages: &Path, ident: Ident) -> Option<(Ident, String)> {
    let path = packages.join(ident.to_string()).join("PATH");
    let text = text(&path).ok()?.text;
    Some((ident, text))
}

/// The newest version and release of a package that is installed.
fn newest(packages: &Path, package: &str) -> Option<Ident> {
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_by_cached_key(|name| version(name));
        names
    };
    let directory = packages.join(package);
    names(&directory).into_iter().rev().find_map(|version| {
        let release = names(&directory.join(&version)).pop()?;
        Ident::parse(&format!("{package}/{version}/{release}")).ok()
    })
}

/// For the order of versions: numbers as numbers, the rest as text after them.
fn version(text: &str) -> Vec<(u64, String)> {
    let part = |part: &str| {
        let digits = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let (number, rest) = part.split_at(digits);
        (number.parse().unwrap_or_default(), rest.to_owned())
    };
    text.split(['.', '-']).map(part).collect()
}
