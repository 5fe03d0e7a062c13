//! Owns what is known of the bound Services: their endpoints and their export annotations, for each bind. Never decides
//! whether a bind is satisfied.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Serialize;

use super::members::{self, Member, Members, Slice};
use super::{Delta, OwnPod, WatchKey};
use crate::config::Bind;

/// The annotations of a Service that its consumers see as configuration: `kubesup.dev/export.<key>`.
const EXPORT: &str = "kubesup.dev/export.";
/// The label that ties an EndpointSlice to its Service.
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// What is bound under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoundGroup {
    /// `service.group[@org]`, and `namespace/` before it when that is not the own one.
    pub service_group: String,
    /// The Service's namespace.
    pub namespace: String,
    /// The Service.
    pub service: String,
    /// Its service group.
    pub group: String,
    /// Its organisation.
    pub org: Option<String>,
    /// Why nothing is known of it yet; `None` once it was seen.
    pub unread: Option<String>,
    /// There is such a Service, or there are endpoints of that name.
    pub exists: bool,
    /// The Service is another name for something in DNS, and has no endpoints.
    pub external_name: Option<String>,
    /// The Service's annotations `kubesup.dev/export.<key>` by key: TOML values, as they are written.
    pub exports: BTreeMap<String, String>,
    /// All its endpoints by `member_id`, those that depart included.
    pub members: Members,
    /// Who leads it.
    pub leader: BoundLeader,
}

/// What is known of who leads a bound group. It is looked at only while a template reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub enum BoundLeader {
    /// Nobody has looked yet.
    #[default]
    NotRead,
    /// Its Lease cannot be read, and never was.
    Unknown,
    /// It has no Lease, so that nobody leads.
    NoElection,
    /// It has one that nobody holds.
    Vacant,
    /// The `member_id` of the Lease's holder, who may be no member any more.
    Member(String),
}

impl BoundGroup {
    /// The member that leads.
    pub fn leader(&self) -> Option<&Member> {
        let BoundLeader::Member(id) = &self.leader else {
            return None;
        };
        self.members.get(id).map(AsRef::as_ref)
    }
}

/// What matters of a bound Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Facts {
    external_name: Option<String>,
    exports: BTreeMap<String, String>,
}

/// Everything observed of bound Services, by the watch that saw it.
#[derive(Debug, Default)]
pub(super) struct Bound {
    slices: BTreeMap<WatchKey, BTreeMap<String, (String, Slice)>>,
    services: BTreeMap<WatchKey, Option<Facts>>,
    leaders: BTreeMap<WatchKey, BoundLeader>,
}

impl Bound {
    /// One watch for the slices of each namespace, and one for each Service.
    pub(super) fn wanted(binds: &[Bind], own_namespace: &str) -> BTreeSet<WatchKey> {
        let mut names: BTreeMap<Option<String>, BTreeSet<String>> = BTreeMap::new();
        for bind in binds {
            let namespace = foreign(bind, own_namespace);
            names
                .entry(namespace)
                .or_default()
                .insert(bind.service.clone());
        }
        let slices = names
            .iter()
            .map(|(namespace, services)| WatchKey::BoundSlices {
                namespace: namespace.clone(),
                services: services.clone(),
            });
        let services = binds.iter().map(|bind| WatchKey::BoundService {
            namespace: foreign(bind, own_namespace),
            service: bind.service.clone(),
        });
        slices.chain(services).collect()
    }

    /// One watch for the Lease of each group that is bound, while somebody reads who leads.
    pub(super) fn leases(binds: &[Bind], own_namespace: &str) -> BTreeSet<WatchKey> {
        let lease = |bind: &Bind| lease_of(bind, own_namespace);
        binds.iter().map(lease).collect()
    }

    /// The Lease of a bound group, or its absence.
    pub(super) fn apply_lease(&mut self, watch: WatchKey, delta: &Delta<Lease>) {
        let lease = match delta {
            Delta::Reset(all) => all.first(),
            Delta::Apply(lease) => Some(lease.as_ref()),
            Delta::Delete(_) => None,
        };
        let leader = lease.map_or(BoundLeader::NoElection, leader);
        self.leaders.insert(watch, leader);
    }

    /// Slices of the Services that a watch selects. One without the label is nobody's.
    pub(super) fn apply_slices(&mut self, watch: WatchKey, delta: Delta<EndpointSlice>) {
        let name = |slice: &EndpointSlice| slice.metadata.name.clone().unwrap_or_default();
        let known = self.slices.entry(watch).or_default();
        match delta {
            Delta::Reset(all) => {
                *known = all
                    .iter()
                    .filter_map(|slice| Some((name(slice), read(slice)?)))
                    .collect();
            }
            Delta::Apply(slice) => {
                match read(&slice) {
                    Some(read) => known.insert(name(&slice), read),
                    None => known.remove(&name(&slice)),
                };
            }
            Delta::Delete(slice) => {
                known.remove(&name(&slice));
            }
        }
    }

    /// A bound Service, or its absence.
    pub(super) fn apply_service(&mut self, watch: WatchKey, delta: Delta<Service>) {
        let seen = match &delta {
            Delta::Reset(all) => all.first().map(facts),
            Delta::Apply(service) => Some(facts(service)),
            Delta::Delete(_) => None,
        };
        self.services.insert(watch, seen);
    }

    /// Forgets what no watch looks at any more.
    pub(super) fn retain(&mut self, wanted: &BTreeSet<WatchKey>) {
        self.slices.retain(|watch, _| wanted.contains(watch));
        self.services.retain(|watch, _| wanted.contains(watch));
        self.leaders.retain(|watch, _| wanted.contains(watch));
    }

    /// What is known of each bind. What nobody has told yet is added to the problems, unless its watch is in trouble: one
    /// namespace that cannot be read must not hold up the rest.
    pub(super) fn groups(
        &self,
        binds: &[Bind],
        own: &OwnPod,
        own_namespace: &str,
        troubles: &BTreeMap<WatchKey, String>,
        problems: &mut Vec<String>,
    ) -> BTreeMap<String, BoundGroup> {
        let wanted = Bound::wanted(binds, own_namespace);
        let mut groups = BTreeMap::new();
        for bind in binds {
            let mine = wanted
                .iter()
                .filter(|watch| selects(watch, bind, own_namespace));
            let mut unread = Vec::new();
            for watch in mine.filter(|watch| !self.has_seen(watch)) {
                if let Some(trouble) = troubles.get(watch) {
                    unread.push(trouble.clone());
                } else {
                    let line = format!("{watch} has not been read yet");
                    problems.push(format!("bind {}: {line}", bind.name));
                    unread.push(line);
                }
            }
            let lease = lease_of(bind, own_namespace);
            let leader = match self.leaders.get(&lease) {
                Some(leader) => leader.clone(),
                None if troubles.contains_key(&lease) => BoundLeader::Unknown,
                None => BoundLeader::NotRead,
            };
            let group = self.group(bind, own, own_namespace, &unread);
            groups.insert(bind.name.clone(), BoundGroup { leader, ..group });
        }
        groups
    }

    fn has_seen(&self, watch: &WatchKey) -> bool {
        self.slices.contains_key(watch) || self.services.contains_key(watch)
    }

    fn group(
        &self,
        bind: &Bind,
        own: &OwnPod,
        own_namespace: &str,
        unread: &[String],
    ) -> BoundGroup {
        let namespace = foreign(bind, own_namespace);
        let seen = self.services.get(&WatchKey::BoundService {
            namespace: namespace.clone(),
            service: bind.service.clone(),
        });
        let service = seen.and_then(Option::as_ref);
        let watches = self
            .slices
            .iter()
            .filter(|(watch, _)| selects(watch, bind, own_namespace));
        let slices: Vec<&Slice> = watches
            .flat_map(|(_, slices)| slices.values())
            .filter(|(of, _)| *of == bind.service)
            .map(|(_, slice)| slice)
            .collect();
        let prefix = namespace
            .as_ref()
            .map(|namespace| format!("{namespace}/"))
            .unwrap_or_default();
        BoundGroup {
            service_group: format!("{prefix}{}", bind.service_group()),
            namespace: namespace.unwrap_or_else(|| own_namespace.to_owned()),
            service: bind.service.clone(),
            group: bind.group.clone(),
            org: bind.org.clone(),
            unread: (!unread.is_empty()).then(|| unread.join("; ")),
            exists: service.is_some() || !slices.is_empty(),
            external_name: service.and_then(|facts| facts.external_name.clone()),
            exports: service
                .map(|facts| facts.exports.clone())
                .unwrap_or_default(),
            members: members::join_others(slices.into_iter(), own),
            leader: BoundLeader::default(),
        }
    }
}

/// The bind's namespace, unless it is the own one, which has many ways to be written and one watch.
fn foreign(bind: &Bind, own_namespace: &str) -> Option<String> {
    bind.namespace
        .clone()
        .filter(|namespace| namespace != own_namespace)
}

fn lease_of(bind: &Bind, own_namespace: &str) -> WatchKey {
    WatchKey::BoundLease {
        namespace: foreign(bind, own_namespace),
        name: bind.lease(),
    }
}

/// Who holds it. Whether renewals still come is not looked at: who led last is shown until another one does, and a Pod that
/// is gone is no member. What is no identity of kubesup's (`<pod>/<container>/<uid>/<nonce>`) is nobody.
fn leader(lease: &Lease) -> BoundLeader {
    let spec = lease.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
    let parts: Vec<&str> = holder.unwrap_or_default().split('/').collect();
    match parts.as_slice() {
        [_, _, uid, _] if !uid.is_empty() => BoundLeader::Member(uid.replace('-', "")),
        _ => BoundLeader::Vacant,
    }
}

fn selects(watch: &WatchKey, bind: &Bind, own_namespace: &str) -> bool {
    let (place, named) = match watch {
        WatchKey::BoundSlices {
            namespace,
            services,
        } => (namespace, services.contains(&bind.service)),
        WatchKey::BoundService { namespace, service } => (namespace, *service == bind.service),
        _ => return false,
    };
    named && *place == foreign(bind, own_namespace)
}

fn read(slice: &EndpointSlice) -> Option<(String, Slice)> {
    let service = slice.metadata.labels.as_ref()?.get(SERVICE_NAME_LABEL)?;
    Some((service.clone(), Slice::from_api(slice, service)))
}

fn facts(service: &Service) -> Facts {
    let spec = service.spec.as_ref();
    let is_name = spec.and_then(|spec| spec.type_.as_deref()) == Some("ExternalName");
    let name = spec.and_then(|spec| spec.external_name.clone());
    let annotations = service.metadata.annotations.iter().flatten();
    Facts {
        external_name: is_name.then(|| name.unwrap_or_default()),
        exports: annotations
            .filter_map(|(name, text)| Some((name.strip_prefix(EXPORT)?.to_owned(), text.clone())))
            .collect(),
    }
}
