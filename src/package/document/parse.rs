//! Owns the parsing of one TOML, YAML or JSON text into a table, with the place of what is wrong in it. Never
//! overflows the stack and never panics, whatever the text is.

use serde::de::DeserializeSeed;
use serde_json::{Map, Value};
use toml_parser::lexer::TokenKind;

use super::Position;
use super::node::{Budget, MAX_DEPTH, MergeKeys, Node};

/// How many brackets may stand open in a YAML text, wherever they are: in text and comments they need not match, so
/// that this is far above [`MAX_DEPTH`].
const MAX_OPEN: usize = 1000;

/// How a text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// YAML, one document.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// By the ending of a ConfigMap's key; `None` for a key that is no document.
    pub fn of(key: &str) -> Option<Format> {
        match key.rsplit_once('.')?.1 {
            "toml" => Some(Format::Toml),
            "yaml" | "yml" => Some(Format::Yaml),
            "json" => Some(Format::Json),
            _ => None,
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Toml => "TOML",
            Format::Yaml => "YAML",
            Format::Json => "JSON",
        }
    }
}

/// Why a text is not a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Where, when it is known.
    pub position: Option<Position>,
    /// What is wrong, in one line.
    pub reason: String,
}

/// Parses a text. Its top must be a table; an empty or null document is an empty table.
pub fn parse(format: Format, text: &str) -> Result<Map<String, Value>, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = match format {
        Format::Toml => toml(text),
        Format::Yaml => yaml(text),
        Format::Json => json(text),
    }?;
    let kind = match value {
        Value::Object(table) => return Ok(table),
        Value::Null => return Ok(Map::new()),
        Value::Array(_) => "a list",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
    };
    let reason = format!("the document is {kind}; it must be a mapping of names to values");
    Err(ParseError {
        position: None,
        reason,
    })
}

fn toml(text: &str) -> Result<Value, ParseError> {
    if let Some(offset) = too_deep(text) {
        let reason = format!("nested deeper than {MAX_DEPTH} levels; flatten it");
        return Err(ParseError {
            position: Some(position(text, offset)),
            reason,
        });
    }
    let budget = Budget::new(text.len(), MergeKeys::Plain);
    toml::Deserializer::parse(text)
        .and_then(|deserializer| Node::root(&budget).deserialize(deserializer))
        .map_err(|error| ParseError {
            position: error.span().map(|span| position(text, span.start)),
            reason: one_line(error.message()),
        })
}

fn yaml(text: &str) -> Result<Value, ParseError> {
    if let Some(offset) = crowded(text) {
        let reason = format!("more than {MAX_OPEN} brackets stand open; flatten it");
        return Err(ParseError {
            position: Some(position(text, offset)),
            reason,
        });
    }
    let budget = Budget::new(text.len(), MergeKeys::Merged);
    Node::root(&budget)
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| {
            let place = error.location().map(|at| (at.line(), at.column()));
            placed(place, &error.to_string())
        })
}

fn json(text: &str) -> Result<Value, ParseError> {
    let budget = Budget::new(text.len(), MergeKeys::Plain);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Node::root(&budget)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| placed(Some((error.line(), error.column())), &error.to_string()))
}

/// An error whose message repeats its place: it is told once. Column 0 is the line end before the first column.
fn placed(place: Option<(usize, usize)>, message: &str) -> ParseError {
    let Some((line, column)) = place.filter(|(line, _)| *line > 0) else {
        return ParseError {
            position: None,
            reason: one_line(message),
        };
    };
    let reason = one_line(message).replacen(&format!(" at line {line} column {column}"), "", 1);
    ParseError {
        position: Some(Position {
            line,
            column: column.max(1),
        }),
        reason,
    }
}

fn one_line(message: &str) -> String {
    message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
    }
}

/// Where a YAML text has too many open brackets. The scanner below takes time by depth for each token, minutes for a
/// megabyte of brackets, before the depth of the document is known to anyone.
fn crowded(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    text.bytes().position(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > MAX_OPEN
    })
}

/// Where a TOML text nests deeper than [`MAX_DEPTH`], found from its tokens alone. The parser bounds brackets and
/// dotted keys each, but not their product, which is enough to overflow the stack when the tree is dropped.
fn too_deep(text: &str) -> Option<usize> {
    let mut open: Vec<(TokenKind, usize)> = Vec::new();
    let mut open_levels = 0;
    let mut header_levels = 0;
    let mut dots = 0;
    let mut in_header = false;
    let mut line_start = true;
    for token in toml_parser::Source::new(text).lex() {
        let kind = token.kind();
        match kind {
            TokenKind::Dot => dots += 1,
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                if line_start && open.is_empty() && kind == TokenKind::LeftSquareBracket {
                    in_header = true;
                    header_levels = 0;
                }
                open.push((kind, dots + 1));
                open_levels += dots + 1;
                dots = 0;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                if in_header {
                    header_levels = header_levels.max(open_levels + dots);
                }
                // A bracket that does not match stays open: rather refuse a broken text than let it nest unseen.
                let opening = match kind {
                    TokenKind::RightSquareBracket => TokenKind::LeftSquareBracket,
                    _ => TokenKind::LeftCurlyBracket,
                };
                if let Some((_, levels)) = open.pop_if(|(open, _)| *open == opening) {
                    open_levels -= levels;
                }
                dots = 0;
            }
            TokenKind::Comma => dots = 0,
            TokenKind::Newline if open.is_empty() || in_header => {
                open.clear();
                (open_levels, dots, in_header) = (0, 0, false);
            }
            _ => {}
        }
        line_start = match kind {
            TokenKind::Newline => true,
            TokenKind::Whitespace => line_start,
            // The second bracket of `[[table]]` is within the header.
            _ => false,
        };
        if header_levels + open_levels + dots > MAX_DEPTH {
            return Some(token.span().start());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn ok(format: Format, text: &str) -> Value {
        Value::Object(parse(format, text).unwrap_or_else(|error| panic!("{error:?}")))
    }

    #[test]
    fn the_three_formats_give_the_same_table() {
        let expected = json!({"server": {"port": 80, "ratio": 1.0, "tags": ["a"], "on": true}});
        let toml = "[server]\nport = 80\nratio = 1.0\ntags = ['a']\non = true";
        let yaml = "server:\n  port: 80\n  ratio: 1.0\n  tags: [a]\n  on: true";
        for (format, text) in [
            (Format::Toml, toml),
            (Format::Yaml, yaml),
            (Format::Json, &expected.to_string()),
        ] {
            assert_eq!(
                ok(format, text).to_string(),
                expected.to_string(),
                "{format:?}"
            );
        }
    }

    #[test]
    fn empty_and_null_documents_are_empty_tables() {
        for (format, text) in [
            (Format::Toml, ""),
            (Format::Toml, "\u{feff}# only a comment\n"),
            (Format::Yaml, ""),
            (Format::Yaml, "# only a comment\n"),
            (Format::Yaml, "---\n...\n"),
            (Format::Yaml, "~"),
            (Format::Json, "null"),
            (Format::Json, "\u{feff}{}"),
        ] {
            assert_eq!(parse(format, text), Ok(Map::new()), "{format:?} {text:?}");
        }
    }

    #[test]
    fn toml_datetimes_live_on_as_one_key_objects() {
        assert_eq!(
            ok(Format::Toml, "at = 1979-05-27T07:32:00Z\nl = [1979-05-27]"),
            json!({"at": {super::super::DATETIME: "1979-05-27T07:32:00Z"}, "l": [{super::super::DATETIME: "1979-05-27"}]})
        );
    }

    #[test]
    fn only_a_mapping_and_only_one_document_is_accepted() {
        for (format, text, part) in [
            (Format::Yaml, "- a", "a list"),
            (Format::Json, "5", "a number"),
            (Format::Json, "{} x", "trailing characters"),
            (Format::Json, "", "EOF"),
            (Format::Yaml, "a: 1\n---\nb: 1", "more than one document"),
            (Format::Yaml, "a: *nowhere", "unknown anchor"),
            (Format::Json, r#"{"a": 1, "a": 2}"#, "twice"),
        ] {
            let error = parse(format, text).unwrap_err();
            assert!(error.reason.contains(part), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_problem_in_a_value_is_placed() {
        let error = parse(Format::Toml, "'é' = 1\n  x = nan\n").unwrap_err();
        assert_eq!(error.position, Some(Position { line: 2, column: 7 }));
        let error = parse(Format::Yaml, "a:\n  b: .nan").unwrap_err();
        assert_eq!(error.position.map(|at| at.line), Some(2));
        let error = parse(Format::Json, "{\n \"a\": trux\n}").unwrap_err();
        assert_eq!(error.position.map(|at| at.line), Some(2));
        assert!(!error.reason.contains("line"), "{error:?}");
    }

    fn deep(levels: usize) -> Vec<(Format, String)> {
        let dotted = |n: usize| vec!["a"; n].join(".");
        let braces = |n: usize| format!("a = {}1{}", "{a = ".repeat(n), "}".repeat(n));
        let product = format!(
            "a = {}1{}",
            format!("{{{} = ", dotted(70)).repeat(levels / 70 + 1),
            "}".repeat(levels / 70 + 1)
        );
        vec![
            (
                Format::Toml,
                format!("a = {}{}", "[".repeat(levels), "]".repeat(levels)),
            ),
            (Format::Toml, format!("a = {}", "[".repeat(levels))),
            (Format::Toml, format!("a = {}", "[ } ".repeat(levels))),
            (Format::Toml, braces(levels)),
            (Format::Toml, format!("{} = 1", dotted(levels))),
            (Format::Toml, format!("[{}]", dotted(levels))),
            (Format::Toml, format!("[[{}]]", dotted(levels))),
            (
                Format::Toml,
                format!("[{}]\n{} = 1", dotted(40), dotted(levels.min(40))),
            ),
            (Format::Toml, product),
            (
                Format::Yaml,
                format!("a: {}{}", "[".repeat(levels), "]".repeat(levels)),
            ),
            (Format::Yaml, format!("a: {}", "{a: ".repeat(levels))),
            (Format::Yaml, format!("a:\n{}x", "- ".repeat(levels))),
            (
                Format::Json,
                format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)),
            ),
            (
                Format::Json,
                format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels)),
            ),
        ]
    }

    #[test]
    fn ten_thousand_levels_are_an_error_and_no_overflow() {
        for levels in [66, 10_000, 200_000] {
            for (format, text) in deep(levels) {
                let start: String = text.chars().take(40).collect();
                assert!(parse(format, &text).is_err(), "{format:?} {start}");
            }
        }
    }

    #[test]
    fn sixty_levels_of_each_kind_are_read() {
        for (format, text) in [
            (
                Format::Toml,
                format!("a = {}1.5{}", "[".repeat(60), "]".repeat(60)),
            ),
            (
                Format::Toml,
                format!("[a]\n{} = 1\n[b]\nx = 1.5", vec!["a"; 58].join(".")),
            ),
            (Format::Toml, format!("x = [\n{}]", "1.5,\n".repeat(1000))),
            (
                Format::Toml,
                format!("x = \"{0}\" # {0}\ny = '''{0}'''\n", "[".repeat(100)),
            ),
            (Format::Toml, "[[t.a.b]]\nx.y = '['\n".repeat(1000)),
            (
                Format::Yaml,
                format!("a: {}{}", "[".repeat(60), "]".repeat(60)),
            ),
            (Format::Yaml, format!("a: |\n  {}", "[".repeat(900))),
            (
                Format::Json,
                format!("{{\"a\":{}{}}}", "[".repeat(60), "]".repeat(60)),
            ),
        ] {
            assert!(
                parse(format, &text).is_ok(),
                "{format:?} {text}: {:?}",
                parse(format, &text)
            );
        }
    }

    #[test]
    fn alias_bombs_run_out_of_budget() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..10 {
            let below = format!("*a{},", i - 1).repeat(10);
            laughs = format!("{laughs}a{i}: &a{i} [{below}]\n");
        }
        let flat = format!(
            "a: &a [{}]\nb: [{}]",
            "x,".repeat(10_000),
            "*a,".repeat(10_000)
        );
        let long = format!(
            "a: &a {}\nb: [{}]",
            "x".repeat(100_000),
            "*a,".repeat(10_000)
        );
        let itself = "a: &a [*a]".to_owned();
        for text in [laughs, flat, long, itself] {
            assert!(parse(Format::Yaml, &text).is_err());
        }
        assert!(parse(Format::Yaml, "a: &a [1, 2]\nb: [*a, *a]").is_ok());
    }

    #[test]
    fn a_large_document_without_aliases_stays_within_its_budget() {
        let numbers: Vec<_> = (0..50_000).map(|i| i.to_string()).collect();
        let text = format!("{{{}}}", numbers.join(","));
        assert_eq!(parse(Format::Yaml, &text).unwrap().len(), 50_000);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in r"([\[\]{}=.,:'&*a1 \n#|>!~-]|<<|---|\PC){0,200}") {
            for format in [Format::Toml, Format::Yaml, Format::Json] {
                let _ = parse(format, &text);
            }
        }

        #[test]
        fn json_text_is_read_back_as_it_was(keys in proptest::collection::btree_map("\\PC{0,8}", -5..5i64, 0..6)) {
            let value = json!({"a": keys});
            prop_assert_eq!(ok(Format::Json, &value.to_string()), value);
        }
    }
}
