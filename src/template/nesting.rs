//! Owns the bound on nesting, checked by one pass over the text before anything recurses. Never parses.

use super::scan::mustaches;

/// Blocks, `else if` links, and parentheses, brackets and braces inside each other. The parser's stack holds 1,000 and
/// overflows at 10,000.
pub(super) const LIMIT: usize = 200;

/// `Err` with the line where the bound is passed.
pub(super) fn check(text: &str) -> Result<(), usize> {
    within(text, LIMIT)
}

/// The same for any bound.
pub(super) fn within(text: &str, limit: usize) -> Result<(), usize> {
    // Links of each open block: itself and its `else if`s.
    let mut blocks: Vec<usize> = Vec::new();
    let mut depth: usize = 0;
    for mustache in mustaches(text) {
        let word = mustache.inside.trim_start_matches('~').trim_start();
        if word.starts_with('/') {
            depth = depth.saturating_sub(blocks.pop().unwrap_or_default());
        } else if word.starts_with('#') {
            blocks.push(1);
            depth += 1;
        } else if is_link(word)
            && let Some(links) = blocks.last_mut()
        {
            *links += 1;
            depth += 1;
        }
        if depth + mustache.opened > limit {
            return Err(mustache.line(text));
        }
    }
    Ok(())
}

/// `else if …` and `^if …`, each of which nests in what comes before it.
fn is_link(word: &str) -> bool {
    let rest = word.strip_prefix("else").or_else(|| word.strip_prefix('^'));
    rest.is_some_and(|rest| !rest.trim_matches('~').trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(opening: &str, closing: &str, count: usize) -> String {
        format!("{}x{}", opening.repeat(count), closing.repeat(count))
    }

    #[test]
    fn blocks_and_chains_are_bounded() {
        let blocks = |count| check(&nested("{{#if a}}", "{{/if}}", count));
        assert_eq!((blocks(LIMIT), blocks(LIMIT + 1)), (Ok(()), Err(1)));
        for link in ["{{else if b}}", "{{^if b}}", "{{~ else if b ~}}"] {
            let chain = |count| check(&format!("{{{{#if a}}}}\n{}{{{{/if}}}}", link.repeat(count)));
            assert_eq!((chain(LIMIT - 1), chain(LIMIT)), (Ok(()), Err(2)), "{link}");
        }
        for block in ["{{#*inline \"a\"}}", "{{#> a}}", "{{~#if a}}", "{{# if a}}"] {
            assert_eq!(check(&nested(block, "{{/a}}", 10_000)), Err(1), "{block}");
        }
    }

    #[test]
    fn what_opens_in_one_mustache_is_bounded_closed_or_not() {
        for (opening, closing) in [("(len ", ")"), ("[", "]"), ("{\"a\":", "}")] {
            let parameter = |count| format!("{{{{len {}}}}}", nested(opening, closing, count));
            assert_eq!(
                check(&parameter(LIMIT).replace('x', "1")),
                Ok(()),
                "{opening}"
            );
            assert_eq!(
                check(&parameter(10_000).replace('x', "1")),
                Err(1),
                "{opening}"
            );
            assert_eq!(
                check(&format!("{{{{len {}", opening.repeat(10_000))),
                Err(1),
                "{opening}"
            );
        }
    }

    #[test]
    fn nothing_hides_a_block_and_nothing_feigns_its_end() {
        for feigned in [
            "{{! {{/if}}",
            "{{!-- {{/if}} --}}",
            "{{! -- {{/if}} --}}",
            "\\{{/if}}",
            "{{{{raw}}}}{{/if}}{{{{/raw}}}}",
            "{{strConcat \"{{/if}}\"}}",
            "{{a.[{{/if]}}",
            "{{a.[\"]}}",
            "{{strConcat ['{{/if}}', \"]\"]}}",
        ] {
            let text = nested(&format!("{{{{#if a}}}}{feigned}"), "{{/if}}", LIMIT + 1);
            assert_eq!(check(&text), Err(1), "{feigned}");
        }
    }

    #[test]
    fn many_blocks_after_each_other_are_fine() {
        for text in [
            "{{#if a}}{{else}}{{~^~}}{{/if}}\n{{{b}}}",
            "{{#if a}}{{^if b}}{{else if c}}{{/if}}",
            "((([[[{{{",
            "{{!-- {{#if a}} --}}",
            "\\{{#if a}}",
            "{{{{raw}}}}{{#if a}}{{{{/raw}}}}",
        ] {
            if text.starts_with('(') {
                assert_eq!(check(&format!("{}{{{{a}}}}", "(".repeat(10_000))), Ok(()));
            } else {
                assert_eq!(check(&text.repeat(10_000)), Ok(()), "{text}");
            }
        }
    }
}
