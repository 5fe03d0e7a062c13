//! Owns `kubesup config`: merges the layers through the same parts as `kubesup run` and prints what came out. Never
//! renders, and never shows what came from a Secret.

use std::io::Write as _;

use super::offline;
use super::{StartError, Surroundings};
use crate::cli::config::{Arguments, Shown};
use crate::package::show;
use crate::package::{layers, overlay};
use crate::revision::Revisions;

/// Without a package and without manifests.
const NOTHING: &str =
    "there is no configuration: name a package with --package, or manifests with -f";

/// Prints the configuration, or says everything that is wrong with it.
pub fn config(arguments: &Arguments, surroundings: &Surroundings) -> Result<(), StartError> {
    let offline = offline::gather(&arguments.run, surroundings, NOTHING)?;
    let lines = |errors: Vec<overlay::OverlayError>| {
        StartError::Problems(errors.iter().map(ToString::to_string).collect())
    };
    let package = overlay::overlay(&offline.base, &offline.world.overlay).map_err(lines)?;
    let merged = layers::merge(&package, &offline.world.config)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
        .and_then(|layers| Revisions::default().fitting(layers, package.schema.as_ref()))
        .map_err(StartError::Problems)?;
    for warning in &offline.warnings {
        // A reader that has gone away is no failure of ours.
        let _ = writeln!(std::io::stderr(), "kubesup: warning: {warning}");
    }
    let text = match arguments.shown {
        Shown::Document => show::document(&merged),
        Shown::Explained => show::explained(&merged),
    };
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| StartError::Problems(vec![format!("cannot write to stdout: {error}")]))
}
