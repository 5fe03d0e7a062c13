//! The contract's section 3 vector by vector, kubesup's own helpers, bad input, and random templates.

mod additions;
mod bad_input;
mod binds;
mod context;
#[path = "../../tests/support/contract.rs"]
mod contract;
mod engine;
mod habitat_helpers;
mod random;

use serde_json::Value;

use super::*;
use crate::package::{Hook, Source};

fn source(name: &str, text: &str) -> Source {
    Source {
        origin: name.to_owned(),
        text: text.to_owned(),
    }
}

fn lines(errors: &[TemplateError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// Config files by name and text, rendered.
fn render_files(
    files: &[(&str, &str)],
    context: Value,
    strictness: Strictness,
) -> Result<BTreeMap<String, String>, Vec<String>> {
    let config = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), source(name, text)));
    let package = Package {
        config: config.collect(),
        ..Package::default()
    };
    let templates = compile(&package, strictness).map_err(|errors| lines(&errors))?;
    let rendered = templates.render(context).map_err(|errors| lines(&errors))?;
    let below_config = |(path, text): (String, String)| {
        let name = path.strip_prefix("config/").expect("a config file");
        (name.to_owned(), text)
    };
    Ok(rendered.files.into_iter().map(below_config).collect())
}

fn try_render(text: &str, context: Value, strictness: Strictness) -> Result<String, String> {
    match render_files(&[("t", text)], context, strictness) {
        Ok(mut files) => Ok(files.remove("t").expect("the one file")),
        Err(errors) => Err(errors.join("\n")),
    }
}

/// One template's text.
fn render(text: &str, context: Value) -> String {
    try_render(text, context, Strictness::Lenient).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Why one template does not render or parse.
fn fails(text: &str, context: Value) -> String {
    match try_render(text, context, Strictness::Lenient) {
        Ok(rendered) => panic!("{text} renders {rendered:?}"),
        Err(error) => error,
    }
}

#[test]
fn each_hook_is_on_its_own_and_config_files_can_include_each_other() {
    let package = Package {
        hooks: [
            (Hook::Run, source("run", "{{> init}}")),
            (Hook::Init, source("init", "i")),
        ]
        .into(),
        config: [
            ("a/b.conf".to_owned(), source("a/b.conf", "<{{> c.conf}}>")),
            ("c.conf".to_owned(), source("c.conf", "{{x}}")),
        ]
        .into(),
        ..Package::default()
    };
    let templates = compile(&package, Strictness::Lenient).expect("templates");
    let errors = templates
        .render(serde_json::json!({"x": 1}))
        .expect_err("no such partial");
    assert_eq!(
        lines(&errors),
        ["cannot render template: run, line 1, column 1: Partial not found init"]
    );
    let package = Package {
        hooks: BTreeMap::new(),
        ..package
    };
    let templates = compile(&package, Strictness::Lenient).expect("templates");
    let rendered = templates
        .render(serde_json::json!({"x": 1}))
        .expect("files");
    assert_eq!(rendered.files["config/a/b.conf"], "<1>");
}
