//! Owns the extent of a JSON literal in a template: how long it is and how many brackets and braces open in it. Never
//! says what it is worth.

/// Deeper literals are not followed; what opened by then is too much for any template.
const DEEPEST: usize = 256;

/// The length of the string that the text begins with, quotes included; `None` when it does not end.
pub(super) fn string(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of the literal that the text begins with, `None` when it does not begin with one, and how many brackets and
/// braces opened until that was known.
pub(super) fn literal(text: &str) -> (Option<usize>, usize) {
    let mut reader = Reader {
        text,
        at: 0,
        opened: 0,
    };
    let found = reader.literal(0);
    (found.map(|()| reader.at), reader.opened)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    opened: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.skip_space();
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found.then_some(())
    }

    fn literal(&mut self, depth: usize) -> Option<()> {
        self.skip_space();
        match self.rest().chars().next()? {
            '"' | '\'' => self.string(),
            '[' => self.sequence(depth, '[', ']', Self::literal),
            '{' => self.sequence(depth, '{', '}', Self::entry),
            _ => self.word(),
        }
    }

    fn string(&mut self) -> Option<()> {
        self.skip_space();
        if !self.rest().starts_with(['"', '\'']) {
            return None;
        }
        self.at += string(self.rest())?;
        Some(())
    }

    fn entry(&mut self, depth: usize) -> Option<()> {
        self.string()?;
        self.take(':')?;
        self.literal(depth)
    }

    /// `[a, b]`, and as in the grammar also `[, b]`.
    fn sequence(
        &mut self,
        depth: usize,
        open: char,
        close: char,
        item: fn(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        if depth == DEEPEST {
            return None;
        }
        self.take(open)?;
        self.opened += 1;
        self.skip_space();
        if !self.rest().starts_with([close, ',']) {
            item(self, depth + 1)?;
        }
        while self.take(',').is_some() {
            item(self, depth + 1)?;
        }
        self.take(close)
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<()> {
        let rest = self.rest();
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        let word = rest.get(..length)?;
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        self.at += length;
        (is_number || matches!(word, "true" | "false" | "null")).then_some(())
    }
}
