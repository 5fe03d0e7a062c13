//! Owns `kubesup render`: reads what it needs, renders through the same parts as `kubesup run`, and writes files that
//! nothing executes. Never watches, never starts a process and never talks to an API server.

use std::io::Write as _;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::offline::{self, Offline};
use super::{StartError, Surroundings};
use crate::cli::render::{Arguments, Output, Talk, Template, What};
use crate::cli::run;
use crate::config::{Listen, Settings};
use crate::files::{FilesError, export};
use crate::package::{Package, Source};
use crate::revision::{Revision, Revisions};
use crate::supervisor;
use crate::template::mock::Mock;
use crate::template::{self, Strictness, mock};

/// Renders, or says everything that is wrong.
pub fn render(arguments: &Arguments, surroundings: &Surroundings) -> Result<(), StartError> {
    let say = |text: String| {
        if arguments.talk == Talk::Normal {
            // A reader that has gone away is no failure of ours.
            let _ = writeln!(std::io::stderr(), "kubesup: {text}");
        }
    };
    let written = match &arguments.what {
        What::Template(template) => {
            let (name, text) = one_template(template, &say)?;
            if template.output == Output::Stdout {
                print(&text)?;
            }
            let write = |directory: &PathBuf| Ok(vec![export::file(directory, &name, &text)?]);
            arguments.directory.as_ref().map(write)
        }
        What::Package(package) => {
            let revision = whole_package(package, surroundings)?;
            for warning in &revision.warnings {
                say(format!("warning: {warning}"));
            }
            let write = |directory: &PathBuf| export::rendering(directory, &revision.files);
            arguments.directory.as_ref().map(write)
        }
    };
    let written = written
        .transpose()
        .map_err(|error: FilesError| StartError::Problems(vec![error.to_string()]))?;
    for path in written.into_iter().flatten() {
        say(format!("rendered {}", path.display()));
    }
    Ok(())
}

/// The rendered text, and the line end that ends every output.
fn print(text: &str) -> Result<(), StartError> {
    let mut stdout = std::io::stdout().lock();
    let printed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush());
    printed.map_err(|error| StartError::Problems(vec![format!("cannot write to stdout: {error}")]))
}

/// The file's name and what it renders to.
fn one_template(template: &Template, say: &dyn Fn(String)) -> Result<(String, String), StartError> {
    let mut unreadable = Vec::new();
    let mut read = |path: &Path, what: &str| {
        say(format!("reading {what} {}", path.display()));
        match std::fs::read_to_string(path) {
            Ok(text) => Some(Source {
                origin: path.display().to_string(),
                text,
            }),
            Err(error) => {
                unreadable.push(format!("cannot read {what} {}: {error}", path.display()));
                None
            }
        }
    };
    let text = read(&template.path, "template");
    let mock = Mock {
        default_toml: read(&template.default_toml, "default.toml"),
        user_toml: template
            .user_toml
            .as_deref()
            .and_then(|path| read(path, "user.toml")),
        data: template
            .mock_data
            .as_deref()
            .and_then(|path| read(path, "mock data")),
    };
    let (Some(text), true) = (text, unreadable.is_empty()) else {
        return Err(StartError::Usage(unreadable));
    };
    let name = template
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let package = Package {
        config: [(name.clone(), text)].into(),
        ..Package::default()
    };
    // Both at once: who mends one wants to know of the other.
    let (context, templates) = match (
        mock::context(&mock),
        template::compile(&package, Strictness::Lenient),
    ) {
        (Ok(context), Ok(templates)) => (context, templates),
        (context, templates) => {
            let mut problems = context.err().map(lines).unwrap_or_default();
            problems.extend(templates.err().map(lines).unwrap_or_default());
            return Err(StartError::Problems(problems));
        }
    };
    for warning in templates.warnings() {
        say(format!("warning: {warning}"));
    }
    let mut rendered = templates
        .render(context)
        .map_err(|errors| StartError::Problems(lines(errors)))?;
    let text = rendered
        .files
        .pop_first()
        .map(|(_, text)| text)
        .unwrap_or_default();
    Ok((name, text))
}

/// What `kubesup run` with these arguments would make of the package first.
fn whole_package(
    arguments: &run::Arguments,
    surroundings: &Surroundings,
) -> Result<Revision, StartError> {
    let offline = offline::gather(arguments, surroundings, NOTHING)?;
    let Offline {
        world,
        base,
        settings,
        warnings,
    } = offline;
    let paths = supervisor::paths(&settings, address(&settings));
    let made = Revisions::default().make(&world, &base, &settings, &paths);
    let mut revision = made.map_err(StartError::Problems)?;
    revision.warnings.extend(warnings);
    Ok(revision)
}

/// Without a package and without manifests.
const NOTHING: &str =
    "there is nothing to render: name a TEMPLATE, a package with --package, or manifests with -f";

/// Where HTTP would listen.
fn address(settings: &Settings) -> Option<SocketAddr> {
    settings.listen_http.map(|listen| match listen {
        Listen::At(address) => address,
        Listen::Any(port) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    })
}

fn lines<E: ToString>(errors: Vec<E>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}
