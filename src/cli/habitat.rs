//! Owns the flags of `hab sup run` that mean nothing without a ring, a depot or a control gateway: they are accepted, so
//! that an existing entrypoint line starts, and each says once what replaces it. Never has an effect.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// One or more, up to the next flag.
    Values,
}

/// One flag, how it is spelled (contract, section 6), and what there is instead.
struct Ignored {
    long: &'static str,
    short: Option<char>,
    takes: Takes,
    instead: &'static str,
}

const RING: &str =
    "there is no ring: peers are the EndpointSlices of the own Service (kubesup.dev/service)";
const UPDATES: &str = "nothing is updated in place: roll out a new image";
const CONTROL: &str = "there is no control gateway: edit the Pod's ConfigMaps, and look at HTTP";
const EVENTS: &str =
    "there is no event stream: kubesup.dev/healthy, /metrics and /v1/watch say what happens";

const fn flag(
    long: &'static str,
    short: Option<char>,
    takes: Takes,
    instead: &'static str,
) -> Ignored {
    Ignored {
        long,
        short,
        takes,
        instead,
    }
}

#[rustfmt::skip]
const IGNORED: &[Ignored] = &[
    flag("peer", None, Takes::Values, RING),
    flag("peer-watch-file", None, Takes::Value, RING),
    flag("listen-gossip", None, Takes::Value, RING),
    flag("local-gossip-mode", None, Takes::Nothing, RING),
    flag("permanent-peer", Some('I'), Takes::Nothing, RING),
    flag("ring", Some('r'), Takes::Value, "there is no ring to encrypt: the API server is asked over TLS"),
    flag("ring-key", None, Takes::Value, "there is no ring to encrypt: the API server is asked over TLS"),
    flag("cache-key-path", None, Takes::Value, "there is no ring to encrypt: the API server is asked over TLS"),
    flag("listen-ctl", None, Takes::Value, CONTROL),
    flag("ctl-server-certificate", None, Takes::Value, CONTROL),
    flag("ctl-server-key", None, Takes::Value, CONTROL),
    flag("ctl-client-ca-certificate", None, Takes::Value, CONTROL),
    flag("strategy", Some('s'), Takes::Value, UPDATES),
    flag("update-condition", None, Takes::Value, UPDATES),
    flag("channel", None, Takes::Value, UPDATES),
    flag("url", Some('u'), Takes::Value, UPDATES),
    flag("auto-update", Some('A'), Takes::Nothing, UPDATES),
    flag("auto-update-period", None, Takes::Value, UPDATES),
    flag("service-update-period", None, Takes::Value, UPDATES),
    flag("keep-latest-packages", None, Takes::Value, UPDATES),
    flag("force", None, Takes::Nothing, UPDATES),
    flag("sys-ip-address", None, Takes::Value, "sys.ip is the own Pod's address"),
    flag("event-stream-application", None, Takes::Value, EVENTS),
    flag("event-stream-environment", None, Takes::Value, EVENTS),
    flag("event-stream-connect-timeout", None, Takes::Value, EVENTS),
    flag("event-stream-token", None, Takes::Value, EVENTS),
    flag("event-stream-url", None, Takes::Value, EVENTS),
    flag("event-stream-site", None, Takes::Value, EVENTS),
    flag("event-stream-server-certificate", None, Takes::Value, EVENTS),
    flag("event-meta", None, Takes::Values, EVENTS),
    flag("config-files", None, Takes::Values, "sup.toml is not read: put the settings into a file of --config"),
    flag("password", None, Takes::Value, "passwords are Windows' matter: set the Pod's securityContext"),
    flag("no-color", None, Takes::Nothing, "only a terminal gets colours"),
    flag("verbose", Some('v'), Takes::Nothing, "set KUBESUP_LOG=debug"),
];

/// The flags for clap, out of the help's sight.
pub(super) fn flags() -> impl Iterator<Item = Arg> {
    IGNORED.iter().map(|ignored| {
        let arg = Arg::new(ignored.long).long(ignored.long).hide(true);
        let arg = match ignored.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        let any = value_parser!(OsString);
        match ignored.takes {
            Takes::Nothing => arg.action(ArgAction::Count),
            Takes::Value => arg.action(ArgAction::Append).value_parser(any),
            Takes::Values => arg
                .action(ArgAction::Append)
                .num_args(1..)
                .value_parser(any),
        }
    })
}

/// One line for each flag that was given.
pub(super) fn warnings(matches: &ArgMatches) -> Vec<String> {
    let given = |ignored: &&Ignored| match ignored.takes {
        Takes::Nothing => matches.get_count(ignored.long) > 0,
        Takes::Value | Takes::Values => matches.contains_id(ignored.long),
    };
    let warning =
        |ignored: &Ignored| format!("flag --{} has no effect: {}", ignored.long, ignored.instead);
    IGNORED.iter().filter(given).map(warning).collect()
}

/// The last value of the last flag that takes several, when that flag has swallowed the package.
///
/// `hab sup run --peer 10.0.0.1 core/redis` never worked; it is clear all the same what is meant.
pub(super) fn swallowed(matches: &ArgMatches) -> Option<OsString> {
    let values = IGNORED
        .iter()
        .filter(|ignored| ignored.takes == Takes::Values && ignored.long != "config-files")
        .filter_map(|ignored| matches.get_many::<OsString>(ignored.long))
        .filter(|values| values.len() > 1);
    let mut last = values.filter_map(Iterator::last);
    last.find(|value| {
        value
            .to_str()
            .is_some_and(|text| text.contains('/') && !text.contains([':', '=']))
    })
    .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_says_of_each_what_there_is_instead() {
        let reference = include_str!("../../docs/reference/flags.md");
        for Ignored {
            long,
            short,
            instead,
            ..
        } in IGNORED
        {
            let short = short.map(|short| format!(", `-{short}`"));
            let row = format!("| `--{long}`{} | {instead} |", short.unwrap_or_default());
            assert!(reference.contains(&row), "{row}");
        }
    }
}
