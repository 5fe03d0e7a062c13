//! The entrypoint: parse, prepare the process, run, end with the right code.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use kubesup::api::access::TOKEN_VARIABLE;
use kubesup::app::{self, StartError, Surroundings};
use kubesup::cli::{self, Invocation};
use kubesup::{log, process};
use rustix::process::DumpableBehavior;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (command, code) = match cli::parse(&arguments) {
        Ok(Invocation::Print(text)) => {
            // A reader that has gone away is no failure of ours.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ("", Ok(0))
        }
        Ok(Invocation::Run(arguments)) => ("run", run(*arguments)),
        Ok(Invocation::Render(arguments)) => {
            let surroundings = surroundings();
            start_log(&surroundings);
            ("render", app::render(&arguments, &surroundings).map(|()| 0))
        }
        Ok(Invocation::Config(arguments)) => {
            let surroundings = surroundings();
            start_log(&surroundings);
            ("config", app::config(&arguments, &surroundings).map(|()| 0))
        }
        Ok(Invocation::Install(directory)) => ("install", app::install(&directory).map(|_| 0)),
        Ok(Invocation::Rbac(arguments)) => ("rbac", inspect(app::rbac, *arguments)),
        Ok(Invocation::Check(arguments)) => ("check", inspect(app::check, *arguments)),
        Ok(Invocation::Leader(arguments)) => ("leader", inspect(app::leader, *arguments)),
        Err(problems) => {
            let command = arguments.get(1).and_then(|command| command.to_str());
            (
                command.unwrap_or_default(),
                Err(StartError::Usage(problems)),
            )
        }
    };
    let code = code.unwrap_or_else(|error| {
        if command == "run" {
            // Whoever describes the Pod sees no stderr.
            let variable = std::env::var_os(app::variable_name());
            app::last_words(&arguments, variable.as_deref(), &error);
        }
        complain(command, &error)
    });
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn surroundings() -> Surroundings {
    let environment = std::env::vars_os()
        .filter(|(name, _)| name != TOKEN_VARIABLE)
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Surroundings {
        token: std::env::var_os(TOKEN_VARIABLE).filter(|token| !token.is_empty()),
        environment: environment.collect(),
        hostname: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
    }
}

fn start_log(surroundings: &Surroundings) {
    let filter = surroundings.environment.get("KUBESUP_LOG");
    log::start(filter.map(String::as_str));
}

fn run(arguments: cli::run::Arguments) -> Result<i32, StartError> {
    let unavailable = |what: &str, error: std::io::Error| {
        StartError::Unavailable(format!("cannot {what}: {error}"))
    };
    process::close_inherited();
    process::prepare().map_err(|error| unavailable("prepare the process", error))?;
    let surroundings = surroundings();
    if surroundings.token.is_some() {
        // A hook of the same user could read it in /proc/1/environ otherwise.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|error| unavailable("keep the gateway's token to itself", error.into()))?;
    }
    start_log(&surroundings);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .map_err(|error| unavailable("start the runtime", error))?;
    let code = runtime.block_on(app::run(arguments, surroundings));
    // Nothing that is left may hold up the end.
    runtime.shutdown_background();
    code
}

/// Runs a command that may have to ask an API server.
fn inspect<A, F: Future<Output = Result<i32, StartError>>>(
    command: fn(A, Surroundings) -> F,
    arguments: A,
) -> Result<i32, StartError> {
    let surroundings = surroundings();
    start_log(&surroundings);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::Unavailable(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(command(arguments, surroundings))
}

fn complain(command: &str, error: &StartError) -> i32 {
    let text = error.to_string();
    let mut stderr = std::io::stderr().lock();
    for line in text.lines() {
        let _ = writeln!(stderr, "kubesup: {line}");
    }
    if error.exit_code() == app::EXIT_USAGE {
        let _ = writeln!(stderr, "kubesup: see kubesup {command} --help");
    }
    error.exit_code()
}
