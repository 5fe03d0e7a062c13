//! Owns the flags of `kubesup leader`: which group is meant, and what is to be done with its lead.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::cluster::Output;
use crate::config::duration;

/// `kubesup leader` as it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// What to do.
    pub action: Action,
    /// `--kubeconfig`: a cluster from outside.
    pub kubeconfig: Option<PathBuf>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--service`: the Service whose members elect the leader.
    pub service: Option<String>,
    /// `--group`.
    pub group: Option<String>,
    /// `--lease`: its name, whatever the group.
    pub lease: Option<String>,
}

/// What to do with a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Say who leads.
    Show(Output),
    /// Hand it over.
    Transfer {
        /// To this Pod; else to whoever is first.
        to: Option<String>,
        /// How long to wait for the new leader.
        longest: Duration,
    },
}

/// The subcommand for clap.
pub(super) fn command() -> Command {
    let show = Command::new("show")
        .about("Says who leads the group, and in which term")
        .arg(
            Arg::new("output-format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("How it is printed"),
        );
    let transfer = Command::new("transfer")
        .about("Asks the leader to give up its lead, and waits for the next one")
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("POD")
                .help("The Pod that is to lead; else whoever is first"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("TIME")
                .default_value("60s")
                .value_parser(|text: &str| {
                    duration::parse(text).map_err(|error| format!("{text:?} {error}"))
                })
                .help("How long to wait for the new leader"),
        );
    Command::new("leader")
        .about("Shows who leads a group, or hands the lead over")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(group_flags(show).after_help(SHOW))
        .subcommand(group_flags(transfer).after_help(TRANSFER))
}

const SHOW: &str = "Without --service or --lease it is the group of the own Pod, as in kubectl exec.\n\
                    Ends with 1 when nobody leads.";
const TRANSFER: &str = "Without --service or --lease it is the group of the own Pod, as in kubectl exec.\n\
                        Ends with 0 when another Pod leads, with --to that one, else with 1.";

fn group_flags(command: Command) -> Command {
    let text = |id: &'static str, value: &'static str, help: &'static str| {
        Arg::new(id).long(id).value_name(value).help(help)
    };
    command
        .arg(
            Arg::new("kubeconfig")
                .long("kubeconfig")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("A cluster from outside: its current context"),
        )
        .arg(
            text(
                "namespace",
                "NAMESPACE",
                "The group's namespace; else the own one, or the context's",
            )
            .short('n'),
        )
        .arg(text(
            "service",
            "SERVICE",
            "The Service whose members elect the leader",
        ))
        .arg(text(
            "group",
            "GROUP",
            "The service's group; else default, or the own Pod's",
        ))
        .arg(
            text(
                "lease",
                "NAME",
                "The Lease, where it is not kubesup.SERVICE.GROUP",
            )
            .conflicts_with_all(["service", "group"]),
        )
}

pub(super) fn arguments(matches: &ArgMatches) -> Result<Arguments, Vec<String>> {
    let text = |matches: &ArgMatches, id: &str| matches.get_one::<String>(id).cloned();
    let (action, matches) = match matches.subcommand() {
        Some(("show", matches)) => {
            let json = text(matches, "output-format").as_deref() == Some("json");
            let output = if json { Output::Json } else { Output::Text };
            (Action::Show(output), matches)
        }
        Some(("transfer", matches)) => {
            let longest = matches.get_one::<Duration>("timeout").copied();
            let action = Action::Transfer {
                to: text(matches, "to"),
                longest: longest.unwrap_or_default(),
            };
            (action, matches)
        }
        _ => {
            return Err(vec![
                "a command is missing; try kubesup leader --help".to_owned(),
            ]);
        }
    };
    Ok(Arguments {
        action,
        kubeconfig: matches.get_one("kubeconfig").cloned(),
        namespace: text(matches, "namespace"),
        service: text(matches, "service"),
        group: text(matches, "group"),
        lease: text(matches, "lease"),
    })
}
