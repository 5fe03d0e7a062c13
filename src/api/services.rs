//! Owns the item of `/services`: every key of Habitat's contract (section 1.4) in its order, and no other. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::census::{self, ElectionStatus};
use crate::config::{BindingMode, Topology};
use crate::lifecycle::status::{Health, LastProcess, Status};
use crate::package::{Bind, Hook};
use crate::snapshot::{Paths, Service};
use crate::template::context::{self, Ident, Pkg, Sys};

/// One service. The names and their order are the contract's.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(
    missing_docs,
    reason = "the contract's section 1.4 says what each key is"
)]
pub struct Item<'a> {
    pub all_pkg_binds: Vec<PkgBind>,
    #[cfg_attr(test, schemars(extend("enum" = ["strict", "relaxed"])))]
    pub binding_mode: &'static str,
    pub binds: Vec<String>,
    pub bldr_url: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, Value>"))]
    pub cfg: Option<&'a Value>,
    pub channel: &'static str,
    pub config_from: Option<String>,
    #[cfg_attr(test, schemars(extend("enum" = ["Up", "Down"])))]
    pub desired_state: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = ["Ok", "Warning", "Critical", "Unknown"])))]
    pub health_check: &'static str,
    pub hooks: Hooks,
    pub initialized: bool,
    pub last_election_status: ElectionStatus,
    pub manager_fs_cfg: ManagerFsCfg,
    pub pkg: PkgItem,
    pub process: Process,
    pub last_process_state: Option<LastProcessState>,
    pub next_restart_at: Option<u64>,
    pub restart_count: u64,
    pub restart_config: RestartConfig,
    pub service_group: String,
    pub spec_file: String,
    pub spec_ident: SpecIdent,
    pub spec_identifier: String,
    pub svc_encrypted_password: Option<String>,
    pub health_check_interval: Seconds,
    pub sys: Sys,
    #[cfg_attr(test, schemars(extend("enum" = ["standalone", "leader"])))]
    pub topology: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = ["none", "at-once", "rolling"])))]
    pub update_strategy: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = ["latest", "track-channel"])))]
    pub update_condition: &'static str,
    pub user_config_updated: bool,
}

impl<'a> Item<'a> {
    /// The item of the service in force; `cfg` is its configuration as far as it may be seen.
    pub fn new(service: &'a Service, status: &Status, cfg: Option<&'a Value>) -> Item<'a> {
        let settings = &service.settings;
        let facts = &service.package.facts;
        let manager_fs_cfg = ManagerFsCfg::new(&service.paths);
        Item {
            all_pkg_binds: facts
                .binds
                .iter()
                .chain(&facts.binds_optional)
                .map(PkgBind::new)
                .collect(),
            binding_mode: match settings.binding_mode {
                BindingMode::Strict => "strict",
                BindingMode::Relaxed => "relaxed",
            },
            binds: settings
                .binds
                .iter()
                .map(|bind| format!("{}:{}", bind.name, bind.service_group()))
                .collect(),
            // Nothing is installed or updated by kubesup: these are Habitat's words for that.
            bldr_url: "",
            cfg,
            channel: "stable",
            config_from: settings
                .config_from
                .as_ref()
                .map(|path| path.display().to_string()),
            desired_state: "Up",
            health_check: match status.health {
                Health::Ok => "Ok",
                Health::Warning => "Warning",
                Health::Critical => "Critical",
                Health::Unknown => "Unknown",
            },
            hooks: Hooks::new(service),
            initialized: status.initialized,
            last_election_status: match settings.topology {
                Topology::Standalone => ElectionStatus::None,
                Topology::Leader => {
                    ElectionStatus::of(context::me(&census::input(service)).as_ref())
                }
            },
            pkg: PkgItem::new(service),
            process: Process {
                pid: status.pid,
                state: if status.pid.is_some() { "up" } else { "down" },
                state_entered: status.process_state_entered,
            },
            last_process_state: status.last_process.map(LastProcessState::new),
            next_restart_at: status.next_restart_at,
            restart_count: status.restart_count,
            restart_config: RestartConfig {
                min_backoff_period: settings.service_min_backoff_period.into(),
                max_backoff_period: settings.service_max_backoff_period.into(),
                cooldown_period: settings.service_restart_cooldown_period.into(),
            },
            service_group: settings.service_group(),
            spec_file: format!("{}/{}.spec", manager_fs_cfg.specs_path, settings.name),
            spec_ident: SpecIdent {
                origin: facts.origin.clone(),
                name: facts.name.clone(),
                version: None,
                release: None,
            },
            spec_identifier: format!("{}/{}", facts.origin, facts.name),
            svc_encrypted_password: None,
            health_check_interval: settings.health_check_interval.into(),
            sys: Sys::new(&service.world, &service.paths),
            topology: match settings.topology {
                Topology::Standalone => "standalone",
                Topology::Leader => "leader",
            },
            update_strategy: "none",
            update_condition: "latest",
            user_config_updated: false,
            manager_fs_cfg,
        }
    }
}

/// A bind that the package declares, required or optional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(
    missing_docs,
    reason = "`service` is the bind's name; so it is in the contract"
)]
pub struct PkgBind {
    pub service: String,
    pub exports: Vec<String>,
}

impl PkgBind {
    fn new(bind: &Bind) -> PkgBind {
        PkgBind {
            service: bind.name.clone(),
            exports: bind.exports.clone(),
        }
    }
}

/// Hook files; `null` for a hook that the package has not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "one key a hook")]
pub struct Hooks {
    pub health_check: Option<HookFiles>,
    pub init: Option<HookFiles>,
    pub file_updated: Option<HookFiles>,
    pub reconfigure: Option<HookFiles>,
    pub suitability: Option<HookFiles>,
    pub run: Option<HookFiles>,
    pub post_run: Option<HookFiles>,
    pub post_stop: Option<HookFiles>,
}

impl Hooks {
    fn new(service: &Service) -> Hooks {
        let files = |hook: Hook| {
            let name = hook.file_name();
            service
                .package
                .hooks
                .contains_key(&hook)
                .then(|| HookFiles {
                    render_pair: service.paths.join(&format!("hooks/{name}")),
                    stdout_log_path: service.paths.join(&format!("logs/{name}.stdout.log")),
                    stderr_log_path: service.paths.join(&format!("logs/{name}.stderr.log")),
                })
        };
        Hooks {
            health_check: files(Hook::HealthCheck),
            init: files(Hook::Init),
            file_updated: files(Hook::FileUpdated),
            reconfigure: files(Hook::Reconfigure),
            suitability: files(Hook::Suitability),
            run: files(Hook::Run),
            post_run: files(Hook::PostRun),
            post_stop: files(Hook::PostStop),
        }
    }
}

/// Where a hook and its logs are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct HookFiles {
    pub render_pair: String,
    pub stdout_log_path: String,
    pub stderr_log_path: String,
}

/// Where Habitat's supervisor keeps its own files. kubesup keeps none; the paths are where they would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct ManagerFsCfg {
    pub sup_root: String,
    pub data_path: String,
    pub specs_path: String,
    pub member_id_file: String,
    pub proc_lock_file: String,
}

impl ManagerFsCfg {
    fn new(paths: &Paths) -> ManagerFsCfg {
        let sup = paths.root.join("sup").join("default");
        let at = |name: &str| sup.join(name).display().to_string();
        ManagerFsCfg {
            sup_root: sup.display().to_string(),
            data_path: at("data"),
            specs_path: at("specs"),
            member_id_file: at("MEMBER_ID"),
            proc_lock_file: at("LOCK"),
        }
    }
}

/// `pkg` of an item: that of templates, and six keys more.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the contract's section 1.4 names each key")]
pub struct PkgItem {
    pub ident: String,
    pub origin: String,
    pub name: String,
    pub version: String,
    pub release: String,
    pub deps: Vec<Ident>,
    pub dependencies: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub exposes: Vec<String>,
    pub exports: BTreeMap<String, String>,
    pub path: String,
    pub svc_path: String,
    pub svc_config_path: String,
    pub svc_config_install_path: String,
    pub svc_data_path: String,
    pub svc_files_path: String,
    pub svc_static_path: String,
    pub svc_var_path: String,
    pub svc_pid_file: String,
    pub svc_run: String,
    pub svc_user: String,
    pub svc_group: String,
    pub shutdown_signal: String,
    pub shutdown_timeout: u64,
}

impl PkgItem {
    fn new(service: &Service) -> PkgItem {
        let pkg = Pkg::new(&service.package, &service.paths);
        let facts = &service.package.facts;
        let grace = u64::try_from(service.world.pod.grace_seconds).unwrap_or_default();
        PkgItem {
            ident: pkg.ident,
            origin: pkg.origin,
            name: pkg.name,
            version: pkg.version,
            release: pkg.release,
            deps: pkg.deps,
            dependencies: facts.deps.iter().map(ToString::to_string).collect(),
            env: pkg.env,
            exposes: pkg.exposes,
            exports: pkg.exports,
            path: pkg.path,
            svc_path: pkg.svc_path,
            svc_config_path: pkg.svc_config_path,
            svc_config_install_path: service.paths.join("config_install"),
            svc_data_path: pkg.svc_data_path,
            svc_files_path: pkg.svc_files_path,
            svc_static_path: pkg.svc_static_path,
            svc_var_path: pkg.svc_var_path,
            svc_pid_file: pkg.svc_pid_file,
            svc_run: pkg.svc_run,
            svc_user: pkg.svc_user,
            svc_group: pkg.svc_group,
            shutdown_signal: facts
                .shutdown_signal
                .clone()
                .unwrap_or_else(|| "TERM".to_owned()),
            shutdown_timeout: facts
                .shutdown_timeout
                .or(service
                    .settings
                    .shutdown_timeout
                    .map(|timeout| timeout.as_secs()))
                .unwrap_or(grace),
        }
    }
}

/// The main process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it; the time is in unix seconds")]
pub struct Process {
    pub pid: Option<i32>,
    #[cfg_attr(test, schemars(extend("enum" = ["up", "down"])))]
    pub state: &'static str,
    pub state_entered: u64,
}

/// How the previous main process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it; the time is in unix seconds")]
pub struct LastProcessState {
    pub pid: Option<i32>,
    #[cfg_attr(test, schemars(extend("enum" = ["package_updated", "init_hook_failed", "run_hook_failed", "app_config_updated", "init_hook_updated", "run_hook_updated", "post_run_hook_updated"])))]
    pub termination_reason: &'static str,
    pub terminated_at: u64,
}

impl LastProcessState {
    fn new(last: LastProcess) -> LastProcessState {
        LastProcessState {
            pid: last.pid,
            termination_reason: last.reason.as_str(),
            terminated_at: last.terminated_at,
        }
    }
}

/// The backoff's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct RestartConfig {
    pub min_backoff_period: Seconds,
    pub max_backoff_period: Seconds,
    pub cooldown_period: Seconds,
}

/// A duration as Habitat's JSON has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct Seconds {
    pub secs: u64,
    pub nanos: u32,
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Seconds {
        Seconds {
            secs: duration.as_secs(),
            nanos: duration.subsec_nanos(),
        }
    }
}

/// The package as it was asked for: never a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct SpecIdent {
    pub origin: String,
    pub name: String,
    pub version: Option<String>,
    pub release: Option<String>,
}
