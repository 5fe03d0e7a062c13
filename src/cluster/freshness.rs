//! Owns how old the view is: for each watch when the API server was last heard, and how often it failed or was listed
//! anew. Never judges whether that is too old.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::world::WatchKey;

/// All watches that run now. Receivers are woken by errors and lists; `last_contact` moves in silence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freshness {
    /// By watch.
    pub watches: BTreeMap<WatchKey, WatchFreshness>,
}

/// One watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchFreshness {
    /// When the server was last heard: the head of a successful answer, or a frame of its body. Its age is the age of
    /// the view. Bookmarks keep an idle watch young, about once a minute, but a kind in which nothing happens may get
    /// none (seen with Kubernetes 1.37): then only the next watch is heard, after up to 290 s
    /// ([`super::patience::Patience::watch_seconds`]). A limit for "too old" belongs above that; a dead connection
    /// shows sooner, as an error.
    pub last_contact: Option<Instant>,
    /// Complete lists after the first.
    pub relists: u64,
    /// Failures since the watch was started.
    pub errors: u64,
}

/// What the transport and one watch tell each other. Cheap to clone; all clones are the same watch.
#[derive(Debug, Clone)]
pub(super) struct Contact {
    key: WatchKey,
    freshness: watch::Sender<Freshness>,
    line: watch::Sender<Line>,
}

/// The state of one watch on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Line {
    /// When the last watch request was sent.
    requested: Option<Instant>,
    /// Since when a watch stands, that is, when the head of a successful answer to a watch request came.
    standing: Option<Instant>,
    /// The pause that the last answer asked for.
    retry_after: Option<Duration>,
}

impl Contact {
    /// Starts the accounts of this watch.
    pub(super) fn new(key: WatchKey, freshness: watch::Sender<Freshness>) -> Contact {
        freshness.send_modify(|all| {
            all.watches.insert(key.clone(), WatchFreshness::default());
        });
        Contact {
            key,
            freshness,
            line: watch::Sender::default(),
        }
    }

    /// Notes that the server was heard. Wakes nobody: this happens with each frame.
    pub(super) fn heard(&self) {
        self.freshness.send_if_modified(|all| {
            if let Some(watch) = all.watches.get_mut(&self.key) {
                watch.last_contact = Some(Instant::now());
            }
            false
        });
    }

    /// Counts one complete list after the first.
    pub(super) fn relisted(&self) {
        self.count(|watch| watch.relists += 1);
    }

    /// Counts one failure.
    pub(super) fn failed(&self) {
        self.count(|watch| watch.errors += 1);
    }

    fn count(&self, change: impl FnOnce(&mut WatchFreshness)) {
        self.freshness.send_modify(|all| {
            // A watch that has been stopped has no accounts any more, and must not get new ones.
            if let Some(watch) = all.watches.get_mut(&self.key) {
                change(watch);
            }
        });
    }

    /// When the next watch request may be sent, so that two are `apart`; notes that it will be.
    pub(super) fn request_watch(&self, apart: Duration) -> Instant {
        let now = Instant::now();
        let mut due = now;
        self.line.send_modify(|line| {
            due = line.requested.map_or(now, |last| now.max(last + apart));
            line.requested = Some(due);
        });
        due
    }

    /// Notes that a watch stands.
    pub(super) fn stands(&self) {
        self.line.send_modify(|line| {
            line.standing = Some(Instant::now());
            line.retry_after = None;
        });
    }

    /// Notes an answer that was no success.
    pub(super) fn refused(&self, retry_after: Option<Duration>) {
        self.line.send_modify(|line| line.retry_after = retry_after);
    }

    /// The pause that the last failed answer asked for, once.
    pub(super) fn take_retry_after(&self) -> Option<Duration> {
        let mut asked = None;
        self.line
            .send_modify(|line| asked = line.retry_after.take());
        asked
    }

    /// Waits until a watch that was begun after `failure` has stood for `steady`. Cancel-safe.
    pub(super) async fn steady(&self, failure: Instant, steady: Duration) {
        let mut line = self.line.subscribe();
        loop {
            let again = |line: &Line| line.standing.is_some_and(|since| since >= failure);
            // The sender lives in `self`.
            let Ok(since) = line.wait_for(again).await.map(|line| line.standing) else {
                return;
            };
            let Some(since) = since else { return };
            tokio::time::sleep_until(since + steady).await;
            if line.borrow().standing == Some(since) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact() -> (Contact, watch::Receiver<Freshness>) {
        let (sender, receiver) = watch::channel(Freshness::default());
        let contact = Contact::new(WatchKey::Pod, sender);
        (contact, receiver)
    }

    fn accounts(receiver: &watch::Receiver<Freshness>) -> WatchFreshness {
        receiver
            .borrow()
            .watches
            .get(&WatchKey::Pod)
            .cloned()
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn hearing_moves_the_age_without_waking_readers() {
        let (contact, mut receiver) = contact();
        receiver.mark_unchanged();
        contact.heard();
        assert!(!receiver.has_changed().unwrap());
        assert_eq!(accounts(&receiver).last_contact, Some(Instant::now()));
        contact.failed();
        assert!(receiver.has_changed().unwrap());
        assert_eq!(accounts(&receiver).errors, 1);
    }

    #[test]
    fn a_stopped_watch_gets_no_new_accounts() {
        let (contact, receiver) = contact();
        contact.freshness.send_modify(|all| all.watches.clear());
        contact.failed();
        assert_eq!(*receiver.borrow(), Freshness::default());
    }

    #[tokio::test(start_paused = true)]
    async fn watch_requests_keep_their_distance() {
        let (contact, _receiver) = contact();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(contact.request_watch(second), start);
        assert_eq!(contact.request_watch(second), start + second);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(contact.request_watch(second), start + second * 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_is_steady_only_when_it_stood_after_the_failure() {
        let (contact, _receiver) = contact();
        contact.stands();
        tokio::time::advance(Duration::from_secs(1)).await;
        let failure = Instant::now();
        let second = Duration::from_secs(1);
        let mut steady = Box::pin(contact.steady(failure, second));
        assert!(futures::poll!(&mut steady).is_pending());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(futures::poll!(&mut steady).is_pending());
        contact.stands();
        steady.await;
        assert_eq!(Instant::now(), failure + second * 10);
    }
}
