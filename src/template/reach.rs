//! Owns the question which trees of the context some template can reach, so that thousands of members are not built for
//! nobody. Conservative: what is unclear reaches everything.

use super::scan::mustaches;

/// Which of the costly trees can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// `svc`, with its members.
    pub svc: bool,
    /// `kube`, with its endpoints.
    pub kube: bool,
    /// `bind`, with its members.
    pub bind: bool,
    /// Who leads what is bound: `leader` and `first` of a bind.
    pub bound_leaders: bool,
}

impl Reach {
    /// What these templates can reach.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Reach {
        let mut reach = Reach {
            svc: false,
            kube: false,
            bind: false,
            bound_leaders: false,
        };
        for text in texts {
            for mustache in mustaches(text) {
                let inside = mustache.inside;
                let unclear = is_unclear(inside);
                reach.svc |= unclear || words(inside).any(|word| word == "svc");
                reach.kube |= unclear || words(inside).any(|word| word == "kube");
                reach.bind |= unclear || words(inside).any(|word| word == "bind");
                reach.bound_leaders |= unclear || names_a_leader(inside);
            }
        }
        reach.bound_leaders &= reach.bind;
        reach
    }
}

fn words(inside: &str) -> impl Iterator<Item = &str> {
    inside
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// `bind.db` and `leader` may stand in different places: `{{#with bind.db}}{{leader.sys.ip}}`.
fn names_a_leader(inside: &str) -> bool {
    // `@first` is a loop's.
    let inside = inside.replace("@first", "");
    words(&inside).any(|word| matches!(word, "leader" | "first"))
}

/// Whether the whole context, or a computed part of it, may be meant.
fn is_unclear(inside: &str) -> bool {
    let whole = |word: &str| matches!(word, "this" | "root" | "lookup");
    let is_path_alone =
        |part: &str| !part.is_empty() && part.chars().all(|c| matches!(c, '.' | '/'));
    let parts = inside.split(|c: char| {
        c.is_whitespace() || matches!(c, '(' | ')' | '~' | '{' | '}' | '=' | '#' | '|')
    });
    words(inside).any(whole) || parts.into_iter().any(is_path_alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(text: &str) -> (bool, bool, bool) {
        let reach = Reach::of([text].into_iter());
        (reach.svc, reach.kube, reach.bind)
    }

    #[test]
    fn only_what_is_named_is_reached() {
        assert_eq!(
            reach("svc and kube outside {{cfg.port}}"),
            (false, false, false)
        );
        assert_eq!(
            reach("{{#each svc.members}}{{sys.ip}}{{/each}}"),
            (true, false, false)
        );
        assert_eq!(reach("{{kube.pod.name}}"), (false, true, false));
        assert_eq!(
            reach("{{! svc }}{{cfg.a}} svc {{cfg.b}}"),
            (false, false, false)
        );
        assert_eq!(
            reach("{{strConcat \"}}\" svc.group}}"),
            (true, false, false)
        );
        assert_eq!(reach("{{#if bind.db}}x{{/if}}"), (false, false, true));
        assert_eq!(reach("{{toJson ../svc}}{{[kube]}}"), (true, true, false));
    }

    #[test]
    fn who_leads_what_is_bound_is_read_by_leader_and_first_of_a_bind() {
        let reads = |text: &str| Reach::of([text].into_iter()).bound_leaders;
        for text in [
            "{{bind.db.leader.sys.ip}}",
            "{{bind.db.first.sys.ip}}",
            "{{#with bind.db}}{{#with leader}}{{sys.ip}}{{/with}}{{/with}}",
            "{{#each bind as |b name|}}{{b.[first].sys.ip}}{{/each}}",
            "{{toJson this}}",
        ] {
            assert!(reads(text), "{text}");
        }
        for text in [
            "{{svc.leader.sys.ip}}",
            "{{#each bind.db.members}}{{sys.ip}}{{#unless @first}},{{/unless}}{{/each}}",
            "the leader of {{bind.db.members.[0].sys.ip}}",
        ] {
            assert!(!reads(text), "{text}");
        }
    }

    #[test]
    fn what_is_unclear_reaches_everything() {
        for text in [
            "{{toJson this}}",
            "{{toJson .}}",
            "{{#each .}}x{{/each}}",
            "{{@root.x}}",
            "{{lookup . name}}",
            "{{> part ..}}",
            "{{> part ../..}}",
            "{{toJson (default \"\" .)}}",
        ] {
            assert_eq!(reach(text), (true, true, true), "{text}");
        }
    }
}
