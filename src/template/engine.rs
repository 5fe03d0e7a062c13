//! Owns one Handlebars registry with Habitat's settings: no escaping, all helpers, lenient unless told otherwise. Never lets
//! a template crash the program: nesting and what is rendered are bounded, and a panic becomes an error.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use handlebars::{Context, Handlebars, Template};

use super::error::TemplateError;
use super::partials::Trouble;
use super::{helpers, nesting, partials};
use crate::package::Source;

/// What a missing value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// An empty string, as in Habitat.
    Lenient,
    /// An error.
    Strict,
}

/// Templates that can include each other.
#[derive(Debug)]
pub(super) struct Registry {
    directory: &'static str,
    handlebars: Handlebars<'static>,
    /// Name to what messages call it.
    origins: BTreeMap<String, String>,
}

impl Registry {
    pub(super) fn new(directory: &'static str, strictness: Strictness) -> Self {
        let mut handlebars = Handlebars::new();
        handlebars.register_escape_fn(handlebars::no_escape);
        handlebars.set_strict_mode(strictness == Strictness::Strict);
        helpers::register(&mut handlebars);
        Registry {
            directory,
            handlebars,
            origins: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, name: &str, source: &Source) -> Result<(), TemplateError> {
        if let Err(line) = nesting::check(&source.text) {
            return Err(TemplateError::TooDeep {
                origin: source.origin.clone(),
                line,
            });
        }
        let parsed = catch_unwind(|| Template::compile_with_name(&source.text, name.to_owned()));
        let template = match parsed {
            Ok(Ok(template)) => template,
            Ok(Err(error)) => return Err(TemplateError::parse(&source.origin, &error)),
            Err(_) => {
                return Err(TemplateError::Panic {
                    origin: source.origin.clone(),
                });
            }
        };
        self.handlebars.register_template(name, template);
        self.origins.insert(name.to_owned(), source.origin.clone());
        Ok(())
    }

    /// Refuses partials that include each other in a circle, which never ends, or too deep for a stack.
    pub(super) fn check_partials(&self) -> Result<(), TemplateError> {
        let origin = |name: String| self.origins.get(&name).cloned().unwrap_or(name);
        match partials::trouble(self.handlebars.get_templates()) {
            None => Ok(()),
            Some(Trouble::Circle(name)) => Err(TemplateError::Circle {
                origin: origin(name),
            }),
            Some(Trouble::Deep(name)) => Err(TemplateError::DeepPartials {
                origin: origin(name),
            }),
        }
    }

    pub(super) fn render(
        &self,
        context: &Context,
        files: &mut BTreeMap<String, String>,
        errors: &mut Vec<TemplateError>,
    ) {
        for (name, origin) in &self.origins {
            let mut text = Bounded::default();
            let to = &mut text;
            let render = || {
                self.handlebars
                    .render_with_context_to_write(name, context, to)
            };
            match catch_unwind(AssertUnwindSafe(render)) {
                _ if text.full => errors.push(TemplateError::TooLarge {
                    origin: origin.clone(),
                }),
                Ok(Ok(())) => {
                    files.insert(format!("{}/{name}", self.directory), text.text);
                }
                Ok(Err(error)) => {
                    let part = error
                        .template_name
                        .as_ref()
                        .and_then(|name| self.origins.get(name));
                    errors.push(TemplateError::render(part.unwrap_or(origin), &error));
                }
                Err(_) => errors.push(TemplateError::Panic {
                    origin: origin.clone(),
                }),
            }
        }
    }
}

/// The largest file that a template may render to, in bytes: four times the largest template. More is a list that includes
/// itself through partials, and would take all memory.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;

/// A text that grows up to [`LARGEST`].
#[derive(Debug, Default)]
struct Bounded {
    text: String,
    /// There was more.
    full: bool,
}

impl io::Write for &mut Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.full |= self.text.len() + bytes.len() > LARGEST;
        match std::str::from_utf8(bytes) {
            Ok(more) if !self.full => {
                self.text.push_str(more);
                Ok(bytes.len())
            }
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
