//! Owns the times of a leader's Lease and the arithmetic that they have to satisfy. Never measures one.

use std::time::Duration;

/// How a lead is held, lost and taken over. Every member of a group should have the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseTimes {
    /// A Lease whose renewals nobody has seen for this long is vacant. 15 s, as the control plane's own Leases.
    pub lease_duration: Duration,
    /// A leader gives up when its last successful renewal was sent this long ago.
    pub renew_deadline: Duration,
    /// Between two renewals.
    pub renew_period: Duration,
    /// Between two tries of a write that failed; also how long one may take.
    pub retry_period: Duration,
    /// How long a demotion may take; then the main process group is killed.
    pub demotion_timeout: Duration,
    /// What pauses of the process, the kill and the drift of clocks may take together within one lease.
    pub margin: Duration,
}

impl Default for LeaseTimes {
    fn default() -> LeaseTimes {
        let seconds = Duration::from_secs;
        LeaseTimes {
            lease_duration: seconds(15),
            renew_deadline: seconds(10),
            renew_period: seconds(5),
            retry_period: seconds(2),
            demotion_timeout: seconds(3),
            margin: seconds(1),
        }
    }
}

/// What losing a lead means for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnLost {
    /// It is rendered and told, and killed only when that takes too long.
    #[default]
    Demote,
    /// It is killed.
    Kill,
}

/// A Lease counts in whole seconds, and candidates that wait longer than this are no use to anybody.
const LONGEST: Duration = Duration::from_secs(300);

impl LeaseTimes {
    /// What is wrong with them, one line each.
    ///
    /// A leader that hears nothing is down at deadline + demotion after it sent its last renewal, and nobody saw that
    /// renewal before it was sent: with less than the lease there is never a second one.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let taken = self.renew_deadline + self.demotion_timeout + self.margin;
        if taken >= self.lease_duration {
            problems.push(format!(
                "{:?} is not more than renew-deadline {:?} + demotion-timeout {:?} + margin {:?} = {taken:?}: two members \
                 could lead at once; make it longer, or the others shorter",
                self.lease_duration, self.renew_deadline, self.demotion_timeout, self.margin
            ));
        }
        if self.renew_period + self.retry_period > self.renew_deadline {
            problems.push(format!(
                "renew-period {:?} + retry-period {:?} is more than renew-deadline {:?}: one lost request would cost the \
                 lead; make the deadline longer",
                self.renew_period, self.retry_period, self.renew_deadline
            ));
        }
        if self.lease_duration > LONGEST {
            problems.push(format!(
                "{:?} is more than {LONGEST:?}",
                self.lease_duration
            ));
        }
        problems
    }
}

/// Whether the own Pod's label `kubesup.dev/role` says who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoleLabel {
    /// It is left alone.
    #[default]
    Unkept,
    /// It is kept at `leader` or `follower`.
    Kept,
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn times() -> LeaseTimes {
        LeaseTimes {
            lease_duration: 15 * S,
            renew_deadline: 10 * S,
            renew_period: 5 * S,
            retry_period: 2 * S,
            demotion_timeout: 3 * S,
            margin: S,
        }
    }

    #[test]
    fn deadline_demotion_and_margin_have_to_be_below_the_lease() {
        assert_eq!(times().problems(), Vec::<String>::new());
        let equal = LeaseTimes {
            margin: 2 * S,
            ..times()
        };
        assert_eq!(
            equal.problems(),
            [
                "15s is not more than renew-deadline 10s + demotion-timeout 3s + margin 2s = 15s: two members could lead \
                 at once; make it longer, or the others shorter"
            ]
        );
    }

    #[test]
    fn every_problem_is_reported() {
        let bad = LeaseTimes {
            lease_duration: 400 * S,
            renew_period: 9 * S,
            renew_deadline: 395 * S,
            retry_period: 390 * S,
            ..times()
        };
        assert_eq!(bad.problems().len(), 2, "{:?}", bad.problems());
        let worse = LeaseTimes {
            renew_deadline: 398 * S,
            ..bad
        };
        assert_eq!(worse.problems().len(), 3, "{:?}", worse.problems());
    }
}
