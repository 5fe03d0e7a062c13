//! Owns the watching of directories for changes of what is in them. Never reads the files for their meaning and never
//! says what changed: whoever waits reads again and compares.
//!
//! Directories are watched, never files, since a watch on a file ends with the first swap of `..data` in a mounted
//! ConfigMap. Without inotify (its limits are per user and node) the files are compared every two seconds instead.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often files are compared when they cannot be watched: quick enough for a person who edits one, and a small
/// directory takes well under a millisecond.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How long a watch that begins late leaves to whoever may need none at all: most of what runs once has begun by then.
pub const LATE: Duration = Duration::from_millis(100);

/// Larger files are compared by size and time alone.
const COMPARED: u64 = 4 * 1024 * 1024;

/// Watched directories.
#[derive(Debug)]
pub struct Watching {
    directories: Vec<PathBuf>,
    mode: Mode,
    /// Nobody wants to know any more.
    enough: CancellationToken,
}

#[derive(Debug)]
enum Mode {
    /// Not watched before this moment.
    Later { at: Instant },
    /// Not watched any more.
    Over,
    /// Told by the operating system.
    Notified {
        watcher: RecommendedWatcher,
        /// One place: a change that is not yet taken stands for all that follow it.
        changes: mpsc::Receiver<()>,
        /// Which directories are watched: the same path may be another directory later.
        watched: Vec<Option<Identity>>,
    },
    /// Compared every [`POLL_INTERVAL`].
    Polled {
        seen: Contents,
        /// When they are compared next; kept, so that a wait that is given up again and again comes to its end.
        at: Instant,
    },
}

type Identity = (u64, u64);
/// Of each file: size, time of its last change and a hash of its bytes.
type Contents = BTreeMap<PathBuf, (u64, i64, i64, u64)>;

impl Watching {
    /// Watches directories, not what is in directories below them. Where that is impossible they are polled, with a
    /// warning; a directory that is not there is polled until the end, since it may come.
    pub fn start(directories: Vec<PathBuf>) -> Self {
        let mode = match notified(&directories) {
            Ok(mode) => mode,
            Err(error) => polled(&directories, &error),
        };
        Self::new(directories, mode)
    }

    /// Watches directories a little later, since that may not be needed: what changed until then is told as a change.
    pub fn start_late(directories: Vec<PathBuf>) -> Self {
        let at = Instant::now() + LATE;
        Self::new(directories, Mode::Later { at })
    }

    /// Watches directories by comparing them every [`POLL_INTERVAL`].
    pub fn start_polling(directories: Vec<PathBuf>) -> Self {
        let mode = Mode::Polled {
            seen: contents(&directories),
            at: Instant::now() + POLL_INTERVAL,
        };
        Self::new(directories, mode)
    }

    fn new(directories: Vec<PathBuf>, mode: Mode) -> Self {
        Self {
            directories,
            mode,
            enough: CancellationToken::new(),
        }
    }

    /// Lets go of the directories when this is cancelled: no change is told any more. The kernel takes milliseconds to give
    /// up watches, for which the end of the process would wait; the watcher's own thread waits for them now.
    #[must_use]
    pub fn until(self, enough: CancellationToken) -> Self {
        Self { enough, ..self }
    }

    /// Waits for the next change since the start or the last call. Several changes may be told as one; a change may
    /// be told that changed no byte. Cancel-safe: what was not told is told by the next call.
    pub async fn changed(&mut self) {
        let enough = self.enough.clone();
        tokio::select! {
            // First, so that the last changes are not told.
            biased;
            () = enough.cancelled() => {
                self.mode = Mode::Over;
                std::future::pending().await
            }
            () = self.next_change() => {}
        }
    }

    async fn next_change(&mut self) {
        loop {
            match &mut self.mode {
                Mode::Later { at } => {
                    tokio::time::sleep_until(*at).await;
                    *self = Self::start(std::mem::take(&mut self.directories))
                        .until(self.enough.clone());
                    return;
                }
                Mode::Over => std::future::pending().await,
                Mode::Notified { changes, .. } => {
                    let told = changes.recv().await;
                    self.follow();
                    if told.is_some() {
                        return;
                    }
                    // The watcher's thread is gone; what it missed is seen by reading again.
                    if matches!(self.mode, Mode::Notified { .. }) {
                        self.mode = polled(
                            &self.directories,
                            &notify::Error::generic("the watcher ended"),
                        );
                        return;
                    }
                }
                Mode::Polled { seen, at } => {
                    tokio::time::sleep_until(*at).await;
                    *at = Instant::now() + POLL_INTERVAL;
                    let now = contents(&self.directories);
                    if *seen != now {
                        *seen = now;
                        return;
                    }
                }
            }
        }
    }

    /// Whether files are compared every [`POLL_INTERVAL`] instead of watched.
    pub fn is_polling(&self) -> bool {
        matches!(self.mode, Mode::Polled { .. })
    }

    /// Watches anew what is another directory than before; polls when one is gone.
    fn follow(&mut self) {
        let Mode::Notified {
            watcher, watched, ..
        } = &mut self.mode
        else {
            return;
        };
        for (directory, before) in self.directories.iter().zip(watched) {
            let now = identity(directory);
            if now == *before && now.is_some() {
                continue;
            }
            // It fails when the directory, and with it the watch, is gone.
            let _ = watcher.unwatch(directory);
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                self.mode = polled(&self.directories, &error);
                return;
            }
            *before = now;
        }
    }
}

fn notified(directories: &[PathBuf]) -> notify::Result<Mode> {
    let (sender, changes) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading raises access events. An error may hide a change.
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            // A full channel: a change is waiting to be taken already.
            let _ = sender.try_send(());
        }
    })?;
    let mut identities = Vec::new();
    for directory in directories {
        // Before the watch: a directory that is replaced in between is then seen as another one.
        identities.push(identity(directory));
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
    }
    Ok(Mode::Notified {
        watcher,
        changes,
        watched: identities,
    })
}

fn polled(directories: &[PathBuf], error: &notify::Error) -> Mode {
    tracing::warn!(
        %error,
        directories = ?directories,
        interval = ?POLL_INTERVAL,
        "cannot watch directories, comparing their files instead; raise fs.inotify.max_user_instances and max_user_watches on the node"
    );
    Mode::Polled {
        seen: contents(directories),
        at: Instant::now() + POLL_INTERVAL,
    }
}

fn identity(directory: &Path) -> Option<Identity> {
    fs::metadata(directory)
        .ok()
        .map(|metadata| (metadata.dev(), metadata.ino()))
}

fn contents(directories: &[PathBuf]) -> Contents {
    let entries = directories
        .iter()
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flatten();
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let metadata = fs::metadata(&path).ok()?;
            if !metadata.is_file() {
                return None;
            }
            let mut hasher = DefaultHasher::new();
            if metadata.len() <= COMPARED {
                fs::read(&path).ok()?.hash(&mut hasher);
            }
            Some((
                path,
                (
                    metadata.len(),
                    metadata.mtime(),
                    metadata.mtime_nsec(),
                    hasher.finish(),
                ),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn directory() -> (TempDir, Vec<PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_path_buf();
        (dir, vec![path])
    }

    async fn see(watching: &mut Watching, what: &str) {
        assert!(
            timeout(LONG, watching.changed()).await.is_ok(),
            "{what} was not seen"
        );
    }

    /// Takes all changes that have been told, until a change of our own making is the only one left.
    async fn drain(watching: &mut Watching) {
        while timeout(Duration::from_millis(200), watching.changed())
            .await
            .is_ok()
        {}
    }

    #[tokio::test]
    async fn edits_additions_and_removals_are_told() {
        let (dir, paths) = directory();
        let file = dir.path().join("a.yaml");
        let mut watching = Watching::start(paths);
        assert!(!watching.is_polling());
        for (what, change) in [
            (
                "addition",
                Box::new(|| fs::write(&file, "1")) as Box<dyn Fn() -> std::io::Result<()>>,
            ),
            ("edit", Box::new(|| fs::write(&file, "2"))),
            (
                "rename",
                Box::new(|| fs::rename(&file, dir.path().join("b.yaml"))),
            ),
            (
                "removal",
                Box::new(|| fs::remove_file(dir.path().join("b.yaml"))),
            ),
        ] {
            change().unwrap();
            see(&mut watching, what).await;
            drain(&mut watching).await;
        }
    }

    #[tokio::test]
    async fn every_swap_of_a_mounted_config_map_is_told() {
        let (dir, paths) = directory();
        symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
        let mut watching = Watching::start(paths);
        for round in 0..3 {
            let version = format!("..v{round}");
            fs::create_dir(dir.path().join(&version)).unwrap();
            fs::write(dir.path().join(&version).join("a.yaml"), "x").unwrap();
            drain(&mut watching).await;
            symlink(&version, dir.path().join("..data_tmp")).unwrap();
            fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
            see(&mut watching, &version).await;
        }
    }

    #[tokio::test]
    async fn our_own_reading_is_not_told() {
        let (dir, paths) = directory();
        fs::write(dir.path().join("a.yaml"), "1").unwrap();
        let mut watching = Watching::start(paths.clone());
        drain(&mut watching).await;
        for _ in 0..3 {
            assert_eq!(contents(&paths).len(), 1);
        }
        // The order of events is kept: if reading were told, it would be told before this one.
        let Mode::Notified { changes, .. } = &mut watching.mode else {
            panic!("polling")
        };
        fs::write(dir.path().join("b.yaml"), "1").unwrap();
        assert!(timeout(LONG, changes.recv()).await.is_ok());
        drain(&mut watching).await;
        assert_eq!(contents(&paths).len(), 2);
        assert!(
            timeout(Duration::from_millis(300), watching.changed())
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_directory_that_is_replaced_is_followed() {
        let (dir, _) = directory();
        let (watched, away) = (dir.path().join("watched"), dir.path().join("away"));
        fs::create_dir(&watched).unwrap();
        let mut watching = Watching::start(vec![watched.clone()]);
        fs::rename(&watched, &away).unwrap();
        fs::create_dir(&watched).unwrap();
        see(&mut watching, "replacement").await;
        drain(&mut watching).await;
        fs::write(watched.join("a.yaml"), "1").unwrap();
        see(&mut watching, "file in the new directory").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_watch_tells_its_beginning_as_a_change() {
        let (_dir, paths) = directory();
        let mut watching = Watching::start_late(paths);
        assert!(
            timeout(LATE / 2, watching.changed()).await.is_err(),
            "not yet"
        );
        see(&mut watching, "beginning").await;
        assert!(matches!(watching.mode, Mode::Notified { .. }));
    }

    #[tokio::test]
    async fn nothing_is_watched_when_nobody_wants_to_know() {
        let (dir, paths) = directory();
        let enough = CancellationToken::new();
        let mut watching = Watching::start(paths).until(enough.clone());
        enough.cancel();
        fs::write(dir.path().join("a.yaml"), "1").unwrap();
        let soon = Duration::from_millis(100);
        for _ in 0..2 {
            assert!(timeout(soon, watching.changed()).await.is_err(), "told");
        }
        assert!(matches!(watching.mode, Mode::Over));
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_is_missing_is_polled_until_it_comes() {
        let (dir, _) = directory();
        let path = dir.path().join("later");
        let mut watching = Watching::start(vec![path.clone()]);
        assert!(watching.is_polling());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a.yaml"), "1").unwrap();
        see(&mut watching, "directory").await;
    }

    #[tokio::test(start_paused = true)]
    async fn polling_tells_changes_of_value_only() {
        let (dir, paths) = directory();
        let file = dir.path().join("a.yaml");
        fs::write(&file, "1").unwrap();
        let mut watching = Watching::start_polling(paths);
        assert!(
            timeout(LONG, watching.changed()).await.is_err(),
            "nothing changed"
        );
        fs::write(&file, "2").unwrap();
        see(&mut watching, "edit").await;
        fs::remove_file(&file).unwrap();
        see(&mut watching, "removal").await;
    }
}
