//! Owns the flags of `kubesup render`: those of `hab plan render` for one template, those of `kubesup run` for a whole
//! package.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::run;

/// `kubesup render` as it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// What is rendered.
    pub what: What,
    /// `--render-dir`: where to; `None` with `--no-render`.
    pub directory: Option<PathBuf>,
    /// What is said beside the result.
    pub talk: Talk,
}

/// What is rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// One template, with a context from files.
    Template(Box<Template>),
    /// All hooks and config files of a package, as `kubesup run` would.
    Package(Box<run::Arguments>),
}

/// One template and the files that its context comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The template.
    pub path: PathBuf,
    /// `--default-toml`.
    pub default_toml: PathBuf,
    /// `--user-toml`.
    pub user_toml: Option<PathBuf>,
    /// `--mock-data`.
    pub mock_data: Option<PathBuf>,
    /// `--print`.
    pub output: Output,
}

/// Where the text of one template goes beside its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Nowhere.
    FileOnly,
    /// To stdout too.
    Stdout,
}

/// What is said beside the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// Which files were read and written, on stderr.
    Normal,
    /// Errors only.
    Quiet,
}

/// Flags that make sense for one template only.
const OF_TEMPLATE: [&str; 3] = ["default-toml", "mock-data", "print"];

/// A layer of a template's `cfg`, and a setting of a package.
const USER_TOML: &str = "user-toml";

/// The subcommand for clap.
pub(super) fn command() -> Command {
    let file = |id: &'static str, short: char| {
        Arg::new(id)
            .short(short)
            .long(id)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
    };
    let switch = |id: &'static str, short: char| {
        Arg::new(id)
            .short(short)
            .long(id)
            .action(ArgAction::SetTrue)
    };
    let command = Command::new("render")
        .about("Renders one template, or all hooks and config files of a package, into a directory")
        .override_usage(
            "kubesup render TEMPLATE [-d FILE] [-u FILE] [-m FILE] [-r DIR] [-p] [-q] [-n]\n       \
             kubesup render --package DIR [-f DIR-or-FILE] [-r DIR] [-q] [-n] [flags of kubesup run]\n       \
             kubesup render -f DIR-or-FILE [-r DIR] [-q] [-n] [flags of kubesup run] [-- COMMAND]",
        )
        .arg(
            Arg::new("template")
                .value_name("TEMPLATE")
                .value_parser(value_parser!(PathBuf))
                .help("One template; its context comes from -d, -u and -m"),
        )
        .arg(file("default-toml", 'd').default_value("./default.toml").help("The lowest layer of cfg"))
        .arg(file("mock-data", 'm').help("JSON whose top-level trees are laid over the context"))
        .arg(switch("print", 'p').help("Prints the rendered template to stdout"))
        .arg(
            Arg::new("render-dir")
                .short('r')
                .long("render-dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .default_value("./results")
                .help("Where rendered files go"),
        )
        .arg(switch("no-render", 'n').help("Writes no file: only says whether it renders"))
        .arg(switch("quiet", 'q').help("Says nothing but errors"));
    run::shared_flags(command).mut_arg(USER_TOML, |arg| arg.short('u'))
}

/// The error is wrong usage.
pub(super) fn arguments(matches: &ArgMatches) -> Result<Arguments, Vec<String>> {
    let path = |id: &str| matches.get_one::<PathBuf>(id).cloned();
    let directory = path("render-dir").filter(|_| !matches.get_flag("no-render"));
    let talk = if matches.get_flag("quiet") {
        Talk::Quiet
    } else {
        Talk::Normal
    };
    let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let of_package = run::shared_arguments(matches);
    let misplaced = |flags: Vec<&str>, instead: &str| {
        flags
            .iter()
            .map(|flag| format!("--{flag} {instead}"))
            .collect::<Vec<_>>()
    };
    let Some(template) = path("template") else {
        let of_template = OF_TEMPLATE.into_iter().filter(|id| is_given(id)).collect();
        let problems = misplaced(
            of_template,
            "is for one template; name it, as in kubesup render TEMPLATE",
        );
        return if problems.is_empty() {
            Ok(Arguments {
                what: What::Package(Box::new(of_package)),
                directory,
                talk,
            })
        } else {
            Err(problems)
        };
    };
    let of_run = run::shared_names()
        .filter(|id| *id != USER_TOML && is_given(id))
        .collect();
    let problems = misplaced(
        of_run,
        "is for a whole package; leave it out, or the TEMPLATE",
    );
    if !problems.is_empty() {
        return Err(problems);
    }
    let output = if matches.get_flag("print") {
        Output::Stdout
    } else {
        Output::FileOnly
    };
    let template = Template {
        path: template,
        default_toml: path("default-toml").unwrap_or_default(),
        user_toml: matches.get_one::<String>(USER_TOML).map(PathBuf::from),
        mock_data: path("mock-data"),
        output,
    };
    Ok(Arguments {
        what: What::Template(Box::new(template)),
        directory,
        talk,
    })
}
