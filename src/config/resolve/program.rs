//! Owns the settings of how the program runs and ends, and how a lead is held. Never measures a time.

use std::path::PathBuf;

use super::reader::Reader;
use crate::config::{Key, LeaseTimes, LogFormat, OnExit, RestartBudget, TerminationLog, duration};

impl Reader<'_> {
    /// To run once is to end with the program, whatever its end means otherwise.
    pub(super) fn on_exit(&mut self, once: bool) -> OnExit {
        let choices = [("restart", OnExit::Restart), ("exit", OnExit::Exit)];
        let chosen = self.one_of(Key::OnExit, &choices);
        if once {
            OnExit::Exit
        } else {
            chosen.unwrap_or(OnExit::Restart)
        }
    }

    pub(super) fn budget(&mut self) -> Option<RestartBudget> {
        let text = self.text(Key::RestartBudget)?.to_owned();
        if text == "unlimited" {
            return None;
        }
        let parsed = text.split_once('/').and_then(|(failures, within)| {
            let failures = failures
                .trim()
                .parse()
                .ok()
                .filter(|failures| *failures > 0)?;
            Some(RestartBudget {
                failures,
                within: duration::parse(within).ok()?,
            })
        });
        if parsed.is_none() {
            let reason = format!(
                "{text:?} is neither `unlimited` nor a number of failures in a time, such as 5/5m"
            );
            self.problem(Key::RestartBudget, reason);
        }
        parsed
    }

    pub(super) fn log_format(&mut self) -> LogFormat {
        let choices = [
            ("plain", LogFormat::Plain),
            ("habitat", LogFormat::Habitat),
            ("json", LogFormat::Json),
        ];
        self.one_of(Key::LogFormat, &choices).unwrap_or_default()
    }

    pub(super) fn termination_log(&self) -> TerminationLog {
        match self.text(Key::TerminationLog) {
            None => TerminationLog::WhereKubernetesReads,
            Some("none") => TerminationLog::Nowhere,
            Some(file) => TerminationLog::At(PathBuf::from(file)),
        }
    }

    pub(super) fn lease(&mut self) -> LeaseTimes {
        LeaseTimes {
            lease_duration: self.positive(Key::LeaseDuration, 15),
            renew_deadline: self.positive(Key::RenewDeadline, 10),
            renew_period: self.positive(Key::RenewPeriod, 5),
            retry_period: self.positive(Key::RetryPeriod, 2),
            demotion_timeout: self.positive(Key::DemotionTimeout, 3),
            margin: self.positive(Key::Margin, 1),
        }
    }
}

/// A number of things, at least one.
pub(super) fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("{text:?} is no number above 0"))
}
