//! Owns the comparison of renderings: which files have to be written or removed, and what a rendering that differs
//! from the last one *applied* asks for. Never writes a file and never runs a hook.
//!
//! What counts is what the program has taken over, not what was written: a failed `reconfigure` leaves the program
//! in an unknown state, so that it is asked for again until it succeeds, even by a configuration that was there before.

use std::collections::BTreeMap;

use crate::lifecycle::status::TerminationReason;
use crate::package::Hook;

/// A rendering: path (`hooks/run`, `config/sub/app.conf`) to text.
pub type Rendering = BTreeMap<String, String>;

/// The last rendering that was applied, file by file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// `None` until the program was started once.
    files: Option<Rendering>,
    /// A `reconfigure` has failed since: what the program has of `config/` is unknown.
    unsettled: bool,
}

impl Applied {
    /// The program was started with this rendering, and has taken over all of it.
    pub fn started(&mut self, rendered: &Rendering) {
        *self = Self {
            files: Some(rendered.clone()),
            unsettled: false,
        };
    }

    /// The main process was started just now: the `run` hook that it came from may be newer than the rest.
    pub fn main_started(&mut self, rendered: &Rendering) {
        self.take(rendered, |part| part == Part::Run);
    }

    /// `reconfigure` has succeeded with this rendering: the program has its `config/`.
    pub fn reconfigured(&mut self, rendered: &Rendering) {
        self.take(rendered, |part| {
            matches!(part, Part::Config | Part::Reconfigure)
        });
        self.unsettled = false;
    }

    /// `reconfigure` has failed: whatever is rendered next has to be applied, also what was applied before.
    pub fn reconfigure_failed(&mut self) {
        self.unsettled = true;
    }

    /// This rendering was written: the hooks that are read anew for each run are in force.
    pub fn written(&mut self, rendered: &Rendering) {
        self.take(rendered, |part| part == Part::Other);
    }

    /// A `reconfigure` has failed and none has succeeded since.
    pub fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// Takes over the files of some parts, those that are gone included. Before the first start there is nothing.
    fn take(&mut self, rendered: &Rendering, wanted: impl Fn(Part) -> bool) {
        if let Some(files) = &mut self.files {
            files.retain(|path, _| !wanted(part(path)) || rendered.contains_key(path));
            for (path, text) in rendered.iter().filter(|(path, _)| wanted(part(path))) {
                if files.get(path) != Some(text) {
                    files.insert(path.clone(), text.clone());
                }
            }
        }
    }
}

/// What a rendering asks for while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing changed.
    None,
    /// Files are written; each hook's next run uses its new text.
    RenderOnly,
    /// The `reconfigure` hook.
    Reconfigure,
    /// A restart, at once and without backoff.
    Restart(TerminationReason),
}

/// What `rendered` asks for, given what was applied. A file that came or went counts as changed.
/// Before the first start nothing but writing is asked for.
pub fn reaction(applied: &Applied, rendered: &Rendering) -> Reaction {
    let Some(files) = &applied.files else {
        return Reaction::RenderOnly;
    };
    let changed = changed_parts(files, rendered);
    let config_changed = changed.contains(&Part::Config) || applied.unsettled;
    let can_reconfigure = rendered.contains_key(&hook_path(Hook::Reconfigure));
    if changed.contains(&Part::Init) {
        Reaction::Restart(TerminationReason::InitHookUpdated)
    } else if changed.contains(&Part::Run) {
        Reaction::Restart(TerminationReason::RunHookUpdated)
    } else if changed.contains(&Part::PostRun) {
        Reaction::Restart(TerminationReason::PostRunHookUpdated)
    } else if config_changed && !can_reconfigure {
        Reaction::Restart(TerminationReason::AppConfigUpdated)
    } else if can_reconfigure && (config_changed || changed.contains(&Part::Reconfigure)) {
        Reaction::Reconfigure
    } else if changed.is_empty() {
        Reaction::None
    } else {
        Reaction::RenderOnly
    }
}

/// What has to be done to the files on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Writes<'a> {
    /// Files whose bytes differ or that are not there, with their text.
    pub write: BTreeMap<&'a str, &'a str>,
    /// Files whose template is gone.
    pub remove: Vec<&'a str>,
}

impl Writes<'_> {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty()
    }
}

/// What makes `on_disk`, the bytes of the files that kubesup owns, into `rendered`.
pub fn writes<'a>(on_disk: &'a BTreeMap<String, Vec<u8>>, rendered: &'a Rendering) -> Writes<'a> {
    let differs = |(path, text): &(&String, &String)| {
        on_disk
            .get(path.as_str())
            .is_none_or(|bytes| bytes != text.as_bytes())
    };
    Writes {
        write: rendered
            .iter()
            .filter(differs)
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect(),
        remove: on_disk
            .keys()
            .filter(|path| !rendered.contains_key(*path))
            .map(String::as_str)
            .collect(),
    }
}

/// The path of a hook in a rendering.
pub fn hook_path(hook: Hook) -> String {
    format!("hooks/{}", hook.file_name())
}

/// What a file is to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Init,
    Run,
    PostRun,
    Reconfigure,
    Config,
    /// Hooks that only the next run of themselves cares for.
    Other,
}

fn part(path: &str) -> Part {
    // Only the next run of the `install` hook cares for it.
    if path.starts_with("config_install/") {
        return Part::Other;
    }
    match path.strip_prefix("hooks/").map(Hook::from_file_name) {
        None => Part::Config,
        Some(Some(Hook::Init)) => Part::Init,
        Some(Some(Hook::Run)) => Part::Run,
        Some(Some(Hook::PostRun)) => Part::PostRun,
        Some(Some(Hook::Reconfigure)) => Part::Reconfigure,
        Some(_) => Part::Other,
    }
}

fn changed_parts(applied: &Rendering, rendered: &Rendering) -> Vec<Part> {
    let new_or_changed = rendered
        .iter()
        .filter(|(path, text)| applied.get(*path) != Some(text));
    let gone = applied.keys().filter(|path| !rendered.contains_key(*path));
    new_or_changed
        .map(|(path, _)| path)
        .chain(gone)
        .map(|path| part(path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: [(&str, &str); 9] = [
        ("hooks/init", "i"),
        ("hooks/run", "r"),
        ("hooks/post-run", "p"),
        ("hooks/health-check", "h"),
        ("hooks/file-updated", "f"),
        ("hooks/suitability", "s"),
        ("hooks/post-stop", "o"),
        ("config/app.conf", "a"),
        ("config/sub/b.conf", "b"),
    ];

    fn rendering(pairs: &[(&str, &str)]) -> Rendering {
        pairs
            .iter()
            .map(|(path, text)| ((*path).into(), (*text).into()))
            .collect()
    }

    fn with(changes: &[(&str, &str)]) -> Rendering {
        let mut files = rendering(&BASE);
        files.extend(rendering(changes));
        files
    }

    fn without(path: &str) -> Rendering {
        let mut files = rendering(&BASE);
        files.remove(path);
        files
    }

    fn started(rendered: &Rendering) -> Applied {
        let mut applied = Applied::default();
        applied.started(rendered);
        applied
    }

    fn restart(reason: TerminationReason) -> Reaction {
        Reaction::Restart(reason)
    }

    #[test]
    fn what_the_install_hook_finds_is_nothing_to_the_program() {
        let applied = started(&with(&[("hooks/install", "1"), ("config_install/a", "1")]));
        let changed = with(&[("hooks/install", "2"), ("config_install/a", "2")]);
        assert_eq!(reaction(&applied, &changed), Reaction::RenderOnly);
    }

    #[test]
    fn without_a_reconfigure_hook_config_restarts() {
        let applied = started(&with(&[]));
        for (path, expected) in [
            ("hooks/init", restart(TerminationReason::InitHookUpdated)),
            ("hooks/run", restart(TerminationReason::RunHookUpdated)),
            (
                "hooks/post-run",
                restart(TerminationReason::PostRunHookUpdated),
            ),
            (
                "config/app.conf",
                restart(TerminationReason::AppConfigUpdated),
            ),
            (
                "config/sub/b.conf",
                restart(TerminationReason::AppConfigUpdated),
            ),
            ("hooks/health-check", Reaction::RenderOnly),
            ("hooks/file-updated", Reaction::RenderOnly),
            ("hooks/suitability", Reaction::RenderOnly),
            ("hooks/post-stop", Reaction::RenderOnly),
        ] {
            assert_eq!(
                reaction(&applied, &with(&[(path, "new")])),
                expected,
                "{path} changed"
            );
            assert_eq!(
                reaction(&applied, &without(path)),
                expected,
                "{path} removed"
            );
            assert_eq!(
                reaction(&started(&without(path)), &with(&[])),
                expected,
                "{path} added"
            );
        }
        assert_eq!(reaction(&applied, &with(&[])), Reaction::None);
    }

    #[test]
    fn with_a_reconfigure_hook_config_reconfigures() {
        let hook = ("hooks/reconfigure", "x");
        let applied = started(&with(&[hook]));
        let react = |changes: &[(&str, &str)]| reaction(&applied, &with(changes));
        assert_eq!(react(&[hook]), Reaction::None);
        assert_eq!(
            react(&[hook, ("config/app.conf", "new")]),
            Reaction::Reconfigure
        );
        assert_eq!(react(&[hook, ("config/new", "")]), Reaction::Reconfigure);
        assert_eq!(
            react(&[("hooks/reconfigure", "new")]),
            Reaction::Reconfigure
        );
        assert_eq!(
            reaction(&started(&with(&[])), &with(&[hook])),
            Reaction::Reconfigure,
            "added"
        );
        assert_eq!(react(&[]), Reaction::RenderOnly, "removed");
        assert_eq!(
            react(&[("config/app.conf", "new")]),
            restart(TerminationReason::AppConfigUpdated)
        );
    }

    #[test]
    fn the_first_of_the_priority_table_wins() {
        let applied = started(&with(&[("hooks/reconfigure", "x")]));
        let mut changes = vec![
            ("hooks/reconfigure", "y"),
            ("config/app.conf", "new"),
            ("hooks/health-check", "new"),
        ];
        for (path, expected) in [
            ("hooks/health-check", Reaction::Reconfigure),
            (
                "hooks/post-run",
                restart(TerminationReason::PostRunHookUpdated),
            ),
            ("hooks/run", restart(TerminationReason::RunHookUpdated)),
            ("hooks/init", restart(TerminationReason::InitHookUpdated)),
        ] {
            changes.push((path, "new"));
            assert_eq!(reaction(&applied, &with(&changes)), expected);
        }
    }

    #[test]
    fn before_the_first_start_nothing_restarts() {
        let mut applied = Applied::default();
        assert_eq!(reaction(&applied, &with(&[])), Reaction::RenderOnly);
        applied.written(&with(&[]));
        assert_eq!(
            reaction(&applied, &with(&[("config/app.conf", "new")])),
            Reaction::RenderOnly
        );
    }

    #[test]
    fn what_was_written_but_not_applied_is_asked_for_again() {
        let hook = ("hooks/reconfigure", "x");
        let (old, new) = (
            with(&[hook]),
            with(&[hook, ("config/app.conf", "new"), ("hooks/post-stop", "new")]),
        );
        let mut applied = started(&old);
        applied.written(&new);
        assert_eq!(reaction(&applied, &new), Reaction::Reconfigure);
        assert_eq!(
            reaction(&applied, &with(&[hook, ("hooks/post-stop", "new")])),
            Reaction::None,
            "reverted in time"
        );
        applied.reconfigured(&new);
        assert_eq!(reaction(&applied, &new), Reaction::None);
    }

    #[test]
    fn after_a_failure_a_revert_has_to_be_applied_too() {
        let hook = ("hooks/reconfigure", "x");
        let old = with(&[hook]);
        let mut applied = started(&old);
        applied.reconfigure_failed();
        assert!(applied.is_unsettled());
        assert_eq!(reaction(&applied, &old), Reaction::Reconfigure);
        assert_eq!(
            reaction(&applied, &with(&[])),
            restart(TerminationReason::AppConfigUpdated)
        );
        applied.reconfigured(&old);
        assert_eq!(reaction(&applied, &old), Reaction::None);
        applied.reconfigure_failed();
        applied.started(&old);
        assert_eq!(reaction(&applied, &old), Reaction::None);
    }

    #[test]
    fn reconfiguring_does_not_take_over_a_pending_restart() {
        let hook = ("hooks/reconfigure", "x");
        let new = with(&[hook, ("config/app.conf", "new"), ("hooks/run", "new")]);
        let mut applied = started(&with(&[hook]));
        applied.reconfigured(&new);
        assert_eq!(
            reaction(&applied, &new),
            restart(TerminationReason::RunHookUpdated)
        );
    }

    #[test]
    fn a_config_file_that_is_gone_is_taken_over_as_gone() {
        let hook = ("hooks/reconfigure", "x");
        let mut new = with(&[hook]);
        new.remove("config/sub/b.conf");
        let mut applied = started(&with(&[hook]));
        assert_eq!(reaction(&applied, &new), Reaction::Reconfigure);
        applied.reconfigured(&new);
        assert_eq!(reaction(&applied, &new), Reaction::None);
    }

    #[test]
    fn only_what_differs_is_written_and_only_what_is_ours_removed() {
        let on_disk = [
            ("config/same", "x"),
            ("config/old", "x"),
            ("config/differs", "x"),
        ]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
        let rendered = rendering(&[
            ("config/same", "x"),
            ("config/differs", "y"),
            ("hooks/new", ""),
        ]);
        let writes = writes(&on_disk, &rendered);
        assert_eq!(
            writes.write,
            [("config/differs", "y"), ("hooks/new", "")].into()
        );
        assert_eq!(writes.remove, ["config/old"]);
        assert!(!writes.is_empty() && Writes::default().is_empty());
    }
}
