//! Owns the reason of an end before the beginning, where `kubectl describe pod` shows it: wrong flags or settings, an address in
//! use. Finds the place without the settings, which may be what is wrong.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::StartError;
use crate::config::{Key, TerminationLog};
use crate::supervisor::termination;

/// Writes why `kubesup run`, called with these arguments, has not begun. `variable` is the value of [`variable_name`].
pub fn last_words(arguments: &[OsString], variable: Option<&OsStr>, error: &StartError) {
    termination::write(&place(arguments, variable), &format!("kubesup: {error}\n"));
}

/// The variable that names the place.
pub fn variable_name() -> String {
    Key::TerminationLog.environment_name()
}

/// A flag's place, else the variable's, else Kubernetes' own.
fn place(arguments: &[OsString], variable: Option<&OsStr>) -> TerminationLog {
    let flag = format!("--{}", Key::TerminationLog.name());
    let mut own = arguments.iter().take_while(|argument| *argument != "--");
    let mut given = None;
    while let Some(argument) = own.next() {
        if argument.as_bytes() == flag.as_bytes() {
            given = own.next().map(OsString::as_os_str);
        } else if let Some(rest) = argument.as_bytes().strip_prefix(flag.as_bytes()) {
            given = rest.strip_prefix(b"=").map(OsStr::from_bytes).or(given);
        }
    }
    match given.or(variable).filter(|text| !text.is_empty()) {
        None => TerminationLog::WhereKubernetesReads,
        Some(text) if text == "none" => TerminationLog::Nowhere,
        Some(text) => TerminationLog::At(PathBuf::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_flags_else_the_variables_else_kubernetes_own() {
        let place = |words: &[&str], variable: Option<&str>| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            place(&words, variable.map(OsStr::new))
        };
        let at = |path: &str| TerminationLog::At(PathBuf::from(path));
        assert_eq!(place(&["run"], None), TerminationLog::WhereKubernetesReads);
        assert_eq!(place(&["run"], Some("/a")), at("/a"));
        assert_eq!(
            place(&["run", "--termination-log", "/b"], Some("/a")),
            at("/b")
        );
        assert_eq!(
            place(&["run", "--termination-log=/b", "--nope"], None),
            at("/b")
        );
        assert_eq!(
            place(&["run", "--termination-log=none"], Some("/a")),
            TerminationLog::Nowhere
        );
        assert_eq!(
            place(&["run", "--", "x", "--termination-log", "/b"], None),
            TerminationLog::WhereKubernetesReads
        );
    }
}
