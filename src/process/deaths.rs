//! Owns the news that a child has ended: CHLD, which is blocked and read from a descriptor, and in a storm only now and then.
//! Never reaps.
//!
//! A caught signal costs an interrupted sleep, a handler, a byte through the runtime's pipe and its reading; a blocked one
//! that waits in a descriptor costs a read, and further ones cost nothing until it is read. CHLD is blocked in `main`
//! ([`super::prepare`]) and is not while a child is being started, which would inherit that: for this moment there is a
//! handler as well.

use std::future::Future as _;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::Signal as Listener;
use tokio::time::{Instant, Sleep};

/// CHLD, however it comes.
#[derive(Debug)]
pub(super) struct Deaths {
    /// No pipe, but read and waited for as one.
    descriptor: Receiver,
    handler: Listener,
    pace: Pace,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Deaths {
    /// The descriptor, beside a handler that is in place.
    pub(super) fn open(handler: Listener) -> io::Result<Deaths> {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let descriptor = SignalFd::with_flags(&chld(), flags)?;
        Ok(Deaths {
            descriptor: Receiver::from_owned_fd_unchecked(descriptor.into())?,
            handler,
            pace: Pace::default(),
            rest: None,
        })
    }

    /// Ready when something has ended since the last time.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(rest) = &mut self.rest {
            if rest.as_mut().poll(context).is_pending() {
                // The signal waits in the descriptor, and swallows those that come meanwhile.
                return self.handler.poll_recv(context).map(drop);
            }
            self.rest = None;
        }
        if self.read(context).is_pending() && self.handler.poll_recv(context).is_pending() {
            return Poll::Pending;
        }
        let now = Instant::now();
        if let Some(rest) = self.pace.rest_after(now.into_std()) {
            self.rest = Some(Box::pin(tokio::time::sleep_until(now + rest)));
        }
        Poll::Ready(())
    }

    fn read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Twice what there can be: a read that does not fill it has emptied the descriptor, and needs no second look.
        let mut news = [MaybeUninit::uninit(); 2 * size_of::<siginfo>()];
        let mut news = ReadBuf::uninit(&mut news);
        let read = ready!(Pin::new(&mut self.descriptor).poll_read(context, &mut news));
        if read.is_ok() && !news.filled().is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// CHLD alone.
pub(super) fn chld() -> SigSet {
    SigSet::from_iter([Signal::SIGCHLD])
}

/// How close together the news come.
#[derive(Debug, Default)]
struct Pace {
    last: Option<std::time::Instant>,
    /// After the last news.
    rest: Duration,
    close: u32,
}

/// Two that are closer than this, beside the rest that was taken between them, are close.
const CLOSE: Duration = Duration::from_millis(20);
/// So many in a row are a storm.
const STORM: u32 = 8;
/// The rests of a storm double from this on …
const SHORTEST: Duration = Duration::from_millis(5);
/// … up to this: a look costs as much as some deaths, on a busy machine deaths come slowly, and what has ended keeps its place
/// in the table of processes meanwhile. The end of a child of ours is told by a descriptor of its own and waits for nothing.
const LONGEST: Duration = Duration::from_millis(80);

impl Pace {
    /// How long not to look after news that came now; `None` but in a storm.
    fn rest_after(&mut self, now: std::time::Instant) -> Option<Duration> {
        let is_close = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < self.rest + CLOSE);
        self.last = Some(now);
        if is_close {
            self.close = self.close.saturating_add(1);
        } else {
            (self.close, self.rest) = (0, Duration::ZERO);
        }
        if self.close < STORM {
            return None;
        }
        self.rest = (self.rest * 2).clamp(SHORTEST, LONGEST);
        Some(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any moment to count from")]
    fn only_a_storm_is_paced_and_a_lull_ends_it() {
        let start = std::time::Instant::now();
        let mut pace = Pace::default();
        let mut at = |millis| pace.rest_after(start + Duration::from_millis(millis));
        for millis in 0..8 {
            assert_eq!(at(millis), None, "{millis}");
        }
        let rest = |millis| Some(Duration::from_millis(millis));
        assert_eq!(at(8), rest(5));
        assert_eq!(at(14), rest(10));
        assert_eq!(at(25), rest(20));
        assert_eq!(at(46), rest(40));
        assert_eq!(at(87), rest(80));
        assert_eq!(at(168), rest(80));
        assert_eq!(
            at(267),
            rest(80),
            "less than a rest and 20 ms after the last"
        );
        assert_eq!(at(367), None);
        assert_eq!(at(368), None);
    }
}
