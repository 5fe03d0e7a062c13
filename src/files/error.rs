//! Owns what is said when a file cannot be written: which file, why, and what to do. Never touches a file.

use std::io;
use std::path::PathBuf;

use crate::package::path::PathProblem;

/// Why the service's directory cannot be made or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The operating system refused.
    #[error("cannot {action}: {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was tried, such as `write file`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path of a rendered file is not a plain relative one.
    #[error("cannot write rendered file: {path:?}: {problem}")]
    Path {
        /// The path as it was given.
        path: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// The path of a rendered file is neither `hooks/<name>` nor `config/<path>`.
    #[error(
        "cannot write rendered file: {path:?}: it is neither hooks/<name> nor config/<path>; move it there"
    )]
    Elsewhere {
        /// The path as it was given.
        path: String,
    },
    /// A symbolic link or a file is where a directory is needed.
    #[error(
        "cannot write into directory: {}: it is a symbolic link or a file, and kubesup writes through neither; remove it",
        path.display()
    )]
    NotDirectory {
        /// What is in the way.
        path: PathBuf,
    },
}

/// What to do about an error of the operating system, with its separator; empty when the reason says it.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "; the file system is read-only, so mount an emptyDir at --root"
        }
        io::ErrorKind::PermissionDenied => {
            "; make it writable for kubesup's user, for instance by securityContext.fsGroup and an emptyDir at --root"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free space, or raise the sizeLimit of the volume at --root"
        }
        io::ErrorKind::ResourceBusy => {
            "; something is mounted on it, perhaps by subPath: mount that elsewhere, or a directory instead"
        }
        io::ErrorKind::IsADirectory => "; remove the directory or rename the template",
        io::ErrorKind::NotADirectory => "; remove what is there",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        for (errno, part) in [
            (Errno::ROFS, "mount an emptyDir at --root"),
            (Errno::ACCESS, "fsGroup"),
            (Errno::PERM, "fsGroup"),
            (Errno::NOSPC, "sizeLimit"),
            (Errno::DQUOT, "sizeLimit"),
            (Errno::BUSY, "subPath"),
            (Errno::ISDIR, "rename the template"),
        ] {
            let error = FilesError::Io {
                action: "write file",
                path: "/kubesup/x".into(),
                source: errno.into(),
            };
            let text = error.to_string();
            assert!(
                text.starts_with("cannot write file: /kubesup/x: "),
                "{text}"
            );
            assert!(text.contains(part), "{text}");
        }
    }
}
