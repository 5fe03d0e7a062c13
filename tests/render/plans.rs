//! Twenty plans in the style of real ones (`tests/plans`), each rendered to golden files, byte for byte.
//!
//! A plan's `cases/NAME.json` are Habitat's trees: each hook and config file is rendered with it as `hab plan render` does, so
//! that the golden files in `rendered/NAME` can be compared with Habitat's own. With `manifests/` the whole plan is rendered
//! as a package to `rendered/kubernetes`. `UPDATE_PLANS=1` writes the golden files anew; read the difference.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::render;

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = directory.read_dir() else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

/// All files below a directory, by their paths in it.
fn files(top: &Path) -> Files {
    let mut files = Files::new();
    let mut directories = vec![top.to_owned()];
    while let Some(directory) = directories.pop() {
        for path in entries(&directory) {
            if path.is_dir() {
                directories.push(path);
            } else {
                let relative = path.strip_prefix(top).expect("below the top").to_owned();
                files.insert(relative, std::fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

fn name(path: &Path) -> &str {
    path.file_stem()
        .and_then(|name| name.to_str())
        .expect("a name")
}

/// Each template by itself, with the trees of one case.
fn render_case(plan: &Path, case: &Path, into: &Path) {
    let case = case.display().to_string();
    for part in ["hooks", "config"] {
        for template in files(&plan.join(part)).into_keys() {
            let template = Path::new(part).join(template);
            let directory = into.join(template.parent().expect("a parent"));
            let (path, directory) = (
                template.display().to_string(),
                directory.display().to_string(),
            );
            let mut arguments = vec![
                path.as_str(),
                "-d",
                "default.toml",
                "-m",
                &case,
                "-r",
                &directory,
                "-q",
            ];
            if plan.join("user.toml").exists() {
                arguments.extend(["-u", "user.toml"]);
            }
            let outcome = render(plan, &arguments);
            assert_eq!(
                (outcome.code, outcome.log.as_str()),
                (Some(0), ""),
                "{path} of {}",
                plan.display()
            );
        }
    }
}

fn render_package(plan: &Path, into: &Path) {
    let into = into.display().to_string();
    let outcome = render(
        plan,
        &["--package", ".", "-f", "manifests", "-r", &into, "-q"],
    );
    assert_eq!(
        (outcome.code, outcome.log.as_str()),
        (Some(0), ""),
        "{}",
        plan.display()
    );
}

#[test]
fn twenty_plans_render_to_their_golden_files() {
    let plans = entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans"));
    assert!(plans.len() >= 20, "{plans:#?}");
    for plan in plans {
        let rendered = tempfile::tempdir().expect("a directory");
        for case in entries(&plan.join("cases")) {
            render_case(&plan, &case, &rendered.path().join(name(&case)));
        }
        if plan.join("manifests").exists() {
            render_package(&plan, &rendered.path().join("kubernetes"));
        }
        let (rendered, golden) = (files(rendered.path()), plan.join("rendered"));
        assert!(!rendered.is_empty(), "{} renders nothing", plan.display());
        if std::env::var_os("UPDATE_PLANS").is_some() {
            update(&golden, &rendered);
        }
        compare(&golden, &rendered);
    }
}

fn update(golden: &Path, rendered: &Files) {
    if golden.exists() {
        std::fs::remove_dir_all(golden).expect("the old ones go");
    }
    for (path, bytes) in rendered {
        let path = golden.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, bytes).expect("a file");
    }
}

fn compare(golden: &Path, rendered: &Files) {
    let expected = files(golden);
    for (path, bytes) in rendered {
        let place = golden.join(path);
        let expected = expected
            .get(path)
            .unwrap_or_else(|| panic!("{} is not there", place.display()));
        assert_eq!(
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(expected),
            "{}",
            place.display()
        );
        assert_eq!(bytes, expected, "{}", place.display());
    }
    let left: Vec<_> = expected
        .keys()
        .filter(|path| !rendered.contains_key(*path))
        .collect();
    assert!(
        left.is_empty(),
        "{}: rendered no more: {left:#?}",
        golden.display()
    );
}
