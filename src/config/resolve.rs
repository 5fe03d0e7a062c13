//! Owns the resolution of layers into [`Settings`]: the highest layer that sets a key wins, and every problem is
//! reported, each with where the value came from and what is allowed. Never reads a file or the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::supervision::{
    HealthCheck, LogFormat, OnHealthFailure, Output, RemapExit, RewriteSignals, RunAs,
    TerminationLog,
};
use super::{
    Bind, BindingMode, FilesRef, Key, LeaseTimes, Listen, ObjectKind, ObjectRef, OnExit, OnLost,
    RestartBudget, RoleLabel, Settings, TlsFiles, Topology, duration,
};

/// Where a value came from, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config/kubesup.yaml`, embedded.
    Defaults,
    /// What an installed Habitat package changes in the defaults, by its directory.
    Package(PathBuf),
    /// What local mode changes in the defaults.
    LocalMode,
    /// A line of the file given with `--config`.
    File(PathBuf),
    /// The own Pod, as `namespace/name`.
    Pod(String),
    /// A variable that Habitat's supervisor reads too.
    HabitatEnvironment,
    /// A `KUBESUP_` variable.
    Environment,
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Defaults => write!(f, "built-in defaults"),
            Origin::Package(path) => write!(f, "Habitat package {}", path.display()),
            Origin::LocalMode => write!(f, "local mode"),
            Origin::File(path) => write!(f, "settings file {}", path.display()),
            Origin::Pod(pod) => write!(f, "Pod {pod}"),
            Origin::HabitatEnvironment | Origin::Environment => write!(f, "environment"),
            Origin::Flag => write!(f, "flag"),
        }
    }
}

/// The values that one origin sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Where they come from.
    pub origin: Origin,
    /// Value and, in a file, its line.
    pub values: BTreeMap<Key, Value>,
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The text.
    pub text: String,
    /// Its line, counted from 1, in a file.
    pub line: Option<usize>,
}

impl Layer {
    /// An empty layer.
    pub fn new(origin: Origin) -> Self {
        Layer {
            origin,
            values: BTreeMap::new(),
        }
    }

    /// Sets one value that has no line.
    #[must_use]
    pub fn with(mut self, key: Key, text: impl Into<String>) -> Self {
        self.values.insert(
            key,
            Value {
                text: text.into(),
                line: None,
            },
        );
        self
    }
}

/// Layers, lowest first: defaults, installed package, local mode, file, own Pod, environment, flags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layers {
    /// Defaults, installed package, local mode and the settings file.
    pub below_pod: Vec<Layer>,
    /// Environment and flags.
    pub above_pod: Vec<Layer>,
}

/// Why the settings cannot be used: one problem of one value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Problem {
    /// Where: `flag --group`, `settings file x.yaml, line 3`, `Pod shop/demo-0, annotation kubesup.dev/group`.
    pub place: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}

/// Resolves the layers, with what the own Pod says between them.
pub fn resolve(layers: &Layers, pod: Option<&Layer>) -> Result<Settings, Vec<Problem>> {
    let mut reader = Reader {
        values: BTreeMap::new(),
        problems: Vec::new(),
    };
    for layer in layers.below_pod.iter().chain(pod).chain(&layers.above_pod) {
        for (key, value) in &layer.values {
            reader.values.insert(*key, (&layer.origin, value));
        }
    }
    let settings = read(&mut reader);
    if let Some(pod) = pod
        && settings.topology == Topology::Leader
        && settings.service.is_none()
    {
        // Before the own Pod is known it may still name one.
        reader.problems.push(Problem {
            place: pod.origin.to_string(),
            reason: "topology leader needs a Service, whose members elect the leader; set serviceName in the StatefulSet, \
                     or the annotation kubesup.dev/service: NAME"
                .to_owned(),
        });
    }
    if reader.problems.is_empty() {
        Ok(settings)
    } else {
        Err(reader.problems)
    }
}

/// Each setting that has a value, as it is written, with the place that it is written in.
pub fn effective(layers: &Layers, pod: Option<&Layer>) -> Vec<(Key, String, String)> {
    let mut values: BTreeMap<Key, (&Origin, &Value)> = BTreeMap::new();
    for layer in layers.below_pod.iter().chain(pod).chain(&layers.above_pod) {
        for (key, value) in &layer.values {
            values.insert(*key, (&layer.origin, value));
        }
    }
    let given = values
        .into_iter()
        .filter(|(_, (_, value))| !value.text.is_empty());
    given
        .map(|(key, (origin, value))| {
            let line = value.line.filter(|_| *origin != Origin::Defaults);
            let line = line.map(|line| format!(", line {line}"));
            let place = format!("{origin}{}", line.unwrap_or_default());
            (key, value.text.clone(), place)
        })
        .collect()
}

fn read(from: &mut Reader<'_>) -> Settings {
    let once = from.yes(Key::Once);
    let settings = Settings {
        name: from.word(Key::Name).unwrap_or_default(),
        group: from
            .word(Key::Group)
            .unwrap_or_else(|| "default".to_owned()),
        org: from.word(Key::Org),
        version: "0.0.0".to_owned(),
        topology: from
            .one_of(
                Key::Topology,
                &[
                    ("standalone", Topology::Standalone),
                    ("leader", Topology::Leader),
                ],
            )
            .unwrap_or(Topology::Standalone),
        binding_mode: from.binding_mode(),
        binds: from.binds(),
        service: from.object_name(Key::Service),
        config: from.objects(Key::Config, Directory::Refused),
        secrets: from.objects(Key::Secrets, Directory::Refused),
        hooks: from.objects(Key::Hooks, Directory::Refused),
        templates: from.objects(Key::Templates, Directory::Allowed),
        files: from.files(),
        package: from.text(Key::Package).map(PathBuf::from),
        config_from: from.text(Key::ConfigFrom).map(PathBuf::from),
        root: from
            .text(Key::Root)
            .map_or_else(|| PathBuf::from("/kubesup"), PathBuf::from),
        user_toml: from.text(Key::UserToml).map(PathBuf::from),
        listen_http: from.listen(),
        tls: from.tls(),
        health_check_interval: from.positive(Key::HealthCheckInterval, 30),
        health_check_timeout: from.positive(Key::HealthCheckTimeout, 60),
        reconfigure_timeout: from.positive(Key::ReconfigureTimeout, 60),
        file_updated_timeout: from.positive(Key::FileUpdatedTimeout, 60),
        suitability_interval: from.positive(Key::SuitabilityInterval, 10),
        suitability_timeout: from.positive(Key::SuitabilityTimeout, 5),
        post_stop_timeout: from.positive(Key::PostStopTimeout, 60),
        service_min_backoff_period: from
            .duration(Key::ServiceMinBackoffPeriod)
            .unwrap_or_default(),
        service_max_backoff_period: from
            .duration(Key::ServiceMaxBackoffPeriod)
            .unwrap_or_default(),
        service_restart_cooldown_period: from
            .duration(Key::ServiceRestartCooldownPeriod)
            .unwrap_or(Duration::from_secs(300)),
        restart_budget: from.budget(),
        on_exit: from.on_exit(once),
        shutdown_timeout: from.duration(Key::ShutdownTimeout),
        stop_signal: from.signal(Key::StopSignal),
        remap_exit: from
            .parsed(Key::RemapExit, RemapExit::parse)
            .unwrap_or_default(),
        rewrite_signal: from
            .parsed(Key::RewriteSignal, RewriteSignals::parse)
            .unwrap_or_default(),
        termination_log: from.termination_log(),
        once,
        tty: from.yes(Key::Tty),
        output: from
            .one_of(
                Key::Output,
                &[("pass", Output::Pass), ("inherit", Output::Inherit)],
            )
            .unwrap_or_default(),
        log_format: from.log_format(),
        user: from.parsed(Key::User, RunAs::parse),
        health_check: from.parsed(Key::HealthCheck, HealthCheck::parse),
        health_check_threshold: from.parsed(Key::HealthCheckThreshold, count).unwrap_or(3),
        health_check_start_delay: from
            .duration(Key::HealthCheckStartDelay)
            .unwrap_or_default(),
        on_health_failure: from
            .one_of(
                Key::OnHealthFailure,
                &[
                    ("nothing", OnHealthFailure::Nothing),
                    ("restart", OnHealthFailure::Restart),
                ],
            )
            .unwrap_or_default(),
        post_run_timeout: from.duration(Key::PostRunTimeout),
        init_timeout: from.duration(Key::InitTimeout),
        drain_linger: from
            .duration(Key::DrainLinger)
            .unwrap_or(Duration::from_secs(3)),
        drain_max: from
            .duration(Key::DrainMax)
            .unwrap_or(Duration::from_secs(10)),
        settle_quiet: from.duration(Key::SettleQuiet).unwrap_or_default(),
        settle_max: from.duration(Key::SettleMax).unwrap_or_default(),
        lease: from.lease(),
        on_lost_lease: from
            .one_of(
                Key::OnLostLease,
                &[("demote", OnLost::Demote), ("kill", OnLost::Kill)],
            )
            .unwrap_or_default(),
        role_label: from
            .one_of(
                Key::RoleLabel,
                &[("true", RoleLabel::Kept), ("false", RoleLabel::Unkept)],
            )
            .unwrap_or_default(),
        strict: from.yes(Key::Strict),
    };
    for problem in settings.lease.problems() {
        from.problem(Key::LeaseDuration, problem);
    }
    settings
}

/// Whether a reference may name a directory (`name=sub/dir`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directory {
    Allowed,
    Refused,
}

struct Reader<'a> {
    values: BTreeMap<Key, (&'a Origin, &'a Value)>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn binding_mode(&mut self) -> BindingMode {
        let modes = [
            ("strict", BindingMode::Strict),
            ("relaxed", BindingMode::Relaxed),
        ];
        self.one_of(Key::BindingMode, &modes)
            .unwrap_or(BindingMode::Strict)
    }

    fn problem(&mut self, key: Key, reason: String) {
        let place = match self.values.get(&key) {
            Some((Origin::Flag, _)) => format!("flag --{}", key.name()),
            Some((Origin::Environment, _)) => {
                format!("environment variable {}", key.environment_name())
            }
            Some((Origin::HabitatEnvironment, _)) => {
                format!("environment variable {}", key.habitat_environment_name())
            }
            Some((origin @ Origin::Pod(_), _)) => {
                format!("{origin}, annotation kubesup.dev/{}", key.name())
            }
            Some((
                origin,
                Value {
                    line: Some(line), ..
                },
            )) => format!("{origin}, line {line}, {}", key.name()),
            Some((origin, _)) => format!("{origin}, {}", key.name()),
            None => key.name().to_owned(),
        };
        self.problems.push(Problem { place, reason });
    }

    fn text(&self, key: Key) -> Option<&str> {
        self.values
            .get(&key)
            .map(|(_, value)| value.text.trim())
            .filter(|text| !text.is_empty())
    }

    /// A service's or group's name: `# @ .` and `/` would make the service group ambiguous (contract, vocabulary).
    fn word(&mut self, key: Key) -> Option<String> {
        let text = self.text(key)?.to_owned();
        if text.contains(['#', '@', '.', '/']) || text.contains(char::is_whitespace) {
            self.problem(
                key,
                format!("{text:?} may not hold `#`, `@`, `.`, `/` or white space"),
            );
        }
        Some(text)
    }

    fn one_of<T: Copy>(&mut self, key: Key, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?.to_owned();
        let found = choices
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let hint = super::keys::hint(&text, names.iter().copied());
            self.problem(
                key,
                format!("{text:?} is not one of {}{hint}", names.join(", ")),
            );
        }
        found
    }

    fn yes(&mut self, key: Key) -> bool {
        self.one_of(key, &[("true", true), ("false", false)])
            .unwrap_or(false)
    }

    /// A value that says itself what is wrong with it.
    fn parsed<T>(&mut self, key: Key, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?.to_owned();
        parse(&text)
            .map_err(|reason| self.problem(key, reason))
            .ok()
    }

    /// To run once is to end with the program, whatever its end means otherwise.
    fn on_exit(&mut self, once: bool) -> OnExit {
        let choices = [("restart", OnExit::Restart), ("exit", OnExit::Exit)];
        let chosen = self.one_of(Key::OnExit, &choices);
        if once {
            OnExit::Exit
        } else {
            chosen.unwrap_or(OnExit::Restart)
        }
    }

    fn log_format(&mut self) -> LogFormat {
        let choices = [
            ("plain", LogFormat::Plain),
            ("habitat", LogFormat::Habitat),
            ("json", LogFormat::Json),
        ];
        self.one_of(Key::LogFormat, &choices).unwrap_or_default()
    }

    fn termination_log(&self) -> TerminationLog {
        match self.text(Key::TerminationLog) {
            None => TerminationLog::WhereKubernetesReads,
            Some("none") => TerminationLog::Nowhere,
            Some(file) => TerminationLog::At(PathBuf::from(file)),
        }
    }

    fn duration(&mut self, key: Key) -> Option<Duration> {
        let text = self.text(key)?.to_owned();
        let flag = matches!(self.values.get(&key), Some((Origin::Flag, _)));
        let parsed = if flag && key.is_seconds_in_habitat() {
            duration::parse_or_seconds(&text)
        } else {
            duration::parse(&text)
        };
        parsed
            .map_err(|error| self.problem(key, format!("{text:?} {error}")))
            .ok()
    }

    fn positive(&mut self, key: Key, default_seconds: u64) -> Duration {
        let value = self.duration(key);
        if value == Some(Duration::ZERO) {
            self.problem(key, "must be more than nothing".to_owned());
        }
        value.unwrap_or(Duration::from_secs(default_seconds))
    }

    fn lease(&mut self) -> LeaseTimes {
        LeaseTimes {
            lease_duration: self.positive(Key::LeaseDuration, 15),
            renew_deadline: self.positive(Key::RenewDeadline, 10),
            renew_period: self.positive(Key::RenewPeriod, 5),
            retry_period: self.positive(Key::RetryPeriod, 2),
            demotion_timeout: self.positive(Key::DemotionTimeout, 3),
            margin: self.positive(Key::Margin, 1),
        }
    }

    fn budget(&mut self) -> Option<RestartBudget> {
        let text = self.text(Key::RestartBudget)?.to_owned();
        if text == "unlimited" {
            return None;
        }
        let parsed = text.split_once('/').and_then(|(failures, within)| {
            let failures = failures
                .trim()
                .parse()
                .ok()
                .filter(|failures| *failures > 0)?;
            Some(RestartBudget {
                failures,
                within: duration::parse(within).ok()?,
            })
        });
        if parsed.is_none() {
            let reason = format!(
                "{text:?} is neither `unlimited` nor a number of failures in a time, such as 5/5m"
            );
            self.problem(Key::RestartBudget, reason);
        }
        parsed
    }

    fn signal(&mut self, key: Key) -> Option<i32> {
        let text = self.text(key)?.to_owned();
        let signal = parse_signal(&text);
        if signal.is_none() {
            self.problem(
                key,
                format!("{text:?} is no signal; write a name such as QUIT or SIGQUIT, or a number"),
            );
        }
        signal
    }

    fn listen(&mut self) -> Option<Listen> {
        let text = self.text(Key::ListenHttp)?.to_owned();
        if text == "none" {
            return None;
        }
        match text.parse::<SocketAddr>() {
            Ok(SocketAddr::V6(address)) if address.ip().is_unspecified() => {
                Some(Listen::Any(address.port()))
            }
            Ok(address) => Some(Listen::At(address)),
            Err(_) => {
                let reason = format!(
                    "{text:?} is no address with a port, such as [::]:9631 or 127.0.0.1:9631, nor `none`"
                );
                self.problem(Key::ListenHttp, reason);
                None
            }
        }
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        let file = |key| self.text(key).map(PathBuf::from);
        let (key, certs, ca_certs) = (file(Key::Key), file(Key::Certs), file(Key::CaCerts));
        let mut needs = |given, what: &str| {
            self.problem(given, format!("needs {what} too, for HTTPS"));
            None
        };
        match (key, certs, ca_certs) {
            (Some(key), Some(certs), ca_certs) => Some(TlsFiles {
                key,
                certs,
                ca_certs,
            }),
            (None, None, None) => None,
            (None, None, Some(_)) => needs(Key::CaCerts, "--key and --certs"),
            (Some(_), None, _) => needs(Key::Key, "--certs"),
            (None, Some(_), _) => needs(Key::Certs, "--key"),
        }
    }

    fn binds(&mut self) -> Vec<Bind> {
        let text = self.text(Key::Bind).unwrap_or_default().to_owned();
        let mut binds: Vec<Bind> = Vec::new();
        for item in text
            .split([',', ' ', '\n', '\t'])
            .filter(|item| !item.is_empty())
        {
            match Bind::parse(item) {
                Ok(bind) if binds.iter().any(|other| other.name == bind.name) => {
                    self.problem(
                        Key::Bind,
                        format!("{item:?}: {:?} is bound twice", bind.name),
                    );
                }
                Ok(bind) => binds.push(bind),
                Err(reason) => self.problem(Key::Bind, reason),
            }
        }
        binds
    }

    fn object_name(&mut self, key: Key) -> Option<String> {
        let text = self.text(key)?.to_owned();
        if !is_object_name(&text) {
            self.problem(key, format!("{text:?} is no name of a Kubernetes object"));
        }
        Some(text)
    }

    /// `secret/` before a name makes it a Secret's.
    fn files(&mut self) -> Vec<FilesRef> {
        let text = self.text(Key::Files).unwrap_or_default().to_owned();
        let mut files: Vec<FilesRef> = Vec::new();
        for item in text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (kind, name) = match item.strip_prefix("secret/") {
                Some(name) => (ObjectKind::Secret, name),
                None => (ObjectKind::ConfigMap, item),
            };
            let (name, optional) = name
                .strip_suffix('?')
                .map_or((name, false), |name| (name, true));
            let problem = if !is_object_name(name) {
                Some(format!(
                    "{item:?}: {name:?} is no name; write a ConfigMap's name, or secret/ and a Secret's"
                ))
            } else if files
                .iter()
                .any(|other| other.kind == kind && other.object.name == name)
            {
                Some(format!("{item:?} is named twice"))
            } else {
                None
            };
            if let Some(problem) = problem {
                self.problem(Key::Files, problem);
                continue;
            }
            let object = ObjectRef {
                name: name.to_owned(),
                optional,
                directory: String::new(),
            };
            files.push(FilesRef { kind, object });
        }
        files
    }

    fn objects(&mut self, key: Key, directory: Directory) -> Vec<ObjectRef> {
        let text = self.text(key).unwrap_or_default().to_owned();
        let mut objects: Vec<ObjectRef> = Vec::new();
        for item in text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (name, sub_directory) = item.split_once('=').unwrap_or((item, ""));
            let (name, optional) = name
                .strip_suffix('?')
                .map_or((name, false), |name| (name, true));
            if !is_object_name(name) {
                self.problem(
                    key,
                    format!("{item:?}: {name:?} is no name of a ConfigMap or Secret"),
                );
            } else if item.contains('=') && directory == Directory::Refused {
                self.problem(
                    key,
                    format!("{item:?}: only kubesup.dev/templates takes NAME=DIR"),
                );
            } else if sub_directory
                .split('/')
                .any(|part| part == ".." || (part.is_empty() && !sub_directory.is_empty()))
            {
                self.problem(
                    key,
                    format!("{item:?}: {sub_directory:?} is no relative directory"),
                );
            } else if objects
                .iter()
                .any(|other| other.name == name && other.directory == sub_directory)
            {
                self.problem(key, format!("{item:?} is named twice"));
            } else {
                objects.push(ObjectRef {
                    name: name.to_owned(),
                    optional,
                    directory: sub_directory.to_owned(),
                });
            }
        }
        objects
    }
}

/// A number of things, at least one.
fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("{text:?} is no number above 0"))
}

/// A DNS subdomain, as Kubernetes wants object names: at most 253 of `a-z 0-9 - .`, alphanumeric at the ends.
fn is_object_name(name: &str) -> bool {
    let alphanumeric = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name
            .bytes()
            .all(|c| alphanumeric(c) || c == b'-' || c == b'.')
        && name.bytes().next().is_some_and(alphanumeric)
        && name.bytes().last().is_some_and(alphanumeric)
}

/// `TERM`, `SIGTERM` or `15`.
pub fn parse_signal(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") {
        upper
    } else {
        format!("SIG{upper}")
    };
    Signal::from_str(&name).ok().map(|signal| signal as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn layers(values: &[(Key, &str)]) -> Layers {
        let flags = values
            .iter()
            .fold(Layer::new(Origin::Flag), |layer, (key, text)| {
                layer.with(*key, *text)
            });
        Layers {
            below_pod: vec![load::defaults()],
            above_pod: vec![flags],
        }
    }

    fn problems(values: &[(Key, &str)]) -> Vec<String> {
        resolve(&layers(values), None)
            .expect_err("problems")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_embedded_defaults_resolve() {
        let settings = resolve(&layers(&[]), None).expect("defaults");
        assert_eq!(settings.group, "default");
        assert_eq!(settings.listen_http, Some(Listen::Any(9631)));
        assert_eq!(
            settings.restart_budget,
            Some(RestartBudget {
                failures: 5,
                within: Duration::from_secs(300)
            })
        );
        assert_eq!(settings.settle_quiet, Duration::from_millis(50));
    }

    #[test]
    fn a_flag_beats_the_environment_and_that_the_pod_and_that_the_file() {
        let layer = |origin, text: &str| Layer::new(origin).with(Key::Group, text);
        let pod = layer(Origin::Pod("shop/demo-0".into()), "pod");
        let mut layers = Layers {
            below_pod: vec![load::defaults(), layer(Origin::File("x".into()), "file")],
            above_pod: vec![],
        };
        let group = |layers: &Layers, pod| resolve(layers, pod).expect("settings").group;
        assert_eq!(group(&layers, None), "file");
        assert_eq!(group(&layers, Some(&pod)), "pod");
        layers
            .above_pod
            .push(layer(Origin::Environment, "environment"));
        assert_eq!(group(&layers, Some(&pod)), "environment");
        layers.above_pod.push(layer(Origin::Flag, "flag"));
        assert_eq!(group(&layers, Some(&pod)), "flag");
    }

    #[test]
    fn a_leader_needs_a_service_once_the_own_pod_is_known() {
        let leads = layers(&[(Key::Topology, "leader")]);
        assert!(resolve(&leads, None).is_ok(), "the Pod may name one yet");
        let pod = Layer::new(Origin::Pod("shop/demo-0".into()));
        let problems = resolve(&leads, Some(&pod)).expect_err("no Service");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].to_string().contains("shop/demo-0")
                && problems[0].reason.contains("serviceName"),
            "{problems:?}"
        );
        assert!(resolve(&leads, Some(&pod.with(Key::Service, "demo"))).is_ok());
    }

    #[test]
    fn all_problems_come_at_once_each_with_its_place() {
        let problems = problems(&[
            (Key::HealthCheckInterval, "0s"),
            (Key::OnExit, "restrat"),
            (Key::RestartBudget, "five"),
            (Key::ListenHttp, "9631"),
            (Key::Config, "Demo, a=b, ok, ok"),
        ]);
        assert_eq!(problems.len(), 7, "{problems:#?}");
        assert!(
            problems
                .iter()
                .any(|p| p.starts_with("flag --on-exit: \"restrat\"")
                    && p.ends_with("did you mean restart?"))
        );
    }

    #[test]
    fn binds_are_separated_by_commas_or_white_space_and_all_wrong_ones_are_reported() {
        let settings = resolve(
            &layers(&[(Key::Bind, "db:data/pg.blue, cache:redis queue:nats")]),
            None,
        );
        let shown: Vec<String> = settings
            .expect("settings")
            .binds
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            shown,
            [
                "db:data/pg.blue",
                "cache:redis.default",
                "queue:nats.default"
            ]
        );
        assert_eq!(
            problems(&[(Key::Bind, "db:pg,redis,db:other,x:Y")]),
            [
                "flag --bind: \"redis\" is no bind; write NAME:SERVICE, NAME:NAMESPACE/SERVICE or NAME:SERVICE.GROUP",
                "flag --bind: \"db:other\": \"db\" is bound twice",
                "flag --bind: \"x:Y\": \"Y\" is no name of a Service",
            ]
        );
    }

    #[test]
    fn https_needs_a_key_and_certificates() {
        let settings = resolve(&layers(&[(Key::Key, "k"), (Key::Certs, "c")]), None);
        let tls = settings.expect("settings").tls.expect("TLS");
        assert_eq!(
            (tls.key, tls.certs, tls.ca_certs),
            ("k".into(), "c".into(), None)
        );
        for (given, problem) in [
            (
                &[(Key::Key, "k")][..],
                "flag --key: needs --certs too, for HTTPS",
            ),
            (
                &[(Key::Certs, "c")],
                "flag --certs: needs --key too, for HTTPS",
            ),
            (
                &[(Key::CaCerts, "a")],
                "flag --ca-certs: needs --key and --certs too, for HTTPS",
            ),
            (
                &[(Key::Certs, "c"), (Key::CaCerts, "a")],
                "flag --certs: needs --key too, for HTTPS",
            ),
        ] {
            assert_eq!(problems(given), [problem]);
        }
    }

    #[test]
    fn an_organisation_is_a_part_of_the_service_group() {
        let settings = resolve(&layers(&[(Key::Name, "a"), (Key::Org, "acme")]), None);
        assert_eq!(
            settings.expect("settings").service_group(),
            "a.default@acme"
        );
        let settings = resolve(&layers(&[(Key::Name, "a")]), None);
        assert_eq!(settings.expect("settings").service_group(), "a.default");
        assert_eq!(problems(&[(Key::Org, "a@b")]).len(), 1);
    }

    #[test]
    fn references_keep_their_order_and_marks() {
        let settings =
            resolve(&layers(&[(Key::Templates, "b, a?=sub/dir")]), None).expect("settings");
        assert_eq!(
            settings.templates,
            vec![
                ObjectRef {
                    name: "b".into(),
                    optional: false,
                    directory: String::new()
                },
                ObjectRef {
                    name: "a".into(),
                    optional: true,
                    directory: "sub/dir".into()
                },
            ]
        );
        for bad in ["a=../x", "a=/x", "a=x//y"] {
            assert_eq!(problems(&[(Key::Templates, bad)]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn service_files_come_from_config_maps_and_secrets() {
        let settings = resolve(&layers(&[(Key::Files, "a, secret/a, secret/b?, c?")]), None)
            .expect("settings");
        let shown: Vec<_> = settings.files.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a", "secret/a", "secret/b?", "c?"]);
        assert_eq!(settings.files[1].kind, ObjectKind::Secret);
        for bad in [
            "secrets/a",
            "secret/",
            "a,a",
            "secret/a,secret/a",
            "A",
            "a=x",
        ] {
            assert_eq!(problems(&[(Key::Files, bad)]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn once_ends_with_the_program_whatever_its_end_means_otherwise() {
        let on_exit = |values: &[(Key, &str)]| {
            let settings = resolve(&layers(values), None).expect("settings");
            settings.on_exit
        };
        assert_eq!(on_exit(&[]), OnExit::Restart);
        assert_eq!(on_exit(&[(Key::Once, "true")]), OnExit::Exit);
        assert_eq!(
            on_exit(&[(Key::Once, "true"), (Key::OnExit, "restart")]),
            OnExit::Exit
        );
    }

    #[test]
    fn broken_tables_and_checks_are_problems_with_their_place() {
        let problems = problems(&[
            (Key::RemapExit, "300=0"),
            (Key::RewriteSignal, "TERM"),
            (Key::HealthCheck, "8080"),
            (Key::HealthCheckThreshold, "0"),
            (Key::User, "a b"),
            (Key::LogFormat, "jsn"),
            (Key::Once, "maybe"),
        ]);
        assert_eq!(problems.len(), 7, "{problems:#?}");
        assert!(
            problems.contains(&"flag --remap-exit: \"300\" is no exit code, 0 to 255".to_owned())
        );
    }

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!(parse_signal("QUIT"), Some(3));
        assert_eq!(parse_signal("sigterm"), Some(15));
        assert_eq!(parse_signal("28"), Some(28));
        assert_eq!(parse_signal("NOPE"), None);
        assert_eq!(parse_signal("65"), None);
    }
}
