//! Owns the tests of templates that are refused, each with the message that an operator sees.

use serde_json::json;

use super::{Strictness, fails, lines, render_files, source};
use crate::package::{Hook, Package};

#[test]
fn a_template_that_does_not_parse_is_named_with_line_and_column() {
    for (text, place) in [
        ("fine\n{{#if a}}", "line 2"),
        ("{{/if}}", "line 1, column 3"),
        ("{{", "line 1, column 3"),
        ("a\nb {{}}", "line 2, column 5"),
        ("{{#if a}}{{/each}}", "line 1"),
        ("{{a \"}}", "line 1"),
        ("{{.}}", "line 1, column 3"),
    ] {
        let error = fails(text, json!({}));
        assert!(
            error.starts_with(&format!("cannot parse template: t, {place}")),
            "{text:?}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn every_broken_file_is_listed() {
    let files = [
        ("a", "{{#if}}"),
        ("b", "{{toUppercase 1}}"),
        ("c", "{{"),
        ("d", "fine"),
    ];
    let errors = render_files(&files, json!({}), Strictness::Lenient).expect_err("errors");
    assert_eq!(errors.len(), 2, "what does not parse first: {errors:#?}");
    let files = [
        ("a", "{{toUppercase 1}}"),
        ("b", "fine"),
        ("c", "\n {{nope 1}}"),
    ];
    let errors = render_files(&files, json!({}), Strictness::Lenient).expect_err("errors");
    assert_eq!(
        errors,
        [
            "cannot render template: a, line 1, column 1: toUppercase: argument 1 must be a string and is a number",
            "cannot render template: c, line 2, column 2: Helper not found nope",
        ]
    );
}

#[test]
fn an_error_in_a_partial_is_placed_in_the_partial() {
    let files = [("a", "{{> b}}"), ("b", "\n\n{{#if true}}{{nope 1}}{{/if}}")];
    let errors = render_files(&files, json!({}), Strictness::Lenient).expect_err("errors");
    let error = "cannot render template: b, line 3, column 13: Helper not found nope";
    assert_eq!(errors, [error, error]);
}

#[test]
fn partials_in_a_circle_are_refused() {
    let files = [
        ("a", "{{> b}}"),
        ("b", "{{#if x}}{{> a}}{{/if}}"),
        ("c", "fine"),
    ];
    let errors = render_files(&files, json!({}), Strictness::Lenient).expect_err("errors");
    assert_eq!(
        errors,
        [
            "cannot use template: a: its partials include each other in a circle, or by a computed name; name them plainly and break the circle"
        ]
    );
}

#[test]
fn a_hook_that_includes_itself_is_refused() {
    for text in ["{{> run}}", "{{#*inline \"a\"}}{{> a}}{{/inline}}{{> a}}"] {
        let package = Package {
            hooks: [(Hook::Run, source("run", text))].into(),
            ..Package::default()
        };
        let errors = super::compile(&package, Strictness::Lenient).expect_err("errors");
        let errors = lines(&errors);
        assert!(
            errors.len() == 1 && errors[0].contains("in a circle"),
            "{errors:#?}"
        );
    }
}

#[test]
fn a_chain_of_partials_that_nests_too_deep_is_refused() {
    let names: Vec<String> = (0..300).map(|number| format!("f{number:03}")).collect();
    let text = |number: usize| format!("{{{{> f{:03}}}}}", number + 1);
    let texts: Vec<String> = (0..300)
        .map(|number| {
            if number == 299 {
                "end".to_owned()
            } else {
                text(number)
            }
        })
        .collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(texts.iter().map(String::as_str))
        .collect();
    let errors = render_files(&files, json!({}), Strictness::Lenient).expect_err("errors");
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].ends_with("it and its partials nest more than 200 deep; flatten them"),
        "{errors:#?}"
    );
    assert!(render_files(&files[200..], json!({}), Strictness::Lenient).is_ok());
}

#[test]
fn a_template_nested_ten_thousand_deep_is_refused_and_at_the_bound_renders() {
    let nested = |count: usize| {
        format!(
            "\n{}x{}",
            "{{#if a}}".repeat(count),
            "{{/if}}".repeat(count)
        )
    };
    assert_eq!(
        fails(&nested(10_000), json!({})),
        "cannot parse template: t, line 2: nested more than 200 deep; flatten it"
    );
    assert_eq!(super::render(&nested(200), json!({"a": true})), "\nx");
    let parameter = |count: usize| {
        format!(
            "{{{{len {}\"\"{}}}}}",
            "(strConcat ".repeat(count),
            ")".repeat(count)
        )
    };
    assert_eq!(super::render(&parameter(200), json!({})), "0");
    assert!(fails(&parameter(10_000), json!({})).contains("nested more than 200 deep"));
    let list = |count: usize| format!("{{{{len {}1{}}}}}", "[".repeat(count), "]".repeat(count));
    assert_eq!(super::render(&list(100), json!({})), "1");
    assert!(fails(&list(200), json!({})).starts_with("cannot parse template: t"));
    assert!(fails(&list(10_000), json!({})).contains("nested more than 200 deep"));
}

#[test]
fn partials_that_multiply_end_before_memory_does() {
    let leaf = "0123456789abcdef".repeat(4096);
    let tens: Vec<String> = (0..12)
        .map(|number| format!("{{{{> p{:02}}}}}", number + 1).repeat(10))
        .collect();
    let names: Vec<String> = (0..13).map(|number| format!("p{number:02}")).collect();
    let texts = tens.iter().chain([&leaf]).map(String::as_str);
    let files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts).collect();
    let errors = render_files(&files, json!({}), Strictness::Lenient).expect_err("errors");
    assert_eq!(
        errors[0],
        "cannot render template: p00: it grows beyond 64 MiB; include its partials less often"
    );
    assert!(render_files(&files[10..], json!({}), Strictness::Lenient).is_ok());
}

#[test]
fn an_error_shows_no_value() {
    let secret = json!({"cfg": {"password": "hunter2", "list": ["hunter2"]}});
    for text in [
        "{{strJoin cfg.password 5}}",
        "{{#eachAlive cfg.password}}{{/eachAlive}}",
        "{{b64decode cfg.password}}",
        "{{pkgPathFor cfg.password}}",
        "{{indent cfg.password \"\"}}",
        "{{toUppercase cfg.list}}",
        "{{gt cfg.password}}",
    ] {
        let error = fails(text, secret.clone());
        assert!(!error.contains("hunter2"), "{error}");
    }
}
