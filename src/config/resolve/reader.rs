//! Owns the reading of one value: what wins, what shape it has to have, and where the problem is when it has not. Never knows
//! what a setting is for.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Origin, Problem, Value};
use crate::config::{Key, duration, keys};

/// The value of each key that won, and what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) values: BTreeMap<Key, (&'a Origin, &'a Value)>,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, key: Key, mut reason: String) {
        let place = match self.values.get(&key) {
            Some((Origin::Flag, _)) => format!("flag --{}", key.name()),
            Some((Origin::Environment, _)) => {
                format!("environment variable {}", key.environment_name())
            }
            Some((Origin::HabitatEnvironment, _)) => {
                format!("environment variable {}", key.habitat_environment_name())
            }
            Some((origin @ Origin::Pod(_), value)) => match &value.field {
                Some(field) => {
                    if !field.starts_with("annotation") {
                        let key = key.name();
                        reason =
                            format!("{reason}; say another with the annotation kubesup.dev/{key}");
                    }
                    format!("{origin}, {field}")
                }
                None => format!("{origin}, annotation kubesup.dev/{}", key.name()),
            },
            Some((
                origin,
                Value {
                    line: Some(line), ..
                },
            )) => format!("{origin}, line {line}, {}", key.name()),
            Some((origin, _)) => format!("{origin}, {}", key.name()),
            None => key.name().to_owned(),
        };
        self.problems.push(Problem { place, reason });
    }

    pub(super) fn text(&self, key: Key) -> Option<&str> {
        self.values
            .get(&key)
            .map(|(_, value)| value.text.trim())
            .filter(|text| !text.is_empty())
    }

    /// Every key that has a value.
    pub(super) fn written(&self) -> BTreeMap<Key, String> {
        let given = self.values.keys();
        given
            .filter_map(|key| Some((*key, self.text(*key)?.to_owned())))
            .collect()
    }

    /// A service's or group's name: `# @ .` and `/` would make the service group ambiguous (contract, vocabulary).
    pub(super) fn word(&mut self, key: Key) -> Option<String> {
        let text = self.text(key)?.to_owned();
        let odd = |c: char| c.is_whitespace() || c.is_control() || "#@./".contains(c);
        if text.contains(odd) {
            let what = "`#`, `@`, `.`, `/`, white space or control characters";
            self.problem(key, format!("{text:?} may not hold {what}"));
        }
        Some(text)
    }

    pub(super) fn one_of<T: Copy>(&mut self, key: Key, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?.to_owned();
        let found = choices
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let hint = keys::hint(&text, names.iter().copied());
            self.problem(
                key,
                format!("{text:?} is not one of {}{hint}", names.join(", ")),
            );
        }
        found
    }

    pub(super) fn yes(&mut self, key: Key) -> bool {
        self.one_of(key, &[("true", true), ("false", false)])
            .unwrap_or(false)
    }

    /// A value that says itself what is wrong with it.
    pub(super) fn parsed<T>(
        &mut self,
        key: Key,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key)?.to_owned();
        parse(&text)
            .map_err(|reason| self.problem(key, reason))
            .ok()
    }

    pub(super) fn duration(&mut self, key: Key) -> Option<Duration> {
        let text = self.text(key)?.to_owned();
        let flag = matches!(self.values.get(&key), Some((Origin::Flag, _)));
        let parsed = if flag && key.is_seconds_in_habitat() {
            duration::parse_or_seconds(&text)
        } else {
            duration::parse(&text)
        };
        parsed
            .map_err(|error| self.problem(key, format!("{text:?} {error}")))
            .ok()
    }

    pub(super) fn positive(&mut self, key: Key, default_seconds: u64) -> Duration {
        let value = self.duration(key);
        if value == Some(Duration::ZERO) {
            self.problem(key, "must be more than nothing".to_owned());
        }
        value.unwrap_or(Duration::from_secs(default_seconds))
    }

    pub(super) fn signal(&mut self, key: Key) -> Option<i32> {
        let text = self.text(key)?.to_owned();
        let signal = parse_signal(&text);
        if signal.is_none() {
            self.problem(
                key,
                format!("{text:?} is no signal; write a name such as QUIT or SIGQUIT, or a number"),
            );
        }
        signal
    }

    pub(super) fn object_name(&mut self, key: Key) -> Option<String> {
        let text = self.text(key)?.to_owned();
        if !is_object_name(&text) {
            self.problem(key, format!("{text:?} is no name of a Kubernetes object"));
        }
        Some(text)
    }
}

/// A DNS subdomain, as Kubernetes wants object names: at most 253 of `a-z 0-9 - .`, alphanumeric at the ends.
pub(super) fn is_object_name(name: &str) -> bool {
    let alphanumeric = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name
            .bytes()
            .all(|c| alphanumeric(c) || c == b'-' || c == b'.')
        && name.bytes().next().is_some_and(alphanumeric)
        && name.bytes().last().is_some_and(alphanumeric)
}

/// `TERM`, `SIGTERM`, `15`, or `SIGRTMIN+3` as an image of systemd has it.
pub fn parse_signal(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") {
        upper
    } else {
        format!("SIG{upper}")
    };
    let real_time = |first: &str| {
        name.strip_prefix(first).map(|offset| match offset {
            "" => Some(0),
            offset => offset.parse::<i32>().ok(),
        })
    };
    let number = match (real_time("SIGRTMIN"), real_time("SIGRTMAX")) {
        (Some(offset), _) => RTMIN.checked_add(offset?)?,
        (_, Some(offset)) => RTMAX.checked_add(offset?)?,
        _ => return Signal::from_str(&name).ok().map(|signal| signal as i32),
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

/// The first real-time signal, as container runtimes count them; the C library keeps two for itself.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;
