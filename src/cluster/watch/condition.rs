//! Owns what stands in the way of one watch: the failure it is in, and the objects it cannot read; says it when it
//! begins, when it changes and when it is over. Never waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::cluster::target::Target;
use crate::cluster::trouble::undecodable_line;
use crate::world::Observation;

/// A failure that goes on is said in the log this often.
const REMIND: Duration = Duration::from_secs(600);

/// What stands in the way of one watch.
#[derive(Debug)]
pub(super) struct Condition {
    target: Target,
    failure: Option<Failure>,
    /// Name and reason of each object that does not decode.
    undecodable: BTreeMap<String, String>,
    /// What the world was told last.
    told: Option<String>,
}

#[derive(Debug)]
struct Failure {
    line: String,
    since: Instant,
    logged: Instant,
}

impl Condition {
    pub(super) fn new(target: Target) -> Condition {
        Condition {
            target,
            failure: None,
            undecodable: BTreeMap::new(),
            told: None,
        }
    }

    /// The watch failed at `now`. `error` is what the line leaves out, for the log.
    pub(super) fn failed(&mut self, line: String, error: &dyn std::fmt::Display, now: Instant) {
        // What a parser says may quote a Secret; the line says the rest.
        let error: &dyn std::fmt::Display = if self.target.is_secret() {
            &"not shown, it is about a Secret"
        } else {
            error
        };
        let known = self.failure.as_ref();
        let since = known.map_or(now, |failure| failure.since);
        let due =
            known.is_none_or(|failure| failure.line != line || now - failure.logged >= REMIND);
        let logged = known.filter(|_| !due).map_or(now, |failure| failure.logged);
        if due {
            warn!(problem = line, %error, "the watch failed");
        } else {
            debug!(problem = line, %error, "the watch failed again");
        }
        self.failure = Some(Failure {
            line,
            since,
            logged,
        });
    }

    /// The watch works at `now`.
    pub(super) fn works(&mut self, now: Instant) {
        if let Some(failure) = self.failure.take() {
            let seconds = (now - failure.since).as_secs();
            info!(seconds, problem = failure.line, "the watch works again");
        }
    }

    /// All objects are told anew: which of them do not decode is yet to be seen.
    pub(super) fn forget_undecodable(&mut self) {
        self.undecodable.clear();
    }

    /// This object does not decode.
    pub(super) fn undecodable(&mut self, object: String, reason: String) {
        let reason = if self.target.is_secret() {
            "its content is not what a Secret has (it is not shown)".to_owned()
        } else {
            reason
        };
        if self.undecodable.get(&object) != Some(&reason) {
            warn!(object, reason, "an object cannot be read");
        }
        self.undecodable.insert(object, reason);
    }

    /// This object decodes, or is gone.
    pub(super) fn decodable(&mut self, object: &str) {
        self.undecodable.remove(object);
    }

    /// Every object decodes.
    pub(super) fn all_decode(&self) -> bool {
        self.undecodable.is_empty()
    }

    fn problem(&self) -> Option<String> {
        let undecodable = || {
            let (object, reason) = self.undecodable.first_key_value()?;
            let others = self.undecodable.len() - 1;
            Some(undecodable_line(&self.target, object, reason, others))
        };
        self.failure
            .as_ref()
            .map(|failure| failure.line.clone())
            .or_else(undecodable)
    }

    /// What the world must be told: something, only if it differs from what it was told last.
    pub(super) fn news(&mut self) -> Option<Observation> {
        let problem = self.problem();
        self.tell(problem)
    }

    /// The watch is stopped: what it could not do is nobody's problem any more.
    pub(super) fn farewell(&mut self) -> Option<Observation> {
        self.tell(None)
    }

    fn tell(&mut self, problem: Option<String>) -> Option<Observation> {
        if problem == self.told {
            return None;
        }
        self.told.clone_from(&problem);
        Some(Observation::Trouble {
            watch: self.target.key.clone(),
            problem,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Identity, WatchKey};

    fn condition() -> Condition {
        let identity = Identity {
            namespace: "shop".into(),
            ..Identity::default()
        };
        let key = WatchKey::ConfigMap { name: "c".into() };
        Condition::new(Target::new(key, &identity, "api:443".into()))
    }

    /// What is told, if anything is: the problem, or `well`.
    fn told(condition: &mut Condition) -> Option<String> {
        condition.news().map(|news| match news {
            Observation::Trouble { problem, .. } => problem.unwrap_or("well".into()),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_failure_is_told_at_first_when_its_reason_changes_and_when_it_is_over() {
        let mut condition = condition();
        let now = Instant::now();
        assert_eq!(told(&mut condition), None);
        condition.failed("a".into(), &"", now);
        assert_eq!(told(&mut condition), Some("a".into()));
        condition.failed("a".into(), &"", now);
        assert_eq!(told(&mut condition), None);
        condition.failed("b".into(), &"", now);
        assert_eq!(told(&mut condition), Some("b".into()));
        condition.works(now);
        assert_eq!(told(&mut condition), Some("well".into()));
        assert_eq!(told(&mut condition), None);
    }

    #[test]
    fn a_failure_that_goes_on_is_logged_every_ten_minutes_and_keeps_its_beginning() {
        let mut condition = condition();
        let start = Instant::now();
        let logged = [0, 300, 600, 900, 1200].map(|seconds| {
            condition.failed("a".into(), &"", start + Duration::from_secs(seconds));
            let failure = condition.failure.as_ref().unwrap();
            assert_eq!(failure.since, start);
            (failure.logged - start).as_secs()
        });
        assert_eq!(logged, [0, 0, 600, 600, 1200]);
    }

    #[test]
    fn an_object_that_does_not_decode_is_told_until_it_does_or_is_gone() {
        let mut condition = condition();
        condition.undecodable("c".into(), "data: not a map".into());
        let problem = told(&mut condition).unwrap();
        assert!(
            problem.starts_with("cannot read ConfigMap: shop/c: data: not a map; "),
            "{problem}"
        );
        condition.failed("a".into(), &"", Instant::now());
        assert_eq!(told(&mut condition), Some("a".into()));
        condition.works(Instant::now());
        assert_eq!(told(&mut condition), Some(problem));
        condition.decodable("c");
        assert_eq!(told(&mut condition), Some("well".into()));
    }

    #[test]
    fn the_reason_why_a_secret_does_not_decode_is_not_told() {
        let identity = Identity::default();
        let key = WatchKey::Secret { name: "s".into() };
        let mut condition = Condition::new(Target::new(key, &identity, "api:443".into()));
        condition.undecodable("s".into(), "invalid type: string \"hunter2\"".into());
        let problem = told(&mut condition).unwrap();
        assert!(
            problem.contains("Secret") && !problem.contains("hunter2"),
            "{problem}"
        );
    }

    #[test]
    fn a_stopped_watch_takes_its_trouble_back() {
        let mut condition = condition();
        assert_eq!(condition.farewell(), None);
        condition.failed("a".into(), &"", Instant::now());
        condition.news();
        assert!(condition.farewell().is_some());
    }
}
