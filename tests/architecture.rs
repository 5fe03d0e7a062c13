//! The import rules between modules, as ARCHITECTURE.md states them. Reads the source as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import from the others. Shells meet in `app` only.
const ALLOWED: &[(&str, &[&str])] = &[
    // The core: pure.
    ("config", &[]),
    ("world", &["config"]),
    ("package", &["world"]),
    ("template", &["config", "package", "snapshot", "world"]),
    ("plan", &["lifecycle", "package"]),
    ("lifecycle", &["config", "plan"]),
    (
        "revision",
        &[
            "config",
            "lifecycle",
            "package",
            "snapshot",
            "template",
            "world",
        ],
    ),
    ("snapshot", &["config", "lifecycle", "package", "world"]),
    ("history", &["lifecycle", "package", "world"]),
    ("rbac", &["config"]),
    ("report", &["history", "lifecycle", "snapshot"]),
    ("check", &["config", "rbac", "world"]),
    // What shells report to; it looks at none of them.
    ("metrics", &[]),
    // The shells.
    ("observe", &["world"]),
    ("clock", &[]),
    (
        "cluster",
        &[
            "clock",
            "history",
            "lifecycle",
            "rbac",
            "report",
            "snapshot",
            "world",
        ],
    ),
    ("manifests", &["files", "world"]),
    ("files", &["package", "plan"]),
    ("process", &[]),
    (
        "api",
        &[
            "config",
            "history",
            "lifecycle",
            "metrics",
            "package",
            "snapshot",
            "template",
            "world",
        ],
    ),
    (
        "supervisor",
        &[
            "clock",
            "config",
            "files",
            "history",
            "lifecycle",
            "metrics",
            "package",
            "process",
            "revision",
            "snapshot",
            "world",
        ],
    ),
    ("log", &[]),
    ("cli", &["config"]),
    (
        "app",
        &[
            "api",
            "check",
            "cli",
            "cluster",
            "config",
            "files",
            "history",
            "lifecycle",
            "manifests",
            "metrics",
            "observe",
            "package",
            "process",
            "rbac",
            "revision",
            "snapshot",
            "supervisor",
            "template",
            "world",
        ],
    ),
];

/// Modules that know no runtime, no client, no clock and no file system …
const PURE: &[&str] = &[
    "config",
    "world",
    "package",
    "template",
    "plan",
    "lifecycle",
    "revision",
    "snapshot",
    "history",
    "rbac",
    "check",
    "report",
];

/// … but for the files that read.
const READERS: &[&str] = &[
    "config/load.rs",
    "package/directory/entry.rs",
    "package/directory/metafiles.rs",
];

const FORBIDDEN_IN_PURE: &[&str] = &[
    "tokio",
    "kube::",
    "axum",
    "notify",
    "std::fs",
    "std::env",
    "Instant",
    "SystemTime",
    "Timestamp::now",
    "tracing",
];

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("src").flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).expect("below src").to_owned();
                let first = relative
                    .iter()
                    .next()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                let text = fs::read_to_string(&path).expect("a source file");
                sources.push(Source {
                    module: first.trim_end_matches(".rs").to_owned(),
                    path: relative,
                    text: code(&text),
                });
            }
        }
    }
    sources
}

/// The code without comments and without its unit tests, which may do what they like.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next();
    let code = code.unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The top-level modules that a text names as `crate::x`.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in text.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(list) => list
                .split('}')
                .next()
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .collect(),
            None => vec![rest],
        };
        for name in names {
            let end = name
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(name.len());
            found.push(name[..end].to_owned());
        }
    }
    found
}

fn is_test_file(source: &Source) -> bool {
    is_test_path(&source.path)
}

fn is_test_path(path: &Path) -> bool {
    path.ends_with("tests.rs")
        || path.ends_with("scripted.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn modules_import_only_what_the_map_allows() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| {
        !["lib", "main"].contains(&source.module.as_str()) && !is_test_file(source)
    }) {
        let Some(may) = allowed.get(source.module.as_str()) else {
            problems.push(format!(
                "{}: module {} is not on the map",
                source.path.display(),
                source.module
            ));
            continue;
        };
        for import in imports(&source.text) {
            if import != source.module && !may.contains(&import.as_str()) {
                problems.push(format!("{} imports {import}", source.path.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_core_knows_no_runtime_no_client_no_clock_and_no_file_system() {
    let mut problems = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| PURE.contains(&source.module.as_str()) && !is_test_file(source))
    {
        if READERS
            .iter()
            .any(|reader| source.path == Path::new(reader))
        {
            continue;
        }
        for word in FORBIDDEN_IN_PURE
            .iter()
            .filter(|word| source.text.contains(**word))
        {
            problems.push(format!("{} names {word}", source.path.display()));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn tasks_are_spawned_in_the_wiring_only() {
    let elsewhere = sources()
        .into_iter()
        .filter(|source| source.module != "app" && !is_test_file(source));
    let spawning: Vec<_> = elsewhere
        .filter(|source| {
            [
                "tokio::spawn",
                "tasks.spawn",
                "JoinSet",
                "spawn_local",
                "spawn_blocking",
            ]
            .iter()
            .any(|word| source.text.contains(word))
        })
        .map(|source| source.path)
        .collect();
    assert!(spawning.is_empty(), "{spawning:#?}");
}

#[test]
fn every_module_says_what_it_owns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let silent: Vec<_> = sources()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| !is_silent_by_nature(path))
        .filter(|path| {
            !fs::read_to_string(root.join(path))
                .expect("a source file")
                .starts_with("//! Owns")
        })
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

fn is_silent_by_nature(path: &Path) -> bool {
    ["lib.rs", "main.rs"]
        .iter()
        .any(|name| path == Path::new(name))
        || is_test_path(path)
}
