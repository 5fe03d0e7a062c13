//! Owns the tests of the contract's section 3.3: Habitat's helpers, each vector, each oddity, each wrong argument.

use serde_json::json;

use super::{fails, render};

fn members() -> serde_json::Value {
    json!({"svc": {"members": [
        {"id": "a", "alive": true}, {"id": "b", "alive": false}, {"id": "c", "alive": true},
    ]}})
}

#[test]
fn each_alive_passes_over_the_alive_ones_only() {
    let text = "{{#eachAlive svc.members as |m|}}{{m.id}} {{@first}} {{@last}};{{/eachAlive}}";
    assert_eq!(render(text, members()), "a true false;c false true;");
}

#[test]
fn each_alive_counts_from_one_among_the_alive_ones() {
    let text = "{{#eachAlive svc.members as |m i|}}{{m.id}}{{i}}{{@index}} {{/eachAlive}}";
    assert_eq!(render(text, members()), "a11 c22 ");
    let text =
        "{{#eachAlive svc.members}}{{id}}{{this.id}}{{../svc.members.[1].id}} {{/eachAlive}}";
    assert_eq!(render(text, members()), "aab ccb ");
}

#[test]
fn each_alive_passes_over_members_without_the_key() {
    let text = "{{#eachAlive svc.members}}x{{/eachAlive}}";
    assert_eq!(render(text, json!({"svc": {"members": [{"id": "a"}]}})), "");
    assert_eq!(
        render(
            text,
            json!({"svc": {"members": ["a", 1, null, {"alive": true}]}})
        ),
        "x"
    );
}

#[test]
fn each_alive_of_nothing_is_the_else_block() {
    let text = "{{#eachAlive nothing}}x{{else}}none{{/eachAlive}}";
    for nothing in [
        json!({}),
        json!({"nothing": []}),
        json!({"nothing": {}}),
        json!({"nothing": 0}),
        json!({"nothing": ""}),
    ] {
        assert_eq!(render(text, nothing), "none");
    }
    assert_eq!(
        render("{{#eachAlive nothing}}x{{/eachAlive}}", json!({})),
        ""
    );
    let dead = json!({"nothing": [{"alive": false}]});
    assert_eq!(render(text, dead), "", "a list of dead ones is not nothing");
}

#[test]
fn each_alive_is_each_with_if_alive() {
    let alive = "{{#eachAlive svc.members as |m|}}\nID: {{m.id}}\n{{/eachAlive}}\n";
    let each = "{{#each svc.members as |m|}}\n{{#if m.alive}}\nID: {{m.id}}\n{{/if}}\n{{/each}}\n";
    assert_eq!(render(alive, members()), render(each, members()));
    assert_eq!(render(alive, members()), "ID: a\nID: c\n");
}

#[test]
fn each_alive_of_an_alive_table_passes_over_its_keys() {
    let member = json!({"m": {"alive": true, "id": "a"}});
    assert_eq!(
        render(
            "{{#eachAlive m}}{{@key}}={{this}} {{@first}} [{{@last}}{{@index}}];{{/eachAlive}}",
            member.clone()
        ),
        "alive=true true [];id=a false [];"
    );
    assert_eq!(
        render(
            "{{#eachAlive m as |v k|}}{{k}}={{v}};{{/eachAlive}}",
            member
        ),
        "alive=true;id=a;"
    );
    let text = "{{#eachAlive m}}x{{else}}y{{/eachAlive}}";
    assert_eq!(render(text, json!({"m": {"alive": false}})), "");
    assert_eq!(render(text, json!({"m": {"id": "a"}})), "");
}

#[test]
fn each_alive_works_on_computed_values_and_nests() {
    assert_eq!(
        render(
            "{{#eachAlive (lookup svc \"members\") as |m i|}}{{i}}{{m.id}}{{id}}{{/eachAlive}}",
            members()
        ),
        "1aa2cc"
    );
    let text = "{{#eachAlive svc.members as |a|}}{{#eachAlive ../svc.members as |b|}}{{a.id}}{{b.id}}{{@../index}} {{/eachAlive}}{{/eachAlive}}";
    assert_eq!(render(text, members()), "aa1 ac1 ca2 cc2 ");
}

#[test]
fn each_alive_refuses_what_it_cannot_pass_over() {
    assert_eq!(
        fails("{{#eachAlive x}}{{/eachAlive}}", json!({"x": "text"})),
        "cannot render template: t, line 1, column 1: eachAlive: Param type is not iterable. Argument 1 must be a list or a table and is a string"
    );
    assert_eq!(
        fails("\n {{#eachAlive}}{{/eachAlive}}", json!({})),
        "cannot render template: t, line 2, column 2: Helper/Decorator eachAlive param at index 0 required but not found"
    );
    assert_eq!(
        fails(
            "{{#eachAlive x}}{{/eachAlive}}",
            json!({"x": [{"alive": "yes"}]})
        ),
        "cannot render template: t, line 1, column 1: eachAlive: `alive` of an entry must be a boolean and is a string"
    );
}

fn dependencies() -> serde_json::Value {
    let dependency = |name, version| json!({"origin": "core", "name": name, "version": version, "release": "20161208223311"});
    json!({"pkg": {"deps": [dependency("acl", "2.2.52"), dependency("acl", "2.3.0"), dependency("zlib", "1")]}})
}

#[test]
fn pkg_path_for_is_the_path_of_the_first_dependency_that_fits() {
    let path = |ident: &str| render(&format!("{{{{pkgPathFor \"{ident}\"}}}}"), dependencies());
    assert_eq!(path("core/acl"), "/hab/pkgs/core/acl/2.2.52/20161208223311");
    assert_eq!(
        path("core/acl/2.3.0"),
        "/hab/pkgs/core/acl/2.3.0/20161208223311"
    );
    assert_eq!(
        path("core/zlib/1/20161208223311"),
        "/hab/pkgs/core/zlib/1/20161208223311"
    );
    for other in [
        "core/nope",
        "core/ac",
        "other/acl",
        "core/acl/9",
        "core/zlib/1/2",
        "core/",
        "/acl",
    ] {
        assert_eq!(path(other), "", "{other}");
    }
    let nested = "{{#each pkg.deps}}{{strConcat (pkgPathFor \"core/zlib\") \"/lib\"}};{{/each}}";
    assert_eq!(
        render(nested, dependencies()),
        "/hab/pkgs/core/zlib/1/20161208223311/lib;".repeat(3)
    );
}

#[test]
fn pkg_path_for_refuses_what_is_no_identifier() {
    for wrong in ["5", "null", "nothing", "\"acl\"", "\"a/b/c/d/e\"", "\"\""] {
        assert_eq!(
            fails(&format!("{{{{pkgPathFor {wrong}}}}}"), dependencies()),
            "cannot render template: t, line 1, column 1: pkgPathFor: Invalid package identifier for \"pkgPathFor\""
        );
    }
    assert!(fails("{{#with (pkgPathFor)}}{{/with}}", dependencies()).contains("pkgPathFor"));
    assert!(
        fails("{{pkgPathFor \"a/b\"}}", json!({}))
            .ends_with("pkgPathFor: there is no pkg.deps in the context")
    );
    assert!(
        fails(
            "{{pkgPathFor \"a/b\"}}",
            json!({"pkg": {"deps": [{"origin": "a", "name": "b"}]}})
        )
        .ends_with("pkgPathFor: an entry of pkg.deps lacks its origin, name, version or release")
    );
}

#[test]
fn str_concat_joins_json_texts_without_quotes() {
    assert_eq!(
        render("{{strConcat \"foo\" \"bar\" \"baz\"}}", json!({})),
        "foobarbaz"
    );
    assert_eq!(render("{{strConcat \"p\" n}}", json!({"n": 8})), "p8");
    assert_eq!(render("{{strConcat \"x\" o}}", json!({"o": {"a": 1}})), "x");
    assert_eq!(
        render("{{strConcat missing \"-\" n}}", json!({"n": null})),
        "null-null"
    );
    assert_eq!(
        render(
            "{{strConcat l \"-\" b f}}",
            json!({"l": ["a", "b", {"c": 1}], "b": true, "f": 1.0})
        ),
        "[a,b,{c:1}]-true1.0"
    );
    assert_eq!(
        render("{{strConcat q}}", json!({"q": "say \"hi\"\n"})),
        "say \\hi\\\\n"
    );
    assert_eq!(
        render("{{#if (strConcat)}}x{{else}}y{{/if}}", json!({})),
        "y"
    );
}

#[test]
fn str_join_joins_a_list() {
    let join = |list, separator: &str| {
        render(
            &format!("{{{{strJoin list \"{separator}\"}}}}"),
            json!({"list": list}),
        )
    };
    assert_eq!(join(json!(["foo", "bar", "baz"]), ","), "foo,bar,baz");
    assert_eq!(join(json!([{"foo": "bar"}]), ","), "");
    assert_eq!(join(json!([1, true]), "/"), "1/true");
    assert_eq!(join(json!([null, {"a": 1}, ["b"]]), ", "), "null, [b]");
    assert_eq!(join(json!([]), ","), "");
}

#[test]
fn str_join_refuses_other_arguments() {
    let fails = |arguments: &str| {
        let error = fails(
            &format!("{{{{strJoin {arguments}}}}}"),
            json!({"list": [1], "o": {}}),
        );
        error.rsplit_once(": ").expect("a reason").1.to_owned()
    };
    assert_eq!(
        fails("\"abc\" \",\""),
        "argument 1 must be a list and is a string"
    );
    assert_eq!(fails("o \",\""), "argument 1 must be a list and is a table");
    assert_eq!(
        fails("missing \",\""),
        "argument 1 must be a list and is missing or null"
    );
    assert_eq!(
        fails("list 5"),
        "argument 2 must be a string and is a number"
    );
    assert_eq!(fails("list"), "argument 2 is missing");
}

#[test]
fn str_replace_replaces_plain_text_everywhere() {
    let context = json!({"s": "this is old", "old": "old", "new": "new"});
    assert_eq!(render("{{strReplace s old new}}", context), "this is new");
    assert_eq!(
        render("{{strReplace \"a.b.c\" \".\" \"_\"}}", json!({})),
        "a_b_c"
    );
    assert_eq!(render("{{strReplace \"a\" \"\" \"-\"}}", json!({})), "-a-");
}

#[test]
fn str_replace_refuses_what_is_no_string() {
    for (arguments, reason) in [
        (
            "5 \"a\" \"b\"",
            "strReplace: argument 1 must be a string and is a number",
        ),
        (
            "\"a\" true \"b\"",
            "strReplace: argument 2 must be a string and is a boolean",
        ),
        (
            "\"a\" \"b\" missing",
            "strReplace: argument 3 must be a string and is missing or null",
        ),
        ("\"a\" \"b\"", "strReplace: argument 3 is missing"),
    ] {
        assert!(
            fails(&format!("{{{{strReplace {arguments}}}}}"), json!({})).ends_with(reason),
            "{arguments}"
        );
    }
}

#[test]
fn case_is_changed_of_strings_only() {
    assert_eq!(
        render("{{toUppercase var}}", json!({"var": "value"})),
        "VALUE"
    );
    assert_eq!(
        render("{{toLowercase var}}", json!({"var": "VALUE"})),
        "value"
    );
    assert_eq!(
        render(
            "{{toUppercase \"straße\"}}{{toLowercase \"ÄÖ\"}}",
            json!({})
        ),
        "STRASSEäö"
    );
    for helper in ["toUppercase", "toLowercase"] {
        for (argument, kind) in [
            ("port", "a number"),
            ("list", "a list"),
            ("missing", "missing or null"),
        ] {
            assert_eq!(
                fails(
                    &format!("{{{{{helper} {argument}}}}}"),
                    json!({"port": 80, "list": []})
                ),
                format!(
                    "cannot render template: t, line 1, column 1: {helper}: argument 1 must be a string and is {kind}"
                )
            );
        }
    }
}

#[test]
fn to_json_is_pretty_and_keeps_the_order_of_keys() {
    assert_eq!(
        render("{{toJson x}}", json!({"x": {"test": "something"}})),
        "{\n  \"test\": \"something\"\n}"
    );
    assert_eq!(
        render(
            "{{toJson \"s\"}} {{toJson x}} {{toJson missing}}",
            json!({"x": []})
        ),
        "\"s\" [] null"
    );
    assert_eq!(
        render(
            "{{toJson x}}",
            json!({"x": {"z": 1, "a": {"y": 1.0, "b": [true]}}})
        ),
        "{\n  \"z\": 1,\n  \"a\": {\n    \"y\": 1.0,\n    \"b\": [\n      true\n    ]\n  }\n}"
    );
    assert!(fails("{{#if (toJson)}}{{/if}}", json!({})).contains("toJson"));
    assert!(fails("{{toJson a=1}}", json!({})).ends_with("toJson: argument 1 is missing"));
}

#[test]
fn to_toml_is_a_document_for_a_table_and_a_value_else() {
    assert_eq!(
        render("{{toToml x}}", json!({"x": {"test": "something"}})),
        "test = \"something\"\n"
    );
    assert_eq!(
        render(
            "build_targets = {{toToml cfg.build_targets}}",
            json!({"cfg": {"build_targets": ["x86_64-linux"]}})
        ),
        "build_targets = [\"x86_64-linux\"]"
    );
    assert_eq!(render("{{toToml \"/tmp\"}}", json!({})), "\"/tmp\"");
    assert_eq!(
        render(
            "{{toToml 5}} {{toToml true}} {{toToml x}}",
            json!({"x": 1.0})
        ),
        "5 true 1.0"
    );
    assert_eq!(
        render("{{toToml x}}", json!({"x": [{"b": 1, "a": "c\nd"}, {}]})),
        "[{ b = 1, a = \"\"\"\nc\nd\"\"\" }, {}]"
    );
}

#[test]
fn to_toml_renders_arrays_of_tables_with_tables_in_them() {
    let cfg = json!({"cfg": {"inputs": {"prometheus": [{"urls": ["http://127.0.0.1:15000/metrics"], "tags": {"service": "service_name"}}]}}});
    assert_eq!(
        render("{{ toToml cfg }}", cfg),
        "[[inputs.prometheus]]\nurls = [\"http://127.0.0.1:15000/metrics\"]\n\n[inputs.prometheus.tags]\nservice = \"service_name\"\n"
    );
}

#[test]
fn to_toml_refuses_what_toml_cannot_say() {
    for x in [json!(null), json!([null]), json!({"a": [1, null]})] {
        let error = fails("{{toToml x}}", json!({"x": x}));
        assert!(
            error.contains("toToml: Can't serialize parameter to TOML: "),
            "{error}"
        );
    }
    assert!(fails("{{toToml a=1}}", json!({})).ends_with("toToml: argument 1 is missing"));
}

#[test]
fn to_yaml_has_no_header() {
    assert_eq!(
        render("{{toYaml x}}", json!({"x": {"test": "something"}})),
        "test: something\n"
    );
    assert_eq!(
        render("{{toYaml x}}", json!({"x": {"web": {"port": 80}}})),
        "web:\n  port: 80\n"
    );
    assert_eq!(
        render(
            "{{toYaml x}}",
            json!({"x": {"z": [1, {"a": null}], "y": "true", "x": "a: b"}})
        ),
        "z:\n- 1\n- a: null\ny: 'true'\nx: 'a: b'\n"
    );
    assert_eq!(
        render("{{toYaml missing}}{{toYaml x}}", json!({"x": []})),
        "null\n[]\n"
    );
    assert!(fails("{{toYaml a=1}}", json!({})).ends_with("toYaml: argument 1 is missing"));
}

#[test]
fn a_date_of_toml_is_a_table_to_templates() {
    let cfg = json!({"cfg": {"date": {crate::package::document::DATETIME: "1979-05-27"}}});
    assert_eq!(render("{{cfg.date}}", cfg.clone()), "[object]");
    assert_eq!(render("{{strConcat \"a\" cfg.date}}", cfg), "a");
}

#[test]
fn a_result_of_several_lines_is_not_indented_by_a_partial() {
    let files = [
        ("a", "x:\n  {{> b}}\n"),
        ("b", "y\n{{toJson x}}\n{{default \"\" z}}\n"),
    ];
    let context = json!({"x": {"k": 1}, "z": "1\n2"});
    let files = super::render_files(&files, context, super::Strictness::Lenient).expect("files");
    assert_eq!(files["a"], "x:\n  y\n{\n  \"k\": 1\n}\n  1\n  2\n");
}

#[test]
fn results_go_into_other_helpers_as_text() {
    let context = json!({"cfg": {"name": "db-main", "l": ["a"]}});
    assert_eq!(
        render(
            "{{toUppercase (strReplace cfg.name \"-\" \"_\")}}",
            context.clone()
        ),
        "DB_MAIN"
    );
    assert_eq!(
        render(
            "{{#if (eq (toLowercase \"A\") \"a\")}}yes{{/if}}",
            context.clone()
        ),
        "yes"
    );
    assert_eq!(
        render("{{strConcat (toJson cfg.l)}}", context),
        "[\\n  \\a\\\\n]"
    );
}
