//! Owns one text file that may come, change and go, such as a mounted `user.toml`. Never parses it.
//!
//! Its directory is watched, so that a swap of `..data` in a mounted ConfigMap or Secret is seen. While there is no such
//! directory it is looked for, ever more seldom: it may be made later.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::watching::{POLL_INTERVAL, Watching};

/// The largest file that is read, in bytes: what the API server takes for a whole ConfigMap.
const MAX_FILE: u64 = 1024 * 1024;

/// Why the file cannot be read though it is there.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("{source}; make it readable for kubesup, or remove it")]
    Io {
        /// Why.
        #[from]
        source: io::Error,
    },
    /// It is no regular file.
    #[error("it is no regular file; mount the directory, not the file")]
    Kind,
    /// It is larger than any configuration.
    #[error("it has {0} bytes, and at most {MAX_FILE} are read; shorten it")]
    TooLarge(u64),
    /// It is not text.
    #[error("not UTF-8 from byte {0} on; store it as text")]
    NotText(usize),
}

/// A file and the watch on its directory.
#[derive(Debug)]
pub struct WatchedFile {
    path: PathBuf,
    directory: PathBuf,
    /// `None` while the directory is not there.
    watching: Option<Watching>,
    /// When it is looked for next; kept, so that a wait that is given up again and again comes to its end.
    look_at: Option<Instant>,
    /// Between two looks for a directory that is not there.
    pause: Duration,
}

/// The pauses double from [`POLL_INTERVAL`] to this: most who have no such directory never get one, and an idle process
/// sleeps.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

impl WatchedFile {
    /// Watches from now on.
    pub fn start(path: PathBuf) -> Self {
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        let mut file = Self {
            path,
            directory,
            watching: None,
            look_at: None,
            pause: POLL_INTERVAL,
        };
        file.look();
        file
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text; `None` while there is no file. Links are followed.
    pub fn read(&self) -> Result<Option<String>, ReadError> {
        read(&self.path)
    }

    /// Waits until something changed in the directory, perhaps not the file. Cancel-safe.
    pub async fn changed(&mut self) {
        match &mut self.watching {
            Some(watching) => {
                watching.changed().await;
                self.look();
            }
            None => loop {
                let at = *self
                    .look_at
                    .get_or_insert_with(|| Instant::now() + self.pause);
                tokio::time::sleep_until(at).await;
                self.look_at = None;
                self.look();
                if self.watching.is_some() {
                    return;
                }
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            },
        }
    }

    /// Begins to watch a directory that is there, and lets go of one that is gone.
    pub fn look(&mut self) {
        match (self.directory.is_dir(), &self.watching) {
            (true, None) => self.watching = Some(Watching::start(vec![self.directory.clone()])),
            (false, Some(_)) => {
                self.watching = None;
                self.pause = POLL_INTERVAL;
            }
            _ => {}
        }
    }
}

/// The text of a file as it is now; `None` when there is none. Links are followed.
pub fn read(path: &Path) -> Result<Option<String>, ReadError> {
    let metadata = match fs::metadata(path) {
        Err(error) if is_absence(&error) => return Ok(None),
        metadata => metadata?,
    };
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !metadata.is_file() {
        return Err(ReadError::Kind);
    }
    if metadata.len() > MAX_FILE {
        return Err(ReadError::TooLarge(metadata.len()));
    }
    let bytes = match fs::read(path) {
        Err(error) if is_absence(&error) => return Ok(None),
        bytes => bytes?,
    };
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|error| ReadError::NotText(error.utf8_error().valid_up_to()))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// Waits until the file reads so.
    async fn see(file: &mut WatchedFile, text: Option<&str>) {
        let seen = timeout(LONG, async {
            while file.read().unwrap().as_deref() != text {
                file.changed().await;
            }
        });
        assert!(seen.await.is_ok(), "{text:?} was not seen");
    }

    #[tokio::test]
    async fn a_file_that_comes_changes_and_goes_with_its_directory_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("config");
        let path = directory.join("user.toml");
        let mut file = WatchedFile::start(path.clone());
        assert_eq!(file.read().unwrap(), None);
        fs::create_dir(&directory).unwrap();
        fs::write(&path, "a = 1").unwrap();
        see(&mut file, Some("a = 1")).await;
        fs::write(&path, "a = 2").unwrap();
        see(&mut file, Some("a = 2")).await;
        fs::remove_dir_all(&directory).unwrap();
        see(&mut file, None).await;
        fs::create_dir(&directory).unwrap();
        fs::write(&path, "a = 3").unwrap();
        see(&mut file, Some("a = 3")).await;
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_again_and_again_still_comes_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("config");
        let mut file = WatchedFile::start(directory.join("user.toml"));
        fs::create_dir(&directory).unwrap();
        let seen = timeout(LONG, async {
            while timeout(Duration::from_millis(100), file.changed())
                .await
                .is_err()
            {}
        });
        assert!(seen.await.is_ok(), "the directory was not seen");
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_does_not_come_is_looked_for_ever_more_seldom() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("config");
        let mut file = WatchedFile::start(directory.join("user.toml"));
        assert!(
            timeout(Duration::from_secs(3600), file.changed())
                .await
                .is_err()
        );
        assert_eq!(file.pause, LONGEST_PAUSE);
        fs::create_dir(&directory).unwrap();
        assert!(timeout(LONGEST_PAUSE, file.changed()).await.is_ok());
        // At once for whoever asks.
        let other = folder.path().join("other");
        let mut file = WatchedFile::start(other.join("user.toml"));
        fs::create_dir(&other).unwrap();
        file.look();
        assert!(file.watching.is_some());
    }

    #[tokio::test]
    async fn every_swap_of_a_mounted_config_map_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let swap = |version: &str| {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(folder.path().join(version).join("user.toml"), version).unwrap();
            symlink(version, folder.path().join("..data_tmp")).unwrap();
            fs::rename(
                folder.path().join("..data_tmp"),
                folder.path().join("..data"),
            )
            .unwrap();
        };
        swap("..1");
        symlink("..data/user.toml", folder.path().join("user.toml")).unwrap();
        let mut file = WatchedFile::start(folder.path().join("user.toml"));
        see(&mut file, Some("..1")).await;
        for version in ["..2", "..3"] {
            swap(version);
            see(&mut file, Some(version)).await;
        }
    }

    #[tokio::test]
    async fn what_is_no_text_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| {
            let file = WatchedFile::start(folder.path().join(name));
            file.read().unwrap_err().to_string()
        };
        fs::create_dir(folder.path().join("directory")).unwrap();
        fs::write(folder.path().join("binary"), b"a\xff").unwrap();
        symlink("/dev/zero", folder.path().join("zero")).unwrap();
        symlink("loop", folder.path().join("loop")).unwrap();
        let huge = fs::File::create(folder.path().join("huge")).unwrap();
        huge.set_len(MAX_FILE + 1).unwrap();
        assert!(read("directory").starts_with("it is no regular file"));
        assert!(read("zero").starts_with("it is no regular file"));
        assert!(read("binary").starts_with("not UTF-8 from byte 1"));
        assert!(read("loop").contains("Too many levels of symbolic links"));
        assert!(read("huge").starts_with("it has 1048577 bytes"));
    }
}
