//! Owns what is known of the `reconfigure` hook's tries: the one under way and the next one. Never decides whether one is
//! due (that is `plan`).

use std::sync::Arc;
use std::time::Duration;

use super::Files;
use super::restart::{Jitter, growing_pause};

/// The tries of the `reconfigure` hook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reconfigure {
    /// What the hook that runs now applies.
    pub(super) under_way: Option<Arc<Files>>,
    /// When a failed one is tried again.
    pub(super) retry_at: Option<Duration>,
    tries: u32,
    last_code: Option<i32>,
}

impl Reconfigure {
    pub(super) fn begin(&mut self, files: Arc<Files>) {
        self.under_way = Some(files);
        self.retry_at = None;
    }

    /// The hook succeeded: what is applied now.
    pub(super) fn succeeded(&mut self) -> Option<Arc<Files>> {
        std::mem::take(self).under_way
    }

    /// The hook failed; the time until the next try.
    pub(super) fn failed(&mut self, now: Duration, code: i32, jitter: &mut Jitter) -> Duration {
        self.under_way = None;
        let pause = growing_pause(self.tries, jitter);
        self.tries += 1;
        self.last_code = Some(code);
        self.retry_at = Some(now + pause);
        pause
    }

    /// A new rendering starts the pauses anew.
    pub(super) fn renewed(&mut self) {
        self.tries = 0;
    }

    /// One line for `/readyz?verbose` while it fails.
    pub(super) fn failure(&self) -> Option<String> {
        let code = self.last_code?;
        Some(format!(
            "the reconfigure hook failed with code {code} and is tried again ({} tries so far)",
            self.tries
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::restart::{FIRST, LONGEST};
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_start_anew_with_a_new_rendering() {
        let mut reconfigure = Reconfigure::default();
        let mut jitter = Jitter::new(1);
        let mut pause = || reconfigure.failed(Duration::ZERO, 1, &mut jitter);
        assert!(pause() <= FIRST);
        let last = (0..20).map(|_| pause()).last().expect("a pause");
        assert!((LONGEST / 2..=LONGEST).contains(&last));
        reconfigure.renewed();
        assert!(reconfigure.failed(Duration::ZERO, 1, &mut jitter) <= FIRST);
    }

    #[test]
    fn success_forgets_the_failure() {
        let mut reconfigure = Reconfigure::default();
        reconfigure.begin(Arc::default());
        reconfigure.failed(Duration::ZERO, 3, &mut Jitter::new(1));
        assert!(
            reconfigure
                .failure()
                .is_some_and(|text| text.contains("code 3"))
        );
        reconfigure.begin(Arc::default());
        assert!(reconfigure.succeeded().is_some());
        assert_eq!(reconfigure, Reconfigure::default());
    }
}
