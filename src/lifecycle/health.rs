//! Owns the cadence and the meaning of health checks. Never runs one, and never restarts anything because of one.

use std::time::Duration;

use super::CheckKind;
use super::restart::Jitter;
use super::status::Health;

/// A check that is not Ok is repeated after at most this time, as in Habitat.
const SOON: Duration = Duration::from_secs(30);

/// The state of the health checks of one run of the main process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HealthChecks {
    /// When the next one is due; `None` while one runs or none is wanted.
    pub(super) next: Option<Duration>,
    splayed: bool,
    /// The check that runs may have seen the program as it was before a change.
    outdated: bool,
    /// Failed ones since the last that was none.
    failures: u32,
}

impl HealthChecks {
    /// The first one of a run is due then.
    pub(super) fn begin(first: Duration) -> Self {
        HealthChecks {
            next: Some(first),
            ..HealthChecks::default()
        }
    }

    /// Takes in a result; what is shown from now on. `shown` is what was shown before.
    pub(super) fn take(
        &mut self,
        result: Health,
        shown: Health,
        kind: CheckKind,
        threshold: u32,
    ) -> Health {
        if matches!(result, Health::Ok | Health::Warning) {
            self.failures = 0;
            return result;
        }
        self.failures = self.failures.saturating_add(1);
        match (kind, shown) {
            (CheckKind::Hook, _) => result,
            _ if self.failures >= threshold => Health::Critical,
            (CheckKind::Setting, Health::Ok | Health::Warning) => Health::Warning,
            // It has not been well yet.
            (CheckKind::Setting, shown) => shown,
        }
    }

    /// The program has changed: a check is due at once, or as soon as the one that is under way has ended.
    pub(super) fn changed(&mut self, now: Duration, under_way: bool) {
        if under_way {
            self.outdated = true;
        } else {
            self.next = Some(now);
        }
    }

    /// How many in a row have failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// After a result: the configured interval; after the first Ok a random part of it, so that a group's checks spread.
    pub(super) fn schedule(
        &mut self,
        now: Duration,
        health: Health,
        interval: Duration,
        jitter: &mut Jitter,
    ) {
        if std::mem::take(&mut self.outdated) {
            self.next = Some(now);
            return;
        }
        let pause = if health != Health::Ok {
            interval.min(SOON)
        } else if self.splayed {
            interval
        } else {
            self.splayed = true;
            jitter.between(Duration::ZERO, interval)
        };
        self.next = Some(now + pause);
    }
}

/// What an exit code of the `health-check` hook means (contract, section 2.3).
pub(super) fn meaning(code: i32) -> Health {
    match code {
        0 => Health::Ok,
        1 => Health::Warning,
        2 => Health::Critical,
        _ => Health::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_mean_what_they_mean_in_habitat() {
        let meanings: Vec<_> = [0, 1, 2, 3, 4, 127, 137].into_iter().map(meaning).collect();
        assert_eq!(
            meanings,
            [
                Health::Ok,
                Health::Warning,
                Health::Critical,
                Health::Unknown,
                Health::Unknown,
                Health::Unknown,
                Health::Unknown
            ]
        );
    }

    /// What is shown after each of these results.
    fn shown(kind: CheckKind, threshold: u32, results: &[Health]) -> Vec<Health> {
        let mut checks = HealthChecks::default();
        let mut shown = Health::Unknown;
        let mut all = Vec::new();
        for result in results {
            shown = checks.take(*result, shown, kind, threshold);
            all.push(shown);
        }
        all
    }

    #[test]
    fn a_check_of_the_settings_is_critical_after_as_many_failures_as_the_threshold() {
        use Health::{Critical, Ok, Unknown, Warning};
        assert_eq!(
            shown(
                CheckKind::Setting,
                3,
                &[Critical, Ok, Critical, Critical, Unknown, Ok, Critical]
            ),
            [Unknown, Ok, Warning, Warning, Critical, Ok, Warning]
        );
        assert_eq!(
            shown(CheckKind::Setting, 2, &[Critical, Critical, Critical]),
            [Unknown, Critical, Critical]
        );
        assert_eq!(shown(CheckKind::Setting, 1, &[Critical]), [Critical]);
    }

    #[test]
    fn every_result_of_the_hook_shows_at_once() {
        use Health::{Critical, Ok, Unknown, Warning};
        let results = [Critical, Ok, Unknown, Warning];
        assert_eq!(shown(CheckKind::Hook, 3, &results), results);
    }

    #[test]
    fn only_the_first_ok_is_splayed_and_what_is_not_ok_is_checked_soon() {
        let interval = Duration::from_secs(60);
        let mut jitter = Jitter::new(5);
        let mut checks = HealthChecks::begin(Duration::ZERO);
        checks.schedule(Duration::ZERO, Health::Ok, interval, &mut jitter);
        assert!(checks.next < Some(interval));
        checks.schedule(Duration::ZERO, Health::Ok, interval, &mut jitter);
        assert_eq!(checks.next, Some(interval));
        checks.schedule(Duration::ZERO, Health::Critical, interval, &mut jitter);
        assert_eq!(checks.next, Some(SOON));
        let short = Duration::from_secs(10);
        checks.schedule(Duration::ZERO, Health::Warning, short, &mut jitter);
        assert_eq!(checks.next, Some(short), "not later than otherwise");
    }

    /// Habitat panics on an interval of none.
    #[test]
    fn the_splay_is_anywhere_in_the_interval_and_none_of_it_is_no_pause() {
        let interval = Duration::from_secs(60);
        let splay = |seed, interval| {
            let mut checks = HealthChecks::begin(Duration::ZERO);
            checks.schedule(Duration::ZERO, Health::Ok, interval, &mut Jitter::new(seed));
            checks.next.expect("a next one")
        };
        let (early, late): (Vec<_>, Vec<_>) = (0..100)
            .map(|seed| splay(seed, interval))
            .partition(|next| *next < interval / 2);
        assert!(early.len() > 20 && late.len() > 20, "{early:?} {late:?}");
        assert_eq!(splay(1, Duration::ZERO), Duration::ZERO);
    }
}
