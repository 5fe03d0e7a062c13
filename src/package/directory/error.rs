//! Owns what is said when a package directory cannot be read: which file, why, and what to do. Never touches a file.

use std::io;
use std::path::PathBuf;

use crate::package::path::PathProblem;

/// Why a package directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The operating system refused.
    #[error("cannot read package: {}: {source}; make it readable for kubesup", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not there.
    #[error("cannot read package: {}: it does not exist; correct --package or the link", path.display())]
    Missing {
        /// The file or directory.
        path: PathBuf,
    },
    /// It is neither a regular file nor a directory where one is needed.
    #[error("cannot read package: {}: it is {found}, and {needed} is needed; remove or replace it", path.display())]
    Kind {
        /// The file or directory.
        path: PathBuf,
        /// What is there.
        found: &'static str,
        /// What must be there.
        needed: &'static str,
    },
    /// A directory contains itself by a symbolic link.
    #[error("cannot read package: {}: the link leads back to a directory above it; remove it", path.display())]
    Cycle {
        /// The link.
        path: PathBuf,
    },
    /// Directories nest too deep.
    #[error("cannot read package: {}: more than {max} directories deep; flatten it", path.display())]
    TooDeep {
        /// The directory.
        path: PathBuf,
        /// How deep they may.
        max: usize,
    },
    /// The file is not a template by its size.
    #[error("cannot read package: {}: {bytes} bytes, and a template has at most {max}; take it out of the package", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// How large it may be, in bytes.
        max: u64,
    },
    /// The content is not text.
    #[error("cannot read package: {}: not UTF-8 from byte {valid_up_to} on; templates are text, so take it out of the package", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// How many bytes are well-formed.
        valid_up_to: usize,
    },
    /// A metafile does not say what it should.
    #[error("cannot read package: {}{}: {reason}", path.display(), .line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Metafile {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: Option<usize>,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The name is not text.
    #[error("cannot read package: {path:?}: the name is not UTF-8; rename it")]
    Name {
        /// The file or directory.
        path: PathBuf,
    },
    /// The name cannot be that of a rendered file.
    #[error("cannot read package: {path:?}: {problem}")]
    Path {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: PathProblem,
    },
}
