//! Owns the list of files and directories that kubesup made in a service's directory, so that it removes its own and
//! never a file of the program. Kept on disk, since the directory may outlive the process.

use std::collections::BTreeSet;

use super::tree::Tree;
use crate::package::path;

/// What one list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope {
    /// The list's file in the service's directory: a path a line, directories with a slash at the end.
    pub(super) name: &'static str,
    /// Where what it lists may be.
    tops: &'static [&'static str],
}

/// Rendered files.
pub(super) const RENDERED: Scope = Scope {
    name: ".rendered",
    tops: &["hooks/", "config/", "config_install/"],
};
/// Service files.
pub(super) const UPLOADED: Scope = Scope {
    name: ".uploaded",
    tops: &["files/"],
};

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
    pub(super) fn load(tree: &Tree, scope: Scope) -> Self {
        let bytes = tree
            .read(scope.name, MAX_BYTES)
            .ok()
            .flatten()
            .unwrap_or_default();
        Self::from_text(&String::from_utf8_lossy(&bytes), scope)
    }

    /// Lines that could lead elsewhere are left out: the list may have been edited.
    fn from_text(text: &str, scope: Scope) -> Self {
        let mut ledger = Self::default();
        for line in text.lines() {
            let (path, set) = match line.strip_suffix('/') {
                Some(directory) => (directory, &mut ledger.directories),
                None => (line, &mut ledger.files),
            };
            let ours = scope.tops.iter().any(|top| path.starts_with(top));
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

    pub(super) fn has_file(&self, path: &str) -> bool {
        self.files.contains(path)
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
        assert_eq!(Ledger::from_text(&ledger.to_text(), RENDERED), ledger);
    }

    #[test]
    fn lines_that_lead_elsewhere_are_left_out() {
        let ledger = Ledger::from_text(
            "../x\n/etc/passwd\nconfig/../../x\ndata/x\nfiles/x\nrun\nconfig/\n\nconfig/ok\n",
            RENDERED,
        );
        assert_eq!(ledger.to_text(), "config/ok\n");
    }
}
