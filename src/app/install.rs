//! Owns `kubesup install`: a copy of this very binary in a directory, for an unmodified image to be started with. Never
//! reads a setting, the cluster or a package.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::Builder;

use super::StartError;

/// What is executed at this moment, also when its file has been replaced or removed since.
const SELF: &str = "/proc/self/exe";
/// The copy's name in the directory.
const NAME: &str = "kubesup";
/// Every user may execute it: the image's own user is rarely the one that installed it.
const MODE: u32 = 0o755;

/// Copies this binary to `kubesup` in the directory, which is made when it is not there, and gives the copy's path. A
/// reader sees the whole copy or what was there before, so that a restarted init container may repeat it at any moment.
pub fn install(directory: &Path) -> Result<PathBuf, StartError> {
    copy(Path::new(SELF), directory).map_err(|error| {
        StartError::Unavailable(format!(
            "cannot install kubesup: {}: {error}; name a directory that this user may write to, such as the mount of an emptyDir",
            directory.display()
        ))
    })
}

fn copy(program: &Path, directory: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let target = directory.join(NAME);
    let mut from = File::open(program)?;
    // In the same directory: a rename does not cross file systems, and an empty image has no /tmp.
    let mut staged = Builder::new().prefix(".kubesup-").tempfile_in(directory)?;
    io::copy(&mut from, staged.as_file_mut())?;
    // By the descriptor, so that the umask does not count.
    staged
        .as_file()
        .set_permissions(Permissions::from_mode(MODE))?;
    staged.persist(&target)?;
    Ok(target)
}
