//! Owns which names service files may have. Never writes one.

use std::collections::BTreeMap;

use super::path::{self, PathProblem};
use crate::world::ServiceFile;

/// Why a key cannot be a service file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceFileError {
    /// The name cannot be that of a file.
    #[error("cannot use service file: {object}: {problem}")]
    Name {
        /// How messages name it: object and key.
        object: String,
        /// What is wrong with the key.
        problem: PathProblem,
    },
    /// The name leads into a directory.
    #[error(
        "cannot use service file: {object}: the name has a slash; all service files are in one directory"
    )]
    Slash {
        /// How messages name it: object and key.
        object: String,
    },
}

/// Everything that is wrong with the names. An API server lets none of these through; manifests may have any.
pub fn check(files: &BTreeMap<String, ServiceFile>) -> Vec<ServiceFileError> {
    let problem = |(name, file): (&String, &ServiceFile)| {
        let object = || file.object.clone();
        match path::check(name) {
            Err(problem) => Some(ServiceFileError::Name {
                object: object(),
                problem,
            }),
            Ok(()) if name.contains('/') => Some(ServiceFileError::Slash { object: object() }),
            Ok(()) => None,
        }
    };
    files.iter().filter_map(problem).collect()
}

/// The number of each file's content: 1 when it is new, and one more whenever it is another than `before`, with the
/// numbers that those had.
pub fn incarnations(
    files: &BTreeMap<String, ServiceFile>,
    before: &BTreeMap<String, ServiceFile>,
    numbers: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let number = |(name, file): (&String, &ServiceFile)| {
        let known = numbers.get(name).copied().unwrap_or_default();
        let same = before
            .get(name)
            .is_some_and(|before| before.content == file.content);
        (name.clone(), if same { known.max(1) } else { known + 1 })
    };
    files.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Sensitivity;

    fn file(object: &str, content: &str) -> ServiceFile {
        ServiceFile {
            object: object.to_owned(),
            sensitivity: Sensitivity::Public,
            content: content.as_bytes().to_vec(),
        }
    }

    #[test]
    fn another_content_is_another_incarnation_and_another_object_is_not() {
        let mut numbers = BTreeMap::new();
        let mut before = BTreeMap::new();
        let mut seen = Vec::new();
        for (object, content) in [("a", "1"), ("a", "1"), ("a", "2"), ("b", "2"), ("b", "1")] {
            let files = BTreeMap::from([("ca.pem".to_owned(), file(object, content))]);
            numbers = incarnations(&files, &before, &numbers);
            before = files;
            seen.push(numbers["ca.pem"]);
        }
        assert_eq!(seen, [1, 1, 2, 2, 3]);
    }

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        let names = ["tls.crt", "..", "/etc/passwd", "a/b", "a\nb", ""];
        let files = names.map(|name| {
            let object = format!("ConfigMap shop/files, key {name}");
            (name.to_owned(), file(&object, ""))
        });
        let errors = check(&files.into());
        assert_eq!(errors.len(), 5, "{errors:#?}");
        assert!(
            errors.iter().any(|error| error.to_string()
                == "cannot use service file: ConfigMap shop/files, key a/b: the name has a slash; all service files are in one directory"),
            "{errors:#?}"
        );
    }
}
