//! Owns the coalescing of changes: one render for many. Never renders.

use std::time::Duration;

/// Changes that wait to be rendered together: until nothing changed for the quiet time, at most for the longest time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settle {
    pending: Option<Pending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    first: Duration,
    last: Duration,
}

impl Settle {
    /// Something changed.
    pub fn changed(&mut self, now: Duration) {
        let first = self.pending.map_or(now, |pending| pending.first);
        self.pending = Some(Pending { first, last: now });
    }

    /// When the changes are to be rendered; `None` when there are none.
    pub fn due(&self, quiet: Duration, longest: Duration) -> Option<Duration> {
        self.pending
            .map(|pending| (pending.last + quiet).min(pending.first + longest))
    }

    /// They are rendered now.
    pub fn done(&mut self) {
        self.pending = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn millis(time: Duration) -> u32 {
        u32::try_from(time.as_millis()).expect("short")
    }

    /// Renders that changes at these times (ms) cause, with 50 ms quiet and 500 ms at most.
    fn renders(changes: &[u32]) -> Vec<u32> {
        let mut settle = Settle::default();
        let mut renders = Vec::new();
        let due = |settle: &Settle| settle.due(50 * MS, 500 * MS);
        for change in changes {
            if let Some(at) = due(&settle).filter(|at| *at <= *change * MS) {
                renders.push(millis(at));
                settle.done();
            }
            settle.changed(*change * MS);
        }
        renders.extend(due(&settle).map(millis));
        renders
    }

    #[test]
    fn changes_close_together_are_one_render_after_a_quiet_time() {
        assert_eq!(renders(&[0]), [50]);
        assert_eq!(renders(&[0, 40, 80]), [130]);
        assert_eq!(renders(&[0, 200]), [50, 250]);
    }

    #[test]
    fn a_steady_stream_is_rendered_every_longest_time() {
        let stream: Vec<u32> = (0..1000).step_by(40).collect();
        assert_eq!(renders(&stream), [500, 1010]);
    }

    #[test]
    fn nothing_changed_is_nothing_due() {
        assert_eq!(Settle::default().due(50 * MS, 500 * MS), None);
    }
}
