//! Owns the one picture of the cluster: folds observations into immutable snapshots ([`World`]), and says which
//! watches it needs and what is still missing. Never talks to an API server, never reads a clock or a file.
//!
//! Data comes in as [`Observation`]s, from `cluster` or from `manifests`, and leaves as a [`View`].
//! The order in which observations arrive does not matter: the same objects give the same `World`, byte for byte.

pub mod binds;
pub mod config_map;
pub mod fold;
pub mod members;
pub mod pod;
mod quantity;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Serialize;

use crate::config::Settings;
pub use binds::{BoundGroup, BoundLeader};
pub use fold::Fold;
pub use members::{Member, Members, stable_id};
pub use pod::{Container, DEFAULT_GRACE_SECONDS, OwnPod};

/// A change of the objects behind one watch. `Reset` replaces all that was known, so that what went away
/// during a gap is gone here too.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta<K> {
    /// These are all the objects there are.
    Reset(Vec<K>),
    /// This object is new or changed.
    Apply(Box<K>),
    /// This object is gone.
    Delete(Box<K>),
}

/// One thing seen by a source. The only input of the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// The own Pod (a watch with a field selector on its name).
    Pods(Delta<Pod>),
    /// The EndpointSlices of the own Service.
    EndpointSlices {
        /// The Service whose slices these are.
        service: String,
        /// What changed.
        delta: Delta<EndpointSlice>,
    },
    /// One ConfigMap, watched by name.
    ConfigMaps {
        /// Its name, known even when it does not exist.
        name: String,
        /// What changed.
        delta: Delta<ConfigMap>,
    },
    /// One Secret, watched by name.
    Secrets {
        /// Its name, known even when it does not exist.
        name: String,
        /// What changed.
        delta: Delta<Secret>,
    },
    /// The EndpointSlices of bound Services.
    BoundSlices {
        /// The watch that saw them: [`WatchKey::BoundSlices`].
        watch: WatchKey,
        /// What changed.
        delta: Delta<EndpointSlice>,
    },
    /// One bound Service, watched by name.
    BoundServices {
        /// The watch that saw it: [`WatchKey::BoundService`].
        watch: WatchKey,
        /// What changed.
        delta: Delta<Service>,
    },
    /// The Lease of a bound group, watched by name.
    BoundLeases {
        /// The watch that saw it: [`WatchKey::BoundLease`].
        watch: WatchKey,
        /// What changed.
        delta: Delta<Lease>,
    },
    /// The group's Lease, watched by name. It goes to the election, and is no part of the fold.
    Leases {
        /// Its name, known even when it does not exist.
        name: String,
        /// What changed.
        delta: Delta<Lease>,
    },
    /// A watch cannot be kept up. What it told before stays valid.
    Trouble {
        /// Which watch.
        watch: WatchKey,
        /// What failed, which object, why and what to do, in one line; `None` when it works again.
        problem: Option<String>,
    },
}

/// Names one watch: what it looks at and how narrowly. All but those of binds are in the own Pod's
/// namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchKey {
    /// The own Pod, by name (`metadata.name` field selector).
    Pod,
    /// The EndpointSlices of one Service (`kubernetes.io/service-name` label selector).
    EndpointSlices {
        /// The Service's name.
        service: String,
    },
    /// One ConfigMap by name.
    ConfigMap {
        /// The ConfigMap's name.
        name: String,
    },
    /// One Secret by name.
    Secret {
        /// The Secret's name.
        name: String,
    },
    /// The EndpointSlices of all bound Services of one namespace (`kubernetes.io/service-name in (…)`).
    BoundSlices {
        /// Their namespace; `None` for the own one.
        namespace: Option<String>,
        /// The Services' names; never empty.
        services: BTreeSet<String>,
    },
    /// One bound Service by name, for the exports in its annotations.
    BoundService {
        /// Its namespace; `None` for the own one.
        namespace: Option<String>,
        /// The Service's name.
        service: String,
    },
    /// The Lease of one bound group by name, for who leads it. Wanted only while a template reads that.
    BoundLease {
        /// Its namespace; `None` for the own one.
        namespace: Option<String>,
        /// The Lease's name.
        name: String,
    },
    /// One Lease by name.
    Lease {
        /// The Lease's name.
        name: String,
    },
}

/// The watches that are needed, each with a number that is another one whenever it is begun to be wanted. What was seen of a
/// watch is forgotten when it is not wanted any more, so that whoever looks for it again has to begin anew, though who
/// starts the watches may never have seen it missing in between.
pub type Wanted = BTreeMap<WatchKey, u64>;

impl fmt::Display for WatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WatchKey::Pod => write!(f, "own Pod"),
            WatchKey::EndpointSlices { service } => {
                write!(f, "EndpointSlices of Service {service}")
            }
            WatchKey::ConfigMap { name } => write!(f, "ConfigMap {name}"),
            WatchKey::Secret { name } => write!(f, "Secret {name}"),
            WatchKey::BoundSlices {
                namespace,
                services,
            } => {
                let services: Vec<_> = services.iter().map(String::as_str).collect();
                write!(f, "EndpointSlices of bound Service ")?;
                write!(f, "{}{}", prefix(namespace.as_ref()), services.join(", "))
            }
            WatchKey::BoundService { namespace, service } => {
                write!(f, "bound Service {}{service}", prefix(namespace.as_ref()))
            }
            WatchKey::BoundLease { namespace, name } => {
                write!(
                    f,
                    "Lease {}{name} of a bound group",
                    prefix(namespace.as_ref())
                )
            }
            WatchKey::Lease { name } => write!(f, "Lease {name}"),
        }
    }
}

/// `namespace/`, of another namespace than the own one.
fn prefix(namespace: Option<&String>) -> String {
    namespace
        .map(|namespace| format!("{namespace}/"))
        .unwrap_or_default()
}

/// What is known of the own Pod before anything was read from the API server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The Pod's namespace.
    pub namespace: String,
    /// The Pod's name; empty when the source gives one Pod only, whatever it is called (manifests).
    pub pod_name: String,
    /// The Pod's UID, when the environment or the token tells it. A Pod of this name with another UID is not ours.
    pub pod_uid: Option<String>,
    /// The container that kubesup runs in, when known.
    pub container: Option<String>,
}

/// One immutable snapshot of all that was observed. The only input of a render, with the package.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct World {
    /// The own Pod.
    pub pod: OwnPod,
    /// All endpoints of the group, those that depart included, ordered by `member_id`. Self is always there.
    pub members: Members,
    /// The live configuration's ConfigMaps, then its Secrets, in the order in which they are merged.
    pub config: Vec<Document>,
    /// Files that ConfigMaps add to the package or replace in it, by path: `hooks/run`, `config/sub/app.conf`.
    pub overlay: BTreeMap<String, OverlayFile>,
    /// Service files by name.
    pub files: BTreeMap<String, ServiceFile>,
    /// What is bound, by the bind's name.
    pub binds: BTreeMap<String, BoundGroup>,
    /// The election of a leader, as far as the own member knows it.
    pub election: Election,
}

/// Where the group's election is, and who leads. As it is by default where nobody stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Election {
    /// Where it is.
    pub progress: Progress,
    /// Who leads, or led last, until another is known.
    pub leader: Option<Leader>,
}

impl Election {
    /// The own member leads.
    pub fn is_led_by_me(&self) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.is_me)
    }
}

/// Where an election is, in Habitat's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Progress {
    /// There is none, or nothing is known of it yet.
    #[default]
    None,
    /// There is no valid leader.
    InProgress,
    /// There is none, and the API server cannot be asked.
    NoQuorum,
    /// There is one.
    Finished,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Leader {
    /// The Lease's `holderIdentity`.
    pub holder: String,
    /// The member.
    pub member_id: String,
    /// The term.
    pub term: u64,
    /// How well suited it said to be when it took over; 0 without a `suitability` hook.
    pub suitability: u64,
    /// The `resourceVersion` of the acquiring write; empty while a follower does not know it yet.
    pub fence: String,
    /// It is the own member.
    pub is_me: bool,
}

/// The data of one ConfigMap or Secret that serves as live configuration.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    /// How messages name it: `ConfigMap shop/demo-config`, `Secret shop/demo-passwords`.
    pub object: String,
    /// Whether its values may be shown.
    pub sensitivity: Sensitivity,
    /// Its `data` and `binaryData` by key.
    pub data: BTreeMap<String, Vec<u8>>,
}

/// Without the values of a Secret: what is printed for debugging may be kept by somebody.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Document");
        shown.field("object", &self.object);
        match self.sensitivity {
            Sensitivity::Public => shown.field("data", &self.data).finish(),
            Sensitivity::Secret => shown
                .field("keys", &self.data.keys())
                .finish_non_exhaustive(),
        }
    }
}

/// Whether a value may be shown in messages, in the API and by commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Sensitivity {
    /// It may.
    #[default]
    Public,
    /// It came from a Secret: messages name object, key, line and kind only.
    Secret,
}

/// One file of the package that came from a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OverlayFile {
    /// How messages name it: `ConfigMap shop/demo-hooks, key run`.
    pub object: String,
    /// The file's bytes.
    pub content: Vec<u8>,
}

/// One service file: a key of a ConfigMap or Secret that is written to `<svc>/files` as it is.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ServiceFile {
    /// How messages name it: `Secret shop/demo-tls, key tls.key`.
    pub object: String,
    /// Whether its content may be shown.
    pub sensitivity: Sensitivity,
    /// The file's bytes.
    pub content: Vec<u8>,
}

/// Without the content, which is long, and may be a Secret's.
impl fmt::Debug for ServiceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceFile")
            .field("object", &self.object)
            .field("bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}

/// What is known at one moment: the world when it is complete, and what stands in the way.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// The snapshot; `None` until everything that is needed has been seen once.
    pub world: Option<Arc<World>>,
    /// The settings that follow from the own Pod; `None` until it has been seen.
    pub settings: Option<Arc<Settings>>,
    /// The same as it was when the world was complete first; `None` until then. But for what is live, these are in force.
    pub start: Option<Arc<Settings>>,
    /// The own Pod as it is now, whether or not the rest was seen; `None` while there is none.
    pub pod: Option<Arc<OwnPod>>,
    /// What is missing or broken, one line each, as for `/readyz?verbose`.
    pub problems: Vec<String>,
    /// The same for watches that cannot be kept up though everything was seen once: the view may be old.
    pub troubles: BTreeMap<WatchKey, String>,
    /// Annotations of the own Pod that mean nothing, one line each.
    pub warnings: Vec<String>,
    /// The own Pod is being deleted, or is gone.
    pub departing: Option<Departing>,
    /// The own Pod's label `kubesup.dev/role`. kubesup writes it, so that it is no part of the world: no rendering follows it.
    pub role: Option<String>,
}

/// Why the own Pod will not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departing {
    /// It has a `deletionTimestamp`.
    Deleted {
        /// `deletionGracePeriodSeconds`.
        grace_seconds: i64,
    },
    /// It is gone, or another Pod has its name.
    Gone,
}
