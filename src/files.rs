//! Owns the service's directory on disk, `<root>/svc/<name>`: its layout, the rendered files in it, the `run` copy and
//! the `PID` file. Never renders and never decides what a change means (that is `plan`).
//!
//! Rendered files are replaced atomically and as one set as far as a file system allows: every new file is written
//! beside its target before the first rename, so that a full disk leaves the old set. There is no fsync: each start
//! renders and compares again. Nothing is ever written through a symbolic link below the service's directory.

mod atomic;
pub mod error;
pub mod export;
mod ledger;
mod tree;
mod uploaded;
pub mod watched_file;
pub mod watching;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

use atomic::Staged;
pub use error::FilesError;
use ledger::Ledger;
use tree::Tree;

use crate::package::path;
use crate::plan::{self, Rendering, Writes};

/// Of hooks and of the `run` copy.
const EXECUTABLE: u32 = 0o755;
/// Of config files: they may hold secrets.
const CONFIG: u32 = 0o740;
/// Of the directories that belong to the service.
const SERVICE_DIRECTORY: u32 = 0o770;
/// Of the directories that belong to the supervisor.
const OWN_DIRECTORY: u32 = 0o755;
/// Of what others may read.
const READABLE: u32 = 0o644;

/// Directories into which kubesup writes, so that they may not be symbolic links.
const WRITTEN: [(&str, u32); 2] = [("hooks", OWN_DIRECTORY), ("config", SERVICE_DIRECTORY)];
/// Directories that are the service's to use. They may be links to a volume.
const OFFERED: [(&str, u32); 5] = [
    ("logs", OWN_DIRECTORY),
    ("data", SERVICE_DIRECTORY),
    ("files", SERVICE_DIRECTORY),
    ("static", SERVICE_DIRECTORY),
    ("var", SERVICE_DIRECTORY),
];

/// How the `install` hook has ended, and of which package.
const INSTALL_STATUS: &str = "INSTALL_HOOK_STATUS";
/// More than a code and a package's identity.
const MOST_STATUS: usize = 4096;

/// Who owns the config files and the service's directories, when kubesup may give them away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

/// What a rendering changed on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Paths of files that are new or differ, such as `config/app.conf`.
    pub written: Vec<String>,
    /// Paths of files whose template is gone.
    pub removed: Vec<String>,
}

/// The service's directory, open for writing. Only one may be open for a service.
#[derive(Debug)]
pub struct ServiceFiles {
    tree: Tree,
    ledger: Ledger,
    uploaded: Ledger,
}

impl ServiceFiles {
    /// Makes the directories that are missing below `svc` (`<root>/svc/<name>`), leaves those that are there as they
    /// are, and clears away what a crash left. `owner` is `None` without the capability to give files away.
    pub fn open(svc: PathBuf, owner: Option<Owner>) -> Result<Self, FilesError> {
        let tree = Tree::open(svc, owner, OWN_DIRECTORY)?;
        for (name, mode) in WRITTEN {
            tree.make(name, mode, service_owner(mode, owner))?;
        }
        for (name, mode) in OFFERED {
            if !tree.leads_to_directory(name)? {
                tree.make(name, mode, service_owner(mode, owner))?;
            }
        }
        let ledger = Ledger::load(&tree, ledger::RENDERED);
        let uploaded = Ledger::load(&tree, ledger::UPLOADED);
        let directories =
            ledger
                .directories()
                .chain(["", "hooks", "config", "config_install", "files"]);
        for directory in directories {
            tree.clear_leftovers(directory);
        }
        Ok(Self {
            tree,
            ledger,
            uploaded,
        })
    }

    /// Makes the rendered files on disk what `rendered` says, and writes only those whose bytes differ. On an error
    /// before the first rename, which is any but a rare one, the old files are all as they were; only a file of ours
    /// that has to make way for a directory, or the other way round, goes before.
    pub fn write(&mut self, rendered: &Rendering) -> Result<Written, FilesError> {
        for path in rendered.keys() {
            check(path)?;
        }
        let on_disk = self.on_disk(rendered)?;
        let writes = plan::writes(&on_disk, rendered);
        self.remember(rendered, &writes)?;
        self.clear_the_way(&writes)?;
        commit(&self.tree, stage(&self.tree, &writes.write)?)?;
        for path in &writes.remove {
            self.tree.remove(path)?;
        }
        self.prune(rendered)?;
        Ok(Written {
            written: writes.write.keys().map(|&path| path.to_owned()).collect(),
            removed: writes.remove.iter().map(|&path| path.to_owned()).collect(),
        })
    }

    /// Writes the copy of the rendered `run` hook that is executed, and returns its path.
    pub fn write_run(&self, text: &str) -> Result<PathBuf, FilesError> {
        self.write_own("run", text.as_bytes(), EXECUTABLE)?;
        Ok(self.tree.path("run"))
    }

    /// Writes the `PID` file of the main process: the decimal number, without a line end.
    pub fn write_pid(&self, pid: i32) -> Result<(), FilesError> {
        self.write_own("PID", pid.to_string().as_bytes(), READABLE)
    }

    /// What was noted of the `install` hook; `None` when it has never ended.
    pub fn install_status(&self) -> Result<Option<String>, FilesError> {
        let bytes = self.tree.read(INSTALL_STATUS, MOST_STATUS)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Notes how the `install` hook has ended. Habitat does so in the package, which may be read-only here.
    pub fn write_install_status(&self, status: &str) -> Result<(), FilesError> {
        self.write_own(INSTALL_STATUS, status.as_bytes(), READABLE)
    }

    /// Removes the `PID` file if there is one.
    pub fn remove_pid(&self) -> Result<(), FilesError> {
        self.tree.remove("PID")
    }

    /// The absolute or relative path of a file of the service, as `svc` was given.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.tree.path(relative)
    }

    fn write_own(&self, name: &str, content: &[u8], mode: u32) -> Result<(), FilesError> {
        if self
            .tree
            .read(name, content.len())?
            .is_some_and(|bytes| bytes == content)
        {
            return Ok(());
        }
        self.tree.replace(name, content, mode)
    }

    /// The bytes of what is to be rendered, and the names of what kubesup wrote before.
    fn on_disk(&self, rendered: &Rendering) -> Result<BTreeMap<String, Vec<u8>>, FilesError> {
        let mut on_disk = BTreeMap::new();
        for (path, text) in rendered {
            if let Some(bytes) = self.tree.read(path, text.len())? {
                on_disk.insert(path.clone(), bytes);
            }
        }
        for path in self
            .ledger
            .files()
            .filter(|&path| !rendered.contains_key(path))
        {
            if self.tree.has_file(path) {
                on_disk.insert(path.to_owned(), Vec::new());
            }
        }
        Ok(on_disk)
    }

    /// Notes all that is about to be ours before it is made, so that a crash leaves nothing that nobody owns.
    fn remember(&mut self, rendered: &Rendering, writes: &Writes<'_>) -> Result<(), FilesError> {
        let mut ledger = self.ledger.clone();
        for path in rendered.keys() {
            ledger.add_file(path);
        }
        for parent in parents(writes.write.keys().copied()) {
            if !self.tree.has_directory(parent) {
                ledger.add_directory(parent);
            }
        }
        self.replace_ledger(ledger)
    }

    /// Removes files of ours that are where a directory is needed now, and directories where a file is.
    fn clear_the_way(&self, writes: &Writes<'_>) -> Result<(), FilesError> {
        let needed = parents(writes.write.keys().copied());
        let becomes_file =
            |gone: &str| path::parents(gone).any(|parent| writes.write.contains_key(parent));
        for &path in writes
            .remove
            .iter()
            .filter(|&&path| needed.contains(path) || becomes_file(path))
        {
            self.tree.remove(path)?;
        }
        for directory in self.ledger.directories().rev() {
            if writes.write.contains_key(directory) || becomes_file(directory) {
                self.tree.remove_empty_directory(directory)?;
            }
        }
        Ok(())
    }

    /// Removes directories that kubesup made and that nothing needs, and forgets what is gone.
    fn prune(&mut self, rendered: &Rendering) -> Result<(), FilesError> {
        let mut ledger = Ledger::default();
        for path in rendered.keys() {
            ledger.add_file(path);
        }
        let needed = parents(rendered.keys().map(String::as_str));
        for directory in self.ledger.directories().rev() {
            if needed.contains(directory) || !self.tree.remove_empty_directory(directory)? {
                ledger.add_directory(directory);
            }
        }
        self.replace_ledger(ledger)
    }

    fn replace_ledger(&mut self, ledger: Ledger) -> Result<(), FilesError> {
        if ledger != self.ledger {
            self.tree
                .replace(ledger::RENDERED.name, ledger.to_text().as_bytes(), READABLE)?;
            self.ledger = ledger;
        }
        Ok(())
    }
}

/// Writes each file beside its target. Dropping the result takes all of it back.
fn stage<'a>(
    tree: &Tree,
    files: &BTreeMap<&'a str, &str>,
) -> Result<Vec<(&'a str, Staged)>, FilesError> {
    let mut directories: BTreeMap<&str, Rc<OwnedFd>> = BTreeMap::new();
    let mut staged = Vec::new();
    for (&path, text) in files {
        let Some((parent, name)) = path.rsplit_once('/') else {
            continue;
        };
        let (mode, directory_mode) = match parent {
            "hooks" => (EXECUTABLE, OWN_DIRECTORY),
            _ => (CONFIG, SERVICE_DIRECTORY),
        };
        let owner = service_owner(directory_mode, tree.owner());
        let directory = match directories.entry(parent) {
            Entry::Occupied(known) => Rc::clone(known.get()),
            Entry::Vacant(new) => {
                let opened = tree.make(parent, directory_mode, owner)?;
                Rc::clone(new.insert(Rc::new(opened)))
            }
        };
        let file = atomic::stage(&directory, name, text.as_bytes(), mode, owner)
            .map_err(|source| tree.failed("write file", path, source))?;
        staged.push((path, file));
    }
    Ok(staged)
}

/// Puts what was staged in place.
fn commit(tree: &Tree, staged: Vec<(&str, Staged)>) -> Result<(), FilesError> {
    for (path, staged) in staged {
        staged
            .commit()
            .map_err(|source| tree.failed("replace file", path, source))?;
    }
    Ok(())
}

fn service_owner(mode: u32, owner: Option<Owner>) -> Option<Owner> {
    owner.filter(|_| mode == SERVICE_DIRECTORY)
}

/// All directories above some paths.
fn parents<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    paths.flat_map(path::parents).collect()
}

/// Accepts `hooks/<name>` and `config/<path>`.
fn check(path: &str) -> Result<(), FilesError> {
    let refused = |problem| FilesError::Path {
        path: path.to_owned(),
        problem,
    };
    path::check(path).map_err(refused)?;
    match path.split_once('/') {
        Some(("hooks", name)) if !name.contains('/') => Ok(()),
        Some(("config" | "config_install", _)) => Ok(()),
        _ => Err(FilesError::Elsewhere {
            path: path.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
