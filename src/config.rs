//! Owns kubesup's own settings: their keys, the layers they come from with provenance, and checks that report every
//! problem at once. Never holds the supervised program's configuration (that is `package`), and reads files only in
//! [`load`].

pub mod bind;
pub mod duration;
pub mod keys;
pub mod lease;
mod live;
pub mod load;
pub mod resolve;
pub mod supervision;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use bind::Bind;
pub use keys::Key;
pub use lease::{LeaseTimes, OnLost, RoleLabel, lease_name};
pub use resolve::{Layer, Layers, Origin, Problem, resolve};
pub use supervision::{
    HealthCheck, LogFormat, OnHealthFailure, Output, POST_STOP_SHARE, RemapExit, RewriteSignals,
    RunAs, TerminationLog,
};

/// All settings, resolved. `config/kubesup.yaml` documents each key and holds the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The service's name.
    pub name: String,
    /// The service's group; `default` unless set.
    pub group: String,
    /// The organisation, in the service group after an `@`.
    pub org: Option<String>,
    /// The service's version, from `app.kubernetes.io/version`.
    pub version: String,
    /// Alone or with a leader.
    pub topology: Topology,
    /// Whether binds gate the start.
    pub binding_mode: BindingMode,
    /// Services that this one needs.
    pub binds: Vec<Bind>,
    /// The Service whose EndpointSlices are the peers; without one the group is the own Pod alone.
    pub service: Option<String>,
    /// ConfigMaps that are the live configuration, lowest first.
    pub config: Vec<ObjectRef>,
    /// Secrets that are live configuration too, above the ConfigMaps, lowest first.
    pub secrets: Vec<ObjectRef>,
    /// ConfigMaps whose keys are hooks.
    pub hooks: Vec<ObjectRef>,
    /// ConfigMaps whose keys are files of `config/`.
    pub templates: Vec<ObjectRef>,
    /// ConfigMaps and Secrets whose keys are service files, lowest first.
    pub files: Vec<FilesRef>,
    /// The package directory.
    pub package: Option<PathBuf>,
    /// Where `default.toml`, hooks and templates come from instead of the package.
    pub config_from: Option<PathBuf>,
    /// Where rendered files go: `<root>/svc/<name>/`.
    pub root: PathBuf,
    /// The file of the configuration layer above the environment; `None`: `<root>/user/<name>/config/user.toml`.
    pub user_toml: Option<PathBuf>,
    /// Where HTTP listens; `None` when it is disabled.
    pub listen_http: Option<Listen>,
    /// The files for HTTPS; `None` for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// How often the health check runs.
    pub health_check_interval: Duration,
    /// How long a health check may take.
    pub health_check_timeout: Duration,
    /// How long the `reconfigure` hook may take.
    pub reconfigure_timeout: Duration,
    /// How long the `file-updated` hook may take.
    pub file_updated_timeout: Duration,
    /// How often the `suitability` hook runs.
    pub suitability_interval: Duration,
    /// How long it may take.
    pub suitability_timeout: Duration,
    /// How long the `post-stop` hook may take.
    pub post_stop_timeout: Duration,
    /// The first pause before a restart after a failure.
    pub service_min_backoff_period: Duration,
    /// The longest pause before a restart after a failure.
    pub service_max_backoff_period: Duration,
    /// A run longer than this resets the backoff.
    pub service_restart_cooldown_period: Duration,
    /// How many failures in which time end kubesup; `None`: no limit.
    pub restart_budget: Option<RestartBudget>,
    /// What the end of the main process means.
    pub on_exit: OnExit,
    /// How long the main process may take to stop; `None`: what the Pod's grace period leaves.
    pub shutdown_timeout: Option<Duration>,
    /// A signal that means stop, besides TERM, INT, QUIT and the Pod's own.
    pub stop_signal: Option<i32>,
    /// Exit codes of the program that kubesup ends with as others.
    pub remap_exit: RemapExit,
    /// Signals that the program gets as others, or not.
    pub rewrite_signal: RewriteSignals,
    /// Where the reason of the end is written.
    pub termination_log: TerminationLog,
    /// Render, run, end with the program's code; implies `on_exit` `Exit`.
    pub once: bool,
    /// The program gets kubesup's terminal.
    pub tty: bool,
    /// Where the main process's output goes.
    pub output: Output,
    /// How the output of children is shown.
    pub log_format: LogFormat,
    /// Who hooks and the main process run as; `None`: whom the package names.
    pub user: Option<RunAs>,
    /// A health check in place of the hook.
    pub health_check: Option<HealthCheck>,
    /// How many failed checks in a row count.
    pub health_check_threshold: u32,
    /// How long after the start the first check is.
    pub health_check_start_delay: Duration,
    /// What failed checks mean.
    pub on_health_failure: OnHealthFailure,
    /// How long the `post-run` hook may take; `None`: no limit.
    pub post_run_timeout: Option<Duration>,
    /// How long the `init` and `install` hooks may take; `None`: no limit.
    pub init_timeout: Option<Duration>,
    /// How long the program serves on after its endpoints are gone.
    pub drain_linger: Duration,
    /// How long a stop waits for the endpoints to go, lingering included.
    pub drain_max: Duration,
    /// Changes are coalesced until nothing changed for this long …
    pub settle_quiet: Duration,
    /// … but no longer than this after the first.
    pub settle_max: Duration,
    /// How a lead is held, lost and taken over.
    pub lease: LeaseTimes,
    /// What losing a lead means for the program.
    pub on_lost_lease: OnLost,
    /// The own Pod's label `kubesup.dev/role` says whether it leads.
    pub role_label: RoleLabel,
    /// A missing value in a template is an error.
    pub strict: bool,
    /// What the highest layer says of each key, as it is written.
    pub written: BTreeMap<Key, String>,
}

impl Settings {
    /// `name.group`, or `name.group@org` with an organisation.
    pub fn service_group(&self) -> String {
        let org = self.org.as_deref().map(|org| format!("@{org}"));
        format!("{}.{}{}", self.name, self.group, org.unwrap_or_default())
    }

    /// The group's Lease, `kubesup.<Service>.<group>`; `None` where nobody leads.
    pub fn lease_name(&self) -> Option<String> {
        let service = self.service.as_ref()?;
        (self.topology == Topology::Leader).then(|| format!("kubesup.{service}.{}", self.group))
    }

    /// Whether the own Pod's label says who leads: it is asked for, and somebody leads.
    pub fn keeps_role_label(&self) -> bool {
        self.role_label == RoleLabel::Kept && self.topology == Topology::Leader
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.optional { "?" } else { "" };
        let directory = if self.directory.is_empty() {
            String::new()
        } else {
            format!("={}", self.directory)
        };
        write!(f, "{}{mark}{directory}", self.name)
    }
}

/// Where HTTP listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Both address families on this port, IPv4 alone where there is no IPv6.
    Any(u16),
    /// Exactly here.
    At(SocketAddr),
}

/// PEM files for HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The private key.
    pub key: PathBuf,
    /// The certificate chain, our own first.
    pub certs: PathBuf,
    /// Authorities of client certificates; `None`: clients need none.
    pub ca_certs: Option<PathBuf>,
}

/// A ConfigMap named in an annotation: `name`, `name?` for one that may be missing, `name=sub/dir` for templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// The object's name.
    pub name: String,
    /// May be missing.
    pub optional: bool,
    /// Where its keys go below `config/`; empty for the top.
    pub directory: String,
}

/// A ConfigMap or Secret whose keys are service files: `name`, `secret/name`, each with a `?` when it may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesRef {
    /// What it is.
    pub kind: ObjectKind,
    /// Which one.
    pub object: ObjectRef,
}

impl fmt::Display for FilesRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ObjectKind::ConfigMap => write!(f, "{}", self.object),
            ObjectKind::Secret => write!(f, "secret/{}", self.object),
        }
    }
}

/// What holds data under names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl ObjectKind {
    /// As Kubernetes calls it.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::ConfigMap => "ConfigMap",
            ObjectKind::Secret => "Secret",
        }
    }
}

/// Alone or with a leader, as in Habitat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Every member does the same.
    Standalone,
    /// One member leads.
    Leader,
}

/// Whether unsatisfied binds hold back the first start, as in Habitat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingMode {
    /// They do.
    Strict,
    /// They do not.
    Relaxed,
}

/// What the end of the main process means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExit {
    /// Start it again, with backoff.
    Restart,
    /// End with its code.
    Exit,
}

/// How many failures in which time end kubesup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartBudget {
    /// This many failures …
    pub failures: u32,
    /// … within this time.
    pub within: Duration,
}
