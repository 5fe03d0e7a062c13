//! Owns what is run: `default.toml`, `hooks/*`, `config/**` and a Habitat package's metafiles as one [`Package`], from a directory, from ConfigMaps and
//! from the command after `--`, and the merge of its configuration layers. Never renders and never watches.

pub mod binds;
pub mod directory;
pub mod document;
pub mod exports;
pub mod habitat;
pub mod ident;
pub mod layers;
pub mod overlay;
pub mod path;
pub mod schema;
pub mod service_files;
pub mod show;
pub mod taint;
pub mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;

/// A hook's name and moment, as in Habitat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Before every start of the main process.
    Init,
    /// The main process itself.
    Run,
    /// After the main process was started.
    PostRun,
    /// Periodically while it runs.
    HealthCheck,
    /// When configuration changed and no restart is due.
    Reconfigure,
    /// When a service file changed.
    FileUpdated,
    /// Before an election.
    Suitability,
    /// After the main process has ended.
    PostStop,
}

impl Hook {
    /// Every hook, in the order of `/services`.
    pub const ALL: [Hook; 8] = [
        Hook::HealthCheck,
        Hook::Init,
        Hook::FileUpdated,
        Hook::Reconfigure,
        Hook::Suitability,
        Hook::Run,
        Hook::PostRun,
        Hook::PostStop,
    ];

    /// The file name in `hooks/`, hyphenated.
    pub fn file_name(self) -> &'static str {
        match self {
            Hook::Init => "init",
            Hook::Run => "run",
            Hook::PostRun => "post-run",
            Hook::HealthCheck => "health-check",
            Hook::Reconfigure => "reconfigure",
            Hook::FileUpdated => "file-updated",
            Hook::Suitability => "suitability",
            Hook::PostStop => "post-stop",
        }
    }

    /// The hook of this file name.
    pub fn from_file_name(name: &str) -> Option<Hook> {
        Hook::ALL.into_iter().find(|hook| hook.file_name() == name)
    }
}

/// The file name of the hook that is no part of the service's life: it runs once for a package.
pub const INSTALL: &str = "install";

/// What is run: templates of hooks and config files, and the lowest configuration layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Package {
    /// Facts for `pkg` in templates and in `/services`.
    pub facts: Facts,
    /// The text of `default.toml` and how messages name it.
    pub default_toml: Option<Source>,
    /// The text of `config.schema.json`, which the merged configuration has to fit.
    pub schema: Option<Source>,
    /// The layers of the environment, lowest first: each is TOML or JSON.
    pub variables: Vec<Source>,
    /// The text of `user.toml`, the layer above the environment.
    pub user_toml: Option<Source>,
    /// Hook templates.
    pub hooks: BTreeMap<Hook, Source>,
    /// The template of the `install` hook, which runs once for a package before its first start.
    pub install: Option<Source>,
    /// Templates of the files that the `install` hook finds, by path relative to `config_install/`.
    pub config_install: BTreeMap<String, Source>,
    /// Config file templates, by path relative to `config/`.
    pub config: BTreeMap<String, Source>,
    /// The command after `--`: what runs while there is no `run` hook.
    pub command: Option<Command>,
}

impl Package {
    /// What the main process is made from: the `run` hook, else the command after `--`; `None` when there is neither.
    pub fn run(&self) -> Option<Run<'_>> {
        match (self.hooks.get(&Hook::Run), &self.command) {
            (Some(hook), _) => Some(Run::Hook(hook)),
            (None, Some(command)) => Some(Run::Command(command)),
            (None, None) => None,
        }
    }
}

/// What the main process is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run<'a> {
    /// The template of the `run` hook: rendered, then executed.
    Hook(&'a Source),
    /// A command that is executed as it is, without a shell and without rendering.
    Command(&'a Command),
}

/// A command that is executed directly, so that an image without `/bin/sh` works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, a path or a name that is looked up in `PATH`.
    pub program: OsString,
    /// Its arguments, without the program.
    pub args: Vec<OsString>,
}

/// A text with the name that messages give its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `/package/hooks/run`, or `ConfigMap shop/demo-hooks, key run`.
    pub origin: String,
    /// The text.
    pub text: String,
}

/// A bind that the package declares: another service that it needs, by a name of its choosing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The bind's name.
    pub name: String,
    /// What the bound service must export.
    pub exports: Vec<String>,
}

/// The package's own facts, under `pkg` in templates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// It is an installed Habitat package, which says who it is by its `IDENT`.
    pub installed: bool,
    /// `origin/name/version/release` part; `kubesup` for what is not a Habitat package.
    pub origin: String,
    /// An installed package's own name, else the service's.
    pub name: String,
    /// An installed package's own version, else from `app.kubernetes.io/version`, else `0.0.0`.
    pub version: String,
    /// 14 digits as in Habitat; all zero for what is not a Habitat package.
    pub release: String,
    /// The directory that the package was read from; empty without one.
    pub path: String,
    /// The packages that it needs at run time, also indirectly (`TDEPS`), in the order of the file.
    pub deps: Vec<ident::Ident>,
    /// Environment for hooks.
    pub env: BTreeMap<String, String>,
    /// Ports, as text.
    pub exposes: Vec<String>,
    /// Export name to configuration path.
    pub exports: BTreeMap<String, String>,
    /// The binds that it cannot do without.
    pub binds: Vec<Bind>,
    /// The binds that it can use.
    pub binds_optional: Vec<Bind>,
    /// The user that hooks run as.
    pub svc_user: String,
    /// The group that hooks run as.
    pub svc_group: String,
    /// The stop signal that the package names, without `SIG`.
    pub shutdown_signal: Option<String>,
    /// How long the stop may take, in seconds.
    pub shutdown_timeout: Option<u64>,
}

impl Facts {
    /// `origin/name/version/release`.
    pub fn ident(&self) -> String {
        format!(
            "{}/{}/{}/{}",
            self.origin, self.name, self.version, self.release
        )
    }
}
