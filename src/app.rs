//! Owns the wiring: the only place where the parts meet, where tasks are spawned and where their unexpected end ends the
//! program. Decides nothing.

mod config;
mod gateway;
mod inspect;
mod install;
mod last_words;
mod leader;
mod offline;
mod pkg_ident;
mod render;
mod source;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::cli::run::Arguments;
use crate::cluster::elect;
use crate::cluster::freshness::Freshness;
use crate::config::{Key, Layer, Layers, Origin, Problem, Settings, load, resolve};
use crate::lifecycle::election::{Candidate, Label, Outlook};
use crate::metrics::Metrics;
use crate::package::directory;
use crate::process::{Processes, Signals};
use crate::snapshot::Snapshot;
use crate::supervisor::{self, Base, Dependencies, Reports};
use crate::world::{Fold, View, Wanted};
use crate::{api, observe};
pub use config::config;
pub use inspect::{check, rbac};
pub use install::install;
pub use last_words::{last_words, variable_name};
pub use leader::leader;
pub use render::render;
use source::{Begin, Feeds, FileWatches, PackageSource, Source};

/// Something does not render.
pub const EXIT_PROBLEMS: i32 = 1;
/// Wrong flags or settings: `EX_USAGE` of sysexits.
pub const EXIT_USAGE: i32 = 64;
/// HTTP cannot listen, or the like: `EX_UNAVAILABLE`.
pub const EXIT_UNAVAILABLE: i32 = 69;
/// A part of kubesup ended that must not: `EX_SOFTWARE`.
pub const EXIT_INTERNAL: i32 = 70;

/// Observations that wait for the fold; when it is full the sources wait, and with them their watches.
const OBSERVATIONS: usize = 256;

/// What the process was started with.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The environment, as far as it is UTF-8, without the gateway's token.
    pub environment: BTreeMap<String, String>,
    /// The gateway's token, whatever its bytes.
    pub token: Option<OsString>,
    /// The host's name.
    pub hostname: String,
}

/// Why kubesup ends before it has begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Wrong flags or settings: all of them.
    #[error("{}", .0.join("\n"))]
    Usage(Vec<String>),
    /// What was asked for cannot be done as things are: all reasons.
    #[error("{}", .0.join("\n"))]
    Problems(Vec<String>),
    /// Something that kubesup cannot do without.
    #[error("{0}")]
    Unavailable(String),
}

impl StartError {
    /// The exit code.
    pub fn exit_code(&self) -> i32 {
        match self {
            StartError::Usage(_) => EXIT_USAGE,
            StartError::Problems(_) => EXIT_PROBLEMS,
            StartError::Unavailable(_) => EXIT_UNAVAILABLE,
        }
    }
}

/// Supervises until the service has ended. The exit code of kubesup.
///
/// Must run on a current-thread runtime: the thread that spawns is the one that reaps (`process`).
pub async fn run(arguments: Arguments, surroundings: Surroundings) -> Result<i32, StartError> {
    // Signal handlers are in place before anything else: PID 1 has no default action for TERM.
    let signals = Signals::open()
        .map_err(|error| StartError::Unavailable(format!("cannot handle signals: {error}")))?;
    let source = Source::of(&arguments, &surroundings)?;
    let variables = source.environment(&surroundings.environment);
    let local = source.local_layer(&surroundings.environment);
    let layers = layers(&arguments, &surroundings, local, &variables)?;
    let settings = resolve(&layers, None).map_err(usage)?;

    let shutdown = CancellationToken::new();
    let (snapshots, readers) = watch::channel(Snapshot::default());
    let (history, histories) = watch::channel(Arc::default());
    let (freshness, ages) = watch::channel(Freshness::default());
    let metrics = Metrics::new();
    let mut tasks = JoinSet::new();
    let (reported, told) = (readers.clone(), histories.clone());
    let http = listen(&settings)?;
    let address = http
        .as_ref()
        .and_then(|listener| listener.local_addr().ok());
    if let Some(listener) = http {
        let gateway = gateway::Parts {
            snapshots: readers,
            history: histories,
            metrics: metrics.clone(),
            watches: gateway::watches(ages, source.identity()),
        }
        .open(&surroundings, &source, &settings)?;
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            api::serve(listener, gateway, shutdown).await;
            "http"
        });
        // It answers before a client is built, which may read files and block.
        tokio::task::yield_now().await;
    }

    let (observed, observations) = mpsc::channel(OBSERVATIONS);
    let (wanted, wants) = watch::channel(Wanted::new());
    let (drains, drain_requests) = mpsc::channel(1);
    let drains = source.drains().then_some(drains);
    let (stands, standing) = watch::channel(None);
    let (candidates, candidacies) = watch::channel(Candidate::default());
    let (outlooks, outlook) = watch::channel(Outlook::default());
    let (role, roles) = watch::channel(None);
    let (label, labels) = watch::channel(Label::default());
    let (view, views) = watch::channel(Arc::new(View::default()));
    let (reads_leaders, leaders) = watch::channel(false);
    let fold = Fold::new(source.identity(), layers);
    wanted.send_replace(fold.watches().clone());
    let (base, bases) = watch::channel::<Base>(Ok(Arc::default()));
    let mut environment = source.literal_environment();
    environment.retain(|(name, _)| name != api::access::TOKEN_VARIABLE);
    let package = PackageSource {
        directory: package_directory(&settings, &arguments),
        config_from: settings.config_from.clone(),
        command: arguments.command,
        environment: variables.clone(),
    };
    let enough = CancellationToken::new();
    let feeds = Feeds {
        wanted: wants,
        observations: observed.clone(),
        base,
        freshness,
        drains: drain_requests,
        snapshots: reported,
        history: told,
        election: elect::Channels {
            stands: standing,
            candidates: candidacies,
            outlook: outlooks,
            label: labels,
            troubles: observed,
        },
        role: roles,
        label,
        watches: FileWatches {
            begin: if settings.once {
                Begin::Late
            } else {
                Begin::AtOnce
            },
            enough: enough.clone(),
        },
    };
    source.start(&mut tasks, package, feeds, &shutdown).await?;
    tasks.spawn(async move {
        observe::run(fold, observations, leaders, wanted, view).await;
        "view"
    });

    let service = supervisor::run(Dependencies {
        views,
        reads_leaders,
        base: bases,
        snapshots,
        reports: Reports { history, metrics },
        processes: Processes::new(),
        signals,
        settings,
        http: address,
        environment,
        variables,
        drains,
        election: supervisor::Election {
            stands,
            candidates,
            outlook,
            role,
        },
        enough,
        shutdown: shutdown.clone(),
    });
    let code = Box::pin(until_over(service, &mut tasks, &shutdown)).await;
    shutdown.cancel();
    Ok(code)
}

/// Waits for the service's end. A task that ends before it is a defect: the service is stopped in order, then kubesup ends.
async fn until_over(
    service: impl Future<Output = i32>,
    tasks: &mut JoinSet<&'static str>,
    shutdown: &CancellationToken,
) -> i32 {
    tokio::pin!(service);
    let mut broken = false;
    loop {
        tokio::select! {
            code = &mut service => return if broken && code == 0 { EXIT_INTERNAL } else { code },
            Some(ended) = tasks.join_next(), if !broken => {
                match ended {
                    Ok(name) => error!(task = name, "a part of kubesup ended unexpectedly; stopping the service"),
                    Err(error) => error!(%error, "a part of kubesup failed; stopping the service"),
                }
                broken = true;
                shutdown.cancel();
            }
        }
    }
}

/// `local` is what local mode changes in the defaults; `environment` is the own one, above what the manifests give the
/// container.
fn layers(
    arguments: &Arguments,
    surroundings: &Surroundings,
    local: Option<Layer>,
    environment: &BTreeMap<String, String>,
) -> Result<Layers, StartError> {
    let mut problems = Vec::new();
    let mut below_pod = vec![load::defaults()];
    below_pod.extend(local);
    let file = arguments.settings_file.clone().or_else(|| {
        surroundings
            .environment
            .get("KUBESUP_CONFIG")
            .map(PathBuf::from)
    });
    match file.map(|path| load::file(&path)).transpose() {
        Ok(layer) => below_pod.extend(layer),
        Err(more) => problems.extend(more),
    }
    let habitat = load::habitat_environment(environment);
    let (environment, warnings) = load::environment(environment);
    let flags = with_package(arguments, &environment).unwrap_or_else(|problem| {
        problems.push(problem);
        arguments.flags.clone()
    });
    for warning in arguments.warnings.iter().chain(&warnings) {
        warn!("{warning}");
    }
    let mut layers = Layers {
        below_pod,
        above_pod: vec![habitat, environment, flags],
    };
    match resolve(&layers, None) {
        Ok(settings) => {
            let package = package_directory(&settings, arguments).and_then(package_layer);
            // Above the built-in defaults alone.
            layers.below_pod.splice(1..1, package);
        }
        Err(more) => problems.extend(more),
    }
    if problems.is_empty() {
        Ok(layers)
    } else {
        Err(usage(problems))
    }
}

/// The flags, with the directory of the package that was named as `hab sup run` names one.
fn with_package(arguments: &Arguments, environment: &Layer) -> Result<Layer, Problem> {
    let flags = arguments.flags.clone();
    let Some(package) = &arguments.package else {
        return Ok(flags);
    };
    let root = [&flags, environment]
        .into_iter()
        .find_map(|layer| layer.values.get(&Key::Root))
        .map(|root| Path::new(&root.text));
    match pkg_ident::locate(package, root) {
        Ok(directory) => Ok(flags.with(Key::Package, directory.display().to_string())),
        Err(reason) => Err(Problem {
            place: format!("package {package}"),
            reason,
        }),
    }
}

fn usage(problems: Vec<Problem>) -> StartError {
    StartError::Usage(problems.iter().map(ToString::to_string).collect())
}

fn listen(settings: &Settings) -> Result<Option<TcpListener>, StartError> {
    let Some(listen) = &settings.listen_http else {
        return Ok(None);
    };
    let listener = api::bind(listen).map_err(|error| StartError::Unavailable(error.to_string()))?;
    if let Ok(address) = listener.local_addr() {
        info!(%address, "serving HTTP");
    }
    Ok(Some(listener))
}

/// The package directory: the setting's, or the manifests' folder when that is one too.
fn package_directory(settings: &Settings, arguments: &Arguments) -> Option<PathBuf> {
    let is_package = |path: &&PathBuf| {
        ["default.toml", "hooks", "config", "IDENT"]
            .iter()
            .any(|part| path.join(part).exists())
    };
    let directory = settings
        .package
        .clone()
        .or_else(|| settings.config_from.clone())
        .or_else(|| arguments.manifests.as_ref().filter(is_package).cloned());
    // Templates see it as `pkg.path`, and hooks may run elsewhere.
    directory.map(|directory| std::path::absolute(&directory).unwrap_or(directory))
}

/// What an installed Habitat package changes in the defaults: its files go where Habitat's go, and it has a name.
fn package_layer(directory: PathBuf) -> Option<Layer> {
    let ident = directory::installed(&directory)?;
    let origin = Origin::Package(directory);
    Some(layer(
        origin,
        &[(Key::Root, "/hab".to_owned()), (Key::Name, ident.name)],
    ))
}

/// For `source`: a layer with one value for each key.
fn layer(origin: crate::config::Origin, values: &[(crate::config::Key, String)]) -> Layer {
    values
        .iter()
        .fold(Layer::new(origin), |layer, (key, value)| {
            layer.with(*key, value.clone())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Invocation};

    #[test]
    fn defaults_are_below_the_package_local_mode_the_file_and_above_the_pod_environment_and_flags()
    {
        let directory = tempfile::tempdir().expect("a folder");
        let path = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(path("IDENT"), "acme/web/1.0/20240101000000\n").expect("a file");
        std::fs::write(path("settings.yaml"), "group: file\n").expect("a file");
        let (package, file) = (
            directory.path().display().to_string(),
            path("settings.yaml"),
        );
        let words = ["kubesup", "run", "--package", &package, "--config", &file];
        let arguments = match cli::parse(&words.map(OsString::from)) {
            Ok(Invocation::Run(arguments)) => *arguments,
            other => panic!("{other:?}"),
        };
        let surroundings = Surroundings {
            environment: BTreeMap::new(),
            token: None,
            hostname: String::new(),
        };
        let local = Some(Layer::new(Origin::LocalMode));
        let layers = layers(&arguments, &surroundings, local, &BTreeMap::new());
        let layers = layers.expect("layers");
        let origins = |layers: &[Layer]| -> Vec<_> {
            layers.iter().map(|layer| layer.origin.clone()).collect()
        };
        assert_eq!(
            origins(&layers.below_pod),
            [
                Origin::Defaults,
                Origin::Package(directory.path().to_owned()),
                Origin::LocalMode,
                Origin::File(file.into()),
            ]
        );
        assert_eq!(
            origins(&layers.above_pod),
            [
                Origin::HabitatEnvironment,
                Origin::Environment,
                Origin::Flag
            ]
        );
    }

    #[test]
    fn an_installed_package_has_habitats_root_and_a_plan_has_not() {
        let directory = tempfile::tempdir().expect("a folder");
        let path = directory.path().to_owned();
        assert_eq!(package_layer(path.clone()), None);
        std::fs::write(path.join("IDENT"), "acme/web/1.0/20240101000000\n").expect("a file");
        let layers = Layers {
            below_pod: [load::defaults()]
                .into_iter()
                .chain(package_layer(path))
                .collect(),
            above_pod: vec![],
        };
        let settings = resolve(&layers, None).expect("settings");
        assert_eq!(settings.root, PathBuf::from("/hab"));
        assert_eq!(settings.name, "web");
    }
}
