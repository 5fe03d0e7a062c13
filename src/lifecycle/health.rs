//! Owns the cadence and the meaning of health checks. Never runs one, and never restarts anything because of one.

use std::time::Duration;

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
}

impl HealthChecks {
    /// The first one of a run is due at once.
    pub(super) fn begin(now: Duration) -> Self {
        HealthChecks {
            next: Some(now),
            splayed: false,
        }
    }

    /// After a result: the configured interval; after the first Ok a random part of it, so that a group's checks spread.
    pub(super) fn finished(
        &mut self,
        now: Duration,
        health: Health,
        interval: Duration,
        jitter: &mut Jitter,
    ) {
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

    #[test]
    fn only_the_first_ok_is_splayed_and_what_is_not_ok_is_checked_soon() {
        let interval = Duration::from_secs(60);
        let mut jitter = Jitter::new(5);
        let mut checks = HealthChecks::begin(Duration::ZERO);
        checks.finished(Duration::ZERO, Health::Ok, interval, &mut jitter);
        assert!(checks.next < Some(interval));
        checks.finished(Duration::ZERO, Health::Ok, interval, &mut jitter);
        assert_eq!(checks.next, Some(interval));
        checks.finished(Duration::ZERO, Health::Critical, interval, &mut jitter);
        assert_eq!(checks.next, Some(SOON));
    }
}
