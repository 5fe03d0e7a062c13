//! Owns the question whether partials include each other without end. Never renders.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use handlebars::template::{DecoratorTemplate, HelperTemplate, Parameter, TemplateElement};
use handlebars::{Path, Template};

/// What each template or inline partial includes; a computed name includes everything.
#[derive(Debug, Default)]
struct Graph {
    includes: BTreeMap<String, BTreeSet<String>>,
    computed: BTreeSet<String>,
}

/// The name of a template that includes itself through others, if there is one.
pub(super) fn circle(templates: &HashMap<String, Template>) -> Option<String> {
    let mut graph = Graph::default();
    for (name, template) in templates {
        graph.includes.entry(name.clone()).or_default();
        graph.walk(name, template);
    }
    let names: BTreeSet<&String> = graph.includes.keys().collect();
    // Kahn's algorithm: take away what includes nothing that is left; what remains is in, or leads to, a circle.
    let mut left: BTreeSet<&String> = names;
    loop {
        let ends: Vec<&String> = left
            .iter()
            .copied()
            .filter(|name| graph.is_end(name, &left))
            .collect();
        if ends.is_empty() {
            return left.into_iter().next().cloned();
        }
        for end in ends {
            left.remove(end);
        }
    }
}

impl Graph {
    fn is_end(&self, name: &String, left: &BTreeSet<&String>) -> bool {
        let includes = self.includes.get(name);
        !self.computed.contains(name)
            && includes.is_none_or(|includes| includes.iter().all(|other| !left.contains(other)))
    }

    fn walk(&mut self, owner: &str, template: &Template) {
        for element in &template.elements {
            match element {
                TemplateElement::HelperBlock(helper) => self.walk_block(owner, helper),
                TemplateElement::PartialExpression(partial)
                | TemplateElement::PartialBlock(partial) => self.include(owner, partial),
                TemplateElement::DecoratorBlock(inline) => {
                    let name = inline
                        .params
                        .first()
                        .and_then(literal)
                        .unwrap_or_else(|| owner.to_owned());
                    self.includes.entry(name.clone()).or_default();
                    if let Some(body) = &inline.template {
                        self.walk(&name, body);
                    }
                }
                _ => {}
            }
        }
    }

    fn walk_block(&mut self, owner: &str, helper: &HelperTemplate) {
        for template in helper.template.iter().chain(&helper.inverse) {
            self.walk(owner, template);
        }
    }

    fn include(&mut self, owner: &str, partial: &DecoratorTemplate) {
        match &partial.name {
            Parameter::Name(name) => self.add(owner, name),
            Parameter::Path(Path::Relative((_, name)) | Path::Local((_, _, name))) => {
                self.add(owner, name);
            }
            Parameter::Literal(name) => self.add(owner, name.as_str().unwrap_or_default()),
            Parameter::Subexpression(_) => {
                self.computed.insert(owner.to_owned());
            }
            _ => {}
        }
        if let Some(body) = &partial.template {
            self.walk(owner, body);
        }
    }

    fn add(&mut self, owner: &str, name: &str) {
        self.includes
            .entry(owner.to_owned())
            .or_default()
            .insert(name.to_owned());
    }
}

fn literal(parameter: &Parameter) -> Option<String> {
    match parameter {
        Parameter::Literal(value) => value.as_str().map(ToOwned::to_owned),
        Parameter::Name(name) => Some(name.clone()),
        _ => None,
    }
}
