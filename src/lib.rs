//! kubesup: a Kubernetes-native supervisor. A container's entrypoint that watches its own Pod, its Service's
//! EndpointSlices and its ConfigMaps, renders hooks and config files from that view, runs the main process,
//! reconfigures it when a ConfigMap is edited, and serves the Habitat Supervisor's `/services` from the same view.
//!
//! A synchronous core in an asynchronous shell; data moves one way (ARCHITECTURE.md has the map):
//!
//! ```text
//! cluster / manifests → world → template → plan → files → lifecycle → process
//!                         └──────────── api reads snapshots ────────────┘
//! ```

pub mod api;
pub mod app;
pub mod check;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod files;
pub mod history;
pub mod lifecycle;
pub mod log;
pub mod manifests;
pub mod metrics;
pub mod observe;
pub mod package;
pub mod plan;
pub mod process;
pub mod rbac;
pub mod report;
pub mod revision;
pub mod snapshot;
pub mod supervisor;
pub mod template;
pub mod world;

#[cfg(test)]
#[path = "../tests/support/contract.rs"]
mod contract;
