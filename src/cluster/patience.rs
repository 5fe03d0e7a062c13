//! Owns the times that a conversation with the API server is given, each with the reason for its number. Never
//! measures one.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How long to wait for what. `Default` is what runs in a cluster; tests shorten it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// From sending a request to the head of its answer, connecting included. 30 s: half of what the API server gives
    /// a plain request (`--request-timeout`, 60 s), and as long as a dead peer takes to show (`transport`).
    pub answer: Duration,
    /// For one page of a list to arrive whole. 60 s: the API server itself gives up by then.
    pub list: Duration,
    /// What a watch asks for as `timeoutSeconds`; each watch takes a random one, so that a fleet does not come back
    /// all at once. 290 s less up to 20 %, never more: kube takes a watch for dead 5 s after its time, and load
    /// balancers drop connections that are silent for 300 s to 350 s.
    pub watch_seconds: RangeInclusive<u32>,
    /// The first and the longest pause after failures; doubled in between, give or take a fifth. 1 s is long for an
    /// API server and short for an edit; at 30 s a thousand Pods ask a broken server 33 times a second.
    pub backoff: RangeInclusive<Duration>,
    /// A watch that has stood for so long works again; two watch requests are at least so far apart, because kube's
    /// watcher comes back at once when a server or proxy ends a watch in good order. 1 s, as in client-go, which takes
    /// a watch that ends sooner for a failure.
    pub steady: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            answer: Duration::from_secs(30),
            list: Duration::from_secs(60),
            watch_seconds: 232..=290,
            backoff: Duration::from_secs(1)..=Duration::from_secs(30),
            steady: Duration::from_secs(1),
        }
    }
}
