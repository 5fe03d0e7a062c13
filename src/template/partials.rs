//! Owns the question whether partials include each other without end, or so deep that a stack could overflow. Never renders.

use std::collections::{BTreeMap, HashMap};

use handlebars::template::{DecoratorTemplate, Parameter, TemplateElement};
use handlebars::{Path, Template};

use super::nesting::LIMIT;

/// Why templates cannot be rendered with a bounded stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// This one includes itself through others, or by a name that is known only when it is rendered.
    Circle(String),
    /// This one and what it includes nest deeper than the bound.
    Deep(String),
}

/// A template or an inline partial. Two of one name count as one that does what both do.
#[derive(Debug, Default)]
struct Node {
    /// What it includes, and how many blocks are around that.
    includes: Vec<(String, usize)>,
    /// How deep its own blocks nest.
    deepest: usize,
    /// It includes, or defines, a partial whose name is known only when it is rendered.
    computed: bool,
}

/// The first trouble with these templates, if there is any.
pub(super) fn trouble(templates: &HashMap<String, Template>) -> Option<Trouble> {
    let mut left: BTreeMap<String, Node> = BTreeMap::new();
    for (name, template) in templates {
        walk(&mut left, name, template, 0);
    }
    // Kahn's algorithm: take away what includes nothing that is left; what remains is in, or leads to, a circle.
    let mut depths: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let is_end = |node: &Node| {
            !node.computed
                && node
                    .includes
                    .iter()
                    .all(|(name, _)| !left.contains_key(name))
        };
        let ends: Vec<String> = left
            .iter()
            .filter(|(_, node)| is_end(node))
            .map(|(name, _)| name.clone())
            .collect();
        if ends.is_empty() {
            return left.into_keys().next().map(Trouble::Circle);
        }
        for name in ends {
            let Some(node) = left.remove(&name) else {
                continue;
            };
            let below =
                |(name, around): &(String, usize)| around + 1 + depths.get(name).unwrap_or(&0);
            let depth = node
                .includes
                .iter()
                .map(below)
                .fold(node.deepest, usize::max);
            if depth > LIMIT {
                return Some(Trouble::Deep(name));
            }
            depths.insert(name, depth);
        }
    }
}

/// Notes what `template`, which is or is in `owner`, includes; `around` blocks are around it.
fn walk(nodes: &mut BTreeMap<String, Node>, owner: &str, template: &Template, around: usize) {
    let node = nodes.entry(owner.to_owned()).or_default();
    node.deepest = node.deepest.max(around);
    for element in &template.elements {
        match element {
            TemplateElement::HelperBlock(helper) => {
                for template in helper.template.iter().chain(&helper.inverse) {
                    walk(nodes, owner, template, around + 1);
                }
            }
            TemplateElement::PartialExpression(partial)
            | TemplateElement::PartialBlock(partial) => {
                let node = nodes.entry(owner.to_owned()).or_default();
                match partial_name(partial) {
                    Some(name) => node.includes.push((name.to_owned(), around)),
                    None => node.computed = true,
                }
                if let Some(body) = &partial.template {
                    walk(nodes, owner, body, around + 1);
                }
            }
            TemplateElement::DecoratorBlock(inline) => {
                let name = match inline.params.first() {
                    Some(Parameter::Literal(name)) => name.as_str(),
                    _ => None,
                };
                match (name, &inline.template) {
                    (Some(name), Some(body)) => walk(nodes, name, body, 0),
                    _ => nodes.entry(owner.to_owned()).or_default().computed = true,
                }
            }
            _ => {}
        }
    }
}

/// The name as the engine looks it up, when it does not have to be computed.
fn partial_name(partial: &DecoratorTemplate) -> Option<&str> {
    match &partial.name {
        Parameter::Name(name) => Some(name),
        Parameter::Path(Path::Relative((_, raw)) | Path::Local((_, _, raw))) => Some(raw),
        Parameter::Literal(name) => name.as_str(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(templates: &[(&str, &str)]) -> Option<Trouble> {
        let compile = |(name, text): &(&str, &str)| {
            (
                (*name).to_owned(),
                Template::compile(text).expect("a template"),
            )
        };
        trouble(&templates.iter().map(compile).collect())
    }

    #[test]
    fn circles_are_found_however_they_are_made() {
        for templates in [
            &[("a", "{{> a}}")][..],
            &[("a", "{{> b}}"), ("b", "{{#if x}}{{else}}{{> a}}{{/if}}")],
            &[("a", "{{> 'b c'}}"), ("'b c'", "{{> a}}")],
            &[
                ("a", "{{> d/b.conf}}"),
                ("d/b.conf", "{{#> c}}{{> a}}{{/c}}"),
            ],
            &[("a", "{{#*inline \"b\"}}{{> b}}{{/inline}}")],
            &[("a", "{{#*inline \"b\"}}{{> a}}{{/inline}}{{> b}}")],
            &[("a", "{{#*inline x}}{{/inline}}")],
            &[("a", "{{> (lookup this \"x\")}}")],
        ] {
            assert!(
                matches!(of(templates), Some(Trouble::Circle(_))),
                "{templates:?}"
            );
        }
    }

    #[test]
    fn including_one_partial_often_is_no_circle() {
        let templates = [
            ("a", "{{> b}}{{> b}}{{> c}}{{> nowhere}}{{#> b}}{{/b}}"),
            ("b", "{{> c}}{{> @partial-block}}"),
            ("c", "{{#*inline \"d\"}}{{/inline}}{{> d}}"),
        ];
        assert_eq!(of(&templates), None);
    }

    #[test]
    fn blocks_of_partials_count_together() {
        let deep = |count: usize| {
            format!(
                "{}{{{{> b}}}}{}",
                "{{#if x}}".repeat(count),
                "{{/if}}".repeat(count)
            )
        };
        let of =
            |a: usize, b: usize| of(&[("a", &deep(a)), ("b", &deep(b).replace("{{> b}}", ""))]);
        assert_eq!(of(LIMIT - 100, 99), None);
        assert_eq!(of(LIMIT - 100, 100), Some(Trouble::Deep("a".to_owned())));
    }
}
