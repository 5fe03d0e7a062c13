//! Owns the block helpers that pass over some members: `eachAlive`, as Habitat has it, and `eachReady`.

use handlebars::{
    BlockContext, BlockParams, Context, Handlebars, Helper, HelperDef, HelperResult,
    JsonTruthy as _, Output, RenderContext, RenderError, RenderErrorReason, Renderable as _,
    to_json,
};
use serde_json::Value;

/// Habitat's: entries whose `alive` is true; `@index` counts from 1 among them.
pub(super) struct EachAlive;

/// Entries whose `ready` is true; `@index` counts from 0 among them, as in `each`.
pub(super) struct EachReady;

struct Kind {
    name: &'static str,
    key: &'static str,
    first_index: usize,
}

impl HelperDef for EachAlive {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let kind = Kind {
            name: "eachAlive",
            key: "alive",
            first_index: 1,
        };
        each(&kind, helper, registry, context, render, out)
    }
}

impl HelperDef for EachReady {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let kind = Kind {
            name: "eachReady",
            key: "ready",
            first_index: 0,
        };
        each(&kind, helper, registry, context, render, out)
    }
}

fn each<'reg: 'rc, 'rc>(
    kind: &Kind,
    helper: &Helper<'rc>,
    registry: &'reg Handlebars<'reg>,
    context: &'rc Context,
    render: &mut RenderContext<'reg, 'rc>,
    out: &mut dyn Output,
) -> HelperResult {
    let value = helper
        .param(0)
        .ok_or(RenderErrorReason::ParamNotFoundForIndex(kind.name, 0))?;
    let Some(template) = helper.template() else {
        return Ok(());
    };
    if !value.value().is_truthy(false) {
        return match helper.inverse() {
            Some(inverse) => inverse.render(registry, context, render, out),
            None => Ok(()),
        };
    }
    // What is iterated, with the step of the path that leads to it, and `@key` for tables.
    let entries: Vec<(String, &Value, Option<&String>)> = match value.value() {
        Value::Array(list) => {
            let mut entries = Vec::new();
            for (index, entry) in list.iter().enumerate() {
                if chosen(kind, entry)? {
                    entries.push((index.to_string(), entry, None));
                }
            }
            entries
        }
        Value::Object(table) if chosen(kind, value.value())? => table
            .iter()
            .map(|(key, entry)| (key.clone(), entry, Some(key)))
            .collect(),
        Value::Object(_) => Vec::new(),
        _ => return Err(RenderErrorReason::Other("Param type is not iterable.".to_owned()).into()),
    };
    let path = value.context_path();
    let last = entries.len().saturating_sub(1);
    for (number, (step, entry, key)) in entries.into_iter().enumerate() {
        let mut block = BlockContext::new();
        block.set_local_var("first", to_json(number == 0));
        block.set_local_var("last", to_json(number == last));
        let index = to_json(number + kind.first_index);
        block.set_local_var("index", index.clone());
        if let Some(key) = key {
            block.set_local_var("key", to_json(key));
        }
        match path {
            Some(path) => {
                block.base_path_mut().clone_from(path);
                block.base_path_mut().push(step);
            }
            None => block.set_base_value(entry.clone()),
        }
        let second = key.map_or(index, to_json);
        set_parameters(&mut block, helper, path.is_some(), entry, second)?;
        render.push_block(block);
        let rendered = template.render(registry, context, render, out);
        render.pop_block();
        rendered?;
    }
    Ok(())
}

/// `as |entry|` and `as |entry index|`.
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

/// Whether the entry has the key, and it is true. Habitat panics when it is no boolean; here it is an error.
fn chosen(kind: &Kind, entry: &Value) -> Result<bool, RenderError> {
    match entry.get(kind.key) {
        None => Ok(false),
        Some(Value::Bool(chosen)) => Ok(*chosen),
        Some(_) => Err(RenderErrorReason::Other(format!(
            "{}: `{}` of an entry is no boolean",
            kind.name, kind.key
        ))
        .into()),
    }
}
