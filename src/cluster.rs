//! Owns the connection to the API server: who we are, how we reach it, and the watches that feed the world. Never
//! decides what an observation means, and never ends the program: an outage is reported and waited out.
//!
//! ```text
//! identity ─▶ client (Access → Connection) ─▶ watch::run ─▶ Observation, Freshness
//!                     └ transport: one HTTP/2 connection, a time limit and a stamp on every answer
//! ```
//!
//! Nothing else in kubesup talks to the API server. Every function here that does so states its RBAC rule in a doc
//! section `# RBAC`, one rule a line: `rbac: "<group>" <resource> <verb>,<verb>`.

pub mod access;
mod backoff;
pub mod client;
pub mod drain;
pub mod elect;
pub mod freshness;
mod gate;
pub mod identity;
pub mod lease;
pub mod patience;
pub mod report;
mod resolver;
#[cfg(test)]
mod scripted;
mod target;
pub mod transfer;
mod transport;
mod trouble;
pub mod watch;
