//! Owns the look at one path of a package: what is there, its text, its entries; and what is wrong with it. Never knows what
//! it is for.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::DirectoryError;
use crate::package::Source;

/// The largest template, in bytes: sixteen times what a ConfigMap can hold. More is an archive or a mistake.
pub(super) const MAX_FILE: u64 = 16 * 1024 * 1024;

/// A directory, whichever path leads to it: its device and inode.
pub(super) type Identity = (u64, u64);

/// The path if anything is there; a link that leads nowhere is there, and is a problem when it is read.
pub(super) fn existing(path: PathBuf, errors: &mut Vec<DirectoryError>) -> Option<PathBuf> {
    match fs::symlink_metadata(&path) {
        Ok(_) => Some(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => {
            errors.push(DirectoryError::Io { path, source });
            None
        }
    }
}

/// What is there, where links lead.
pub(super) fn metadata(path: &Path) -> Result<fs::Metadata, DirectoryError> {
    fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => DirectoryError::Missing {
            path: path.to_path_buf(),
        },
        _ if source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => DirectoryError::Cycle {
            path: path.to_path_buf(),
        },
        _ => DirectoryError::Io {
            path: path.to_path_buf(),
            source,
        },
    })
}

/// Which directory is there.
pub(super) fn directory(path: &Path) -> Result<Identity, DirectoryError> {
    let metadata = metadata(path)?;
    if metadata.is_dir() {
        return Ok((metadata.dev(), metadata.ino()));
    }
    let found = if metadata.is_file() {
        "a file"
    } else {
        "a special file"
    };
    Err(DirectoryError::Kind {
        path: path.to_path_buf(),
        found,
        needed: "a directory",
    })
}

/// The entries of a directory in the order of their names, without the kubelet's own.
pub(super) fn entries(
    directory: &Path,
    errors: &mut Vec<DirectoryError>,
) -> Result<Vec<(String, PathBuf)>, DirectoryError> {
    let failed = |source| DirectoryError::Io {
        path: directory.to_path_buf(),
        source,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_name().into_string() {
            Ok(name) if name.starts_with("..") => {}
            Ok(name) => entries.push((name, entry.path())),
            Err(_) => errors.push(DirectoryError::Name { path: entry.path() }),
        }
    }
    entries.sort();
    Ok(entries)
}

/// The text of a regular file.
pub(super) fn text(path: &Path) -> Result<Source, DirectoryError> {
    let found = metadata(path)?;
    let owned = || path.to_path_buf();
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !found.is_file() {
        let found = if found.is_dir() {
            "a directory"
        } else {
            "a special file"
        };
        return Err(DirectoryError::Kind {
            path: owned(),
            found,
            needed: "a file",
        });
    }
    if found.len() > MAX_FILE {
        return Err(DirectoryError::TooLarge {
            path: owned(),
            bytes: found.len(),
            max: MAX_FILE,
        });
    }
    let bytes = fs::read(path).map_err(|source| DirectoryError::Io {
        path: owned(),
        source,
    })?;
    let text = String::from_utf8(bytes).map_err(|error| DirectoryError::NotText {
        path: owned(),
        valid_up_to: error.utf8_error().valid_up_to(),
    })?;
    Ok(Source {
        origin: path.display().to_string(),
        text,
    })
}
