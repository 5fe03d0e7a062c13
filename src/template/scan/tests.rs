//! What is found, and what is passed over.

use super::*;

fn inside(text: &str) -> Vec<&str> {
    mustaches(text).map(|mustache| mustache.inside).collect()
}

#[test]
fn mustaches_are_found_and_comments_raw_text_and_escapes_are_passed_over() {
    assert_eq!(
        inside(
            "a {{b}} {{{c}}} {{~#if d~}} {{! {{e}} --}} {{!-- {{f}} }} --}} \\{{g}} \\\\{{h}} {{{{raw i}}}} {{j}} {{{{/raw}}}} {{k}}"
        ),
        ["b", "{c", "~#if d~", "h", "raw i", "k"]
    );
    assert_eq!(inside("{{!-- without its end }} {{a}}"), ["a"]);
    assert_eq!(inside("{ {a} } {{ b"), [" b"]);
    assert_eq!(inside("{{!"), Vec::<&str>::new());
}

#[test]
fn closing_braces_in_strings_keys_and_literals_end_nothing() {
    assert_eq!(
        inside(
            "{{a \"}}\" b}}{{a '}}\\'' b}}{{a.[}}] b}}{{a {\"b\": {\"c\": 1}} d}}{{[}}]}}{{a [\"]}}\"] b}}"
        ),
        [
            "a \"}}\" b",
            "a '}}\\'' b",
            "a.[}}] b",
            "a {\"b\": {\"c\": 1}} d",
            "[}}]",
            "a [\"]}}\"] b"
        ]
    );
}

#[test]
fn quotes_in_keys_are_no_strings() {
    assert_eq!(inside("{{cfg.[\"]}} {{b}} {{cfg.[\"]}}").len(), 3);
    assert_eq!(inside("{{[\"]}} {{b}} {{[']}}").len(), 3);
    assert_eq!(inside("{{a @[\"]}} {{b}} {{a (['] c)}}").len(), 3);
}

#[test]
fn old_keys_are_those_that_follow_a_name_without_a_dot() {
    let old = |text| {
        let found: Vec<_> = mustaches(text).collect();
        found[0].old_keys.clone()
    };
    assert_eq!(old("{{a[b]}}"), [1]);
    assert_eq!(old("{{#each a.list[0][1]}}"), [12, 15]);
    for fine in [
        "{{a.[b]}}",
        "{{[a]}}",
        "{{#each [1]}}",
        "{{eq x=[1]}}",
        "{{a \"b[c]\"}}",
        "{{a.[b[c]}}",
        "{{../[a]}}",
    ] {
        assert_eq!(old(fine), Vec::<usize>::new(), "{fine}");
    }
}
