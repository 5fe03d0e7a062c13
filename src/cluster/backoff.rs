//! Owns the pauses between attempts while something keeps failing. Never sleeps and never draws a random number.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The API server may ask for a pause (`Retry-After`), but for no longer one than this: a proxy's maintenance page
/// that says an hour must not keep a Pod blind for an hour.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// Pauses that double from the first to the longest.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    bounds: RangeInclusive<Duration>,
    failures: u32,
}

impl Backoff {
    /// No failure yet; `bounds` are the first and the longest pause.
    pub(super) fn new(bounds: RangeInclusive<Duration>) -> Backoff {
        Backoff {
            bounds,
            failures: 0,
        }
    }

    /// The pause after one more failure. `random` in 0..1 moves it by up to a fifth either way; `asked` is the pause
    /// that the server wants at least.
    pub(super) fn next(&mut self, random: f64, asked: Option<Duration>) -> Duration {
        let doubled = self
            .bounds
            .start()
            .saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(*self.bounds.end()).mul_f64(0.8 + 0.4 * random);
        let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
        pause.max(asked.mul_f64(1.0 + 0.2 * random))
    }

    /// It works: the next failure is a first one.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff() -> Backoff {
        Backoff::new(Duration::from_secs(1)..=Duration::from_secs(30))
    }

    fn seconds(backoff: &mut Backoff, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| backoff.next(0.5, None).as_secs_f32())
            .collect()
    }

    #[test]
    fn pauses_grow_to_the_longest_and_start_over_after_a_reset() {
        let mut backoff = backoff();
        assert_eq!(
            seconds(&mut backoff, 7),
            [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        );
        backoff.reset();
        assert_eq!(seconds(&mut backoff, 2), [1.0, 2.0]);
    }

    #[test]
    fn chance_moves_a_pause_by_a_fifth() {
        let pauses = [0.0, 1.0].map(|random| backoff().next(random, None).as_millis());
        assert_eq!(pauses, [800, 1200]);
    }

    #[test]
    fn an_outage_of_days_does_not_overflow() {
        let mut backoff = backoff();
        assert!(
            seconds(&mut backoff, 100_000)
                .iter()
                .skip(5)
                .all(|pause| *pause <= 30.0)
        );
    }

    #[test]
    fn the_server_may_ask_for_a_longer_pause_up_to_a_minute() {
        let asked = |seconds| {
            backoff()
                .next(0.0, Some(Duration::from_secs(seconds)))
                .as_millis()
        };
        assert_eq!([asked(0), asked(7), asked(3600)], [800, 7000, 60_000]);
    }
}
