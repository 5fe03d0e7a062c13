//! Owns the flags of `kubesup run`: one for each setting, those of `hab sup run` that mean something here under its names,
//! and where the view and the program come from.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::habitat;
use crate::config::keys::Reach;
use crate::config::{Key, Layer, Origin};

/// `kubesup run` as it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// `-f`: manifests instead of a cluster.
    pub manifests: Option<PathBuf>,
    /// `--kubeconfig`: a cluster from outside.
    pub kubeconfig: Option<PathBuf>,
    /// `--config`: the settings file.
    pub settings_file: Option<PathBuf>,
    /// `--container`: the own container.
    pub container: Option<String>,
    /// The package by its identifier or directory, as `hab sup run` has it.
    pub package: Option<String>,
    /// Settings given as flags.
    pub flags: Layer,
    /// What was given but means nothing here, one line each.
    pub warnings: Vec<String>,
    /// The command after `--`; empty without one.
    pub command: Vec<OsString>,
}

/// The subcommand for clap.
pub(super) fn command() -> Command {
    let command = Command::new("run")
        .about("Watches, renders, runs and reconfigures; the entrypoint of a container")
        .arg(
            Arg::new("pkg")
                .value_name("PKG_IDENT-or-DIR")
                .help("An installed package, ORIGIN/NAME[/VERSION[/RELEASE]], or its directory; the same as --package DIR")
                .conflicts_with(Key::Package.name()),
        )
        .arg(
            Arg::new("kubeconfig")
                .long("kubeconfig")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("A cluster from outside: its current context")
                .conflicts_with("filename"),
        );
    shared_flags(command)
        .arg(
            Arg::new("http-disable")
                .long("http-disable")
                .short('D')
                .action(ArgAction::SetTrue)
                .help("No HTTP; the same as --listen-http none"),
        )
        .arg(
            Arg::new("json-logging")
                .long("json-logging")
                .action(ArgAction::SetTrue)
                .help("The same as --log-format json")
                .conflicts_with(Key::LogFormat.name()),
        )
        .args(habitat::flags())
        .after_help(
            "Each setting is a variable KUBESUP_… too, and most are annotations kubesup.dev/… of the Pod.\n\
             Other flags of `hab sup run` are accepted with a warning that says what replaces them.",
        )
}

/// Flags of all commands that render a package: where the view, the settings and the program come from.
pub(super) fn shared_flags(command: Command) -> Command {
    let path = |id: &'static str| Arg::new(id).long(id).value_parser(value_parser!(PathBuf));
    command
        .arg(
            path("filename")
                .short('f')
                .value_name("DIR-or-FILE")
                .help("Manifests, as kubectl apply -f takes them, instead of a cluster"),
        )
        .arg(
            path("config")
                .value_name("FILE")
                .help("A settings file, as config/kubesup.yaml"),
        )
        .arg(
            Arg::new("container")
                .long("container")
                .value_name("NAME")
                .help("The own container, where that is not clear"),
        )
        .args(flag_keys().map(|key| flag(*key)))
        .arg(
            Arg::new("command")
                .last(true)
                .num_args(1..)
                .value_parser(value_parser!(OsString))
                .value_name("COMMAND")
                .help("The main process, when the package has no run hook"),
        )
}

fn flag(key: Key) -> Arg {
    let arg = Arg::new(key.name())
        .long(key.name())
        .value_name(key.value_name())
        .help(key.help());
    match key {
        // Habitat's short flag.
        Key::Topology => arg.short('t'),
        // Again and again, or several after one.
        Key::Bind => arg.action(ArgAction::Append).num_args(1..),
        // `--once` alone says yes; `--once=false` is how to say no, because what follows may be the package.
        Key::Once | Key::Tty => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        _ => arg,
    }
}

/// The names of [`shared_flags`].
pub(super) fn shared_names() -> impl Iterator<Item = &'static str> {
    ["filename", "config", "container", "command"]
        .into_iter()
        .chain(flag_keys().map(|key| key.name()))
}

/// Live settings belong to the Pod, so that an edit of it has an effect; `--config` is the settings file.
fn flag_keys() -> impl Iterator<Item = &'static Key> {
    Key::ALL.iter().filter(|key| key.reach() != Reach::Live)
}

pub(super) fn arguments(matches: &ArgMatches) -> Arguments {
    let mut arguments = shared_arguments(matches);
    if matches.get_flag("json-logging") {
        arguments.flags = arguments.flags.with(Key::LogFormat, "json");
    }
    if matches.get_flag("http-disable") {
        arguments.flags = arguments.flags.with(Key::ListenHttp, "none");
    }
    let positional = matches.get_one::<String>("pkg").cloned();
    arguments.package = positional
        .or(arguments.package)
        .or_else(|| habitat::swallowed(matches)?.into_string().ok());
    Arguments {
        kubeconfig: matches.get_one("kubeconfig").cloned(),
        warnings: habitat::warnings(matches),
        ..arguments
    }
}

/// What [`shared_flags`] were given.
pub(super) fn shared_arguments(matches: &ArgMatches) -> Arguments {
    let mut flags = Layer::new(Origin::Flag);
    let mut package = None;
    for key in flag_keys() {
        let Some(values) = matches.get_many::<String>(key.name()) else {
            continue;
        };
        let mut values: Vec<String> = values.cloned().collect();
        if *key == Key::Bind {
            // `--bind db:pg core/app`: clap takes what follows for one more bind.
            package = values.pop_if(|last| !last.contains(':'));
        }
        flags = flags.with(*key, values.join(","));
    }
    Arguments {
        manifests: matches.get_one("filename").cloned(),
        kubeconfig: None,
        settings_file: matches.get_one("config").cloned(),
        container: matches.get_one("container").cloned(),
        package,
        flags,
        warnings: Vec::new(),
        command: matches
            .get_many("command")
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
    }
}
