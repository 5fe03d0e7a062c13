//! Owns kubesup's own log: lines on stderr, so that stdout belongs to the program. Never logs rendered text.

use std::io::IsTerminal as _;
use std::str::FromStr as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging. `filter` is `KUBESUP_LOG`: a level, or levels by module, such as `info,kubesup::cluster=debug`.
pub fn start(filter: Option<&str>) {
    let targets = filter.map(Targets::from_str).and_then(Result::ok);
    let targets = targets.unwrap_or_else(|| {
        // kube prints whole bodies that do not decode, which may hold secrets, and repeats what `cluster` says better.
        let quiet = ["kube_client", "kube_runtime"].map(|library| (library, LevelFilter::OFF));
        Targets::new()
            .with_default(LevelFilter::INFO)
            .with_targets(quiet)
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second call, as tests make it, changes nothing.
    let _ = tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init();
}
