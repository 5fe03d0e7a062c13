//! Owns the choice of where the view comes from, a cluster or manifests, and starts the tasks of that choice. Nothing
//! after it knows the difference.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{StartError, Surroundings, layer};
use crate::cli::run::Arguments;
use crate::cluster::freshness::Freshness;
use crate::cluster::{self, client, drain, elect, identity, report};
use crate::config::{Key, Layer, Origin};
use crate::files::watching::Watching;
use crate::history::History;
use crate::lifecycle::Drained;
use crate::lifecycle::election::{Label, Role};
use crate::manifests;
use crate::package::habitat::environment;
use crate::package::{Package, directory, overlay};
use crate::snapshot::Snapshot;
use crate::supervisor::{Base, DrainRequest};
use crate::world::{Identity, Observation, Wanted};

/// Where the view comes from.
pub(super) enum Source {
    Cluster {
        identity: Identity,
        /// Large, and there is one of it.
        access: Box<client::Access>,
    },
    Manifests {
        identity: Identity,
        path: PathBuf,
        environment: BTreeMap<String, String>,
    },
}

/// What the source is asked for, and where it tells.
pub(super) struct Feeds {
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) observations: mpsc::Sender<Observation>,
    pub(super) base: watch::Sender<Base>,
    pub(super) freshness: watch::Sender<Freshness>,
    pub(super) drains: mpsc::Receiver<DrainRequest>,
    pub(super) snapshots: watch::Receiver<Snapshot>,
    pub(super) history: watch::Receiver<Arc<History>>,
    pub(super) election: elect::Channels,
    pub(super) role: watch::Receiver<Option<Role>>,
    pub(super) label: watch::Sender<Label>,
    pub(super) watches: FileWatches,
}

/// How files are followed.
#[derive(Debug, Clone)]
pub(super) struct FileWatches {
    pub(super) begin: Begin,
    /// No change of a file means anything any more.
    pub(super) enough: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Begin {
    AtOnce,
    /// What runs once needs no watch at all when its first rendering is accepted.
    Late,
}

impl FileWatches {
    fn of(&self, directories: Vec<PathBuf>) -> Watching {
        let watching = match self.begin {
            Begin::AtOnce => Watching::start(directories),
            Begin::Late => Watching::start_late(directories),
        };
        watching.until(self.enough.clone())
    }
}

impl Source {
    /// Manifests when `-f` names them, the cluster of `--kubeconfig`, else the cluster that this container is in.
    pub(super) fn of(
        arguments: &Arguments,
        surroundings: &Surroundings,
    ) -> Result<Source, StartError> {
        let environment = &surroundings.environment;
        if let Some(path) = &arguments.manifests {
            let identity = local_identity(arguments, surroundings);
            // Broken manifests show later, where they can be mended while kubesup waits; a wrong path does not.
            let literal = match manifests::load(path, &identity) {
                Ok(objects) => objects.literal_environment(&identity),
                Err(_) if path.exists() => BTreeMap::new(),
                Err(errors) => {
                    return Err(StartError::Usage(
                        errors.iter().map(ToString::to_string).collect(),
                    ));
                }
            };
            return Ok(Source::Manifests {
                identity,
                path: path.clone(),
                environment: literal,
            });
        }
        let service_account = Path::new(identity::SERVICE_ACCOUNT);
        let access = match &arguments.kubeconfig {
            Some(file) => client::kubeconfig(file),
            None => client::in_cluster(environment, service_account),
        };
        let files = identity::Files::read(service_account);
        let who = identity::identify(
            environment,
            &files,
            Some(&surroundings.hostname),
            container(arguments, surroundings).as_deref(),
        );
        let problems: Vec<String> = access
            .as_ref()
            .err()
            .map(ToString::to_string)
            .into_iter()
            .chain(who.as_ref().err().map(ToString::to_string))
            .collect();
        match (access, who) {
            (Ok(access), Ok(identity)) => Ok(Source::Cluster {
                identity,
                access: Box::new(access),
            }),
            _ => Err(StartError::Usage(problems)),
        }
    }

    /// Who we are, for the fold. Of manifests the own Pod is the one that they give.
    pub(super) fn identity(&self) -> Identity {
        match self {
            Source::Cluster { identity, .. } => identity.clone(),
            Source::Manifests { identity, .. } => Identity {
                pod_name: String::new(),
                ..identity.clone()
            },
        }
    }

    /// What local mode changes in the defaults: nothing listens to the network, nothing is written outside the user's own.
    pub(super) fn local_layer(&self, environment: &BTreeMap<String, String>) -> Option<Layer> {
        let Source::Manifests { .. } = self else {
            return None;
        };
        let root = match environment
            .get("XDG_RUNTIME_DIR")
            .filter(|directory| !directory.is_empty())
        {
            Some(directory) => format!("{directory}/kubesup"),
            None => "./.kubesup".to_owned(),
        };
        Some(layer(
            Origin::LocalMode,
            &[
                (Key::Root, root),
                (Key::ListenHttp, "127.0.0.1:9631".to_owned()),
            ],
        ))
    }

    /// What the manifests give the own container, with literal values; in a cluster the kubelet has done that.
    pub(super) fn literal_environment(&self) -> Vec<(String, String)> {
        match self {
            Source::Cluster { .. } => Vec::new(),
            Source::Manifests { environment, .. } => environment.clone().into_iter().collect(),
        }
    }

    /// The environment of kubesup, above what the manifests give the container.
    pub(super) fn environment(&self, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        above(own, self.literal_environment().into_iter().collect())
    }

    /// Whether there are endpoints to drain.
    pub(super) fn drains(&self) -> bool {
        matches!(self, Source::Cluster { .. })
    }

    /// Starts the tasks that observe, and the one that reads the package.
    pub(super) async fn start(
        self,
        tasks: &mut JoinSet<&'static str>,
        package: PackageSource,
        feeds: Feeds,
        shutdown: &CancellationToken,
    ) -> Result<(), StartError> {
        let Feeds {
            wanted,
            observations,
            base,
            freshness,
            drains,
            snapshots,
            history,
            election,
            role,
            label,
            watches,
        } = feeds;
        drop(base.send_replace(package.read()));
        let shutdown = shutdown.clone();
        match self {
            Source::Cluster { identity, access } => {
                let connection = client::connect(*access, cluster::patience::Patience::default());
                let connection = connection
                    .await
                    .map_err(|error| StartError::Usage(vec![error.to_string()]))?;
                info!(server = %connection.server(), pod = %format!("{}/{}", identity.namespace, identity.pod_name), "watching");
                let (client, namespace) = (connection.client(), identity.namespace.clone());
                let (until, reporting) = (shutdown.clone(), connection.client());
                let labelling =
                    report::keep_label(reporting.clone(), snapshots.clone(), role, label);
                tasks.spawn(async move {
                    tokio::select! {
                        () = until.cancelled() => {}
                        () = report::run(reporting, snapshots, history) => {}
                    }
                    "report"
                });
                let electing = elect::run(
                    connection.clone(),
                    identity.clone(),
                    election,
                    freshness.clone(),
                );
                tasks.spawn(async move {
                    tokio::select! {
                        () = electing => {}
                        () = labelling => {}
                    }
                    "election"
                });
                let until = shutdown.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = until.cancelled() => {}
                        () = answer_drains(client, namespace, drains) => {}
                    }
                    "drain"
                });
                tasks.spawn(async move {
                    cluster::watch::run(
                        connection,
                        identity,
                        wanted,
                        observations,
                        freshness,
                        shutdown,
                    )
                    .await;
                    // In a cluster the package is an image's: it stays as it is.
                    drop(base);
                    "cluster"
                });
            }
            Source::Manifests { identity, path, .. } => {
                let folder = if path.is_dir() {
                    path.clone()
                } else {
                    parent(&path)
                };
                tasks.spawn(async move {
                    elect::alone(election).await;
                    "election"
                });
                let changes = watches.of(vec![folder]);
                let until = shutdown.clone();
                tasks.spawn(async move {
                    manifests::run(path, identity, wanted, observations, changes, until).await;
                    "manifests"
                });
                let directories = package.directory.iter().chain(&package.config_from);
                let watched: Vec<PathBuf> = directories.flat_map(|path| below(path)).collect();
                if !watched.is_empty() {
                    let changes = watches.of(watched);
                    tasks.spawn(async move {
                        package.follow(base, changes, shutdown).await;
                        "package"
                    });
                }
            }
        }
        Ok(())
    }
}

/// The environment of kubesup, above what the manifests give the container.
pub(super) fn above(
    own: &BTreeMap<String, String>,
    mut literal: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    literal.extend(own.clone());
    literal
}

/// Who we are without a cluster.
pub(super) fn local_identity(arguments: &Arguments, surroundings: &Surroundings) -> Identity {
    let environment = &surroundings.environment;
    let named = |name: &str, default: &str| {
        environment
            .get(name)
            .cloned()
            .unwrap_or_else(|| default.to_owned())
    };
    Identity {
        namespace: named("POD_NAMESPACE", "default"),
        pod_name: named("POD_NAME", &surroundings.hostname),
        pod_uid: None,
        container: container(arguments, surroundings),
    }
}

/// The own container, where the user says it.
fn container(arguments: &Arguments, surroundings: &Surroundings) -> Option<String> {
    arguments
        .container
        .clone()
        .or_else(|| surroundings.environment.get("KUBESUP_CONTAINER").cloned())
}

/// Looks at the own endpoints whenever somebody asks, for as long as somebody waits.
async fn answer_drains(
    client: kube::Client,
    namespace: String,
    mut requests: mpsc::Receiver<DrainRequest>,
) {
    while let Some(DrainRequest { uid, mut answer }) = requests.recv().await {
        let endpoints = tokio::select! {
            endpoints = drain::endpoints_gone(client.clone(), &namespace, &uid) => endpoints,
            () = answer.closed() => continue,
        };
        let drained = match endpoints {
            drain::Endpoints::None => Drained::InNoService,
            drain::Endpoints::Gone => Drained::Gone,
        };
        let _nobody_waits = answer.send(drained);
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
        .to_owned()
}

/// A directory and those below it that are there now: notify's watches are not recursive, so that links are no trap.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut all = vec![directory.to_owned()];
    for name in ["hooks", "config"] {
        let mut next = vec![directory.join(name)];
        while let Some(directory) = next.pop() {
            let Ok(entries) = directory.read_dir() else {
                continue;
            };
            next.extend(
                entries
                    .flatten()
                    .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                    .map(|entry| entry.path()),
            );
            all.push(directory);
        }
    }
    all
}

/// Where the package comes from, before ConfigMaps are laid over it.
pub(super) struct PackageSource {
    pub(super) directory: Option<PathBuf>,
    /// Where plan files come from instead.
    pub(super) config_from: Option<PathBuf>,
    pub(super) command: Vec<OsString>,
    /// The environment that the package's own builds on.
    pub(super) environment: BTreeMap<String, String>,
}

impl PackageSource {
    /// Reads the package, or says everything that is wrong with it.
    pub(super) fn read(&self) -> Base {
        let mut package = match &self.directory {
            None => Package::default(),
            Some(path) => read(path)?,
        };
        // A plan without an environment of its own has nothing to complete.
        if package.facts.installed || !package.facts.env.is_empty() {
            environment::inherit(&mut package.facts.env, &self.environment);
        }
        if let Some(path) = &self.config_from {
            let from = read(path)?;
            package.default_toml = from.default_toml;
            package.hooks = from.hooks;
            package.config = from.config;
        }
        // Given a command, it is what runs in place of a program in the package, but not in place of a hook.
        if let Some(command) = overlay::command_hook(&self.command) {
            package.command = Some(command);
        }
        Ok(Arc::new(package))
    }

    /// Reads it again whenever a file changes.
    async fn follow(
        self,
        base: watch::Sender<Base>,
        mut changes: Watching,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = changes.changed() => {}
            }
            // An editor writes in several steps; what it leaves is read once.
            tokio::time::sleep(EDITOR_PAUSE).await;
            base.send_if_modified(|known| {
                let read = self.read();
                let differs = *known != read;
                *known = read;
                differs
            });
        }
    }
}

fn read(directory: &Path) -> Result<Package, Vec<String>> {
    let read = directory::read(directory)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    for warning in &read.warnings {
        warn!("{warning}");
    }
    Ok(read.package)
}

/// Longer than the steps of an editor's save, shorter than anybody notices.
const EDITOR_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Invocation};

    #[test]
    fn the_container_of_the_flag_counts_before_that_of_the_environment() {
        let surroundings = |value: Option<&str>| Surroundings {
            environment: value
                .map(|value| ("KUBESUP_CONTAINER".to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
            token: None,
            hostname: "host".to_owned(),
        };
        let arguments = |words: &[&str]| match cli::parse(
            &words.iter().map(OsString::from).collect::<Vec<_>>(),
        ) {
            Ok(Invocation::Run(arguments)) => *arguments,
            other => panic!("{other:?}"),
        };
        let flag = arguments(&["kubesup", "run", "--container", "flag"]);
        let none = arguments(&["kubesup", "run"]);
        let told = |arguments, value| local_identity(arguments, &surroundings(value)).container;
        assert_eq!(told(&flag, Some("variable")).as_deref(), Some("flag"));
        assert_eq!(told(&none, Some("variable")).as_deref(), Some("variable"));
        assert_eq!(told(&none, None), None);
    }
}
