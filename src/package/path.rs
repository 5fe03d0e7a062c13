//! Owns what a relative path of a rendered file may look like. Never touches the file system: whether a path leads
//! through a symbolic link is for `files` to find out.

/// The longest name of a file or directory, in bytes (`NAME_MAX` of Linux' file systems).
const NAME_MAX: usize = 255;

/// Why a path cannot name a rendered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// It starts with a slash.
    #[error("the path is absolute; make it relative")]
    Absolute,
    /// A part is `..`.
    #[error("the path has a part `..`, which could leave the directory; write it without")]
    Climbs,
    /// A part is empty or `.`.
    #[error("the path has an empty part or a part `.`; write it without")]
    Empty,
    /// A part has a control character, such as NUL or a line end.
    #[error("the path has a control character; rename the file")]
    Control,
    /// A part is longer than file systems allow.
    #[error("a part of the path is longer than 255 bytes; shorten it")]
    TooLong,
}

/// Accepts relative paths of plain names, such as `sub/app.conf`.
pub fn check(path: &str) -> Result<(), PathProblem> {
    if path.starts_with('/') {
        return Err(PathProblem::Absolute);
    }
    if path.chars().any(char::is_control) {
        return Err(PathProblem::Control);
    }
    for part in path.split('/') {
        match part {
            ".." => return Err(PathProblem::Climbs),
            "" | "." => return Err(PathProblem::Empty),
            _ if part.len() > NAME_MAX => return Err(PathProblem::TooLong),
            _ => {}
        }
    }
    Ok(())
}

/// The directories above `path`, nearest first: `a/b` and `a` for `a/b/c`.
pub fn parents(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        let (parent, _) = rest.rsplit_once('/')?;
        rest = parent;
        Some(parent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_relative_paths_are_accepted() {
        for path in [
            "app.conf",
            "sub/dir/app.conf",
            ".pgpass",
            "..odd",
            "with space",
            "é",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn what_could_leave_the_directory_or_confuse_is_refused() {
        let long = "x".repeat(256);
        for (path, problem) in [
            ("/etc/passwd", PathProblem::Absolute),
            ("../x", PathProblem::Climbs),
            ("a/../../x", PathProblem::Climbs),
            ("", PathProblem::Empty),
            ("a//b", PathProblem::Empty),
            ("a/", PathProblem::Empty),
            ("./a", PathProblem::Empty),
            ("a\0b", PathProblem::Control),
            ("a\nb", PathProblem::Control),
            (long.as_str(), PathProblem::TooLong),
        ] {
            assert_eq!(check(path), Err(problem), "{path:?}");
        }
    }

    #[test]
    fn parents_are_listed_nearest_first() {
        assert_eq!(parents("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(parents("a").count(), 0);
    }
}
