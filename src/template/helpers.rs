//! Owns the helpers that templates may call beside the engine's own: Habitat's ten, exactly as they are there, oddities
//! included, and kubesup's own. Never sees anything but its arguments.

mod each;
mod text;
mod values;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, PathAndJson, RenderContext,
    RenderError, RenderErrorReason, ScopedJson,
};
use serde_json::Value;

use each::{EACH_ALIVE, EACH_READY};

/// Registers all of them.
pub(super) fn register(handlebars: &mut Handlebars<'static>) {
    handlebars.register_helper("eachAlive", Box::new(EACH_ALIVE));
    handlebars.register_helper("eachReady", Box::new(EACH_READY));
    for (name, run) in TEXTS {
        handlebars.register_helper(name, Box::new(Text(name, *run)));
    }
    for (name, run) in VALUES {
        handlebars.register_helper(name, Box::new(Computed(name, *run)));
    }
}

/// Helpers whose result is a text, as a subexpression too.
const TEXTS: &[(&str, Run<String>)] = &[
    ("pkgPathFor", text::pkg_path_for),
    ("strConcat", text::str_concat),
    ("strJoin", text::str_join),
    ("strReplace", text::str_replace),
    ("toUppercase", text::to_uppercase),
    ("toLowercase", text::to_lowercase),
    ("toJson", values::to_json),
    ("toToml", values::to_toml),
    ("toYaml", values::to_yaml),
    ("b64encode", text::b64encode),
    ("b64decode", text::b64decode),
    ("sha256", text::sha256),
    ("indent", text::indent),
];

/// Helpers whose result keeps its type.
const VALUES: &[(&str, Run<Value>)] =
    &[("default", values::default), ("required", values::required)];

type Run<T> = fn(&Arguments<'_>) -> Result<T, RenderError>;

/// What a helper was called with.
pub(super) struct Arguments<'a> {
    name: &'static str,
    values: Vec<&'a Value>,
    context: &'a Value,
}

impl<'a> Arguments<'a> {
    fn new(name: &'static str, helper: &'a Helper<'_>, context: &'a Context) -> Self {
        let values = helper
            .params()
            .iter()
            .map(handlebars::PathAndJson::value)
            .collect();
        Arguments {
            name,
            values,
            context: context.data(),
        }
    }

    fn value(&self, index: usize) -> Result<&'a Value, RenderError> {
        let missing = || self.error(&format!("argument {} is missing", index + 1));
        self.values.get(index).copied().ok_or_else(missing)
    }

    fn string(&self, index: usize) -> Result<&'a str, RenderError> {
        let value = self.value(index)?;
        value.as_str().ok_or_else(|| {
            self.error(&format!(
                "argument {} must be a string and is {}",
                index + 1,
                kind(value)
            ))
        })
    }

    fn error(&self, reason: &str) -> RenderError {
        RenderErrorReason::Other(format!("{}: {reason}", self.name)).into()
    }
}

/// What kind of value it is, for messages; never the value, which may be a secret.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "missing or null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// A missing value among the arguments is `null`, and an error where values must not be missing.
struct Text(&'static str, Run<String>);

impl HelperDef for Text {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let missing = |argument: &&PathAndJson<'rc>| argument.is_value_missing();
        if registry.strict_mode()
            && let Some(missing) = helper.params().iter().find(missing)
        {
            return Err(RenderError::strict_error(missing.relative_path()));
        }
        // Straight to the output, as Habitat's do: the indent of a partial is not put into a result of several lines.
        out.write(&self.1(&Arguments::new(self.0, helper, context))?)?;
        Ok(())
    }
}

/// These are asked what to do about a missing value, so that it is never an error by itself.
struct Computed(&'static str, Run<Value>);

impl HelperDef for Computed {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        Ok(ScopedJson::Derived(self.1(&Arguments::new(
            self.0, helper, context,
        ))?))
    }
}
