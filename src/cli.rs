//! Owns the command line: flags to values, help, and one list of everything that is wrong. Never runs anything.

pub mod cluster;
pub mod config;
mod habitat;
mod install;
pub mod leader;
pub mod render;
pub mod run;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::ErrorKind;

use crate::config::keys;

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Supervise.
    Run(Box<run::Arguments>),
    /// Print the program's configuration and end.
    Config(Box<config::Arguments>),
    /// Print the rights that it needs and end.
    Rbac(Box<cluster::Arguments>),
    /// Print what it would do and what is wrong, and end.
    Check(Box<cluster::Arguments>),
    /// Show who leads, or hand the lead over, and end.
    Leader(Box<leader::Arguments>),
    /// Render into a directory and end.
    Render(Box<render::Arguments>),
    /// Copy kubesup into this directory and end.
    Install(PathBuf),
    /// Print this and end: help or version.
    Print(String),
}

/// Reads the command line, program name included. The error lists every problem.
pub fn parse(arguments: &[OsString]) -> Result<Invocation, Vec<String>> {
    let command = command();
    let (known, mut problems) = without_unknown_flags(&command, arguments);
    match command.try_get_matches_from(known) {
        Ok(matches) if problems.is_empty() => match matches.subcommand() {
            Some(("run", matches)) => Ok(Invocation::Run(Box::new(run::arguments(matches)))),
            Some(("config", matches)) => {
                Ok(Invocation::Config(Box::new(config::arguments(matches))))
            }
            Some(("rbac", matches)) => Ok(Invocation::Rbac(Box::new(cluster::arguments(matches)))),
            Some(("check", matches)) => {
                Ok(Invocation::Check(Box::new(cluster::arguments(matches))))
            }
            Some(("render", matches)) => {
                render::arguments(matches).map(|arguments| Invocation::Render(Box::new(arguments)))
            }
            Some(("leader", matches)) => {
                leader::arguments(matches).map(|arguments| Invocation::Leader(Box::new(arguments)))
            }
            Some(("install", matches)) => Ok(Invocation::Install(install::directory(matches))),
            _ => Err(vec![
                "a command is missing; try kubesup run --help".to_owned(),
            ]),
        },
        Ok(_) => Err(problems),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Ok(Invocation::Print(error.render().to_string()))
            }
            _ => {
                let text = error.render().to_string();
                let reason = text
                    .split("\n\nUsage")
                    .next()
                    .unwrap_or(&text)
                    .trim_start_matches("error: ");
                problems.push(reason.split_whitespace().collect::<Vec<_>>().join(" "));
                Err(problems)
            }
        },
    }
}

/// The name of the command that is meant, if there is such a one.
pub fn command_name(arguments: &[OsString]) -> Option<&str> {
    let name = arguments.get(1)?.to_str()?;
    command().find_subcommand(name).map(|_| name)
}

fn command() -> clap::Command {
    clap::Command::new("kubesup")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A Kubernetes-native supervisor: watches its Pod, peers and ConfigMaps, renders, runs, reconfigures")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::command())
        .subcommand(render::command())
        .subcommand(config::command())
        .subcommand(install::command())
        .subcommand(cluster::check())
        .subcommand(cluster::rbac())
        .subcommand(leader::command())
}

/// clap reports the first unknown flag only; here all are found, with suggestions, and left out of the rest.
fn without_unknown_flags(
    command: &clap::Command,
    arguments: &[OsString],
) -> (Vec<OsString>, Vec<String>) {
    let mut subcommand = None;
    for name in arguments.iter().skip(1) {
        let Some(found) = subcommand.unwrap_or(command).find_subcommand(name) else {
            break;
        };
        subcommand = Some(found);
    }
    let flags = subcommand
        .into_iter()
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long);
    let flags: Vec<&str> = flags.chain(["help", "version"]).collect();
    let mut known = Vec::new();
    let mut problems = Vec::new();
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            known.push(argument.clone());
            known.extend(rest.by_ref().cloned());
            break;
        }
        let name = argument
            .to_str()
            .and_then(|text| text.strip_prefix("--"))
            .map(|text| text.split('=').next().unwrap_or(text));
        match name {
            Some(name) if !flags.contains(&name) => {
                problems.push(format!(
                    "unknown flag --{name}{}",
                    keys::hint(name, flags.iter().copied()).replace("mean ", "mean --")
                ));
                let has_value = !argument.to_string_lossy().contains('=');
                rest.next_if(|next| has_value && !starts_with_dash(next));
            }
            _ => known.push(argument.clone()),
        }
    }
    (known, problems)
}

fn starts_with_dash(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().first() == Some(&b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Key;

    fn parse_words(words: &str) -> Result<Invocation, Vec<String>> {
        parse(&words.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    fn run(words: &str) -> run::Arguments {
        match parse_words(words) {
            Ok(Invocation::Run(arguments)) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_become_settings_and_the_command_stays_as_it_is() {
        let arguments = run(
            "kubesup run -f dir --group blue --health-check-interval=5s -- nginx -g daemon off; --root",
        );
        assert_eq!(
            arguments.manifests.as_deref(),
            Some(std::path::Path::new("dir"))
        );
        assert_eq!(arguments.flags.values[&Key::Group].text, "blue");
        assert_eq!(arguments.flags.values[&Key::HealthCheckInterval].text, "5s");
        assert_eq!(
            arguments.command,
            ["nginx", "-g", "daemon", "off;", "--root"]
        );
    }

    fn render(words: &str) -> render::Arguments {
        match parse_words(words) {
            Ok(Invocation::Render(arguments)) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_configuration_is_shown_of_what_run_would_be_called_with() {
        let config = |words: &str| match parse_words(words) {
            Ok(Invocation::Config(arguments)) => *arguments,
            other => panic!("{other:?}"),
        };
        let plain = config("kubesup config -f dir --package p --group blue");
        assert_eq!(plain.shown, config::Shown::Document);
        assert_eq!(
            plain.run,
            run("kubesup run -f dir --package p --group blue")
        );
        let explained = config("kubesup config --explain --package p");
        assert_eq!(explained.shown, config::Shown::Explained);
    }

    #[test]
    fn one_template_is_rendered_with_the_flags_of_hab_plan_render() {
        let plain = render("kubesup render config/app.conf");
        let render::What::Template(template) = plain.what else {
            panic!("a template");
        };
        assert_eq!(
            (
                template.default_toml.to_str(),
                template.user_toml,
                template.mock_data,
                template.output
            ),
            (Some("./default.toml"), None, None, render::Output::FileOnly)
        );
        assert_eq!(
            (plain.directory, plain.talk),
            (Some("./results".into()), render::Talk::Normal)
        );
        let short = "kubesup render t -d d -u u -m m -r r -p -q";
        let long = "kubesup render --default-toml d --user-toml u --mock-data m --render-dir r --print --quiet t";
        assert_eq!(render(short), render(long));
        assert_eq!(render("kubesup render -n t").directory, None);
    }

    #[test]
    fn a_package_is_rendered_with_the_flags_of_run() {
        let arguments =
            render("kubesup render -f dir --package p --group blue -r out -- nginx -g x");
        let render::What::Package(package) = arguments.what else {
            panic!("a package");
        };
        let run = run("kubesup run -f dir --package p --group blue -- nginx -g x");
        assert_eq!(*package, run);
        assert_eq!(arguments.directory, Some("out".into()));
    }

    #[test]
    fn flags_of_a_template_and_of_a_package_do_not_mix() {
        assert_eq!(
            parse_words("kubesup render -f dir -d x -p").expect_err("problems"),
            [
                "--default-toml is for one template; name it, as in kubesup render TEMPLATE",
                "--print is for one template; name it, as in kubesup render TEMPLATE"
            ]
        );
        assert_eq!(
            parse_words("kubesup render t --group x -f dir").expect_err("problems"),
            [
                "--filename is for a whole package; leave it out, or the TEMPLATE",
                "--group is for a whole package; leave it out, or the TEMPLATE"
            ]
        );
    }

    #[test]
    fn habitats_switches_are_settings_here() {
        let arguments = run("kubesup run -D --json-logging -t standalone");
        let text = |key| arguments.flags.values[&key].text.as_str();
        assert_eq!(text(Key::ListenHttp), "none");
        assert_eq!(text(Key::LogFormat), "json");
        assert_eq!(text(Key::Topology), "standalone");
        assert_eq!(arguments.warnings, Vec::<String>::new());
    }

    #[test]
    fn a_package_is_found_wherever_hab_sup_run_takes_it() {
        for words in [
            "kubesup run core/redis --peer a b",
            "kubesup run --group x core/redis",
            "kubesup run --peer a core/redis",
            "kubesup run --bind db:pg core/redis",
            "kubesup run --peer a --bind db:pg cache:x core/redis -D",
        ] {
            assert_eq!(run(words).package.as_deref(), Some("core/redis"), "{words}");
        }
        let arguments = run("kubesup run --bind db:pg cache:x core/redis");
        assert_eq!(arguments.flags.values[&Key::Bind].text, "db:pg,cache:x");
        assert_eq!(run("kubesup run --peer a b").package, None);
    }

    #[test]
    fn every_unknown_flag_is_reported_with_a_suggestion() {
        let problems =
            parse_words("kubesup run --gruop x --listen-htp=y --frobnicate").expect_err("problems");
        assert_eq!(
            problems,
            [
                "unknown flag --gruop; did you mean --group?",
                "unknown flag --listen-htp; did you mean --listen-http?",
                "unknown flag --frobnicate"
            ]
        );
    }

    #[test]
    fn a_flag_without_its_value_is_a_problem_beside_the_others() {
        let problems = parse_words("kubesup run --frobnicate --group").expect_err("problems");
        assert_eq!(problems.len(), 2, "{problems:#?}");
    }

    #[test]
    fn a_yes_or_no_flag_needs_no_value() {
        let once = |words: &str| run(words).flags.values[&Key::Once].text.clone();
        assert_eq!(once("kubesup run --once -- true"), "true");
        assert_eq!(once("kubesup run --once --group a -- true"), "true");
        assert_eq!(once("kubesup run --once=false -- true"), "false");
    }

    #[test]
    fn help_and_version_are_printed() {
        for words in [
            "kubesup --help",
            "kubesup run --help",
            "kubesup --version",
            "kubesup",
        ] {
            assert!(
                matches!(parse_words(words), Ok(Invocation::Print(_))),
                "{words}"
            );
        }
    }

    #[test]
    fn a_cluster_and_manifests_exclude_each_other() {
        assert_eq!(
            parse_words("kubesup run -f a --kubeconfig b")
                .expect_err("problems")
                .len(),
            1
        );
    }
}
