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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Sensitivity;

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        let names = ["tls.crt", "..", "/etc/passwd", "a/b", "a\nb", ""];
        let files = names.map(|name| {
            let file = ServiceFile {
                object: format!("ConfigMap shop/files, key {name}"),
                sensitivity: Sensitivity::Public,
                content: Vec::new(),
            };
            (name.to_owned(), file)
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
