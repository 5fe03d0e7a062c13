//! Owns `…/health` (contract, section 1.3): the status code and the output of the last health check. Reads the ends of two
//! log files, and nothing else.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use http::StatusCode;
use serde::Serialize;

use super::answers::json;
use super::reply::{self, Answer};
use crate::lifecycle::status::Health;
use crate::snapshot::Snapshot;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Body {
    status: &'static str,
    stdout: String,
    stderr: String,
}

pub(super) fn answer(snapshot: &Snapshot) -> Answer {
    let (status, code) = match snapshot.status.health {
        Health::Ok => ("OK", StatusCode::OK),
        Health::Warning => ("WARNING", StatusCode::OK),
        Health::Critical => ("CRITICAL", StatusCode::SERVICE_UNAVAILABLE),
        Health::Unknown => ("UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR),
    };
    let log = |stream: &str| {
        let service = snapshot.service.as_ref();
        service
            .map(|service| {
                let name = format!("logs/health-check.{stream}.log");
                end_of(&service.paths.svc.join(name)).unwrap_or_default()
            })
            .unwrap_or_default()
    };
    let body = Body {
        status,
        stdout: log("stdout"),
        stderr: log("stderr"),
    };
    reply::with(code, reply::JSON, json(&body))
}

/// The end of a log file, at most so much: an answer must not cost the thread its time.
const MOST_LOG: u64 = 256 * 1024;

fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_LOG)))?;
    let mut bytes = Vec::new();
    file.take(MOST_LOG).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_end_is_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let length = usize::try_from(MOST_LOG).expect("a size");
        let mut text = "x".repeat(length);
        text.push_str("the end");
        std::fs::write(&path, text).expect("a file");
        let end = end_of(&path).expect("a text");
        assert_eq!((end.len(), end.ends_with("xthe end")), (length, true));
    }
}
