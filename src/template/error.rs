//! Owns what is said about a template that does not parse or render. Never holds a rendered value.

use handlebars::RenderError;

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

/// A warning for each use of the old path syntax `a[b]`, which has not worked for years and fails in Habitat too.
pub(super) fn old_path_warnings(source: &Source) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for mustache in line
            .split("{{")
            .skip(1)
            .filter_map(|rest| rest.split("}}").next())
        {
            let bytes = mustache.as_bytes();
            let is_old = |at: usize| {
                at > 0
                    && bytes.get(at - 1).is_some_and(|before| {
                        before.is_ascii_alphanumeric() || *before == b'_' || *before == b']'
                    })
            };
            if mustache.match_indices('[').any(|(at, _)| is_old(at)) {
                let rewritten: String = mustache
                    .char_indices()
                    .map(|(at, c)| {
                        if c == '[' && is_old(at) {
                            ".[".to_owned()
                        } else {
                            c.to_string()
                        }
                    })
                    .collect();
                warnings.push(format!(
                    "{}, line {}: {{{{{mustache}}}}} is the old path syntax; write {{{{{rewritten}}}}}",
                    source.origin,
                    index + 1
                ));
            }
        }
    }
    warnings
}
