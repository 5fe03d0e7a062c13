//! Owns how a child's bytes are shown: as they are, as lines with Habitat's prefixes, or as JSON. Never reads or writes any.

use std::fmt::Write as _;

/// How the output of one child is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format {
    /// Byte for byte.
    #[default]
    Plain,
    /// `<preamble>(<key>): <line>`, as Habitat prints it (contract, section 5.11).
    Habitat(Labels),
    /// One object a line, `{"preamble", "logkey", "content"}`, as Habitat's JSON logging has it.
    Json(Labels),
}

/// What Habitat puts in front of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// `redis.default`, or `redis.default hook[init]:`.
    pub preamble: String,
    /// The key of stdout's lines: `O`, or `HK` for hooks.
    pub stdout: &'static str,
    /// The key of stderr's lines: `E`, or `HK` for hooks.
    pub stderr: &'static str,
    /// Where stderr's lines go.
    pub stderr_to: StderrTo,
}

/// Where the lines of stderr go: Habitat prints those of hooks on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StderrTo {
    /// To our stderr.
    Stderr,
    /// To our stdout.
    Stdout,
}

/// A line longer than this is shown as several, so that one without an end costs no more memory than this.
pub(super) const LONGEST_LINE: usize = 1024 * 1024;

/// Makes lines of the chunks of one stream. Each result is whole lines, so that streams do not mix within one.
#[derive(Debug)]
pub(super) struct Lines {
    style: Style,
    preamble: String,
    key: &'static str,
    /// The begin of a line whose end has not come.
    partial: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Habitat,
    Json,
}

impl Format {
    /// For the lines of stdout; `None` when bytes pass as they are.
    pub(super) fn stdout_lines(&self) -> Option<Lines> {
        self.lines(|labels| labels.stdout)
    }

    /// The same for stderr.
    pub(super) fn stderr_lines(&self) -> Option<Lines> {
        self.lines(|labels| labels.stderr)
    }

    /// Where stderr goes.
    pub(super) fn stderr_to(&self) -> StderrTo {
        match self {
            Format::Plain => StderrTo::Stderr,
            Format::Habitat(labels) | Format::Json(labels) => labels.stderr_to,
        }
    }

    fn lines(&self, key: impl Fn(&Labels) -> &'static str) -> Option<Lines> {
        let (style, labels) = match self {
            Format::Plain => return None,
            Format::Habitat(labels) => (Style::Habitat, labels),
            Format::Json(labels) => (Style::Json, labels),
        };
        Some(Lines {
            style,
            preamble: labels.preamble.clone(),
            key: key(labels),
            partial: Vec::new(),
        })
    }
}

impl Lines {
    /// Takes in a chunk; the lines that are complete with it.
    pub(super) fn push(&mut self, mut chunk: &[u8]) -> Vec<u8> {
        let mut shown = Vec::new();
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = chunk.split_at(end);
            self.partial.extend_from_slice(line);
            self.show(&mut shown);
            chunk = rest.get(1..).unwrap_or_default();
        }
        self.partial.extend_from_slice(chunk);
        while self.partial.len() >= LONGEST_LINE {
            let rest = self.partial.split_off(LONGEST_LINE);
            self.show(&mut shown);
            self.partial = rest;
        }
        shown
    }

    /// The stream has ended: a last line without an end.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut shown = Vec::new();
        if !self.partial.is_empty() {
            self.show(&mut shown);
        }
        shown
    }

    fn show(&mut self, shown: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.partial);
        match self.style {
            Style::Habitat => {
                shown.extend_from_slice(format!("{}({}): ", self.preamble, self.key).as_bytes());
                shown.extend_from_slice(&line);
            }
            Style::Json => {
                let mut object = String::with_capacity(line.len() + 64);
                object.push_str("{\"preamble\":");
                quote(&mut object, &self.preamble);
                object.push_str(",\"logkey\":");
                quote(&mut object, self.key);
                object.push_str(",\"content\":");
                // JSON is Unicode: what is not becomes the replacement character.
                quote(&mut object, &String::from_utf8_lossy(&line));
                object.push('}');
                shown.extend_from_slice(object.as_bytes());
            }
        }
        shown.push(b'\n');
    }
}

/// A JSON string. Escapes what JSON must have escaped.
fn quote(into: &mut String, text: &str) {
    into.push('"');
    for c in text.chars() {
        match c {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\t' => into.push_str("\\t"),
            '\r' => into.push_str("\\r"),
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(into, "\\u{:04x}", u32::from(c));
            }
            c => into.push(c),
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels() -> Labels {
        Labels {
            preamble: "demo.default".into(),
            stdout: "O",
            stderr: "E",
            stderr_to: StderrTo::Stderr,
        }
    }

    fn shown(format: &Format, chunks: &[&[u8]]) -> Vec<u8> {
        let mut lines = format.stdout_lines().expect("a format of lines");
        let mut all: Vec<u8> = chunks.iter().flat_map(|chunk| lines.push(chunk)).collect();
        all.extend(lines.finish());
        all
    }

    #[test]
    fn habitat_prefixes_each_line_and_keeps_its_bytes() {
        let format = Format::Habitat(labels());
        assert_eq!(
            shown(&format, &[b"on", b"e\n\ntwo\xff\0", b"\nlast"]),
            b"demo.default(O): one\ndemo.default(O): \ndemo.default(O): two\xff\0\ndemo.default(O): last\n"
        );
        let stderr = format.stderr_lines().expect("lines").push(b"x\n");
        assert_eq!(stderr, b"demo.default(E): x\n");
    }

    #[test]
    fn json_is_one_object_a_line_whatever_the_bytes() {
        let text = shown(&Format::Json(labels()), &[b"a \"b\" \\ \t \x01 \xff\n"]);
        let object: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(
            object,
            serde_json::json!({"preamble": "demo.default", "logkey": "O", "content": "a \"b\" \\ \t \u{1} \u{fffd}"})
        );
    }

    #[test]
    fn a_line_without_an_end_is_shown_in_parts() {
        let long = vec![b'x'; LONGEST_LINE + 10];
        let text = shown(&Format::Habitat(labels()), &[&long, b"yz\n"]);
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let prefix = "demo.default(O): ".len();
        let lengths: Vec<usize> = lines.iter().map(|line| line.len()).collect();
        assert_eq!(lengths, [prefix + LONGEST_LINE, prefix + 12, 0]);
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..200), cuts in proptest::collection::vec(1..20usize, 0..20)) {
            for format in [Format::Habitat(labels()), Format::Json(labels())] {
                let mut rest = bytes.as_slice();
                let mut chunks = Vec::new();
                for cut in &cuts {
                    let (chunk, next) = rest.split_at((*cut).min(rest.len()));
                    chunks.push(chunk);
                    rest = next;
                }
                chunks.push(rest);
                prop_assert_eq!(shown(&format, &chunks), shown(&format, &[&bytes]));
            }
        }
    }
}
