//! Owns how the settings of supervision are written: exit codes to remap, signals to rewrite, health checks, the user.
//! Never looks a user up and never runs a check.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::resolve::parse_signal;

/// At most this much is kept for the `post-stop` hook out of the grace period.
pub const POST_STOP_SHARE: Duration = Duration::from_secs(5);

/// Exit codes of the program that kubesup ends with as another one, such as 143 as 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemapExit(BTreeMap<i32, i32>);

impl RemapExit {
    /// Reads `143=0,137=1`; `143` alone is `143=0`, as tini's `-e` has it. Codes are 0 to 255.
    pub fn parse(text: &str) -> Result<RemapExit, String> {
        let code = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
            let number = text.parse::<u8>().ok().filter(|_| is_number);
            number
                .map(i32::from)
                .ok_or_else(|| format!("{text:?} is no exit code, 0 to 255"))
        };
        pairs(text, "=0", "143=0,137=1", |from, to| {
            Ok((code(from)?, code(to)?))
        })
        .map(RemapExit)
    }

    /// The code to end with.
    pub fn apply(&self, code: i32) -> i32 {
        self.0.get(&code).copied().unwrap_or(code)
    }
}

/// Signals that the program is to get as others, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RewriteSignals(BTreeMap<i32, Option<i32>>);

/// KILL and STOP: nobody can catch them, so that there is nothing to rewrite.
const UNCATCHABLE: [i32; 2] = [9, 19];

/// What becomes of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten {
    /// Nothing is said about it.
    Same,
    /// It is this one for the program.
    To(i32),
    /// It is as if it had not come.
    Dropped,
}

impl RewriteSignals {
    /// Reads `TERM=QUIT,HUP=none`: names or numbers, `0` or `none` to drop one.
    pub fn parse(text: &str) -> Result<RewriteSignals, String> {
        let signal = |text: &str| {
            parse_signal(text).ok_or_else(|| {
                format!(
                    "{text:?} is no signal; write a name such as QUIT, or a number from 1 to 64"
                )
            })
        };
        pairs(text, "", "TERM=QUIT,HUP=none", |from, to| {
            let from_number = signal(from)?;
            if UNCATCHABLE.contains(&from_number) {
                return Err(format!("{from:?} cannot be caught, and so not rewritten"));
            }
            let to = match to {
                "0" | "none" => None,
                _ => Some(signal(to)?),
            };
            Ok((from_number, to))
        })
        .map(RewriteSignals)
    }

    /// What becomes of this signal.
    pub fn of(&self, signal: i32) -> Rewritten {
        match self.0.get(&signal) {
            None => Rewritten::Same,
            Some(None) => Rewritten::Dropped,
            Some(Some(to)) => Rewritten::To(*to),
        }
    }

    /// The signal that the program gets for this one; the same one when it is dropped, for a stop that kubesup began.
    pub fn for_program(&self, signal: i32) -> i32 {
        self.0.get(&signal).copied().flatten().unwrap_or(signal)
    }
}

/// `A=B,C=D`, each `A` once; `A` alone stands for `A` with `alone` behind it, where that is not empty.
fn pairs<T>(
    text: &str,
    alone: &str,
    example: &str,
    read: impl Fn(&str, &str) -> Result<(i32, T), String>,
) -> Result<BTreeMap<i32, T>, String> {
    let mut pairs = BTreeMap::new();
    for item in text.split(',').map(str::trim) {
        let completed = if item.contains('=') || item.is_empty() {
            item.to_owned()
        } else {
            format!("{item}{alone}")
        };
        let Some((from, to)) = completed.split_once('=') else {
            return Err(format!(
                "{item:?} is not of the form A=B; write {example}, for instance"
            ));
        };
        let (from, to) = read(from.trim(), to.trim())?;
        if pairs.insert(from, to).is_some() {
            return Err(format!("{item:?}: {from} is there twice"));
        }
    }
    Ok(pairs)
}

/// Who hooks and the main process run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    /// A name or a number.
    pub user: String,
    /// A name or a number; without it the user's own group.
    pub group: Option<String>,
}

impl RunAs {
    /// Reads `USER` or `USER:GROUP`.
    pub fn parse(text: &str) -> Result<RunAs, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let is_name = |name: &str| {
            !name.is_empty() && !name.contains([':', ',']) && !name.contains(char::is_whitespace)
        };
        if !is_name(user) || group.is_some_and(|group| !is_name(group)) {
            return Err(format!(
                "{text:?} is not USER or USER:GROUP, each a name or a number"
            ));
        }
        Ok(RunAs {
            user: user.to_owned(),
            group: group.map(str::to_owned),
        })
    }
}

impl fmt::Display for RunAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => write!(f, "{}", self.user),
        }
    }
}

/// Where the reason of the end is written, for `kubectl describe pod`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TerminationLog {
    /// `/dev/termination-log`, if it is there and can be written.
    #[default]
    WhereKubernetesReads,
    /// To this file, which is made.
    At(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// Where the main process's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// Through kubesup, which keeps the last of it.
    #[default]
    Pass,
    /// Straight to kubesup's own stdout and stderr.
    Inherit,
}

/// How the output of children is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Byte for byte.
    #[default]
    Plain,
    /// Lines with Habitat's prefixes.
    Habitat,
    /// Lines as JSON objects with Habitat's keys.
    Json,
}

/// What a failing health check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnHealthFailure {
    /// It shows.
    #[default]
    Nothing,
    /// The main process is restarted when as many in a row as the threshold says have failed.
    Restart,
}

/// A health check that needs no hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthCheck {
    /// A GET whose status is to be from 200 to 399, as of the kubelet's probes.
    Http {
        /// Where.
        host: Host,
        /// The port.
        port: u16,
        /// Path and query.
        path: String,
    },
    /// A connection that is to be accepted.
    Tcp {
        /// Where.
        host: Host,
        /// The port.
        port: u16,
    },
    /// A command, executed without a shell, whose exit codes mean what those of the hook mean.
    Exec(Vec<String>),
}

/// A host that needs no name service, which a `scratch` image does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Both loopback addresses.
    Localhost,
    /// This address.
    Address(IpAddr),
}

impl HealthCheck {
    /// Reads `http://HOST:PORT/PATH`, `tcp://HOST:PORT` or `exec:COMMAND`. Without a host it is this one; a command is
    /// split at white space, or is a JSON list of words.
    pub fn parse(text: &str) -> Result<HealthCheck, String> {
        if let Some(rest) = text.strip_prefix("http://") {
            let (authority, path) = match rest.find('/') {
                Some(at) => rest.split_at(at),
                None => (rest, "/"),
            };
            if path.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(format!("{text:?}: the path may not hold white space"));
            }
            let (host, port) =
                authority_of(authority, Some(80)).map_err(|e| format!("{text:?}: {e}"))?;
            return Ok(HealthCheck::Http {
                host,
                port,
                path: path.to_owned(),
            });
        }
        if let Some(rest) = text.strip_prefix("tcp://") {
            let (host, port) = authority_of(rest.trim_end_matches('/'), None)
                .map_err(|e| format!("{text:?}: {e}"))?;
            return Ok(HealthCheck::Tcp { host, port });
        }
        if let Some(rest) = text.strip_prefix("exec:") {
            let rest = rest.trim();
            let words: Vec<String> = if rest.starts_with('[') {
                serde_json::from_str(rest)
                    .map_err(|error| format!("{text:?}: not a JSON list of words: {error}"))?
            } else {
                rest.split_whitespace().map(str::to_owned).collect()
            };
            if words.first().is_none_or(String::is_empty) {
                return Err(format!("{text:?}: a command is missing behind exec:"));
            }
            return Ok(HealthCheck::Exec(words));
        }
        Err(format!(
            "{text:?} is no health check; write http://:8080/health, tcp://:5432 or exec:COMMAND"
        ))
    }
}

fn authority_of(text: &str, default_port: Option<u16>) -> Result<(Host, u16), String> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match (port, default_port) {
        (Some(port), _) => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| format!("{port:?} is no port"))?,
        (None, Some(port)) => port,
        (None, None) => return Err("a port is missing".to_owned()),
    };
    let host = match host {
        "" | "localhost" => Host::Localhost,
        _ => Host::Address(host.parse().map_err(|_| {
            format!("{host:?} is neither an address nor localhost, and a health check asks no name service")
        })?),
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_alone_becomes_0_and_all_others_stay() {
        for mapped in 0..256 {
            let remap = RemapExit::parse(&mapped.to_string()).expect("a table");
            for code in 0..256 {
                let expected = if code == mapped { 0 } else { code };
                assert_eq!(remap.apply(code), expected, "{mapped}: {code}");
            }
        }
    }

    #[test]
    fn all_exit_codes_but_one_are_mapped_and_that_one_stays() {
        for spared in 0..256 {
            let table: Vec<String> = (0..256)
                .filter(|code| *code != spared)
                .map(|code| format!("{code}={}", (code + 1) % 256))
                .collect();
            let remap = RemapExit::parse(&table.join(",")).expect("a table");
            for code in 0..256 {
                let expected = if code == spared {
                    code
                } else {
                    (code + 1) % 256
                };
                assert_eq!(remap.apply(code), expected, "{spared}: {code}");
            }
        }
    }

    #[test]
    fn what_is_no_table_of_exit_codes_is_refused() {
        for text in [
            "", ",", "256", "-1", "a", "1=", "=1", "1=2=3", "1=a", "1=256", "1=0,1=2", "+1", "1 2",
            "143=0,",
        ] {
            assert!(RemapExit::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            RemapExit::parse(" 143 = 0 , 1=3")
                .expect("a table")
                .apply(1),
            3
        );
    }

    #[test]
    fn signals_are_swapped_dropped_and_left_alone() {
        let table =
            RewriteSignals::parse("TERM=INT, int=SIGTERM, 1=none, 64=0, 10=64").expect("a table");
        assert_eq!(
            [15, 2, 1, 64, 10, 3].map(|signal| table.of(signal)),
            [
                Rewritten::To(2),
                Rewritten::To(15),
                Rewritten::Dropped,
                Rewritten::Dropped,
                Rewritten::To(64),
                Rewritten::Same
            ]
        );
        assert_eq!(
            [15, 1, 3].map(|signal| table.for_program(signal)),
            [2, 1, 3]
        );
    }

    #[test]
    fn what_is_no_table_of_signals_is_refused() {
        for text in [
            "",
            "TERM",
            "TERM=",
            "=TERM",
            "TERM=NOPE",
            "NOPE=TERM",
            "65=1",
            "1=65",
            "0=1",
            "-1=1",
            "TERM:QUIT",
            "TERM=QUIT,15=INT",
            "TERM=QUIT=INT",
            "KILL=TERM",
            "STOP=TERM",
            "TERM=QUIT,",
        ] {
            assert!(RewriteSignals::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn health_checks_have_three_forms() {
        let local = Host::Localhost;
        let here = Host::Address([127, 0, 0, 1].into());
        let words =
            |words: &[&str]| HealthCheck::Exec(words.iter().map(|w| (*w).to_owned()).collect());
        for (text, expected) in [
            (
                "http://:8080/health?a=b",
                HealthCheck::Http {
                    host: local,
                    port: 8080,
                    path: "/health?a=b".into(),
                },
            ),
            (
                "http://127.0.0.1",
                HealthCheck::Http {
                    host: here,
                    port: 80,
                    path: "/".into(),
                },
            ),
            (
                "tcp://localhost:5432",
                HealthCheck::Tcp {
                    host: local,
                    port: 5432,
                },
            ),
            (
                "tcp://[::1]:5432/",
                HealthCheck::Tcp {
                    host: Host::Address("::1".parse().expect("ip")),
                    port: 5432,
                },
            ),
            ("exec:pg_isready -q", words(&["pg_isready", "-q"])),
            (r#"exec:["a b", "c"]"#, words(&["a b", "c"])),
        ] {
            assert_eq!(HealthCheck::parse(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "8080",
            "https://:1/",
            "tcp://:",
            "tcp://localhost",
            "tcp://example.com:1",
            "tcp://:0",
            "tcp://:70000",
            "exec:",
            "exec:[1]",
            "exec:[]",
            "http://:80/a b",
        ] {
            assert!(HealthCheck::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_user_may_have_a_group() {
        let run_as = RunAs::parse("65534:0").expect("a user");
        assert_eq!(
            (run_as.user.as_str(), run_as.group.as_deref()),
            ("65534", Some("0"))
        );
        assert_eq!(RunAs::parse("hab").expect("a user").to_string(), "hab");
        for text in ["", ":", "a:", ":b", "a:b:c", "a b"] {
            assert!(RunAs::parse(text).is_err(), "{text:?}");
        }
    }
}
