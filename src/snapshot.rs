//! Owns the one value that readers see: what was observed, what is in force and how the service does, at one moment.
//! The supervisor replaces it; the HTTP API reads it. No logic.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Settings;
use crate::lifecycle::status::Status;
use crate::package::taint::Taint;
use crate::package::{Package, binds};
use crate::world::{View, World};

/// Everything that readers see. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// What has been observed, and what is missing.
    pub view: Arc<View>,
    /// The service in force: its last accepted configuration and rendering. `None` until there was one.
    pub service: Option<Arc<Service>>,
    /// How the service does.
    pub status: Status,
    /// How each bind stands.
    pub binds: Vec<binds::Status>,
    /// In the binding mode strict, before the first start: some of them hold it back.
    pub waiting_for_binds: bool,
    /// Why the newest configuration, hook or template was not accepted, one line each; empty when it was.
    pub rejections: Vec<String>,
    /// Settings of the own Pod that were edited after the start and wait for the next one, one line each.
    pub pending: Vec<String>,
}

impl Snapshot {
    /// Whether readers would see the same. Shared parts are compared by identity: their owners keep unchanged ones.
    pub fn is_same(&self, other: &Snapshot) -> bool {
        let same_service = match (&self.service, &other.service) {
            (Some(mine), Some(theirs)) => Arc::ptr_eq(mine, theirs),
            (None, None) => true,
            _ => false,
        };
        same_service
            && Arc::ptr_eq(&self.view, &other.view)
            && self.status == other.status
            && self.rejections == other.rejections
            && self.binds == other.binds
            && self.waiting_for_binds == other.waiting_for_binds
            && self.pending == other.pending
    }
}

/// The service in force: what the rendered files on disk were made from.
#[derive(Debug, Clone)]
pub struct Service {
    /// The settings of this start.
    pub settings: Arc<Settings>,
    /// The package: facts, hooks and templates.
    pub package: Arc<Package>,
    /// The world that was rendered.
    pub world: Arc<World>,
    /// The merged configuration, `cfg` in templates.
    pub cfg: serde_json::Value,
    /// Where in `cfg` values of Secrets are.
    pub taint: Taint,
    /// `cfg` with these redacted; `None` while there are none. See [`Service::shown_cfg`].
    pub shown: Option<serde_json::Value>,
    /// Counts accepted configurations, from 1.
    pub incarnation: u64,
    /// How often each service file has had another content, from 1.
    pub file_incarnations: BTreeMap<String, u64>,
    /// Files and directories of the service.
    pub paths: Paths,
}

impl Service {
    /// The configuration as it may be shown: values that came from Secrets are redacted.
    pub fn shown_cfg(&self) -> &serde_json::Value {
        self.shown.as_ref().unwrap_or(&self.cfg)
    }
}

/// Files and directories of the service below `<root>/svc/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paths {
    /// `<root>`.
    pub root: PathBuf,
    /// `<root>/svc/<name>`.
    pub svc: PathBuf,
    /// Where HTTP listens, for `sys.http_gateway_ip` and `_port`.
    pub http: Option<std::net::SocketAddr>,
}

impl Paths {
    /// `<svc>/<name>`, as text.
    pub fn join(&self, name: &str) -> String {
        self.svc.join(name).display().to_string()
    }
}
