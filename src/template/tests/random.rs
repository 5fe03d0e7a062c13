//! Owns the random templates over random contexts: whatever they are, there is a rendering or a list of errors, never a panic.
//! Most are well-formed, so that rendering is reached; one in six may be anything.

use handlebars::Template;
use handlebars::template::TemplateElement;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Strictness, source};
use crate::package::{Hook, Package};
use crate::template::{TemplateError, compile, nesting};

/// Each is three templates over one context: 12,000 templates.
const CASES: u32 = 4_000;

fn one_of(all: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(all).prop_map(str::to_owned)
}

/// What may stand between braces.
fn text() -> impl Strategy<Value = String> + Clone {
    one_of(&[
        "a",
        "text\n",
        "  ",
        "\n",
        "\"",
        "'",
        "{",
        "}",
        "\\{{x}}",
        "\\\\",
        "\r\n",
        "ü🎉",
        "(",
        "[",
        "key: ",
        "~",
        "@",
        "\u{0}",
        "{{! note }}",
        "{{!-- {{a}} --}}\n",
        "{{{{raw}}}}{{a}}{{{{/raw}}}}",
        "}}",
    ])
}

fn path() -> impl Strategy<Value = String> + Clone {
    one_of(&[
        "a",
        "b",
        "cfg",
        "cfg.a",
        "cfg.[odd key]",
        "cfg.a.[0]",
        "cfg.l",
        "svc.members",
        "svc.members.[0].alive",
        "this",
        "this.a",
        "../a",
        "../../cfg",
        "@root.cfg",
        "@index",
        "@key",
        "@first",
        "@last",
        "x",
        "x.a",
        "y",
        "pkg.deps",
        "[a]",
        "cfg.ü",
        "list",
        "members",
        "name",
    ])
}

fn literal() -> impl Strategy<Value = String> + Clone {
    one_of(&[
        "1",
        "-1",
        "0",
        "1.5",
        "true",
        "null",
        "\"\"",
        "\"a\"",
        "'a'",
        "\"core/acl\"",
        "\"}}\"",
        "[1, \"a\", null]",
        "{\"a\": 1}",
        "[]",
        "99999999999999999999",
        "\"\\u0041\"",
        "[[[[1]]]]",
        "\"aGk=\"",
    ])
}

/// A helper with arguments of the right number and mostly of the right kind.
fn call(
    argument: impl Strategy<Value = String> + Clone + 'static,
) -> impl Strategy<Value = String> + Clone {
    let one = argument.clone();
    let two = (argument.clone(), argument.clone()).prop_map(|(a, b)| format!("{a} {b}"));
    let some = prop::collection::vec(argument.clone(), 1..4).prop_map(|all| all.join(" "));
    let fitting = one_of(&[
        "strJoin list \",\"",
        "strReplace name \"a\" \"b\"",
        "toUppercase name",
        "toLowercase \"Ü\"",
        "b64encode name",
        "b64decode \"aGk=\"",
        "sha256 name",
        "pkgPathFor \"core/acl\"",
        "lookup list 0",
        "lookup cfg \"a\"",
        "len list",
        "indent 2 name",
        "required \"it\" name",
        "log name level=\"warn\"",
    ]);
    let named = |names| one_of(names);
    prop_oneof![
        3 => fitting,
        2 => (named(&["toJson", "toYaml", "toToml", "not", "len", "toUppercase", "sha256", "pkgPathFor", "b64decode"]), one).prop_map(|(name, arguments)| format!("{name} {arguments}")),
        2 => (named(&["eq", "ne", "gt", "lte", "lookup", "default", "required", "strJoin", "indent"]), two).prop_map(|(name, arguments)| format!("{name} {arguments}")),
        2 => (named(&["strConcat", "and", "or", "strReplace"]), some).prop_map(|(name, arguments)| format!("{name} {arguments}")),
    ]
}

fn argument() -> impl Strategy<Value = String> + Clone {
    let leaf = prop_oneof![3 => path(), 1 => literal()];
    leaf.prop_recursive(2, 6, 3, |inner| {
        call(inner.boxed()).prop_map(|call| format!("({call})"))
    })
    .boxed()
}

/// Anything.
fn wild() -> impl Strategy<Value = String> + Clone {
    let known = one_of(&[
        "{{",
        "{{{",
        "{{{{",
        "}}",
        "}}}",
        "{{#",
        "{{/",
        "{{>",
        "{{!--",
        "--}}",
        "{{~",
        "~}}",
        "{{else",
        "{{^",
        "if",
        "each",
        "eachAlive",
        " ",
        "a",
        "a[0]",
        ".",
        "..",
        "@",
        "|",
        " as |x|",
        "(",
        ")",
        "[",
        "]",
        "\"",
        "'",
        "\\",
        "\\{{",
        "{{/if}}",
        "{{#if a}}",
        "{{else if b}}",
        "{{nope 1}}",
        "{{> p}}",
        "{{> @partial-block}}",
        "{{toJson}}",
        "=",
        "{{#*inline \"p\"}}",
        "{{#eachAlive}}",
        "{{strJoin 1 2}}",
        "\u{feff}",
    ]);
    let part = prop_oneof![6 => known, 1 => any::<String>(), 1 => argument().prop_map(|argument| format!("{{{{{argument}}}}}"))];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn template(partials: &'static [&'static str]) -> impl Strategy<Value = String> {
    let value = path().prop_map(|path| format!("{{{{{path}}}}}"));
    let expression = call(argument()).prop_map(|call| format!("{{{{{call}}}}}"));
    let leaf = prop_oneof![3 => text(), 3 => value, 3 => expression, 1 => one_of(partials)];
    let orderly = leaf.prop_recursive(4, 24, 4, move |inner| {
        let body = prop::collection::vec(inner, 0..4).prop_map(|parts| parts.concat()).boxed();
        let opening = prop_oneof![
            2 => one_of(&["eachAlive members", "eachAlive svc.members", "eachReady members", "each cfg", "each list", "with a"]),
            2 => (one_of(&["if", "unless", "each", "with"]), argument()).prop_map(|(helper, argument)| format!("{helper} {argument}")),
            1 => (one_of(&["eachAlive", "eachReady"]), argument()).prop_map(|(helper, argument)| format!("{helper} {argument}")),
        ];
        let block = (opening, argument(), body.clone(), body.clone(), 0..8_usize);
        let block = block.prop_map(|(opening, argument, body, other, kind)| {
            let helper = opening.split(' ').next().unwrap_or_default();
            match kind {
            0 => format!("{{{{#{opening} as |x|}}}}{body}{{{{/{helper}}}}}"),
            1 => format!("{{{{#{opening} as |x y|}}}}{body}{{{{else}}}}{other}{{{{/{helper}}}}}"),
            2 => format!("{{{{~#{opening}~}}}}{body}{{{{~else if {argument}}}}}{other}{{{{/{helper}}}}}"),
            3 => format!("{{{{#*inline \"i\"}}}}{body}{{{{/inline}}}}{other}"),
            4 => format!("{{{{#> nowhere}}}}{body}{{{{/nowhere}}}}{other}"),
            5 => format!("\n{{{{#{opening}}}}}\n{body}\n{{{{^}}}}\n{other}\n{{{{/{helper}}}}}\n"),
            _ => format!("{{{{#{opening}}}}}{body}{{{{/{helper}}}}}{other}"),
        }});
        prop_oneof![1 => body, 2 => block].boxed()
    });
    prop_oneof![17 => orderly, 1 => wild()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        one_of(&["", "a", "p", "core/acl", "text\nlines\n", "\"q\"", "aGk="]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = one_of(&["a", "b", "l", "alive", "ready", "odd key", "ü", "id", "0"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn context() -> impl Strategy<Value = Value> {
    let members = prop::collection::vec((any::<bool>(), any::<bool>(), value()), 0..4);
    (value(), value(), members, value()).prop_map(|(a, cfg, members, odd)| {
        let members: Vec<Value> = members
            .iter()
            .map(|(alive, ready, id)| json!({"alive": alive, "ready": ready, "id": id}))
            .collect();
        let deps = json!([{"origin": "core", "name": "acl", "version": "1", "release": "2"}]);
        let mut context = Map::new();
        context.insert("a".to_owned(), a);
        context.insert("b".to_owned(), odd);
        context.insert("cfg".to_owned(), cfg);
        context.insert("members".to_owned(), members.clone().into());
        context.insert("svc".to_owned(), json!({"members": members}));
        context.insert("pkg".to_owned(), json!({"deps": deps}));
        context.insert("list".to_owned(), json!(["a", 1, null]));
        context.insert("name".to_owned(), json!("name-1"));
        Value::Object(context)
    })
}

/// Nothing that the engine did wrong.
fn no_panic(errors: &[TemplateError]) {
    let panic = errors
        .iter()
        .find(|error| matches!(error, TemplateError::Panic { .. }));
    assert_eq!(panic, None);
    assert!(!errors.is_empty());
}

/// How deep the blocks of a template nest, as the engine has parsed it.
fn depth(template: &Template) -> usize {
    let of = |element: &TemplateElement| match element {
        TemplateElement::HelperBlock(helper) => {
            let parts = helper.template.iter().chain(&helper.inverse);
            1 + parts.map(depth).max().unwrap_or_default()
        }
        TemplateElement::PartialBlock(block) | TemplateElement::DecoratorBlock(block) => {
            1 + block.template.as_ref().map(depth).unwrap_or_default()
        }
        _ => 0,
    };
    template.elements.iter().map(of).max().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_templates_are_there_are_all_files_or_a_list_of_errors(
        run in template(&["{{> i}}", "{{> @partial-block}}", ""]),
        p in template(&["{{> q}}", "  {{> q cfg a=1}}\n", "{{~> q~}}", "{{#> q}}b{{/q}}"]),
        q in template(&["", "{{#> @partial-block}}none{{/@partial-block}}"]),
        context in context(),
        strict in prop::bool::weighted(0.2),
    ) {
        let package = Package {
            hooks: [(Hook::Run, source("run", &run))].into(),
            config: [("p".to_owned(), source("p", &p)), ("q".to_owned(), source("q", &q))].into(),
            ..Package::default()
        };
        let strictness = if strict { Strictness::Strict } else { Strictness::Lenient };
        match compile(&package, strictness) {
            Err(errors) => no_panic(&errors),
            Ok(templates) => {
                let rendered = templates.render(context.clone());
                match &rendered {
                    Ok(rendered) => prop_assert_eq!(rendered.files.len(), 3),
                    Err(errors) => no_panic(errors),
                }
                prop_assert_eq!(templates.render(context), rendered, "the same again");
            }
        }
    }

    #[test]
    fn no_block_is_hidden_from_the_bound_on_nesting(text in prop_oneof![wild(), template(&["{{!-- {{/if}} --}}", "\\{{/if}}", "{{strConcat \"{{/if}}\"}}"])]) {
        if let Ok(template) = Template::compile(&text)
            && let Some(less) = depth(&template).checked_sub(1)
        {
            prop_assert!(nesting::within(&text, less).is_err(), "{text:?}");
        }
    }
}
