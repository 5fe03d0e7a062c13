//! Owns the turn to connect: while no connection is known to be good, requests go one after the other, so that the
//! first connects and the others find its connection. Never knows what is sent.
//!
//! hyper's pool shares an HTTP/2 connection as soon as there is one, but until then each request begins one of its own:
//! six watches would make six TLS handshakes at each start and at each restart of the API server, times the fleet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// A request waits no longer than this for one before it, then it goes anyway: a slow answer must not hold up others.
const TURN: Duration = Duration::from_secs(1);

/// Cheap to clone; all clones are the same gate.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// Shared by the clients of one transport, each of which sends by itself.
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    open: watch::Sender<bool>,
    turn: Semaphore,
}

impl Gate {
    /// Closed: nothing is connected yet.
    pub(super) fn new() -> Gate {
        let shared = Shared {
            open: watch::Sender::new(false),
            turn: Semaphore::new(1),
        };
        Gate {
            shared: Arc::new(shared),
        }
    }

    /// Waits for the turn to send a request. What it returns is to be kept until the answer begins.
    pub(super) async fn pass(&self) -> Option<SemaphorePermit<'_>> {
        if self.is_open() {
            return None;
        }
        let turn = tokio::time::timeout(TURN, self.shared.turn.acquire()).await;
        // Opened meanwhile: those who wait behind need not wait for this answer.
        turn.ok()?.ok().filter(|_| !self.is_open())
    }

    fn is_open(&self) -> bool {
        *self.shared.open.borrow()
    }

    /// An answer came: there is a good connection.
    pub(super) fn open(&self) {
        self.shared
            .open
            .send_if_modified(|open| !std::mem::replace(open, true));
    }

    /// A request failed or a watch ended: perhaps there is none any more.
    pub(super) fn close(&self) {
        self.shared
            .open
            .send_if_modified(|open| std::mem::replace(open, false));
    }

    /// Waits until an answer has come to anybody: whoever waits out a pause because the server could not be reached need
    /// not wait any longer. Cancel-safe.
    pub(super) async fn opened(&self) {
        // The sender lives in `self`.
        let _ = self.shared.open.subscribe().wait_for(|open| *open).await;
    }
}

/// Closes the gate when it is dropped: kept by the body of a watch's answer.
#[derive(Debug)]
pub(super) struct ClosesAtEnd(pub(super) Gate);

impl Drop for ClosesAtEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_take_turns_until_one_was_answered() {
        let gate = Gate::new();
        let first = gate.pass().await;
        assert!(first.is_some());
        let mut second = Box::pin(gate.pass());
        assert!(futures::poll!(&mut second).is_pending());
        gate.open();
        drop(first);
        assert!(second.await.is_none());
        assert!(gate.pass().await.is_none());
        drop(ClosesAtEnd(gate.clone()));
        assert!(gate.pass().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_holds_up_others_for_a_second() {
        let gate = Gate::new();
        let _first = gate.pass().await;
        let start = tokio::time::Instant::now();
        assert!(gate.pass().await.is_none());
        assert_eq!(start.elapsed(), TURN);
    }
}
