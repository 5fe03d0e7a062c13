//! Owns the finding of `{{…}}` in a template's text, before anything parses it and with a bounded stack: strings, keys in
//! brackets, comments, raw blocks and escapes are told apart as the engine's grammar does. Never builds a tree.

mod literal;

/// One `{{…}}` that the engine acts on; comments and what is escaped are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mustache<'a> {
    /// Where its braces begin in the text.
    pub(super) at: usize,
    /// What is between the braces; of `{{{…}}}` without the third pair's first brace.
    pub(super) inside: &'a str,
    /// How many parentheses, brackets, braces and raw blocks open in it, outside of strings: a bound on what nests in it.
    pub(super) opened: usize,
    /// Where in `inside` a bracket follows a name without a dot: the old path syntax `a[b]`.
    pub(super) old_keys: Vec<usize>,
}

impl Mustache<'_> {
    /// The line that it begins in, counted from 1.
    pub(super) fn line(&self, text: &str) -> usize {
        let before = text.get(..self.at).unwrap_or_default();
        before.matches('\n').count() + 1
    }
}

/// All of them, in order. Where the text cannot be a template the rest of it is left out: the parser stops there too.
pub(super) fn mustaches(text: &str) -> impl Iterator<Item = Mustache<'_>> {
    let mut scanner = Scanner { text, at: 0 };
    std::iter::from_fn(move || scanner.next())
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<Mustache<'a>> {
        loop {
            let at = self.skip_text()?;
            let rest = self.text.get(at..)?;
            if let Some(comment) = rest.strip_prefix("{{!") {
                self.at = self.text.len() - after_comment(comment)?.len();
            } else if rest.starts_with("{{{{") {
                let mut start = self.lex(at, 4);
                // A block whose text is not looked into.
                start.opened += 1;
                if self.skip_raw_block().is_none() {
                    self.at = self.text.len();
                }
                return Some(start);
            } else {
                return Some(self.lex(at, 2));
            }
        }
    }

    /// Goes to the next braces that are not escaped: one backslash before them makes them text, more are text themselves.
    fn skip_text(&mut self) -> Option<usize> {
        loop {
            let at = self.at + self.text.get(self.at..)?.find(OPEN)?;
            let before = self.text.get(self.at..at)?;
            if before.len() - before.trim_end_matches('\\').len() != 1 {
                return Some(at);
            }
            let is_double = self.text.get(at..)?.starts_with("{{{{");
            self.at = at + if is_double { 4 } else { 2 };
        }
    }

    /// From the last closing braces of a raw block's start to behind its end.
    fn skip_raw_block(&mut self) -> Option<()> {
        self.skip_close()?;
        loop {
            let at = self.skip_text()?;
            if self.text.get(at..)?.starts_with("{{{{") {
                self.lex(at, 4);
                return self.skip_close();
            }
            self.at = at + OPEN.len();
        }
    }

    fn skip_close(&mut self) -> Option<()> {
        self.text.get(self.at..)?.strip_prefix(CLOSE)?;
        self.at += CLOSE.len();
        Some(())
    }

    /// Reads what is between `braces` opening braces at `at` and the next closing ones, or all of it where there are none:
    /// the parser looks into that too before it fails.
    fn lex(&mut self, at: usize, braces: usize) -> Mustache<'a> {
        let rest = self.text.get(at + braces..).unwrap_or_default();
        let mut inside = Inside::new(rest);
        while !inside.rest().starts_with(CLOSE) && inside.step().is_some() {}
        let is_closed = inside.rest().starts_with(CLOSE);
        let end = if is_closed { inside.at } else { rest.len() };
        self.at = (at + braces + end + CLOSE.len()).min(self.text.len());
        Mustache {
            at,
            inside: rest.get(..end).unwrap_or_default(),
            opened: inside.opened,
            old_keys: inside.old_keys,
        }
    }
}

/// What follows a comment, after its `{{!`. `{{!--` ends at `--}}`, and at the next braces when there is none.
fn after_comment(text: &str) -> Option<&str> {
    let long = text
        .trim_start_matches([' ', '\t', '\n', '\r'])
        .strip_prefix("--");
    let long = long.and_then(|text| text.split_once("--}}"));
    long.or_else(|| text.split_once(CLOSE))
        .map(|(_, after)| after)
}

struct Inside<'a> {
    text: &'a str,
    at: usize,
    opened: usize,
    old_keys: Vec<usize>,
    /// Whether a literal may come, and not only a name: after the first word, in parentheses too.
    named: bool,
}

impl<'a> Inside<'a> {
    fn new(text: &'a str) -> Self {
        // The third brace of `{{{`, and the signs before it.
        let body = text.trim_start_matches('~').trim_start();
        let body = body.strip_prefix('{').unwrap_or(body);
        Inside {
            text,
            at: text.len() - body.len(),
            opened: 0,
            old_keys: Vec::new(),
            named: false,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Over one token, or one character of it; `None` where the parser fails.
    fn step(&mut self) -> Option<()> {
        let rest = self.rest();
        let next = rest.chars().next()?;
        let length = match next {
            '"' | '\'' => literal::string(rest)?,
            '[' => self.bracket(rest)?,
            '{' if self.named => self.literal(rest)?,
            _ => next.len_utf8(),
        };
        match next {
            '(' => {
                self.opened += 1;
                self.named = false;
            }
            ')' | '"' | '\'' | '[' => self.named = true,
            _ => self.named |= is_of_name(next),
        }
        self.at += length;
        Some(())
    }

    /// A key in brackets, or a list: where a value may stand a list is tried first.
    fn bracket(&mut self, rest: &str) -> Option<usize> {
        let before = self.text.get(..self.at)?.chars().next_back();
        if before.is_some_and(is_of_name) {
            self.old_keys.push(self.at);
        }
        let is_key = !self.named || matches!(before, Some('.' | '/' | '@'));
        let list = if is_key { None } else { self.literal(rest) };
        list.or_else(|| rest.find(']').map(|end| end + 1))
    }

    fn literal(&mut self, rest: &str) -> Option<usize> {
        let (length, opened) = literal::literal(rest);
        self.opened += opened;
        length
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '$' | ':' | ']') || !c.is_ascii()
}

#[cfg(test)]
mod tests;
