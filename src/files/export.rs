//! Owns the writing of rendered files into a directory that is no service's: for looking at, or for another program. What
//! else is in the directory stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tree::Tree;
use super::{FilesError, OWN_DIRECTORY, READABLE, check, commit, stage};
use crate::plan::Rendering;

/// Writes all files of a rendering, hooks executable and config files as in a service's directory. All are written beside
/// their targets before the first rename. Returns their paths.
pub fn rendering(directory: &Path, rendered: &Rendering) -> Result<Vec<PathBuf>, FilesError> {
    for path in rendered.keys() {
        check(path)?;
    }
    let tree = Tree::open(directory.to_owned(), None, OWN_DIRECTORY)?;
    let files: BTreeMap<&str, &str> = rendered
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    commit(&tree, stage(&tree, &files)?)?;
    Ok(files.keys().map(|path| tree.path(path)).collect())
}

/// Writes one file, which everybody may read. Returns its path.
pub fn file(directory: &Path, name: &str, text: &str) -> Result<PathBuf, FilesError> {
    let tree = Tree::open(directory.to_owned(), None, OWN_DIRECTORY)?;
    tree.replace(name, text.as_bytes(), READABLE)?;
    Ok(tree.path(name))
}
