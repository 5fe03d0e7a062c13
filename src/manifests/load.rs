//! Owns the reading of manifest files as kubectl reads them: a file, or the `.yaml .yml .json` files of a folder, not
//! recursive, several documents a file. Reports every problem at once.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

use super::objects::Objects;
use super::pod;
use crate::world::Identity;

/// Why manifests cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The folder or a file of it.
    #[error("cannot read {}: {source}; check -f", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A document that is no YAML or JSON.
    #[error("cannot read manifest {}: document {document}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        document: usize,
        /// The parser's reason, with line and column.
        reason: String,
    },
    /// A document that is no such object.
    #[error("cannot read manifest {}: {object}: {reason}", path.display())]
    Object {
        /// The file.
        path: PathBuf,
        /// `ConfigMap demo-config`.
        object: String,
        /// What does not fit.
        reason: String,
    },
    /// The folder has more than one that could be the own Pod.
    #[error(
        "cannot tell which is the own Pod: {candidates}; keep one in the folder, or set POD_NAME to its Pod's name"
    )]
    SeveralPods {
        /// Their names.
        candidates: String,
    },
}

/// Reads all manifests of a file or folder.
pub fn load(path: &Path, identity: &Identity) -> Result<Objects, Vec<LoadError>> {
    let mut errors = Vec::new();
    let mut objects = Objects::default();
    for file in files(path).map_err(|error| vec![error])? {
        match std::fs::read_to_string(&file) {
            Ok(text) => documents(&file, &text, &mut objects, &mut errors),
            Err(source) => errors.push(LoadError::Read { path: file, source }),
        }
    }
    match pod::own(&objects, identity) {
        Ok(own) => objects.own_pod = Some(own),
        Err(error) => errors.push(error),
    }
    if errors.is_empty() {
        Ok(objects)
    } else {
        Err(errors)
    }
}

/// What there is without manifests: a synthetic Pod named after the host.
pub fn none(identity: &Identity) -> Objects {
    let objects = Objects::default();
    Objects {
        own_pod: pod::own(&objects, identity).ok(),
        ..objects
    }
}

/// The manifest files, in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let fail = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    if !path.metadata().map_err(fail)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        let is_manifest = file.extension().is_some_and(|extension| {
            ["yaml", "yml", "json"]
                .iter()
                .any(|known| extension == *known)
        });
        if is_manifest && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn documents(file: &Path, text: &str, objects: &mut Objects, errors: &mut Vec<LoadError>) {
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        match Value::deserialize(document) {
            Ok(Value::Null) => {}
            Ok(value) => object(file, value, objects, errors),
            Err(error) => {
                let reason = error.to_string();
                errors.push(LoadError::Syntax {
                    path: file.to_owned(),
                    document: index + 1,
                    reason,
                });
                // What follows a broken document cannot be told apart from it.
                return;
            }
        }
    }
}

fn object(file: &Path, value: Value, objects: &mut Objects, errors: &mut Vec<LoadError>) {
    if value.get("kind").and_then(Value::as_str) == Some("List") {
        if let Some(Value::Array(items)) = value.get("items").cloned() {
            for item in items {
                object(file, item, objects, errors);
            }
        }
        return;
    }
    let name = value
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or("without a name");
    let kind = value
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or("object without a kind");
    let place = format!("{kind} {name}");
    if let Err(reason) = objects.add(value) {
        errors.push(LoadError::Object {
            path: file.to_owned(),
            object: place,
            reason,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        folder
    }

    fn errors(files: &[(&str, &str)]) -> Vec<String> {
        let folder = folder(files);
        load(folder.path(), &Identity::default())
            .expect_err("errors")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_folder_is_read_as_kubectl_reads_it() {
        let folder = folder(&[
            (
                "b.yml",
                "kind: ConfigMap\nmetadata: {name: b}\n---\n---\nkind: ConfigMap\nmetadata: {name: c}\n",
            ),
            (
                "a.json",
                r#"{"kind": "List", "items": [{"kind": "ConfigMap", "metadata": {"name": "a"}}]}"#,
            ),
            ("notes.txt", "not a manifest: ["),
            ("role.yaml", "kind: Role\nmetadata: {name: r}\nrules: []\n"),
        ]);
        let objects = load(folder.path(), &Identity::default()).expect("objects");
        let names: Vec<_> = objects
            .config_maps
            .iter()
            .filter_map(|object| object.metadata.name.as_deref())
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn every_broken_file_is_named_with_its_line() {
        let errors = errors(&[
            ("a.yaml", "kind: [\n"),
            ("b.yaml", "kind: ConfigMap\nmetadata: {name: b}\ndata: 5\n"),
        ]);
        assert_eq!(errors.len(), 2, "{errors:#?}");
        assert!(
            errors[0].contains("a.yaml: document 1") && errors[0].contains("line 2"),
            "{errors:#?}"
        );
        assert!(errors[1].contains("ConfigMap b"), "{errors:#?}");
    }

    #[test]
    fn a_manifest_nested_ten_thousand_deep_is_an_error() {
        let deep = format!(
            "kind: ConfigMap\nx: {}{}\n",
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert_eq!(errors(&[("a.yaml", &deep)]).len(), 1);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error =
            load(Path::new("/nonexistent-folder"), &Identity::default()).expect_err("an error");
        assert!(
            error[0]
                .to_string()
                .starts_with("cannot read /nonexistent-folder: ")
        );
    }
}
