//! Random packages rendered over each other into one directory: what is there is always one whole rendering, the newest that
//! could be rendered and written, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use kubesup::files::{ServiceFiles, export};
use kubesup::package::{Hook, Package, Source};
use kubesup::template::{self, Strictness};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

/// Each is eight renderings over each other: 10,400.
const CASES: u32 = 1_300;
/// Where the seeds of what once failed are kept.
const SEEDS: &str = "tests/render/half_written.seeds";

fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "text\n",
        "{{cfg.a}}",
        "{{#each cfg.list}}{{this}},{{/each}}",
        "{{toJson cfg}}",
        "{{> part}}",
        "{{#eachAlive members as |m|}}{{m.id}}\n{{/eachAlive}}",
        "{{toUppercase cfg.a}}",
        "{{nope 1}}",
        "{{#if cfg.a}}",
        "{{/if}}",
        "{{strJoin cfg.list \",\"}}",
        "\\{{",
        "ü",
        "{{required \"it\" cfg.b}}",
    ]);
    prop::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
}

fn context() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        "[a-z\n]{0,8}".prop_map(Value::from),
        any::<i32>().prop_map(Value::from)
    ];
    (leaf.clone(), leaf.clone(), prop::collection::vec(leaf, 0..3), any::<bool>())
        .prop_map(|(a, b, list, alive)| json!({"cfg": {"a": a, "b": b, "list": list}, "members": [{"id": "m", "alive": alive}]}))
}

/// Some hooks, and some config files; `d` is a file in some packages and a directory in others, as it cannot be both in one.
fn package() -> impl Strategy<Value = Package> {
    let hook = prop::sample::select(vec![Hook::Run, Hook::Init, Hook::PostStop]);
    let path = prop::sample::select(vec!["a", "b", "part", "d/a", "d/b", "d", "d/e/f"]);
    let hooks = prop::collection::btree_map(hook, text(), 0..3);
    let config = prop::collection::btree_map(path, text(), 0..4);
    (hooks, config).prop_map(|(hooks, mut config)| {
        if config.keys().any(|path| path.starts_with("d/")) {
            config.remove("d");
        }
        let source = |text| Source {
            origin: "it".to_owned(),
            text,
        };
        Package {
            hooks: hooks
                .into_iter()
                .map(|(hook, text)| (hook, source(text)))
                .collect(),
            config: config
                .into_iter()
                .map(|(path, text)| (path.to_owned(), source(text)))
                .collect(),
            ..Package::default()
        }
    })
}

/// Everything in `hooks` and `config`, temporary files included.
fn on_disk(top: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut directories = vec![top.join("hooks"), top.join("config")];
    while let Some(directory) = directories.pop() {
        for entry in directory.read_dir().into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(top).expect("below").display().to_string();
                files.insert(name, std::fs::read_to_string(&path).expect("text"));
            }
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: Some(Box::new(FileFailurePersistence::Direct(SEEDS))), ..ProptestConfig::default() })]

    #[test]
    fn a_directory_holds_one_whole_rendering_or_the_one_before(
        packages in prop::collection::vec((package(), context()), 8..=8),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut service = ServiceFiles::open(directory.path().join("svc"), None).expect("a service's directory");
        let mut newest = BTreeMap::new();
        for (package, context) in packages {
            let rendered = template::compile(&package, Strictness::Lenient).and_then(|templates| templates.render(context));
            if let Ok(rendered) = rendered {
                service.write(&rendered.files).expect("a rendering");
                let exported = directory.path().join("export");
                let _ = std::fs::remove_dir_all(&exported);
                let written = export::rendering(&exported, &rendered.files).expect("an export");
                prop_assert_eq!(written.len(), rendered.files.len());
                prop_assert_eq!(on_disk(&exported), rendered.files.clone());
                newest = rendered.files;
            }
            prop_assert_eq!(on_disk(&directory.path().join("svc")), newest.clone());
        }
    }
}
