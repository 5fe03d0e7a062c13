//! Owns how findings read in a terminal. Never finds anything.

use std::fmt::Write as _;

use super::{Effective, Finding, Level};

/// The settings with their origins, then the findings with their remedies, then the count.
pub fn text(effective: &[Effective], findings: &[Finding]) -> String {
    let mut text = String::new();
    let width = |of: fn(&Effective) -> &str| {
        let widths = effective.iter().map(|setting| of(setting).chars().count());
        // A long list must not push the origins out of sight.
        widths.max().unwrap_or_default().min(40)
    };
    let (keys, values) = (
        width(|setting| setting.key),
        width(|setting| &setting.value),
    );
    for Effective { key, value, origin } in effective {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key:keys$}  {value:values$}  {origin}");
    }
    if !effective.is_empty() {
        text.push('\n');
    }
    for finding in findings {
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Ok => "ok",
        };
        let _ = writeln!(text, "{level:7}  {}: {}", finding.topic, finding.text);
        for line in &finding.remedy {
            let _ = writeln!(text, "             {line}");
        }
    }
    let count = |level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let _ = writeln!(
        text,
        "\n{} errors, {} warnings",
        count(Level::Error),
        count(Level::Warning)
    );
    text
}
