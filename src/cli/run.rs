//! Owns the flags of `kubesup run`: one for each setting, and where the view and the program come from.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

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
    /// Settings given as flags.
    pub flags: Layer,
    /// The command after `--`; empty without one.
    pub command: Vec<OsString>,
}

/// The subcommand for clap.
pub(super) fn command() -> Command {
    let command = Command::new("run")
        .about("Watches, renders, runs and reconfigures; the entrypoint of a container")
        .arg(
            Arg::new("kubeconfig")
                .long("kubeconfig")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("A cluster from outside: its current context")
                .conflicts_with("filename"),
        );
    shared_flags(command)
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
        .args(flag_keys().map(|key| {
            Arg::new(key.name())
                .long(key.name())
                .value_name(key.value_name())
                .help(key.help())
        }))
        .arg(
            Arg::new("command")
                .last(true)
                .num_args(1..)
                .value_parser(value_parser!(OsString))
                .value_name("COMMAND")
                .help("The main process, when the package has no run hook"),
        )
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
    Arguments {
        kubeconfig: matches.get_one("kubeconfig").cloned(),
        ..shared_arguments(matches)
    }
}

/// What [`shared_flags`] were given.
pub(super) fn shared_arguments(matches: &ArgMatches) -> Arguments {
    let mut flags = Layer::new(Origin::Flag);
    for key in flag_keys() {
        if let Some(text) = matches.get_one::<String>(key.name()) {
            flags = flags.with(*key, text.clone());
        }
    }
    Arguments {
        manifests: matches.get_one("filename").cloned(),
        kubeconfig: None,
        settings_file: matches.get_one("config").cloned(),
        container: matches.get_one("container").cloned(),
        flags,
        command: matches
            .get_many("command")
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
    }
}
