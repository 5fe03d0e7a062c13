//! Owns the flags of `kubesup config`: those of `kubesup run` that say what the configuration is, and how it is shown.

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::run;

/// `kubesup config` as it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// What `kubesup run` would be called with.
    pub run: run::Arguments,
    /// How it is shown.
    pub shown: Shown,
}

/// How the configuration is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// As one TOML document.
    Document,
    /// `--explain`: each value with the layer that it came from.
    Explained,
}

/// The subcommand for clap.
pub(super) fn command() -> Command {
    let command = Command::new("config")
        .about("Prints the program's merged configuration, and with --explain where each value came from")
        .override_usage(
            "kubesup config [--explain] --package DIR [-f DIR-or-FILE] [flags of kubesup run]\n       \
             kubesup config [--explain] -f DIR-or-FILE [flags of kubesup run]",
        )
        .arg(
            Arg::new("explain")
                .long("explain")
                .action(ArgAction::SetTrue)
                .help("One line for each value, with the layer that it came from"),
        )
        .after_help("Values that came from a Secret are shown as <redacted>.");
    run::shared_flags(command)
}

pub(super) fn arguments(matches: &ArgMatches) -> Arguments {
    Arguments {
        run: run::shared_arguments(matches),
        shown: if matches.get_flag("explain") {
            Shown::Explained
        } else {
            Shown::Document
        },
    }
}
