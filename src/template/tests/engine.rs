//! Owns the tests of the contract's section 3.2: what the engine does with values, blocks, paths and white space.

use serde_json::json;

use super::{Strictness, fails, render, render_files, try_render};

#[test]
fn nothing_is_escaped() {
    let context = json!({"x": "<a href=\"b\">&'`=</a>"});
    assert_eq!(
        render("{{x}}{{{x}}}{{&x}}", context),
        "<a href=\"b\">&'`=</a>".repeat(3)
    );
}

#[test]
fn values_print_as_in_habitat() {
    let context = json!({
        "null": null, "yes": true, "no": false, "int": -5, "float": 1.0, "big": 18_446_744_073_709_551_615_u64,
        "exp": 1e300, "list": ["a", 1, null, [true, {"k": 1}], "\"q\""], "empty": [], "table": {"a": 1}, "text": "a\n b",
    });
    for (name, printed) in [
        ("missing", ""),
        ("missing.deeper", ""),
        ("int.deeper", ""),
        ("null", ""),
        ("yes", "true"),
        ("no", "false"),
        ("int", "-5"),
        ("float", "1.0"),
        ("big", "18446744073709551615"),
        ("exp", "1e+300"),
        ("list", "[a, 1, , [true, [object]], \"q\"]"),
        ("empty", "[]"),
        ("table", "[object]"),
        ("text", "a\n b"),
    ] {
        assert_eq!(
            render(&format!("{{{{{name}}}}}"), context.clone()),
            printed,
            "{name}"
        );
    }
}

#[test]
fn what_is_true_and_what_is_false() {
    let of = |value: &serde_json::Value, text: &str| render(text, json!({"x": value}));
    for value in [
        json!(true),
        json!("a"),
        json!("false"),
        json!([0]),
        json!({"a": 0}),
        json!(1),
        json!(-0.5),
    ] {
        assert_eq!(
            of(
                &value,
                "{{#if x}}t{{else}}f{{/if}}{{#unless x}}t{{else}}f{{/unless}}{{#with x}}t{{else}}f{{/with}}"
            ),
            "tft",
            "{value}"
        );
    }
    for value in [
        json!(false),
        json!(null),
        json!(""),
        json!([]),
        json!({}),
        json!(0),
        json!(0.0),
        json!(1e-310),
    ] {
        assert_eq!(
            of(
                &value,
                "{{#if x}}t{{else}}f{{/if}}{{#unless x}}t{{else}}f{{/unless}}{{#with x}}t{{else}}f{{/with}}"
            ),
            "ftf",
            "{value}"
        );
    }
    assert_eq!(
        of(&json!(0), "{{#if x includeZero=true}}t{{else}}f{{/if}}"),
        "t"
    );
    assert_eq!(render("{{#if missing}}t{{else}}f{{/if}}", json!({})), "f");
}

#[test]
fn chains_of_else_if() {
    let text = "{{#if a}}a{{else if b}}b{{else unless c}}not c{{^}}c{{/if}}";
    assert_eq!(render(text, json!({"a": 1})), "a");
    assert_eq!(render(text, json!({"b": 1})), "b");
    assert_eq!(render(text, json!({})), "not c");
    assert_eq!(render(text, json!({"c": 1})), "c");
}

#[test]
fn unknown_helpers_blocks_and_partials_are_errors() {
    assert_eq!(
        fails("a\n{{nope 1}}", json!({})),
        "cannot render template: t, line 2, column 1: Helper not found nope"
    );
    assert_eq!(
        fails("{{#foo}}x{{/foo}}", json!({"foo": true})),
        "cannot render template: t, line 1, column 1: Helper not found foo"
    );
    assert_eq!(
        fails("{{len (nope 1)}}", json!({})),
        "cannot render template: t, line 1, column 1: Helper not found nope"
    );
    assert_eq!(
        fails("{{> nope}}", json!({})),
        "cannot render template: t, line 1, column 1: Partial not found nope"
    );
    assert_eq!(
        render("{{nope}}", json!({})),
        "",
        "without an argument it is a path"
    );
}

#[test]
fn built_in_helpers() {
    let context = json!({"a": 1, "b": 2, "l": ["x", "y"], "o": {"k": "v"}, "s": "x", "t": true});
    for (text, printed) in [
        (
            "{{#if (eq a 1)}}y{{/if}}{{#if (ne a b)}}y{{/if}}{{#if (gt b a)}}y{{/if}}{{#if (gte a 1)}}y{{/if}}",
            "yyyy",
        ),
        (
            "{{#if (lt a b)}}y{{/if}}{{#if (lte a 1)}}y{{/if}}{{#if (and t a)}}y{{/if}}{{#if (or missing t)}}y{{/if}}",
            "yyyy",
        ),
        (
            "{{#if (not t)}}y{{else}}n{{/if}} {{len l}}{{len o}}{{len s}}",
            "n 211",
        ),
        (
            "{{lookup l 1}}{{lookup o \"k\"}}[{{lookup l 7}}{{lookup o \"n\"}}{{lookup s 0}}]",
            "yv[]",
        ),
        (
            "{{{{raw}}}}{{a}} \\{{ {{/if}}{{{{/raw}}}}",
            "{{a}} {{ {{/if}}",
        ),
        ("[{{log \"to nobody\" level=\"info\"}}]", "[]"),
    ] {
        assert_eq!(render(text, context.clone()), printed, "{text}");
    }
}

#[test]
fn each_over_a_list_counts_from_zero() {
    let context = json!({"l": ["a", "b", "c"], "name": "n"});
    assert_eq!(
        render(
            "{{#each l}}{{@index}}{{this}}{{@first}}{{@last}}{{../name}};{{/each}}",
            context.clone()
        ),
        "0atruefalsen;1bfalsefalsen;2cfalsetruen;"
    );
    assert_eq!(
        render(
            "{{#each l as |v|}}{{v}}{{/each}}{{#each l as |v i|}}{{i}}{{v}}{{/each}}",
            context.clone()
        ),
        "abc0a1b2c"
    );
    assert_eq!(
        render(
            "{{#each l as |v i|}}{{#unless @first}}, {{/unless}}{{v}}{{/each}}",
            context
        ),
        "a, b, c"
    );
}

#[test]
fn each_over_a_table_keeps_the_order_of_keys() {
    let context = json!({"o": {"z": 1, "a": 2, "m-n": 3}});
    assert_eq!(
        render(
            "{{#each o}}{{@key}}={{this}}{{@index}}{{@first}}{{@last}};{{/each}}",
            context.clone()
        ),
        "z=10truefalse;a=21falsefalse;m-n=32falsetrue;"
    );
    assert_eq!(
        render("{{#each o as |v k|}}{{k}}={{v}};{{/each}}", context),
        "z=1;a=2;m-n=3;"
    );
}

#[test]
fn each_over_nothing_is_the_else_block_or_nothing() {
    for nothing in [json!(null), json!("text"), json!(5), json!([]), json!({})] {
        assert_eq!(
            render(
                "{{#each x}}x{{else}}none{{/each}}{{#each x}}x{{/each}}",
                json!({"x": nothing})
            ),
            "none"
        );
    }
    assert_eq!(
        render("{{#each x}}x{{else}}none{{/each}}", json!({})),
        "none"
    );
}

#[test]
fn with_and_paths_upwards() {
    let context = json!({"cfg": {"a": {"b": "c", "l": [1]}}, "top": "t"});
    assert_eq!(
        render(
            "{{#with cfg.a}}{{b}}{{../top}}{{@root.top}}{{this.b}}{{./b}}{{/with}}",
            context.clone()
        ),
        "ctttcc".replacen("ttt", "tt", 1)
    );
    assert_eq!(
        render(
            "{{#with cfg.a as |x|}}{{x.b}}{{#each x.l}}{{../b}}{{@root.top}}{{/each}}{{/with}}",
            context
        ),
        "cct"
    );
}

#[test]
fn odd_keys_need_brackets_and_dashes_do_not() {
    let context = json!({"cfg": {"data-dir": "d", "a b": "s", "1": "one", "x.y": "dot", "l": ["p", "q"], "ü": "u", "$id": "i", "ns:k": "n"}});
    for (text, printed) in [
        ("{{cfg.data-dir}}", "d"),
        ("{{cfg.[a b]}}", "s"),
        ("{{cfg.[data-dir]}}", "d"),
        ("{{cfg.1}}{{cfg.[1]}}", "oneone"),
        ("{{cfg.[x.y]}}", "dot"),
        ("{{cfg.l.[0]}}{{cfg.l.1}}{{cfg.l.[9]}}", "pq"),
        ("{{cfg/data-dir}}", "d"),
        ("{{cfg.ü}}", "u"),
        ("{{cfg.$id}}", "i"),
        ("{{cfg.ns:k}}", "n"),
        ("{{#each cfg.[l]}}{{this}}{{/each}}", "pq"),
        ("{{toUppercase cfg.[a b]}}", "S"),
    ] {
        assert_eq!(render(text, context.clone()), printed, "{text}");
    }
}

#[test]
fn the_old_path_syntax_is_named_with_what_to_write_and_then_fails() {
    assert_eq!(
        fails("\n{{#if a}}{{a.list[0]}}{{/if}}", json!({}))
            .lines()
            .collect::<Vec<_>>(),
        [
            "t, line 2: {{a.list[0]}} is the old path syntax; write {{a.list.[0]}}",
            "cannot parse template: t, line 2, column 18: invalid handlebars syntax: expected trailing_tilde_to_omit_whitespace",
        ]
    );
    assert_eq!(
        fails("{{a[b][c]}}", json!({"a": {"b": 1}}))
            .lines()
            .collect::<Vec<_>>(),
        [
            "t, line 1: {{a[b][c]}} is the old path syntax; write {{a.[b].[c]}}",
            "cannot render template: t, line 1, column 1: Helper not found a",
        ]
    );
}

#[test]
fn the_old_path_syntax_where_nothing_goes_is_a_warning() {
    let package = super::Package {
        config: [(
            "t".to_owned(),
            super::source(
                "t",
                "{{#if no}}{{a[b]}}{{/if}}\n{{strConcat \"a[b]\" c.[d]}}",
            ),
        )]
        .into(),
        ..super::Package::default()
    };
    let templates = super::compile(&package, Strictness::Lenient).expect("templates");
    assert_eq!(
        templates.warnings(),
        ["t, line 1: {{a[b]}} is the old path syntax; write {{a.[b]}}"]
    );
    assert!(templates.render(json!({})).is_ok());
}

#[test]
fn white_space_around_blocks_and_tildes() {
    let context = json!({"l": [1, 2], "x": "v"});
    for (text, printed) in [
        ("a\n{{#if x}}\nb\n{{/if}}\nc\n", "a\nb\nc\n"),
        (
            "a\n  {{#if x}}\n  b\n  {{else}}\n  d\n  {{/if}}\nc\n",
            "a\n  b\nc\n",
        ),
        ("{{#each l}}\n- {{this}}\n{{/each}}\n", "- 1\n- 2\n"),
        ("a {{~x~}} b", "avb"),
        ("a\n{{~#if x~}}\n b \n{{~/if~}}\nc", "abc"),
        (
            "{{#each l}}{{this}}{{#unless @last}},{{/unless}}{{/each}}",
            "1,2",
        ),
        (
            "a\n{{! a comment }}\nb\n{{!-- {{another}} --}}\nc",
            "a\nb\nc",
        ),
        ("a {{!-- inline --}} b", "a  b"),
        ("\\{{x}} \\\\{{x}}", "{{x}} \\v"),
        ("a\r\n{{#if x}}\r\nb\r\n{{/if}}\r\n", "a\r\nb\r\n"),
    ] {
        assert_eq!(render(text, context.clone()), printed, "{text:?}");
    }
}

#[test]
fn partials_inherit_the_context_take_arguments_and_are_indented() {
    let files = [
        (
            "main",
            "s:\n  {{> part k=\"v\"}}\n{{> sub/other cfg}}{{#> frame}}body{{/frame}}",
        ),
        ("part", "{{k}}\n{{cfg.a}}\n"),
        ("sub/other", "<{{a}}>"),
        ("frame", "[{{> @partial-block}}]"),
    ];
    let context = json!({"cfg": {"a": 1}});
    let error = render_files(&files, context.clone(), Strictness::Lenient)
        .expect_err("a frame has no block of its own");
    assert_eq!(
        error,
        ["cannot render template: frame, line 1, column 2: Partial block cound not be found"]
    );
    let framed = [
        ("main", files[0].1),
        files[1],
        files[2],
        ("frame", "[{{#> @partial-block}}default{{/@partial-block}}]"),
    ];
    let rendered = render_files(&framed, context, Strictness::Lenient).expect("files");
    assert_eq!(rendered["main"], "s:\n  v\n  1\n<1>[body]");
    assert_eq!(rendered["frame"], "[default]");
}

#[test]
fn a_missing_value_is_an_error_where_values_must_be_there() {
    let strict = |text: &str| {
        try_render(
            text,
            json!({"x": "v", "n": null, "l": []}),
            Strictness::Strict,
        )
    };
    for (text, printed) in [
        ("{{x}}{{n}}", "v"),
        ("{{#if missing}}a{{else}}b{{/if}}", "b"),
        (
            "{{#each missing}}a{{else}}b{{/each}}{{#eachAlive missing}}a{{else}}b{{/eachAlive}}{{#eachAlive l}}a{{/eachAlive}}",
            "bb",
        ),
        (
            "{{default \"d\" missing}}{{toUppercase (default \"d\" missing)}}",
            "dD",
        ),
        ("{{toJson n}}", "null"),
    ] {
        assert_eq!(strict(text).as_deref(), Ok(printed), "{text}");
    }
    for text in [
        "{{missing}}",
        "{{x.deeper}}",
        "{{toJson missing}}",
        "{{strConcat \"a\" missing}}",
        "{{toUppercase missing}}",
        "{{#each missing}}a{{/each}}",
        "{{#eachAlive missing}}a{{/eachAlive}}",
        "{{#with missing}}a{{/with}}",
        "{{lookup l 0}}",
    ] {
        let error = strict(text).expect_err(text);
        assert!(error.starts_with("cannot render template: t, line 1, column 1: Failed to access variable in strict mode"), "{text}: {error}");
    }
}

#[test]
fn a_bind_or_a_leader_that_is_not_there_is_false() {
    let text = "{{#if bind.foo}}bound{{else}}unbound{{/if}} {{#if bind.foo.leader}}{{bind.foo.leader.member_id}}{{else}}NO LEADER{{/if}}";
    assert_eq!(render(text, json!({"bind": {}})), "unbound NO LEADER");
    let bind = |leader| json!({"bind": {"foo": {"first": null, "leader": leader, "members": []}}});
    assert_eq!(render(text, bind(json!(null))), "bound NO LEADER");
    assert_eq!(render(text, bind(json!({"member_id": "ab"}))), "bound ab");
    assert_eq!(
        render("[{{bind.foo.first.sys.ip}}]", bind(json!(null))),
        "[]"
    );
}
