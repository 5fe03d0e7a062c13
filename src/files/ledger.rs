//! Owns the list of files and directories that kubesup made in a service's directory, so that it removes its own and
//! never a file of the program. Kept on disk, since the directory may outlive the process.

use std::collections::BTreeSet;

use super::tree::Tree;
use crate::package::path;

/// The list's file in the service's directory: a path a line, directories with a slash at the end.
pub(super) const NAME: &str = ".rendered";

/// The longest list that is read, in bytes: 64 thousand paths of 256 bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Files and directories that kubesup made, or is about to make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ledger {
    files: BTreeSet<String>,
    directories: BTreeSet<String>,
}

impl Ledger {
    /// The list on disk; an empty one when there is none that can be read.
    pub(super) fn load(tree: &Tree) -> Self {
        let bytes = tree
            .read(NAME, MAX_BYTES)
            .ok()
            .flatten()
            .unwrap_or_default();
        Self::from_text(&String::from_utf8_lossy(&bytes))
    }

    /// Lines that could lead elsewhere are left out: the list may have been edited.
    fn from_text(text: &str) -> Self {
        let mut ledger = Self::default();
        for line in text.lines() {
            let (path, set) = match line.strip_suffix('/') {
                Some(directory) => (directory, &mut ledger.directories),
                None => (line, &mut ledger.files),
            };
            let ours = path.starts_with("hooks/") || path.starts_with("config/");
            if ours && path::check(path).is_ok() {
                set.insert(path.to_owned());
            }
        }
        ledger
    }

    /// As it is on disk.
    pub(super) fn to_text(&self) -> String {
        let files = self.files.iter().map(|file| format!("{file}\n"));
        files
            .chain(
                self.directories
                    .iter()
                    .map(|directory| format!("{directory}/\n")),
            )
            .collect()
    }

    pub(super) fn add_file(&mut self, path: &str) {
        self.files.insert(path.to_owned());
    }

    /// Adds a directory; `config` and `hooks` themselves are no rendering's.
    pub(super) fn add_directory(&mut self, path: &str) {
        if path.contains('/') {
            self.directories.insert(path.to_owned());
        }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// In the order of their names, so that backwards each comes before those above it.
    pub(super) fn directories(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.directories.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_back_as_it_was_written() {
        let mut ledger = Ledger::default();
        ledger.add_file("config/sub/a");
        ledger.add_file("hooks/run");
        ledger.add_directory("config/sub");
        ledger.add_directory("config");
        assert_eq!(ledger.to_text(), "config/sub/a\nhooks/run\nconfig/sub/\n");
        assert_eq!(Ledger::from_text(&ledger.to_text()), ledger);
    }

    #[test]
    fn lines_that_lead_elsewhere_are_left_out() {
        let ledger = Ledger::from_text(
            "../x\n/etc/passwd\nconfig/../../x\ndata/x\nrun\nconfig/\n\nconfig/ok\n",
        );
        assert_eq!(ledger.to_text(), "config/ok\n");
    }
}
