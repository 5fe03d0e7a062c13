//! Owns when the `suitability` hook runs and what its end means. Never runs it, and never decides who leads.
//!
//! The hook runs ahead of need, from the first rendering on and whatever the program does: at a vacancy there is no time
//! for it. Until it has ended once a member does not stand, so that a group that starts with data of different age is led
//! by the newest from the beginning.

use std::time::Duration;

use super::election::Suitability;

/// How often it runs, and how long it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// From start to start.
    pub interval: Duration,
    /// Then it is killed.
    pub timeout: Duration,
}

/// What is to be done about the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Start it.
    Start,
    /// KILL its process group.
    Kill,
}

/// What is new to an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Another value than before.
    Value(u64),
    /// It gives no value, which counts as 0, and did before or had not run.
    Failing(String),
    /// It gives a value again.
    Recovered(u64),
}

/// The hook of one service, as long as that may lead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SuitabilityHook {
    present: bool,
    over: bool,
    running: Option<Running>,
    next: Duration,
    said: Said,
}

/// What the hook said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Said {
    /// It has not ended yet, and nothing has been rendered without it: nobody stands.
    #[default]
    Nothing,
    Value(u64),
    /// Something that counts as 0.
    NoValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Running {
    kill_at: Duration,
    killed: bool,
}

impl SuitabilityHook {
    /// A rendering has the hook, or has it not.
    pub fn rendered(&mut self, present: bool) {
        self.present = present;
        if !present {
            self.said = Said::Value(0);
        }
    }

    /// The member stands no more: nobody needs a value.
    pub fn end(&mut self) -> Option<Ask> {
        self.over = true;
        self.kill()
    }

    /// What is due now.
    pub fn step(&mut self, now: Duration, cadence: Cadence) -> Option<Ask> {
        if let Some(running) = self.running {
            return (running.kill_at <= now).then(|| self.kill()).flatten();
        }
        if !self.present || self.over || self.next > now {
            return None;
        }
        self.next = now + cadence.interval;
        self.running = Some(Running {
            kill_at: now + cadence.timeout,
            killed: false,
        });
        Some(Ask::Start)
    }

    fn kill(&mut self) -> Option<Ask> {
        let running = self.running.as_mut().filter(|running| !running.killed)?;
        running.killed = true;
        Some(Ask::Kill)
    }

    /// When [`step`](Self::step) has something to do.
    pub fn next_deadline(&self) -> Option<Duration> {
        match self.running {
            Some(running) => (!running.killed).then_some(running.kill_at),
            None => (self.present && !self.over).then_some(self.next),
        }
    }

    /// The hook ended, or could not be started. What an operator does not know yet.
    pub fn ended(&mut self, code: i32, stdout: &str) -> Option<Finding> {
        let killed = self.running.take().is_some_and(|running| running.killed);
        if !self.present || self.over {
            return None;
        }
        let read = reading(code, killed, stdout);
        let said = read
            .as_ref()
            .map_or(Said::NoValue, |value| Said::Value(*value));
        let before = std::mem::replace(&mut self.said, said);
        if before == said {
            return None;
        }
        Some(match (read, before) {
            (Err(why), _) => Finding::Failing(why),
            (Ok(value), Said::NoValue) => Finding::Recovered(value),
            (Ok(value), _) => Finding::Value(value),
        })
    }

    /// What the election is told; `None` while that has to wait for the first end of the hook.
    pub fn suitability(&self) -> Option<Suitability> {
        match self.said {
            Said::Nothing => None,
            _ if !self.present => Some(Suitability::NoHook),
            Said::Value(value) => Some(Suitability::Value(value)),
            Said::NoValue => Some(Suitability::Value(0)),
        }
    }
}

fn reading(code: i32, killed: bool, stdout: &str) -> Result<u64, String> {
    if killed {
        return Err("it took too long and was killed".to_owned());
    }
    if code != 0 {
        return Err(format!("it ended with code {code}"));
    }
    parse(stdout).ok_or_else(|| {
        let last = stdout.lines().last().unwrap_or_default();
        let last: String = last.chars().take(100).collect();
        format!("the last line of its output is {last:?}, not a number from 0 to 2^64-1")
    })
}

/// The last line, when it is a number.
fn parse(stdout: &str) -> Option<u64> {
    stdout.lines().last()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CADENCE: Cadence = Cadence {
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn hook() -> SuitabilityHook {
        let mut hook = SuitabilityHook::default();
        hook.rendered(true);
        hook
    }

    fn value(hook: &SuitabilityHook) -> u64 {
        match hook.suitability() {
            Some(Suitability::Value(value)) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_last_line_of_its_output_is_the_value_when_it_is_a_number() {
        let vectors = [
            ("", None),
            ("test\nanother\ninvalid", None),
            ("3", Some(3)),
            ("test\nanother\n124", Some(124)),
            ("7\n\t 12 \r\n", Some(12)),
            ("12\n\n", None),
            ("-1", None),
            ("1.5", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
        ];
        for (stdout, expected) in vectors {
            assert_eq!(parse(stdout), expected, "{stdout:?}");
        }
    }

    #[test]
    fn it_runs_at_once_then_in_its_interval_and_never_beside_itself() {
        let mut hook = hook();
        assert_eq!(hook.next_deadline(), Some(at(0)));
        assert_eq!(hook.step(at(1), CADENCE), Some(Ask::Start));
        assert_eq!(hook.step(at(2), CADENCE), None);
        assert_eq!(hook.next_deadline(), Some(at(6)), "its time");
        hook.ended(0, "3\n");
        assert_eq!(hook.next_deadline(), Some(at(11)));
        assert_eq!(hook.step(at(10), CADENCE), None);
        assert_eq!(hook.step(at(11), CADENCE), Some(Ask::Start));
        assert_eq!(hook.step(at(16), CADENCE), Some(Ask::Kill));
        assert_eq!(
            hook.step(at(30), CADENCE),
            None,
            "it has not ended, so it is not started"
        );
        assert_eq!(hook.next_deadline(), None);
    }

    #[test]
    fn whatever_gives_no_number_counts_as_0_and_is_told_once() {
        let mut hook = hook();
        let run = |hook: &mut SuitabilityHook, now, code, stdout| {
            assert_eq!(hook.step(at(now), CADENCE), Some(Ask::Start));
            hook.ended(code, stdout)
        };
        assert_eq!(run(&mut hook, 0, 0, "5\n"), Some(Finding::Value(5)));
        assert_eq!(value(&hook), 5);
        assert_eq!(run(&mut hook, 10, 0, "5\n"), None, "nothing new");
        for (index, (code, stdout)) in [(1, "5\n"), (137, "5\n"), (0, "five"), (127, "")]
            .into_iter()
            .enumerate()
        {
            let now = 20 + 10 * u64::try_from(index).expect("few");
            let told = run(&mut hook, now, code, stdout);
            assert_eq!(
                matches!(told, Some(Finding::Failing(_))),
                index == 0,
                "{told:?}"
            );
            assert_eq!(value(&hook), 0);
        }
        assert_eq!(run(&mut hook, 60, 0, "7"), Some(Finding::Recovered(7)));

        hook.step(at(70), CADENCE);
        assert_eq!(hook.step(at(75), CADENCE), Some(Ask::Kill));
        let told = hook.ended(137, "9\n");
        assert_eq!(
            told,
            Some(Finding::Failing(
                "it took too long and was killed".to_owned()
            ))
        );
        assert_eq!(value(&hook), 0);
    }

    #[test]
    fn nobody_stands_before_the_first_end_and_without_the_hook_at_once() {
        let mut hook = hook();
        assert_eq!(hook.suitability(), None);
        hook.step(at(0), CADENCE);
        assert_eq!(hook.suitability(), None);
        hook.ended(1, "");
        assert_eq!(hook.suitability(), Some(Suitability::Value(0)));

        let mut none = SuitabilityHook::default();
        assert_eq!(none.suitability(), None, "nothing is rendered yet");
        none.rendered(false);
        assert_eq!(none.suitability(), Some(Suitability::NoHook));
        assert_eq!(none.next_deadline(), None);
        none.rendered(true);
        assert_eq!(
            none.suitability(),
            Some(Suitability::Value(0)),
            "a lead is not lost by a hook that is new"
        );
    }

    #[test]
    fn at_the_end_it_is_killed_and_not_started_any_more() {
        let mut hook = hook();
        hook.step(at(0), CADENCE);
        assert_eq!(hook.end(), Some(Ask::Kill));
        assert_eq!(hook.end(), None);
        assert_eq!(hook.ended(137, ""), None);
        assert_eq!(hook.step(at(20), CADENCE), None);
        assert_eq!(hook.next_deadline(), None);
    }
}
