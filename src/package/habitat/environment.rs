//! Owns the environment of an installed package's hooks, composed as in Habitat: `RUNTIME_ENVIRONMENT` without its `PATH`,
//! a `PATH` of the package's own and its dependencies' directories, and `RUNTIME_ENVIRONMENT_PATHS`. Pure; the supervisor's
//! own `PATH` comes last, by [`inherit`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::ident::Ident;
use super::{Metafiles, Problem};

const PATH: &str = "PATH";
/// A package sets it for its dependencies' sake; what the operator sets is meant for everybody.
const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
/// Where packages are below the file system root.
pub const PACKAGES: &str = "hab/pkgs";

/// What the environment is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The package's metafiles.
    pub files: &'a Metafiles,
    /// Who it is.
    pub ident: &'a Ident,
    /// Where it is.
    pub directory: &'a Path,
    /// What `/hab/pkgs` is below: `/`, but for packages that are looked at from outside of their image.
    pub root: &'a Path,
    /// The `PATH` metafiles of its dependencies, direct ones first; needed only without `RUNTIME_PATH`.
    pub dependencies: &'a [(Ident, String)],
    /// The `PATH` of the newest installed `core/busybox-static`, which Habitat gives to every service.
    pub interpreter: Option<&'a (Ident, String)>,
}

/// The root that `/hab/pkgs` is below, when the directory is the place of the package.
pub fn root(directory: &Path, ident: &Ident) -> PathBuf {
    let place = Path::new(PACKAGES).join(ident.to_string());
    let above = directory.ancestors().nth(place.components().count());
    match above {
        Some(above) if directory.ends_with(&place) => above.to_owned(),
        _ => PathBuf::from("/"),
    }
}

/// The environment, with everything that is wrong in the files.
pub fn compose(input: &Input<'_>) -> (BTreeMap<String, String>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut environment = variables(input.files, "RUNTIME_ENVIRONMENT", &mut problems);
    // It is there for the sake of old Supervisors.
    environment.remove(PATH);
    let mut path = match input.files.get("RUNTIME_PATH") {
        Some(text) => split(text),
        None => legacy(input),
    };
    if let Some((ident, text)) = input.interpreter {
        path.extend(own(text, ident, None));
    }
    if !path.is_empty() {
        environment.insert(PATH.to_owned(), rooted(&path, input.root));
    }
    for (name, value) in variables(input.files, "RUNTIME_ENVIRONMENT_PATHS", &mut problems) {
        let value = rooted(&split(&value), input.root);
        environment.insert(name, value);
    }
    (environment, problems)
}

/// The environment that a plan's own files say, as they are: a plan is installed nowhere and has no dependencies.
pub fn of_plan(files: &Metafiles) -> (BTreeMap<String, String>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut environment = variables(files, "RUNTIME_ENVIRONMENT", &mut problems);
    environment.remove(PATH);
    environment.extend(variables(files, "RUNTIME_ENVIRONMENT_PATHS", &mut problems));
    let path = files.get("RUNTIME_PATH").map(|text| text.trim());
    if let Some(path) = path.filter(|path| !path.is_empty()) {
        environment.insert(PATH.to_owned(), path.to_owned());
    }
    (environment, problems)
}

/// Completes the package's environment with the supervisor's: its `PATH` comes after the package's, and its
/// `SSL_CERT_FILE` wins.
pub fn inherit(environment: &mut BTreeMap<String, String>, inherited: &BTreeMap<String, String>) {
    if inherited.contains_key(SSL_CERT_FILE) {
        environment.remove(SSL_CERT_FILE);
    }
    let parts = [environment.get(PATH), inherited.get(PATH)];
    let parts: Vec<&str> = parts
        .into_iter()
        .flatten()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    if !parts.is_empty() {
        let path = parts.join(":");
        environment.insert(PATH.to_owned(), path);
    }
}

/// What packages built before there was a `RUNTIME_PATH` have: the own `PATH`, then those of the dependencies, each
/// directory where it is first.
fn legacy(input: &Input<'_>) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    let text = input
        .files
        .get(PATH)
        .map(String::as_str)
        .unwrap_or_default();
    let mine = own(text, input.ident, Some(input.directory));
    let theirs = input
        .dependencies
        .iter()
        .flat_map(|(ident, text)| own(text, ident, None));
    for directory in mine.into_iter().chain(theirs) {
        if !path.contains(&directory) {
            path.push(directory);
        }
    }
    path
}

/// The directories of a `PATH` metafile that are in the package itself: old ones name others too.
fn own(text: &str, ident: &Ident, directory: Option<&Path>) -> Vec<String> {
    let place = Path::new("/").join(PACKAGES).join(ident.to_string());
    let is_own = |entry: &String| {
        Path::new(entry).starts_with(&place)
            || directory.is_some_and(|directory| Path::new(entry).starts_with(directory))
    };
    split(text).into_iter().filter(is_own).collect()
}

fn split(text: &str) -> Vec<String> {
    text.trim()
        .split(':')
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

fn rooted(entries: &[String], root: &Path) -> String {
    let rooted = |entry: &String| {
        let path = Path::new(entry);
        match path.strip_prefix("/") {
            Ok(relative) if !path.starts_with(root) => root.join(relative).display().to_string(),
            _ => entry.clone(),
        }
    };
    entries.iter().map(rooted).collect::<Vec<_>>().join(":")
}

fn variables(
    files: &Metafiles,
    file: &'static str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let text = files.get(file).map(String::as_str).unwrap_or_default();
    for (index, line) in text.lines().enumerate() {
        match line.split_once('=') {
            Some((name, value)) if !name.is_empty() && !line.contains('\0') => {
                variables.insert(name.to_owned(), value.to_owned());
            }
            None if line.trim().is_empty() => {}
            // The value may be a secret: it is not repeated.
            _ => problems.push(Problem {
                file,
                line: Some(index + 1),
                reason: "it is not of the form NAME=VALUE".to_owned(),
            }),
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "acme/web/1.2.3/20240101000000";
    const GLIBC: &str = "core/glibc/2.35/20230101000000";

    fn ident(text: &str) -> Ident {
        Ident::parse(text).unwrap()
    }

    fn variables_of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    struct Given {
        files: Metafiles,
        root: &'static str,
        dependencies: Vec<(Ident, String)>,
        interpreter: Option<(Ident, String)>,
    }

    fn given(files: &[(&'static str, &str)]) -> Given {
        Given {
            files: files
                .iter()
                .map(|(name, text)| (*name, (*text).to_owned()))
                .collect(),
            root: "/",
            dependencies: Vec::new(),
            interpreter: None,
        }
    }

    impl Given {
        fn compose(&self) -> (BTreeMap<String, String>, Vec<Problem>) {
            compose(&Input {
                files: &self.files,
                ident: &ident(WEB),
                directory: &Path::new(self.root).join(PACKAGES).join(WEB),
                root: Path::new(self.root),
                dependencies: &self.dependencies,
                interpreter: self.interpreter.as_ref(),
            })
        }
    }

    #[test]
    fn the_runtime_path_replaces_the_path_of_the_runtime_environment() {
        let (environment, problems) = given(&[
            (
                "RUNTIME_ENVIRONMENT",
                "PATH=/old\nJAVA_HOME=/hab/pkgs/core/jre\nOPTS=-Da=b\n",
            ),
            ("RUNTIME_PATH", "/hab/pkgs/a/bin:/hab/pkgs/b/bin\n"),
        ])
        .compose();
        assert_eq!(problems, []);
        assert_eq!(environment["PATH"], "/hab/pkgs/a/bin:/hab/pkgs/b/bin");
        assert_eq!(environment["JAVA_HOME"], "/hab/pkgs/core/jre");
        assert_eq!(environment["OPTS"], "-Da=b", "only the first = divides");
    }

    #[test]
    fn an_old_package_has_its_own_path_then_its_dependencies_each_directory_once() {
        let own = format!("/hab/pkgs/{WEB}/bin");
        let mut given = given(&[("PATH", &format!("{own}:/hab/pkgs/{GLIBC}/bin:{own}"))]);
        given.dependencies = vec![
            (ident(GLIBC), format!("/hab/pkgs/{GLIBC}/bin:/elsewhere")),
            (ident(GLIBC), format!("/hab/pkgs/{GLIBC}/bin")),
        ];
        assert_eq!(
            given.compose().0["PATH"],
            format!("{own}:/hab/pkgs/{GLIBC}/bin")
        );
    }

    #[test]
    fn the_interpreter_comes_after_the_package() {
        let busybox = "core/busybox-static/1.36/20240101000000";
        let mut given = given(&[("RUNTIME_PATH", "/hab/pkgs/a/bin")]);
        given.interpreter = Some((ident(busybox), format!("/hab/pkgs/{busybox}/bin")));
        assert_eq!(
            given.compose().0["PATH"],
            format!("/hab/pkgs/a/bin:/hab/pkgs/{busybox}/bin")
        );
    }

    #[test]
    fn paths_are_below_the_root_that_the_package_is_below() {
        let directory = Path::new("/tmp/image/hab/pkgs").join(WEB);
        assert_eq!(root(&directory, &ident(WEB)), Path::new("/tmp/image"));
        assert_eq!(
            root(&Path::new("/hab/pkgs").join(WEB), &ident(WEB)),
            Path::new("/")
        );
        assert_eq!(root(Path::new("/srv/web"), &ident(WEB)), Path::new("/"));
        let mut given = given(&[
            ("RUNTIME_PATH", "/hab/pkgs/a/bin:/tmp/image/hab/pkgs/b/bin"),
            ("RUNTIME_ENVIRONMENT", "CERTS=/hab/x\nHOME_OF=/hab/y\n"),
            ("RUNTIME_ENVIRONMENT_PATHS", "CERTS=/hab/x\n"),
        ]);
        given.root = "/tmp/image";
        let environment = given.compose().0;
        assert_eq!(
            environment["PATH"],
            "/tmp/image/hab/pkgs/a/bin:/tmp/image/hab/pkgs/b/bin"
        );
        assert_eq!(environment["CERTS"], "/tmp/image/hab/x");
        assert_eq!(environment["HOME_OF"], "/hab/y");
    }

    #[test]
    fn the_supervisors_path_comes_last_and_its_certificates_win() {
        let package = variables_of(&[("PATH", "/p"), ("SSL_CERT_FILE", "/package"), ("X", "1")]);
        let mut environment = package.clone();
        inherit(
            &mut environment,
            &variables_of(&[("PATH", "/usr/bin"), ("SSL_CERT_FILE", "/mine"), ("X", "2")]),
        );
        assert_eq!(
            environment,
            variables_of(&[("PATH", "/p:/usr/bin"), ("X", "1")])
        );
        let mut environment = package.clone();
        inherit(&mut environment, &BTreeMap::new());
        assert_eq!(environment, package);
        let mut environment = BTreeMap::new();
        inherit(&mut environment, &variables_of(&[("PATH", "/usr/bin")]));
        assert_eq!(environment["PATH"], "/usr/bin");
    }

    #[test]
    fn a_plan_has_what_its_files_say_as_it_is() {
        let files = [
            ("RUNTIME_ENVIRONMENT", "A=/hab/x\nPATH=/old\n"),
            ("RUNTIME_ENVIRONMENT_PATHS", "B=/hab/y\n"),
        ];
        let (environment, problems) = of_plan(&given(&files).files);
        assert_eq!(problems, []);
        assert_eq!(
            environment,
            variables_of(&[("A", "/hab/x"), ("B", "/hab/y")])
        );
        let (environment, _) = of_plan(&given(&[("RUNTIME_PATH", "/p/bin:/q\n")]).files);
        assert_eq!(environment, variables_of(&[("PATH", "/p/bin:/q")]));
    }

    #[test]
    fn a_line_that_is_no_variable_is_named_without_its_text() {
        let (environment, problems) =
            given(&[("RUNTIME_ENVIRONMENT", "A=1\n\nsecret\n=x\n")]).compose();
        assert_eq!(environment["A"], "1");
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [Some(3), Some(4)]);
        assert!(!format!("{problems:?}").contains("secret"));
    }
}
