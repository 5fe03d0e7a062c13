//! Owns the replacement of one file: a temporary file in the same directory, then a rename. Never follows a symbolic
//! link, since it works on an open directory and a plain name, and never lets a reader see half a file.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::fchown;
use std::process;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::Owner;

/// Temporary files are `.kubesup-<pid>-<number>.tmp`.
const PREFIX: &str = ".kubesup-";
const SUFFIX: &str = ".tmp";

/// How many taken names are passed over before giving up. Leftovers are cleared at the start, so that a taken name
/// is rare; a thousand of them is somebody else's doing.
const ATTEMPTS: usize = 1000;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file that is written and waits to replace its target. Dropped, it is gone without a trace.
#[derive(Debug)]
pub(super) struct Staged {
    directory: Rc<OwnedFd>,
    temporary: Option<String>,
    name: String,
}

/// Writes `content` beside `name` in `directory`.
pub(super) fn stage(
    directory: &Rc<OwnedFd>,
    name: &str,
    content: &[u8],
    mode: u32,
    owner: Option<Owner>,
) -> io::Result<Staged> {
    // The rename would fail too, but after others have succeeded.
    if let Ok(stat) = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        && FileType::from_raw_mode(stat.st_mode).is_dir()
    {
        return Err(Errno::ISDIR.into());
    }
    let (mut file, temporary) = create(directory)?;
    let staged = Staged {
        directory: Rc::clone(directory),
        temporary: Some(temporary),
        name: name.to_owned(),
    };
    file.write_all(content)?;
    if let Some(Owner { uid, gid }) = owner {
        fchown(&file, Some(uid), Some(gid))?;
    }
    // Not left to `open`, whose mode the umask cuts.
    fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(staged)
}

/// Whether a name is that of a temporary file, left by a crash.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

impl Staged {
    /// Replaces the target.
    pub(super) fn commit(mut self) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            renameat(
                &self.directory,
                temporary.as_str(),
                &self.directory,
                self.name.as_str(),
            )?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing can be done about a failure; the next start clears it away.
            let _ = unlinkat(&self.directory, temporary.as_str(), AtFlags::empty());
        }
    }
}

fn create(directory: &OwnedFd) -> io::Result<(File, String)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..ATTEMPTS {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}{SUFFIX}", process::id());
        match openat(directory, name.as_str(), flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok((file.into(), name)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::EXIST.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    fn directory(path: &Path) -> Rc<OwnedFd> {
        Rc::new(File::open(path).unwrap().into())
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_target_changes_at_the_commit_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a");
        fs::write(&target, "old").unwrap();
        let staged = stage(&directory(dir.path()), "a", b"new", 0o740, None).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        let left = names(dir.path());
        assert!(left.iter().any(|name| is_temporary(name)), "{left:?}");
        staged.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&target).unwrap().permissions().mode() & 0o7777,
            0o740
        );
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn what_is_not_committed_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        drop(stage(&directory(dir.path()), "a", b"new", 0o740, None).unwrap());
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn a_link_is_replaced_and_its_target_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("outside"), "old").unwrap();
        symlink("outside", dir.path().join("a")).unwrap();
        stage(&directory(dir.path()), "a", b"new", 0o644, None)
            .unwrap()
            .commit()
            .unwrap();
        assert_eq!(fs::read(dir.path().join("outside")).unwrap(), b"old");
        assert!(
            fs::symlink_metadata(dir.path().join("a"))
                .unwrap()
                .is_file()
        );
    }

    #[test]
    fn a_directory_in_the_place_of_the_target_is_seen_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        let error = stage(&directory(dir.path()), "a", b"", 0o644, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn a_file_is_given_to_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let own = fs::metadata(dir.path()).unwrap();
        let owner = Owner {
            uid: own.uid(),
            gid: own.gid(),
        };
        stage(&directory(dir.path()), "a", b"", 0o740, Some(owner))
            .unwrap()
            .commit()
            .unwrap();
        let file = fs::metadata(dir.path().join("a")).unwrap();
        assert_eq!((file.uid(), file.gid()), (owner.uid, owner.gid));
    }
}
