//! Owns the flags of `kubesup rbac` and `kubesup check`: those of `kubesup run` that say what the settings are, where the
//! own Pod is looked at, and how the result is shown.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::run;

/// `kubesup rbac` or `kubesup check` as it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// What `kubesup run` would be called with.
    pub run: run::Arguments,
    /// How it is shown.
    pub output: Output,
}

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `kubesup rbac` for clap.
pub(super) fn rbac() -> Command {
    let command = Command::new("rbac")
        .about("Prints the Role and RoleBinding that the own Pod needs, and nothing beyond it");
    run::shared_flags(command.arg(kubeconfig()))
        .after_help("Without -f it asks the cluster that it runs in for the own Pod.")
}

/// `kubesup check` for clap.
pub(super) fn check() -> Command {
    let command = Command::new("check")
        .about("Says what kubesup run would do with the own Pod, and everything that is missing or wrong")
        .arg(kubeconfig())
        .arg(
            Arg::new("output-format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("How the findings are printed"),
        );
    run::shared_flags(command).after_help("Ends with 1 when there are errors.")
}

fn kubeconfig() -> Arg {
    Arg::new("kubeconfig")
        .long("kubeconfig")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("A cluster from outside: its current context")
        .conflicts_with("filename")
}

pub(super) fn arguments(matches: &ArgMatches) -> Arguments {
    let format = matches.try_get_one::<String>("output-format");
    let json = format.is_ok_and(|format| format.is_some_and(|format| format == "json"));
    Arguments {
        run: run::Arguments {
            kubeconfig: matches.get_one("kubeconfig").cloned(),
            ..run::shared_arguments(matches)
        },
        output: if json { Output::Json } else { Output::Text },
    }
}
