//! Owns the tests of the helpers that kubesup adds (design, section 6).

use serde_json::json;

use super::{fails, render};

#[test]
fn each_ready_passes_over_the_ready_ones_and_counts_from_zero() {
    let context = json!({"kube": {"endpoints": [
        {"name": "a", "ready": false}, {"name": "b", "ready": true}, {"name": "c", "ready": true}, {"name": "d"},
    ]}});
    let text = "{{#eachReady kube.endpoints as |e i|}}{{i}}{{@index}}{{e.name}}{{@first}}{{@last}};{{else}}none{{/eachReady}}";
    assert_eq!(render(text, context), "00btruefalse;11cfalsetrue;");
    assert_eq!(render(text, json!({"kube": {"endpoints": []}})), "none");
    assert!(
        fails("{{#eachReady x}}{{/eachReady}}", json!({"x": 5}))
            .contains("eachReady: Param type is not iterable")
    );
    assert!(
        fails(
            "{{#eachReady x}}{{/eachReady}}",
            json!({"x": [{"ready": 1}]})
        )
        .ends_with("eachReady: `ready` of an entry must be a boolean and is a number")
    );
    assert!(fails("{{#eachReady}}{{/eachReady}}", json!({})).contains("eachReady"));
}

#[test]
fn default_fills_in_for_what_is_missing_null_or_empty() {
    let context = json!({"null": null, "empty": "", "zero": 0, "no": false, "list": [], "x": "v"});
    for (value, printed) in [
        ("missing", "d"),
        ("null", "d"),
        ("empty", "d"),
        ("zero", "0"),
        ("no", "false"),
        ("list", "[]"),
        ("x", "v"),
    ] {
        assert_eq!(
            render(&format!("{{{{default \"d\" {value}}}}}"), context.clone()),
            printed,
            "{value}"
        );
    }
    assert_eq!(
        render(
            "{{#each (default l missing)}}{{this}}{{/each}}",
            json!({"l": [1, 2]})
        ),
        "12",
        "it keeps its type"
    );
    assert!(fails("{{default \"d\"}}", json!({})).ends_with("default: argument 2 is missing"));
}

#[test]
fn required_is_the_value_or_its_message() {
    assert_eq!(render("{{required \"set cfg.x\" x}}", json!({"x": 0})), "0");
    for x in [json!(null), json!("")] {
        assert_eq!(
            fails("{{required \"set cfg.x\" x}}", json!({"x": x})),
            "cannot render template: t, line 1, column 1: required: set cfg.x"
        );
    }
    assert!(
        fails("{{required \"set cfg.x\" missing}}", json!({})).ends_with("required: set cfg.x")
    );
    assert!(fails("{{required \"set cfg.x\"}}", json!({})).ends_with("required: set cfg.x"));
    assert!(
        fails("{{required 5 x}}", json!({"x": 1}))
            .ends_with("required: argument 1 must be a string and is a number")
    );
}

#[test]
fn base64_there_and_back() {
    assert_eq!(
        render("{{b64encode \"hällo?\"}}", json!({})),
        "aMOkbGxvPw=="
    );
    assert_eq!(
        render("{{b64decode x}}", json!({"x": "aMOkbGxvPw==\n"})),
        "hällo?"
    );
    assert_eq!(
        render("{{b64encode \"\"}}{{b64decode \"\"}}", json!({})),
        ""
    );
    assert!(
        fails("{{b64decode \"%%\"}}", json!({})).ends_with("b64decode: argument 1 is not base64")
    );
    assert!(
        fails("{{b64decode \"/w==\"}}", json!({}))
            .ends_with("b64decode: argument 1 holds bytes that are no text")
    );
    assert!(
        fails("{{b64decode 5}}", json!({}))
            .ends_with("b64decode: argument 1 must be a string and is a number")
    );
    assert!(
        fails("{{b64encode x}}", json!({"x": [1]}))
            .ends_with("b64encode: argument 1 must be a string and is a list")
    );
}

#[test]
fn sha256_is_in_small_hex_digits() {
    assert_eq!(
        render("{{sha256 \"abc\"}}", json!({})),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert!(
        fails("{{sha256 x}}", json!({"x": {}}))
            .ends_with("sha256: argument 1 must be a string and is a table")
    );
}

#[test]
fn indent_moves_every_line_that_is_not_empty() {
    assert_eq!(
        render("{{indent 2 x}}|", json!({"x": "a\n\n b\n"})),
        "  a\n\n   b\n|"
    );
    assert_eq!(
        render("x:\n{{indent 4 (toYaml x)}}", json!({"x": {"a": [1]}})),
        "x:\n    a:\n    - 1\n"
    );
    assert_eq!(
        render("{{indent 0 \"a\"}}{{indent 3 \"\"}}", json!({})),
        "a"
    );
    for wrong in ["-1", "1.5", "257", "\"2\"", "missing"] {
        assert!(
            fails(&format!("{{{{indent {wrong} \"a\"}}}}"), json!({}))
                .ends_with("indent: argument 1 must be a number of spaces, at most 256"),
            "{wrong}"
        );
    }
    assert!(
        fails("{{indent 2 5}}", json!({}))
            .ends_with("indent: argument 2 must be a string and is a number")
    );
    assert!(fails("{{indent 2}}", json!({})).ends_with("indent: argument 2 is missing"));
}
