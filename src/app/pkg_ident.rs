//! Owns the search for an installed package by what `hab sup run` takes: an identifier, or a path. Installs nothing.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// Where Habitat installs packages.
const HABITAT: &str = "/hab";

/// The directory of `ORIGIN/NAME[/VERSION[/RELEASE]]` below `<root>/pkgs` or `/hab/pkgs`, the newest that fits, or the
/// directory that this names itself. The error says why not, and where was looked.
pub(super) fn locate(package: &str, root: Option<&Path>) -> Result<PathBuf, String> {
    let path = Path::new(package);
    if path
        .extension()
        .is_some_and(|extension| extension == "hart")
    {
        let reason = "kubesup installs nothing; install the artifact into the image (hab pkg install), and name the package";
        return Err(reason.to_owned());
    }
    if package.starts_with(['/', '.']) {
        return if path.is_dir() {
            Ok(path.to_owned())
        } else {
            Err("there is no such directory".to_owned())
        };
    }
    let parts: Vec<&str> = package.split('/').collect();
    let is_part = |part: &&str| !part.is_empty() && !part.starts_with('.');
    if !(2..=4).contains(&parts.len()) || !parts.iter().all(is_part) {
        let reason = "it is neither ORIGIN/NAME[/VERSION[/RELEASE]] nor a path with / or ./ at its beginning; what is to run goes after --";
        return Err(reason.to_owned());
    }
    let mut roots: Vec<PathBuf> = root.into_iter().map(Path::to_owned).collect();
    roots.push(PathBuf::from(HABITAT));
    let found = roots
        .iter()
        .find_map(|root| newest(&root.join("pkgs"), &parts));
    // A directory of a checkout may look like an identifier.
    let found = found.or_else(|| path.is_dir().then(|| path.to_owned()));
    found.ok_or_else(|| {
        let looked: Vec<String> = roots
            .iter()
            .map(|root| root.join("pkgs").display().to_string())
            .collect();
        format!(
            "it is not installed below {}, and kubesup installs nothing; put it into the image, or give its directory with --package",
            looked.join(" or ")
        )
    })
}

/// The newest installed release that fits. One that was not installed to its end has no `IDENT`.
fn newest(packages: &Path, parts: &[&str]) -> Option<PathBuf> {
    let mut candidates = vec![packages.to_owned()];
    for level in 0..LEVELS {
        candidates = candidates
            .into_iter()
            .flat_map(|path| match parts.get(level) {
                Some(part) => vec![path.join(part)],
                None => below(&path),
            })
            .collect();
    }
    candidates
        .into_iter()
        .filter(|path| path.join("IDENT").is_file())
        .max_by(|a, b| {
            let (version_a, version_b) = (a.parent().and_then(name), b.parent().and_then(name));
            compare_versions(
                &version_a.unwrap_or_default(),
                &version_b.unwrap_or_default(),
            )
            .then_with(|| a.file_name().cmp(&b.file_name()))
        })
}

/// Origin, name, version, release.
const LEVELS: usize = 4;

fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Part by part, numbers as numbers: 1.10 is newer than 1.9, 1.9.1 than 1.9, and 1.9 than 1.9-rc1.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let parts = |version: &str| -> Vec<String> {
        version
            .split(['.', '-', '_', '+'])
            .map(str::to_owned)
            .collect()
    };
    let (a, b) = (parts(a), parts(b));
    let compared = a.iter().zip(&b).map(|(a, b)| {
        match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            // A pre-release's letters come before a number.
            (Ok(_), Err(_)) => Ordering::Greater,
            (Err(_), Ok(_)) => Ordering::Less,
            _ => a.cmp(b),
        }
    });
    let more = |longer: &[String], shorter: &[String]| {
        let next = longer.get(shorter.len());
        next.map(|part| part.parse::<u64>().is_ok())
    };
    compared
        .fold(Ordering::Equal, Ordering::then)
        .then_with(|| match (more(&a, &b), more(&b, &a)) {
            (Some(true), _) | (_, Some(false)) => Ordering::Greater,
            (Some(false), _) | (_, Some(true)) => Ordering::Less,
            (None, None) => Ordering::Equal,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(packages: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a root");
        for package in packages {
            let directory = root.path().join("pkgs").join(package);
            std::fs::create_dir_all(&directory).expect("a directory");
            std::fs::write(directory.join("IDENT"), format!("{package}\n")).expect("a file");
        }
        root
    }

    fn found(root: &tempfile::TempDir, package: &str) -> Result<String, String> {
        let path = locate(package, Some(root.path()))?;
        let below = path.strip_prefix(root.path().join("pkgs"));
        Ok(below.unwrap_or(&path).display().to_string())
    }

    #[test]
    fn the_newest_release_that_fits_is_taken() {
        let root = installed(&[
            "acme/web/1.9.0/20240101000000",
            "acme/web/1.10.0/20230101000000",
            "acme/web/1.10.0/20230601000000",
            "acme/web/1.10.0-rc1/20250101000000",
            "acme/other/2.0/20250101000000",
        ]);
        let broken = root.path().join("pkgs/acme/web/3.0/20250101000000");
        std::fs::create_dir_all(broken).expect("a directory that was not installed to its end");
        for (package, expected) in [
            ("acme/web", "acme/web/1.10.0/20230601000000"),
            ("acme/web/1.9.0", "acme/web/1.9.0/20240101000000"),
            ("acme/web/1.10.0", "acme/web/1.10.0/20230601000000"),
            (
                "acme/web/1.10.0/20230101000000",
                "acme/web/1.10.0/20230101000000",
            ),
            ("acme/other", "acme/other/2.0/20250101000000"),
        ] {
            assert_eq!(found(&root, package).as_deref(), Ok(expected), "{package}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        for (older, newer) in [
            ("1.9", "1.10"),
            ("1.9", "1.9.1"),
            ("1.0.rc1", "1.0.1"),
            ("9", "10"),
            ("a", "b"),
        ] {
            assert_eq!(
                compare_versions(older, newer),
                Ordering::Less,
                "{older} {newer}"
            );
            assert_eq!(compare_versions(newer, older), Ordering::Greater);
        }
        assert_eq!(compare_versions("1.0", "1.0"), Ordering::Equal);
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        let root = installed(&["acme/web/1.0/20240101000000"]);
        let path = root.path().display().to_string();
        assert_eq!(locate(&path, None), Ok(root.path().to_owned()));
        assert!(
            locate("/no/such/place", None).is_err_and(|error| error.contains("no such directory"))
        );
    }

    #[test]
    fn what_cannot_be_found_says_where_was_looked_and_what_to_do() {
        let root = installed(&[]);
        for (package, reason) in [
            ("acme/web", "it is not installed below"),
            ("./x.hart", "kubesup installs nothing; install the artifact"),
            ("nginx", "what is to run goes after --"),
            ("a//b", "neither"),
            ("a/../b", "neither"),
            ("a/b/c/d/e", "neither"),
        ] {
            let error = found(&root, package).expect_err("an error");
            assert!(error.contains(reason), "{error}");
        }
    }
}
