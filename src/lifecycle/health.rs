//! Owns the cadence and the meaning of health checks. Never runs one, and never restarts anything because of one.

use std::time::Duration;

use super::CheckKind;
use super::restart::Jitter;
use super::status::Health;

/// A check that is not Ok is repeated after at most this time, as in Habitat.
const SOON: Duration = Duration::from_secs(30);
/// The first look between two checks, each further one after twice the time. A program that begins to listen 100 ms after its
/// first check would else be ready 30 s later: four of ten rolling updates of examples/demo took 46 s and not 18 s.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// The state of the health checks of one run of the main process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HealthChecks {
    /// When the next one is due; `None` while one runs or none is wanted.
    pub(super) next: Option<Duration>,
    /// When it is due by the interval. What comes before that is a look: it can find the program well, and never counts as a
    /// failure.
    due: Duration,
    /// The program has been well since its start or its last change: no more looks.
    well: bool,
    looks: u32,
    splayed: bool,
    /// The check that runs may have seen the program as it was before a change.
    outdated: bool,
    /// Failed ones since the last that was none.
    failures: u32,
}

/// How a check has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) result: Health,
    /// It was killed when its time was over.
    pub(super) hung: bool,
}

impl HealthChecks {
    /// The first one of a run is due then.
    pub(super) fn begin(first: Duration) -> Self {
        HealthChecks {
            next: Some(first),
            due: first,
            ..HealthChecks::default()
        }
    }

    /// Takes in a result; what is shown from now on. `shown` is what was shown before.
    pub(super) fn take(
        &mut self,
        now: Duration,
        result: Health,
        shown: Health,
        kind: CheckKind,
        threshold: u32,
    ) -> Health {
        if is_well(result) {
            self.failures = 0;
            return result;
        }
        if now >= self.due {
            self.failures = self.failures.saturating_add(1);
        }
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
            self.at_once(now);
        }
    }

    fn at_once(&mut self, now: Duration) {
        self.next = Some(now);
        self.due = now;
        self.well = false;
        self.looks = 0;
    }

    /// How many in a row have failed.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// After a result: the configured interval; after the first Ok a random part of it, so that a group's checks spread. Until
    /// the program is well there are looks in between, unless a check hangs, which is not how a program is that begins.
    pub(super) fn schedule(
        &mut self,
        now: Duration,
        checked: Checked,
        interval: Duration,
        jitter: &mut Jitter,
    ) {
        if std::mem::take(&mut self.outdated) {
            self.at_once(now);
            return;
        }
        self.well |= is_well(checked.result);
        if now >= self.due || is_well(checked.result) {
            self.due = now + self.pause(checked.result, interval, jitter);
        }
        self.next = if self.well || checked.hung {
            Some(self.due)
        } else {
            let look = FIRST_LOOK.saturating_mul(1 << self.looks.min(16));
            self.looks += 1;
            Some(self.due.min(now + look))
        };
    }

    fn pause(&mut self, result: Health, interval: Duration, jitter: &mut Jitter) -> Duration {
        if result != Health::Ok {
            interval.min(SOON)
        } else if self.splayed {
            interval
        } else {
            self.splayed = true;
            jitter.between(Duration::ZERO, interval)
        }
    }
}

/// What makes a member ready.
fn is_well(health: Health) -> bool {
    matches!(health, Health::Ok | Health::Warning)
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
            shown = checks.take(Duration::ZERO, *result, shown, kind, threshold);
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

    fn quick(result: Health) -> Checked {
        Checked {
            result,
            hung: false,
        }
    }

    #[test]
    fn only_the_first_ok_is_splayed_and_what_is_not_ok_any_more_is_checked_soon() {
        let interval = Duration::from_secs(60);
        let mut jitter = Jitter::new(5);
        let mut checks = HealthChecks::begin(Duration::ZERO);
        let mut after = |now, result, interval| {
            checks.schedule(now, quick(result), interval, &mut jitter);
            checks.next.expect("a next one").saturating_sub(now)
        };
        assert!(after(Duration::ZERO, Health::Ok, interval) < interval);
        assert_eq!(after(interval, Health::Ok, interval), interval);
        assert_eq!(after(2 * interval, Health::Critical, interval), SOON);
        assert_eq!(after(3 * interval, Health::Unknown, interval), SOON);
        let short = Duration::from_secs(10);
        let next = after(4 * interval, Health::Warning, short);
        assert_eq!(next, short, "not later than otherwise");
    }

    /// When checks are made that all end so, in seconds.
    fn times(checks: &mut HealthChecks, checked: Checked, interval: u64, many: usize) -> Vec<u64> {
        let mut jitter = Jitter::new(5);
        let mut made = Vec::new();
        for _ in 0..many {
            let now = checks.next.expect("a next one");
            made.push(now.as_secs());
            checks.schedule(now, checked, Duration::from_secs(interval), &mut jitter);
        }
        made
    }

    #[test]
    fn until_the_program_is_well_there_are_looks_in_between_and_the_interval_stays() {
        let begin = || HealthChecks::begin(Duration::from_secs(2));
        let critical = quick(Health::Critical);
        let of = |checked, interval, many| times(&mut begin(), checked, interval, many);
        assert_eq!(of(critical, 30, 7), [2, 3, 5, 9, 17, 32, 62]);
        assert_eq!(of(critical, 2, 5), [2, 3, 4, 6, 8]);
        assert_eq!(of(quick(Health::Warning), 30, 3), [2, 32, 62]);
        let hung = Checked {
            hung: true,
            ..critical
        };
        assert_eq!(of(hung, 30, 3), [2, 32, 62]);
    }

    #[test]
    fn a_change_of_the_program_brings_looks_again_and_being_well_ends_them() {
        let critical = quick(Health::Critical);
        let mut checks = HealthChecks::begin(Duration::ZERO);
        assert_eq!(times(&mut checks, quick(Health::Warning), 30, 2), [0, 30]);
        assert_eq!(times(&mut checks, critical, 30, 2), [60, 90]);
        checks.changed(Duration::from_secs(100), false);
        assert_eq!(times(&mut checks, critical, 30, 3), [100, 101, 103]);
        checks.changed(Duration::from_secs(104), true);
        assert_eq!(times(&mut checks, critical, 30, 4), [107, 107, 108, 110]);
        assert_eq!(
            times(&mut checks, quick(Health::Warning), 30, 2),
            [114, 144]
        );
    }

    #[test]
    fn a_look_that_fails_is_no_failure_and_one_that_does_not_ends_them() {
        use Health::{Critical, Ok, Unknown};
        let seconds = Duration::from_secs;
        let mut checks = HealthChecks::begin(Duration::ZERO);
        let mut jitter = Jitter::new(5);
        let mut check = |now: u64, result| {
            let shown = checks.take(seconds(now), result, Unknown, CheckKind::Setting, 2);
            checks.schedule(seconds(now), quick(result), seconds(30), &mut jitter);
            (shown, checks.failures())
        };
        assert_eq!(check(0, Critical), (Unknown, 1));
        assert_eq!(check(1, Critical), (Unknown, 1), "a look");
        assert_eq!(check(29, Critical), (Unknown, 1), "a look");
        assert_eq!(check(30, Critical), (Critical, 2));
        assert_eq!(check(31, Ok), (Ok, 0));
    }

    /// Habitat panics on an interval of none.
    #[test]
    fn the_splay_is_anywhere_in_the_interval_and_none_of_it_is_no_pause() {
        let interval = Duration::from_secs(60);
        let splay = |seed, interval| {
            let mut checks = HealthChecks::begin(Duration::ZERO);
            let jitter = &mut Jitter::new(seed);
            checks.schedule(Duration::ZERO, quick(Health::Ok), interval, jitter);
            checks.next.expect("a next one")
        };
        let (early, late): (Vec<_>, Vec<_>) = (0..100)
            .map(|seed| splay(seed, interval))
            .partition(|next| *next < interval / 2);
        assert!(early.len() > 20 && late.len() > 20, "{early:?} {late:?}");
        assert_eq!(splay(1, Duration::ZERO), Duration::ZERO);
    }
}
