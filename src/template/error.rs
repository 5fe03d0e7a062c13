//! Owns what is said about a template that does not parse or render. Never holds a rendered value.

use handlebars::RenderError;

use super::scan::mustaches;
use crate::package::Source;

/// Why a template gives no file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It does not parse.
    #[error("cannot parse template: {origin}{}: {reason}", at(*line, *column))]
    Parse {
        /// Which.
        origin: String,
        /// Counted from 1.
        line: Option<usize>,
        /// Counted from 1.
        column: Option<usize>,
        /// The parser's reason.
        reason: String,
    },
    /// It does not render.
    #[error("cannot render template: {origin}{}: {reason}", at(*line, *column))]
    Render {
        /// Which.
        origin: String,
        /// Counted from 1.
        line: Option<usize>,
        /// Counted from 1.
        column: Option<usize>,
        /// The helper's or the engine's reason.
        reason: String,
    },
    /// Blocks or subexpressions are nested deeper than the bound, which is far below what would overflow a stack.
    #[error(
        "cannot parse template: {origin}, line {line}: nested more than {} deep; flatten it",
        super::nesting::LIMIT
    )]
    TooDeep {
        /// Which.
        origin: String,
        /// Where the bound is passed.
        line: usize,
    },
    /// It includes itself through other templates, or includes by a computed name, so that this cannot be told.
    #[error(
        "cannot use template: {origin}: its partials include each other in a circle, or by a computed name; name them plainly and break the circle"
    )]
    Circle {
        /// One of the circle.
        origin: String,
    },
    /// It and the templates that it includes nest deeper than the bound.
    #[error(
        "cannot use template: {origin}: it and its partials nest more than {} deep; flatten them",
        super::nesting::LIMIT
    )]
    DeepPartials {
        /// The one that includes the others.
        origin: String,
    },
    /// What it renders to is larger than any configuration file.
    #[error(
        "cannot render template: {origin}: it grows beyond {} MiB; include its partials less often",
        super::engine::LARGEST / 1024 / 1024
    )]
    TooLarge {
        /// Which.
        origin: String,
    },
    /// The old path syntax `a[b]`, which has not worked for years and fails in Habitat too.
    #[error("{origin}, line {line}: {{{{{old}}}}} is the old path syntax; write {{{{{new}}}}}")]
    OldPath {
        /// Which.
        origin: String,
        /// Counted from 1.
        line: usize,
        /// What is between the braces.
        old: String,
        /// What should be.
        new: String,
    },
    /// The engine or a helper failed in a way that it must not.
    #[error(
        "cannot use template: {origin}: the template engine failed on it; simplify it, and report it as a defect of kubesup"
    )]
    Panic {
        /// Which.
        origin: String,
    },
}

fn at(line: Option<usize>, column: Option<usize>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(", line {line}, column {column}"),
        _ => String::new(),
    }
}

impl TemplateError {
    /// What messages call the template.
    pub(super) fn origin(&self) -> &str {
        match self {
            TemplateError::Parse { origin, .. }
            | TemplateError::Render { origin, .. }
            | TemplateError::TooDeep { origin, .. }
            | TemplateError::Circle { origin }
            | TemplateError::DeepPartials { origin }
            | TemplateError::TooLarge { origin }
            | TemplateError::OldPath { origin, .. }
            | TemplateError::Panic { origin } => origin,
        }
    }

    pub(super) fn parse(origin: &str, error: &handlebars::TemplateError) -> Self {
        let (line, column) = error.pos().unzip();
        TemplateError::Parse {
            origin: origin.to_owned(),
            line,
            column,
            reason: one_line(&error.reason().to_string()),
        }
    }

    pub(super) fn render(origin: &str, error: &RenderError) -> Self {
        TemplateError::Render {
            origin: origin.to_owned(),
            line: error.line_no,
            column: error.column_no,
            reason: one_line(&error.reason().to_string()),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each use of the old path syntax `a[b]`, with what to write instead.
pub(super) fn old_paths(source: &Source) -> Vec<TemplateError> {
    let old = mustaches(&source.text).filter(|mustache| !mustache.old_keys.is_empty());
    old.map(|mustache| {
        let mut new = mustache.inside.to_owned();
        for at in mustache.old_keys.iter().rev() {
            new.insert(*at, '.');
        }
        TemplateError::OldPath {
            origin: source.origin.clone(),
            line: mustache.line(&source.text),
            old: mustache.inside.to_owned(),
            new,
        }
    })
    .collect()
}

/// The errors, each after the uses of the old path syntax in the same template: these are why it fails.
pub(super) fn with_reasons(
    old_paths: &[TemplateError],
    errors: Vec<TemplateError>,
) -> Vec<TemplateError> {
    let reasons = |error: &TemplateError| {
        let origin = error.origin().to_owned();
        old_paths
            .iter()
            .filter(move |old| old.origin() == origin)
            .cloned()
            .collect::<Vec<_>>()
    };
    errors
        .into_iter()
        .flat_map(|error| reasons(&error).into_iter().chain([error]))
        .collect()
}
