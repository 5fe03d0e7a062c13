//! Owns the termination log: why kubesup ends, in the few lines that `kubectl describe pod` shows. Never decides that it ends.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use tracing::warn;

use crate::config::TerminationLog;
use crate::lifecycle::status::{Ended, Status};

/// What the kubelet reads of it: 4096 bytes (its `MaxContainerTerminationMessageLength`).
const MOST: usize = 4096;
/// Where the kubelet reads unless the Pod says otherwise (`terminationMessagePath`).
pub const PATH: &str = "/dev/termination-log";

/// Why kubesup ends with this code, and the last lines of what ended. `None` after a stop that went well, of which there is
/// nothing to say. `own_code` is the program's before it was remapped.
pub(super) fn report(status: &Status, own_code: i32, code: i32) -> Option<String> {
    let ended = status.last_end.as_deref().filter(|ended| !is_well(ended))?;
    let what = match ended.job {
        crate::lifecycle::Job::Main => "the main process".to_owned(),
        job => format!("the {} hook", job.hook()),
    };
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match (ended.killed, ended.failed_to_start) {
        (true, _) => write!(text, "{what} did not stop in time and was killed"),
        (_, true) => write!(
            text,
            "{what} failed to start: it ended with code {} after {:.1?}",
            ended.code, ended.ran
        ),
        _ => write!(text, "{what} ended with code {}", ended.code),
    };
    if status.restart_count > 0 {
        let _ = write!(text, " after {} restarts", status.restart_count);
    }
    if own_code != code {
        let _ = write!(text, "; {own_code} is remapped to {code}");
    }
    text.push('\n');
    Some(with_last_lines(text, &ended.output))
}

/// It was told to stop, and did, or it ended with 0.
fn is_well(ended: &Ended) -> bool {
    !ended.killed && (ended.wanted || ended.code == 0)
}

/// As many of the last lines as there is room for.
fn with_last_lines(mut text: String, lines: &[String]) -> String {
    let mut room = MOST.saturating_sub(text.len());
    let fits = |line: &&String| {
        let enough = line.len() < room;
        room = room.saturating_sub(line.len() + 1);
        enough
    };
    let last: Vec<&String> = lines.iter().rev().take_while(fits).collect();
    for line in last.into_iter().rev() {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Writes the report where it belongs. A failure is no reason not to end.
pub fn write(log: &TerminationLog, text: &str) {
    let (path, create) = match log {
        TerminationLog::Nowhere => return,
        TerminationLog::At(path) => (path.as_path(), true),
        TerminationLog::WhereKubernetesReads => (Path::new(PATH), false),
    };
    // In place and not by rename: it is a mounted file.
    let written = OpenOptions::new()
        .write(true)
        .truncate(true)
        .create(create)
        .open(path)
        .and_then(|mut file| file.write_all(cut(text).as_bytes()));
    match written {
        Err(error) if create || !is_absent(&error) => {
            warn!(%error, path = %path.display(), "the termination log cannot be written");
        }
        _ => {}
    }
}

/// Outside of Kubernetes there is none, and some Pods may not write it.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// At most what the kubelet reads.
fn cut(text: &str) -> &str {
    let end = (0..=MOST.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::lifecycle::Job;

    fn ended(job: Job, code: i32) -> Ended {
        Ended {
            job,
            code,
            ran: Duration::from_secs(5),
            failed_to_start: false,
            wanted: false,
            killed: false,
            output: vec!["one".into(), "two".into()],
            at: 0,
        }
    }

    fn reported(ended: Ended) -> Option<String> {
        let status = Status {
            last_end: Some(Arc::new(ended)),
            ..Status::default()
        };
        report(&status, 7, 7)
    }

    #[test]
    fn the_reason_comes_first_and_then_the_last_lines() {
        assert_eq!(
            reported(ended(Job::Main, 7)).as_deref(),
            Some("the main process ended with code 7\none\ntwo\n")
        );
        assert_eq!(
            reported(ended(Job::Init, 1)).as_deref(),
            Some("the init hook ended with code 1\none\ntwo\n")
        );
        let killed = Ended {
            killed: true,
            wanted: true,
            ..ended(Job::Main, 137)
        };
        assert!(
            reported(killed)
                .is_some_and(|text| text.starts_with("the main process did not stop in time"))
        );
        let early = Ended {
            failed_to_start: true,
            ..ended(Job::Main, 1)
        };
        assert!(reported(early).is_some_and(|text| text.contains("failed to start")));
    }

    #[test]
    fn of_what_went_well_there_is_nothing_to_say() {
        assert_eq!(reported(ended(Job::Main, 0)), None);
        assert_eq!(
            reported(Ended {
                wanted: true,
                ..ended(Job::Main, 143)
            }),
            None
        );
        assert_eq!(report(&Status::default(), 0, 0), None);
    }

    #[test]
    fn it_is_never_longer_than_what_the_kubelet_reads_and_the_newest_lines_stay() {
        let output: Vec<String> = (0..20)
            .map(|n| format!("{n:02}{}", "é".repeat(500)))
            .collect();
        let text = reported(Ended {
            output,
            ..ended(Job::Main, 7)
        })
        .expect("a report");
        assert!(
            text.len() <= MOST
                && text.contains("\n19")
                && text.contains("\n17")
                && !text.contains("\n15"),
            "{}",
            text.len()
        );
        assert_eq!(cut(&"é".repeat(4000)).len(), MOST);
        assert_eq!(cut(&format!("x{}", "é".repeat(4000))).len(), MOST - 1);
    }

    #[test]
    fn it_is_written_in_place_and_nothing_is_made_under_dev() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        write(&TerminationLog::At(path.clone()), "a longer text");
        write(&TerminationLog::At(path.clone()), "short");
        assert_eq!(std::fs::read_to_string(path).expect("a log"), "short");
        write(&TerminationLog::WhereKubernetesReads, "x");
        assert!(!Path::new(PATH).exists());
    }
}
