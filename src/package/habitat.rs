//! Owns what the metafiles of a Habitat package say: identity, dependencies, exports, binds, user, stop. Pure: it is given
//! their texts. Never reads a file and never starts a process.
//!
//! A metafile is a small text file at the top of an installed package, with an upper-case name (contract, sections 3.1,
//! 4.4 and 5.5). `IDENT` makes a directory an installed package; the others are read wherever they are.

pub mod environment;

use std::collections::{BTreeMap, BTreeSet};

use super::ident::Ident;
use super::{Bind, Facts};

/// Metafiles that are read; what else a package has (`MANIFEST`, `CFLAGS`, …) says nothing about running it.
pub const METAFILES: [&str; 15] = [
    "IDENT",
    "TDEPS",
    "DEPS",
    "PATH",
    "RUNTIME_PATH",
    "RUNTIME_ENVIRONMENT",
    "RUNTIME_ENVIRONMENT_PATHS",
    "EXPORTS",
    "EXPOSES",
    "BINDS",
    "BINDS_OPTIONAL",
    "SVC_USER",
    "SVC_GROUP",
    "SHUTDOWN_SIGNAL",
    "SHUTDOWN_TIMEOUT",
];

/// The signals that Habitat knows for `SHUTDOWN_SIGNAL`.
const SIGNALS: [&str; 13] = [
    "INT", "ILL", "ABRT", "FPE", "KILL", "SEGV", "TERM", "HUP", "QUIT", "ALRM", "USR1", "USR2",
    "CHLD",
];

/// The texts of the metafiles that are there, by name.
pub type Metafiles = BTreeMap<&'static str, String>;

/// One thing that is wrong in a metafile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The metafile's name.
    pub file: &'static str,
    /// Counted from 1; `None` when it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong and what is allowed, in one line.
    pub reason: String,
}

/// What the metafiles say, with everything that is wrong in them. Environment and paths are [`environment`]'s.
pub fn facts(files: &Metafiles) -> (Facts, Vec<Problem>) {
    let mut reader = Reader {
        files,
        problems: Vec::new(),
    };
    let mut facts = Facts::default();
    if let Some(ident) = reader.ident() {
        facts.installed = true;
        facts.origin = ident.origin;
        facts.name = ident.name;
        facts.version = ident.version;
        facts.release = ident.release;
    }
    facts.deps = reader.idents("TDEPS");
    facts.exports = reader.pairs("EXPORTS", "NAME=PATH.IN.THE.CONFIGURATION");
    facts.exposes = reader
        .text("EXPOSES")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    facts.binds = reader.binds("BINDS");
    facts.binds_optional = reader.binds("BINDS_OPTIONAL");
    reader.refuse_twice(&facts);
    // As in Habitat one without the other means nothing.
    if let (Some(user), Some(group)) = (reader.word("SVC_USER"), reader.word("SVC_GROUP")) {
        (facts.svc_user, facts.svc_group) = (user, group);
    }
    facts.shutdown_signal = reader.signal();
    facts.shutdown_timeout = reader.seconds();
    (facts, reader.problems)
}

struct Reader<'a> {
    files: &'a Metafiles,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// The text without what surrounds it; empty when the file is not there.
    fn text(&self, file: &'static str) -> &'a str {
        self.files
            .get(file)
            .map(|text| text.trim())
            .unwrap_or_default()
    }

    /// The lines that say something, counted from 1.
    fn lines(&self, file: &'static str) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let text = self.files.get(file).map(String::as_str).unwrap_or_default();
        text.lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty())
    }

    fn problem(&mut self, file: &'static str, line: Option<usize>, reason: String) {
        self.problems.push(Problem { file, line, reason });
    }

    fn ident(&mut self) -> Option<Ident> {
        self.files.get("IDENT")?;
        Ident::parse(self.text("IDENT"))
            .map_err(|reason| self.problem("IDENT", None, reason))
            .ok()
    }

    fn idents(&mut self, file: &'static str) -> Vec<Ident> {
        let mut idents = Vec::new();
        for (line, text) in self.lines(file) {
            match Ident::parse(text) {
                Ok(ident) => idents.push(ident),
                Err(reason) => self.problem(file, Some(line), reason),
            }
        }
        idents
    }

    fn pairs(&mut self, file: &'static str, shape: &str) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::new();
        for (line, text) in self.lines(file) {
            match text.split_once('=') {
                Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                    pairs.insert(name.to_owned(), value.to_owned());
                }
                _ => self.problem(
                    file,
                    Some(line),
                    format!("{text:?} is not of the form {shape}"),
                ),
            }
        }
        pairs
    }

    fn binds(&mut self, file: &'static str) -> Vec<Bind> {
        let mut binds: Vec<Bind> = Vec::new();
        for (line, text) in self.lines(file) {
            match text.split_once('=') {
                Some((name, exports))
                    if !name.is_empty() && !name.contains(char::is_whitespace) =>
                {
                    binds.push(Bind {
                        name: name.to_owned(),
                        exports: exports.split_whitespace().map(str::to_owned).collect(),
                    });
                }
                _ => self.problem(
                    file,
                    Some(line),
                    format!(
                        "{text:?} is no bind; write NAME=EXPORT EXPORT, or NAME= without exports"
                    ),
                ),
            }
        }
        binds
    }

    fn refuse_twice(&mut self, facts: &Facts) {
        let mut seen = BTreeSet::new();
        let required = facts.binds.iter().map(|bind| ("BINDS", bind));
        let optional = facts
            .binds_optional
            .iter()
            .map(|bind| ("BINDS_OPTIONAL", bind));
        for (file, bind) in required.chain(optional) {
            if !seen.insert(bind.name.as_str()) {
                let reason = format!("the bind {:?} is there twice; remove one", bind.name);
                self.problems.push(Problem {
                    file,
                    line: None,
                    reason,
                });
            }
        }
    }

    fn word(&mut self, file: &'static str) -> Option<String> {
        let text = self.text(file);
        if text.contains(char::is_whitespace) {
            self.problem(file, None, format!("{text:?} is not one name"));
        }
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn signal(&mut self) -> Option<String> {
        let text = self.text("SHUTDOWN_SIGNAL");
        if text.is_empty() {
            return None;
        }
        if !SIGNALS.contains(&text) {
            let reason = format!("{text:?} is not one of {}", SIGNALS.join(", "));
            self.problem("SHUTDOWN_SIGNAL", None, reason);
            return None;
        }
        Some(text.to_owned())
    }

    fn seconds(&mut self) -> Option<u64> {
        let text = self.text("SHUTDOWN_TIMEOUT");
        if text.is_empty() {
            return None;
        }
        // What Habitat's type holds; far more than any grace period.
        let seconds = text.parse::<u32>().map(u64::from);
        seconds
            .map_err(|_| {
                let reason = format!("{text:?} is not a number of seconds, such as 30");
                self.problem("SHUTDOWN_TIMEOUT", None, reason);
            })
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&'static str, &str)]) -> (Facts, Vec<String>) {
        let files = files
            .iter()
            .map(|(name, text)| (*name, (*text).to_owned()))
            .collect();
        let (facts, problems) = facts(&files);
        let line = |problem: Problem| {
            let line = problem
                .line
                .map(|line| format!(":{line}"))
                .unwrap_or_default();
            format!("{}{line}: {}", problem.file, problem.reason)
        };
        (facts, problems.into_iter().map(line).collect())
    }

    #[test]
    fn every_metafile_becomes_a_fact() {
        let (facts, problems) = read(&[
            ("IDENT", "acme/web/1.2.3/20240101000000\n"),
            (
                "TDEPS",
                "core/glibc/2.35/20230101000000\ncore/acl/2.2.52/20161208223311\n",
            ),
            ("EXPORTS", "port=server.port\nhost=server.host\n"),
            ("EXPOSES", "8080 8443\n"),
            ("BINDS", "database=port username\nqueue=\n"),
            ("BINDS_OPTIONAL", "cache=port\n"),
            ("SVC_USER", "web\n"),
            ("SVC_GROUP", "www\n"),
            ("SHUTDOWN_SIGNAL", "QUIT\n"),
            ("SHUTDOWN_TIMEOUT", "20\n"),
        ]);
        assert_eq!(problems, [""; 0]);
        assert!(facts.installed);
        assert_eq!(facts.ident(), "acme/web/1.2.3/20240101000000");
        let deps: Vec<_> = facts.deps.iter().map(ToString::to_string).collect();
        assert_eq!(
            deps,
            [
                "core/glibc/2.35/20230101000000",
                "core/acl/2.2.52/20161208223311"
            ],
            "in the order of the file"
        );
        assert_eq!(facts.exports["port"], "server.port");
        assert_eq!(facts.exposes, ["8080", "8443"]);
        let bind = |name: &str, exports: &[&str]| Bind {
            name: name.into(),
            exports: exports.iter().map(|export| (*export).into()).collect(),
        };
        assert_eq!(
            facts.binds,
            [bind("database", &["port", "username"]), bind("queue", &[])]
        );
        assert_eq!(facts.binds_optional, [bind("cache", &["port"])]);
        assert_eq!((&*facts.svc_user, &*facts.svc_group), ("web", "www"));
        assert_eq!(facts.shutdown_signal.as_deref(), Some("QUIT"));
        assert_eq!(facts.shutdown_timeout, Some(20));
    }

    #[test]
    fn without_metafiles_there_is_a_plan() {
        let (facts, problems) = read(&[]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(facts, Facts::default());
    }

    #[test]
    fn a_user_without_a_group_means_nothing_as_in_habitat() {
        assert_eq!(read(&[("SVC_USER", "web")]).0.svc_user, "");
        assert_eq!(read(&[("SVC_GROUP", "web")]).0.svc_group, "");
    }

    #[test]
    fn everything_that_is_wrong_is_named_with_file_and_line() {
        let (_, problems) = read(&[
            ("IDENT", "acme/web\n"),
            ("TDEPS", "core/glibc/2.35/20230101000000\n\ncore/acl\n"),
            ("EXPORTS", "port\nhost=\n"),
            ("BINDS", "database\ndb=port\n"),
            ("BINDS_OPTIONAL", "db=\n"),
            ("SVC_USER", "web user"),
            ("SVC_GROUP", "www"),
            ("SHUTDOWN_SIGNAL", "SIGTERM"),
            ("SHUTDOWN_TIMEOUT", "20s"),
        ]);
        let starts = [
            "IDENT: \"acme/web\" is no full package identifier",
            "TDEPS:3: \"core/acl\" is no full package identifier",
            "EXPORTS:1: \"port\" is not of the form",
            "EXPORTS:2: \"host=\" is not of the form",
            "BINDS:1: \"database\" is no bind",
            "BINDS_OPTIONAL: the bind \"db\" is there twice",
            "SVC_USER: \"web user\" is not one name",
            "SHUTDOWN_SIGNAL: \"SIGTERM\" is not one of INT, ILL",
            "SHUTDOWN_TIMEOUT: \"20s\" is not a number of seconds",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:#?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(
                problem.starts_with(start),
                "{problem} does not start with {start}"
            );
        }
    }
}
