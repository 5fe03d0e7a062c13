//! Owns the bound on nesting, checked by one pass over the text before anything recurses. Never parses.

/// Blocks, `else if` links and parentheses inside each other. The parser's stack holds 1,000 and overflows at 10,000.
pub(super) const LIMIT: usize = 200;

/// `Err` with the line where the bound is passed.
pub(super) fn check(text: &str) -> Result<(), usize> {
    // Links of each open block: itself and its `else if`s.
    let mut blocks: Vec<usize> = Vec::new();
    let mut depth: usize = 0;
    for (at, _) in text.match_indices("{{") {
        let inside = text.get(at + 2..).unwrap_or_default();
        let inside = inside.split("}}").next().unwrap_or_default();
        let word = inside.trim_start_matches(['{', '~']).trim_start();
        if word.starts_with('/') {
            depth = depth.saturating_sub(blocks.pop().unwrap_or_default());
        } else if word.starts_with('#')
            || word
                .strip_prefix('^')
                .is_some_and(|rest| !rest.trim_matches('~').trim().is_empty())
        {
            blocks.push(1);
            depth += 1;
        } else if word
            .strip_prefix("else")
            .is_some_and(|rest| !rest.trim_matches('~').trim().is_empty())
            && let Some(links) = blocks.last_mut()
        {
            *links += 1;
            depth += 1;
        }
        if depth > LIMIT || parentheses(inside) > LIMIT {
            let before = text.get(..at).unwrap_or_default();
            return Err(before.matches('\n').count() + 1);
        }
    }
    Ok(())
}

fn parentheses(inside: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in inside.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_chains_and_parentheses_are_bounded() {
        let nested = |n: usize| format!("{}x{}", "{{#if a}}".repeat(n), "{{/if}}".repeat(n));
        assert_eq!(
            (check(&nested(LIMIT)), check(&nested(LIMIT + 1))),
            (Ok(()), Err(1))
        );
        assert_eq!(check(&nested(10_000)), Err(1));
        let chain = format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if b}}".repeat(10_000));
        assert_eq!(check(&chain), Err(1));
        let deep = format!(
            "{{{{len {}a{}}}}}",
            "(len ".repeat(10_000),
            ")".repeat(10_000)
        );
        assert_eq!(check(&deep), Err(1));
    }

    #[test]
    fn many_blocks_after_each_other_are_fine() {
        assert_eq!(
            check(&"{{#if a}}{{else}}{{~^~}}{{/if}}\n{{{b}}}".repeat(10_000)),
            Ok(())
        );
    }
}
