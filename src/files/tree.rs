//! Owns the open directory of a service and each step below it. Never follows a symbolic link there: every directory
//! on a path is opened from the one above it, so that nobody can swap one in between.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, fchown};
use std::path::PathBuf;
use std::rc::Rc;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, fchmod, fstat, mkdirat, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::{FilesError, Owner, atomic};

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// An open directory and how messages name it.
#[derive(Debug)]
pub(super) struct Tree {
    path: PathBuf,
    top: OwnedFd,
    owner: Option<Owner>,
}

impl Tree {
    /// Opens the directory, and makes it and those above it when they are missing.
    pub(super) fn open(path: PathBuf, owner: Option<Owner>, mode: u32) -> Result<Self, FilesError> {
        let failed = |source| FilesError::Io {
            action: "make directory",
            path: path.clone(),
            source,
        };
        if let Some(parent) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(parent)
                .map_err(failed)?;
        }
        match DirBuilder::new().mode(mode).create(&path) {
            Ok(()) => {
                std::fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(failed)?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        // This one may be a link: where the root leads is the operator's to say.
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let top =
            rustix::fs::open(&path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        Ok(Self { path, top, owner })
    }

    /// The path of something below, for messages and for those who open it themselves.
    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// Who owns what belongs to the service.
    pub(super) fn owner(&self) -> Option<Owner> {
        self.owner
    }

    /// An error of the operating system with its place.
    pub(super) fn failed(
        &self,
        action: &'static str,
        relative: &str,
        source: impl Into<io::Error>,
    ) -> FilesError {
        FilesError::Io {
            action,
            path: self.path(relative),
            source: source.into(),
        }
    }

    /// Opens a directory and makes what is missing of its path, with this mode and owner.
    pub(super) fn make(
        &self,
        relative: &str,
        mode: u32,
        owner: Option<Owner>,
    ) -> Result<OwnedFd, FilesError> {
        let mut directory = self
            .directory("")
            .map_err(|error| self.failed("open directory", "", error))?;
        for (at, part) in parts(relative) {
            let failed = |error: io::Error| self.failed("make directory", at, error);
            let is_new = match mkdirat(&directory, part, Mode::RWXU) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(error) => return Err(failed(error.into())),
            };
            directory =
                openat(&directory, part, DIRECTORY, Mode::empty()).map_err(
                    |error| match error {
                        Errno::NOTDIR | Errno::LOOP => FilesError::NotDirectory {
                            path: self.path(at),
                        },
                        _ => failed(error.into()),
                    },
                )?;
            if is_new {
                settle(&directory, mode, owner).map_err(failed)?;
            }
        }
        Ok(directory)
    }

    /// Whether there is a directory, reached without links.
    pub(super) fn has_directory(&self, relative: &str) -> bool {
        self.directory(relative).is_ok()
    }

    /// Whether a name at the top leads to a directory, perhaps by a link; an error when it leads to anything else.
    pub(super) fn leads_to_directory(&self, name: &str) -> Result<bool, FilesError> {
        match statat(&self.top, name, AtFlags::empty()) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_dir() => Ok(true),
            Ok(_) => Err(FilesError::NotDirectory {
                path: self.path(name),
            }),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.failed("open directory", name, error)),
        }
    }

    /// Whether there is anything but a directory, reached without links; itself it may be one.
    pub(super) fn has_file(&self, relative: &str) -> bool {
        let (parent, name) = split(relative);
        self.directory(parent)
            .and_then(|directory| statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW))
            .is_ok_and(|stat| !FileType::from_raw_mode(stat.st_mode).is_dir())
    }

    /// The first `wanted` bytes of a regular file and one more, which is enough to compare; `None` when there is no
    /// such file that kubesup can read, so that it has to be written anew.
    pub(super) fn read(
        &self,
        relative: &str,
        wanted: usize,
    ) -> Result<Option<Vec<u8>>, FilesError> {
        let (parent, name) = split(relative);
        // Non-blocking: the open of a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match self
            .directory(parent)
            .and_then(|directory| openat(directory, name, flags, Mode::empty()))
        {
            Ok(file) => file,
            Err(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::ACCESS
                | Errno::PERM
                | Errno::NXIO,
            ) => {
                return Ok(None);
            }
            Err(error) => return Err(self.failed("read file", relative, error)),
        };
        let stat = fstat(&file).map_err(|error| self.failed("read file", relative, error))?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(1);
        File::from(file)
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|error| self.failed("read file", relative, error))?;
        Ok(Some(bytes))
    }

    /// Replaces a file at the top.
    pub(super) fn replace(&self, name: &str, content: &[u8], mode: u32) -> Result<(), FilesError> {
        self.directory("")
            .map_err(io::Error::from)
            .and_then(|top| atomic::stage(&Rc::new(top), name, content, mode, None))
            .and_then(atomic::Staged::commit)
            .map_err(|error| self.failed("write file", name, error))
    }

    /// Removes a file; one that is not there is no error, nor is a directory in its place, which stays.
    pub(super) fn remove(&self, relative: &str) -> Result<(), FilesError> {
        let (parent, name) = split(relative);
        match self
            .directory(parent)
            .and_then(|directory| unlinkat(directory, name, AtFlags::empty()))
        {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR) => Ok(()),
            Err(error) => Err(self.failed("remove file", relative, error)),
        }
    }

    /// Removes a directory if nothing is in it. Returns whether it is gone.
    pub(super) fn remove_empty_directory(&self, relative: &str) -> Result<bool, FilesError> {
        let (parent, name) = split(relative);
        match self
            .directory(parent)
            .and_then(|directory| unlinkat(directory, name, AtFlags::REMOVEDIR))
        {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => Ok(false),
            Err(error) => Err(self.failed("remove directory", relative, error)),
        }
    }

    /// Removes temporary files that a crash left in a directory. What cannot be removed does no harm.
    pub(super) fn clear_leftovers(&self, relative: &str) {
        let Ok(directory) = self.directory(relative) else {
            return;
        };
        let Ok(entries) = Dir::read_from(&directory) else {
            return;
        };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_ok_and(atomic::is_temporary) {
                let _ = unlinkat(&directory, entry.file_name(), AtFlags::empty());
            }
        }
    }

    fn directory(&self, relative: &str) -> Result<OwnedFd, Errno> {
        let mut directory = openat(&self.top, ".", DIRECTORY, Mode::empty())?;
        for (_, part) in parts(relative) {
            directory = openat(&directory, part, DIRECTORY, Mode::empty())?;
        }
        Ok(directory)
    }
}

/// Each part of a path, with the path up to and with it.
fn parts(relative: &str) -> impl Iterator<Item = (&str, &str)> {
    let ends = relative
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([relative.len()]);
    ends.filter_map(|end| {
        let at = relative.get(..end)?;
        let (_, part) = split(at);
        (!part.is_empty()).then_some((at, part))
    })
}

/// The directory and the name in it.
fn split(relative: &str) -> (&str, &str) {
    relative.rsplit_once('/').unwrap_or(("", relative))
}

/// Gives a new directory its mode and owner. The set-group bit that it has from the directory above stays: on a volume
/// with an fsGroup it is what gives new files their group.
fn settle(directory: &OwnedFd, mode: u32, owner: Option<Owner>) -> io::Result<()> {
    if let Some(Owner { uid, gid }) = owner {
        fchown(directory, Some(uid), Some(gid))?;
    }
    let inherited = Mode::from_raw_mode(fstat(directory)?.st_mode) & Mode::SGID;
    fchmod(directory, Mode::from_raw_mode(mode) | inherited)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_parts_of_a_path_come_with_their_own_path() {
        assert_eq!(
            parts("a/b/c").collect::<Vec<_>>(),
            [("a", "a"), ("a/b", "b"), ("a/b/c", "c")]
        );
        assert_eq!(parts("").count(), 0);
    }

    #[test]
    fn a_set_group_bit_from_above_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o2775)).unwrap();
        let tree = Tree::open(dir.path().to_path_buf(), None, 0o755).unwrap();
        tree.make("config/sub", 0o770, None).unwrap();
        for made in ["config", "config/sub"] {
            let mode = fs::metadata(dir.path().join(made))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o7777, 0o2770, "{made}");
        }
    }

    #[test]
    fn a_pipe_is_no_file_and_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path().to_path_buf(), None, 0o755).unwrap();
        rustix::fs::mknodat(&tree.top, "pipe", FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(tree.read("pipe", 10).unwrap(), None);
    }

    #[test]
    fn reading_stops_one_byte_after_what_is_compared() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path().to_path_buf(), None, 0o755).unwrap();
        fs::write(dir.path().join("a"), "123456").unwrap();
        assert_eq!(tree.read("a", 3).unwrap().unwrap(), b"1234");
        assert_eq!(tree.read("none", 3).unwrap(), None);
    }
}
