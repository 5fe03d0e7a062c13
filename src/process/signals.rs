//! Owns the signals that come to kubesup and what each means. Never sends one.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

use super::deaths::Deaths;

/// What a signal to kubesup means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A child has ended.
    Child,
    /// Render anew.
    Hangup,
    /// Stop: TERM, INT, QUIT and what else was named.
    Stop(i32),
    /// For the main process.
    Forward(i32),
}

pub(super) const CHLD: i32 = 17;
const HUP: i32 = 1;

/// TERM, INT and QUIT.
const STOP: [i32; 3] = [15, 2, 3];

/// Not for us to handle: ILL, FPE, KILL, SEGV and STOP cannot be, or must not be, caught; 32 and 33 are the C library's.
const LEFT_ALONE: [i32; 7] = [4, 8, 9, 11, 19, 32, 33];

/// Caught, so that they do not end or stop kubesup, and not passed on: a broken pipe of ours (13) is no matter of the
/// program's, and TSTP, TTIN and TTOU (20, 21, 22) are about the terminal that it does not have.
const SWALLOWED: [i32; 4] = [13, 20, 21, 22];

/// All signals. Caught ones are at their default again in every child.
pub struct Signals {
    deaths: Deaths,
    /// Each waits for one signal, and is looked at only when it has come: a turn of the loop does not ask sixty listeners.
    others: FuturesUnordered<Coming>,
    stop: Vec<i32>,
}

/// A signal's number and its listener, when the signal has come.
type Coming = Pin<Box<dyn Future<Output = (i32, Listener)>>>;

fn next(number: i32, mut listener: Listener) -> Coming {
    Box::pin(async move {
        // The runtime's own list of signals is never dropped: this does not end otherwise.
        let _ = listener.recv().await;
        (number, listener)
    })
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals")
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

impl Signals {
    /// Catches all signals that can be. To be called before the first child: PID 1 has no default action for TERM, and an
    /// inherited "ignore" of CHLD would lose exit statuses.
    pub fn open() -> io::Result<Signals> {
        let deaths = Deaths::open(signal(SignalKind::from_raw(CHLD))?)?;
        let numbers = (1..=64).filter(|number| *number != CHLD && !LEFT_ALONE.contains(number));
        let others = numbers.map(|number| Ok(next(number, signal(SignalKind::from_raw(number))?)));
        Ok(Signals {
            deaths,
            others: others.collect::<io::Result<_>>()?,
            stop: STOP.to_vec(),
        })
    }

    /// Makes these mean stop too.
    pub fn also_stop_at(&mut self, signals: Vec<i32>) {
        self.stop = STOP.into_iter().chain(signals).collect();
    }

    /// The next signal. Cancel-safe: a signal that was not returned is still there.
    pub async fn recv(&mut self) -> Signal {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Signal> {
        // First: what has ended makes room for what comes.
        if self.deaths.poll_next(context).is_ready() {
            return Poll::Ready(Signal::Child);
        }
        loop {
            let Some((number, listener)) = ready!(self.others.poll_next_unpin(context)) else {
                return Poll::Pending;
            };
            self.others.push(next(number, listener));
            if !SWALLOWED.contains(&number) {
                return Poll::Ready(meaning(number, &self.stop));
            }
        }
    }
}

fn meaning(number: i32, stop: &[i32]) -> Signal {
    match number {
        _ if stop.contains(&number) => Signal::Stop(number),
        HUP => Signal::Hangup,
        _ => Signal::Forward(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_has_its_meaning_and_an_image_may_name_another_stop() {
        assert_eq!(
            [1, 15, 2, 3, 10, 28].map(|number| meaning(number, &STOP)),
            [
                Signal::Hangup,
                Signal::Stop(15),
                Signal::Stop(2),
                Signal::Stop(3),
                Signal::Forward(10),
                Signal::Forward(28),
            ]
        );
        assert_eq!(meaning(28, &[15, 28]), Signal::Stop(28));
        assert_eq!(meaning(1, &[15, 1]), Signal::Stop(1));
    }
}
