//! Owns when a failed service is started again: Habitat's decorrelated jitter, the cooldown, the budget. Never starts it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::RestartBudget;

/// A small deterministic source of jitter (xorshift64*), so that `step` stays a function of its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Jitter(seed | 1)
    }

    /// Uniform in `[low, high]`; `low` when `high` is not above it.
    pub(super) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        let span = high.saturating_sub(low).as_micros();
        let part = span.saturating_mul(u128::from(random)) >> 32;
        low.saturating_add(Duration::from_micros(
            u64::try_from(part).unwrap_or(u64::MAX),
        ))
    }
}

/// The first pause between tries of what fails again and again; it doubles up to [`LONGEST`].
pub(super) const FIRST: Duration = Duration::from_secs(1);
/// A minute: an operator who mends the cause sees the effect while still looking.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// The pause before the next try of a hook after this many failed ones.
pub(super) fn growing_pause(tries: u32, jitter: &mut Jitter) -> Duration {
    let longest = FIRST.saturating_mul(1 << tries.min(16)).min(LONGEST);
    jitter.between(longest / 2, longest)
}

/// Failures and the pause before the next start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Restarts {
    /// Restarts after failures since the last intentional restart.
    pub(super) count: u64,
    previous: Option<Duration>,
    failures: VecDeque<Duration>,
}

impl Restarts {
    /// A wanted restart forgets all backoff, as in Habitat.
    pub(super) fn intentional(&mut self) {
        self.count = 0;
        self.previous = None;
    }

    /// Notes a failure at `now`, after a run of `ran`; false when the budget is spent.
    pub(super) fn failed(
        &mut self,
        now: Duration,
        ran: Duration,
        cooldown: Duration,
        budget: Option<RestartBudget>,
    ) -> bool {
        if ran > cooldown {
            self.previous = None;
        }
        let Some(budget) = budget else { return true };
        self.failures.push_back(now);
        self.failures
            .retain(|at| now.saturating_sub(*at) < budget.within);
        self.failures.len() < budget.failures as usize
    }

    /// The pause before the next start: first `min`, then `min(max, random[min, 3 × previous])`.
    pub(super) fn pause(&mut self, min: Duration, max: Duration, jitter: &mut Jitter) -> Duration {
        // Habitat lowers min to max when they are the wrong way round.
        let min = min.min(max);
        let pause = match self.previous {
            None => min,
            Some(previous) => jitter.between(min, previous.saturating_mul(3)).min(max),
        };
        self.previous = Some(pause);
        self.count += 1;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_pause_is_the_shortest_and_none_is_longer_than_the_longest() {
        let mut restarts = Restarts::default();
        let mut jitter = Jitter::new(7);
        assert_eq!(restarts.pause(SECOND, 30 * SECOND, &mut jitter), SECOND);
        for _ in 0..100 {
            let previous = restarts.previous.expect("a pause");
            let pause = restarts.pause(SECOND, 30 * SECOND, &mut jitter);
            assert!(
                pause >= SECOND && pause <= (30 * SECOND).min(3 * previous),
                "{pause:?}"
            );
        }
        assert_eq!(restarts.count, 101);
    }

    #[test]
    fn no_backoff_is_no_pause() {
        let mut restarts = Restarts::default();
        for _ in 0..3 {
            assert_eq!(
                restarts.pause(Duration::ZERO, Duration::ZERO, &mut Jitter::new(1)),
                Duration::ZERO
            );
        }
    }

    #[test]
    fn a_first_pause_above_the_longest_is_lowered_to_it() {
        let mut restarts = Restarts::default();
        let mut jitter = Jitter::new(1);
        for _ in 0..5 {
            assert_eq!(
                restarts.pause(30 * SECOND, 5 * SECOND, &mut jitter),
                5 * SECOND
            );
        }
    }

    #[test]
    fn a_long_run_and_a_wanted_restart_reset_the_backoff() {
        let mut jitter = Jitter::new(3);
        let mut restarts = Restarts::default();
        restarts.pause(SECOND, 30 * SECOND, &mut jitter);
        restarts.failed(SECOND, 400 * SECOND, 300 * SECOND, None);
        assert_eq!(restarts.pause(SECOND, 30 * SECOND, &mut jitter), SECOND);
        restarts.intentional();
        assert_eq!(
            (
                restarts.count,
                restarts.pause(SECOND, 30 * SECOND, &mut jitter)
            ),
            (0, SECOND)
        );
    }

    /// The two times of Habitat's documentation of restarts: a service that needs longer than the cooldown to fail keeps the
    /// first pause for ever, and with a cooldown above that its pauses grow until it has run for so long.
    #[test]
    fn a_cooldown_shorter_than_the_time_to_a_failure_keeps_the_first_pause_and_a_longer_one_lets_it_grow()
     {
        let (min, max) = (5 * SECOND, 20 * SECOND);
        let crash = |restarts: &mut Restarts, at: u32, ran: u32, cooldown: u32, seed| {
            assert!(restarts.failed(at * SECOND, ran * SECOND, cooldown * SECOND, None));
            restarts.pause(min, max, &mut Jitter::new(seed))
        };
        let mut seen_longer = false;
        for seed in 1..50 {
            let mut short = Restarts::default();
            assert_eq!(crash(&mut short, 30, 30, 10, seed), min);
            assert_eq!(crash(&mut short, 65, 30, 10, seed), min, "reset at 45 s");

            let mut long = Restarts::default();
            assert_eq!(crash(&mut long, 30, 30, 60, seed), min);
            let second = crash(&mut long, 65, 30, 60, seed);
            assert!((min..=3 * min).contains(&second), "{second:?}");
            seen_longer |= second > 2 * min;
            assert_eq!(crash(&mut long, 150, 70, 60, seed), min, "reset at 140 s");
        }
        assert!(seen_longer);
    }

    #[test]
    fn the_budget_is_spent_by_the_fifth_failure_in_five_minutes_and_not_by_slower_ones() {
        let budget = Some(RestartBudget {
            failures: 5,
            within: 300 * SECOND,
        });
        let failed = |at: &[u32]| {
            let mut restarts = Restarts::default();
            at.iter()
                .map(|at| restarts.failed(*at * SECOND, SECOND, SECOND, budget))
                .collect::<Vec<_>>()
        };
        assert_eq!(failed(&[0, 1, 2, 3, 4]), [true, true, true, true, false]);
        assert_eq!(failed(&[0, 100, 200, 300, 400]), [true; 5]);
    }

    #[test]
    fn jitter_stays_in_its_bounds_and_differs_by_seed() {
        let mut jitter = Jitter::new(1);
        assert!(
            (0..1000)
                .map(|_| jitter.between(SECOND, 3 * SECOND))
                .all(|time| (SECOND..=3 * SECOND).contains(&time))
        );
        assert_ne!(
            Jitter::new(10).between(SECOND, 9 * SECOND),
            Jitter::new(20).between(SECOND, 9 * SECOND)
        );
    }
}
