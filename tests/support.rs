//! What the tests share: a real API server, objects in it, a kubesup process, and waiting with a deadline.

pub mod account;
pub mod api_server;
pub mod audit;
pub mod contract;
pub mod kubectl;
pub mod kubesup;
pub mod namespace;
pub mod network;
pub mod package;
pub mod pair;
pub mod pid1;

use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

/// Long enough for a loaded two-core machine; what passes does so in milliseconds.
pub const SOON: Duration = Duration::from_secs(20);

/// Waits until the look succeeds; when the time is over it fails with what was seen last.
#[expect(clippy::disallowed_methods, reason = "a test's deadline is real time")]
pub fn wait_for<T, S: Debug>(
    what: &str,
    time: Duration,
    mut look: impl FnMut() -> Result<T, S>,
) -> T {
    let deadline = Instant::now() + time;
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) => assert!(
                Instant::now() < deadline,
                "{what}: not within {time:?}; last seen: {seen:?}"
            ),
        }
        // Between two looks, not instead of one.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// [`wait_for`] a condition on something that can be shown.
pub fn wait_until<S: Debug>(
    what: &str,
    mut show: impl FnMut() -> S,
    condition: impl Fn(&S) -> bool,
) -> S {
    wait_for(what, SOON, || {
        let seen = show();
        if condition(&seen) {
            Ok(seen)
        } else {
            Err(seen)
        }
    })
}

/// Runs a future of the Kubernetes client.
pub fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"));
    runtime.block_on(future)
}
