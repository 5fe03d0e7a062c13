//! Owns the block helpers that pass over some members: `eachAlive`, as Habitat has it, and `eachReady`.

use handlebars::{
    BlockContext, BlockParams, Context, Handlebars, Helper, HelperDef, HelperResult,
    JsonTruthy as _, Output, PathAndJson, RenderContext, RenderError, RenderErrorReason,
    Renderable as _, Template, to_json,
};
use serde_json::{Map, Value};

use super::kind;

/// Which entries a block helper passes over, and how it counts them.
pub(super) struct Each {
    name: &'static str,
    /// The key that has to be true.
    key: &'static str,
    first_index: usize,
}

/// Habitat's: entries whose `alive` is true; `@index` counts from 1 among them.
pub(super) const EACH_ALIVE: Each = Each {
    name: "eachAlive",
    key: "alive",
    first_index: 1,
};

/// Entries whose `ready` is true; `@index` counts from 0 among them, as in `each`.
pub(super) const EACH_READY: Each = Each {
    name: "eachReady",
    key: "ready",
    first_index: 0,
};

impl HelperDef for Each {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let over = helper
            .param(0)
            .ok_or(RenderErrorReason::ParamNotFoundForIndex(self.name, 0))?;
        let Some(template) = helper.template() else {
            return Ok(());
        };
        if !over.value().is_truthy(false) {
            return match helper.inverse() {
                Some(inverse) => inverse.render(registry, context, render, out),
                None if registry.strict_mode() && over.is_value_missing() => {
                    Err(RenderError::strict_error(over.relative_path()))
                }
                None => Ok(()),
            };
        }
        let entries = match over.value() {
            Value::Array(list) => self.of_list(list)?,
            Value::Object(table) => self.of_table(over.value(), table)?,
            other => {
                return Err(RenderErrorReason::Other(format!(
                    "{}: Param type is not iterable. Argument 1 must be a list or a table and is {}",
                    self.name,
                    kind(other)
                ))
                .into());
            }
        };
        // One block for all entries, as in the engine's `each`: what an entry sets, the next one still sees.
        let mut block = BlockContext::new();
        match over.context_path() {
            Some(path) => block.base_path_mut().clone_from(path),
            None => block.set_base_value(over.value().clone()),
        }
        render.push_block(block);
        for entry in entries {
            self.render(
                &entry, over, template, helper, registry, context, render, out,
            )?;
        }
        render.pop_block();
        Ok(())
    }
}

/// What one pass of the block sees.
struct Entry<'a> {
    value: &'a Value,
    /// The step of the path that leads to it.
    step: String,
    first: bool,
    /// Not of a table's entries, in Habitat.
    last: Option<bool>,
    /// Counted from 0.
    number: usize,
    /// Of a table's entries only.
    key: Option<&'a str>,
}

impl Each {
    fn of_list<'a>(&self, list: &'a [Value]) -> Result<Vec<Entry<'a>>, RenderError> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        for (index, value) in list.iter().enumerate() {
            if self.is_chosen(value)? {
                entries.push(Entry {
                    value,
                    step: index.to_string(),
                    first: entries.is_empty(),
                    last: Some(false),
                    number: entries.len(),
                    key: None,
                });
            }
        }
        if let Some(last) = entries.last_mut() {
            last.last = Some(true);
        }
        Ok(entries)
    }

    /// A table is passed over itself when it is chosen, key by key.
    fn of_table<'a>(
        &self,
        whole: &Value,
        table: &'a Map<String, Value>,
    ) -> Result<Vec<Entry<'a>>, RenderError> {
        if !self.is_chosen(whole)? {
            return Ok(Vec::new());
        }
        let entries = table
            .iter()
            .enumerate()
            .map(|(number, (key, value))| Entry {
                value,
                step: key.clone(),
                first: number == 0,
                last: None,
                number,
                key: Some(key),
            });
        Ok(entries.collect())
    }

    /// Whether the entry has the key, and it is true. Habitat panics when it is no boolean; here it is an error.
    fn is_chosen(&self, entry: &Value) -> Result<bool, RenderError> {
        match entry.get(self.key) {
            None => Ok(false),
            Some(Value::Bool(chosen)) => Ok(*chosen),
            Some(other) => Err(RenderErrorReason::Other(format!(
                "{}: `{}` of an entry must be a boolean and is {}",
                self.name,
                self.key,
                kind(other)
            ))
            .into()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a helper is handed five of them")]
    fn render<'reg: 'rc, 'rc>(
        &self,
        entry: &Entry<'_>,
        over: &PathAndJson<'rc>,
        template: &'rc Template,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        if let Some(block) = render.block_mut() {
            block.set_local_var("first", to_json(entry.first));
            let index = to_json(entry.number + self.first_index);
            let second = if let Some(key) = entry.key {
                block.set_local_var("key", to_json(key));
                to_json(key)
            } else {
                block.set_local_var("index", index.clone());
                index
            };
            if let Some(last) = entry.last {
                block.set_local_var("last", to_json(last));
            }
            match over.context_path() {
                Some(path) => {
                    block.base_path_mut().clone_from(path);
                    block.base_path_mut().push(entry.step.clone());
                }
                None => block.set_base_value(entry.value.clone()),
            }
            set_parameters(
                block,
                helper,
                over.context_path().is_some(),
                entry.value,
                second,
            )?;
        }
        template.render(registry, context, render, out)
    }
}

/// `as |entry|` and `as |entry index|`, or `as |entry key|`.
fn set_parameters<'rc>(
    block: &mut BlockContext<'rc>,
    helper: &Helper<'rc>,
    by_path: bool,
    entry: &Value,
    second: Value,
) -> Result<(), RenderError> {
    let (name, second_name) = match (helper.block_param(), helper.block_param_pair()) {
        (Some(name), _) => (name, None),
        (None, Some((name, second))) => (name, Some(second)),
        (None, None) => return Ok(()),
    };
    let mut parameters = BlockParams::new();
    if by_path {
        parameters.add_path(name, Vec::new())?;
    } else {
        parameters.add_value(name, entry.clone())?;
    }
    if let Some(name) = second_name {
        parameters.add_value(name, second)?;
    }
    block.set_block_params(parameters);
    Ok(())
}
