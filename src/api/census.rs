//! Owns `/census` (contract, section 1.6): the members of the group as Habitat's census shows them. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::package::taint::REDACTED;
use crate::snapshot::Service;
use crate::template::context::{self, Member};
use crate::world::{BoundGroup, Sensitivity};

/// The whole answer. The names and their order are the contract's.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(
    missing_docs,
    reason = "the contract's section 1.6 says what each key is"
)]
pub struct Census<'a> {
    /// Habitat's own mark between two turns of its loop.
    pub changed: bool,
    pub census_groups: BTreeMap<String, Group<'a>>,
    pub local_member_id: String,
    /// Counters of Habitat's rumors: there are none, but for the configuration, its files, and the term for elections.
    pub last_service_counter: u64,
    pub last_election_counter: u64,
    pub last_election_update_counter: u64,
    pub last_membership_counter: u64,
    pub last_service_config_counter: u64,
    pub last_service_file_counter: u64,
}

/// One service group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(
    missing_docs,
    reason = "the contract's section 1.6 says what each key is"
)]
pub struct Group<'a> {
    pub service_group: String,
    pub election_status: ElectionStatus,
    pub update_election_status: ElectionStatus,
    pub pkg_incarnation: u64,
    pub leader_id: Option<String>,
    pub service_config: Option<ServiceConfig<'a>>,
    pub local_member_id: String,
    pub population: BTreeMap<String, Member>,
    pub update_leader_id: Option<String>,
    pub changed_service_files: Vec<String>,
    pub service_files: BTreeMap<String, ServiceFile>,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceConfig<'a> {
    /// Counts accepted configurations, from 1.
    pub incarnation: u64,
    /// The merged configuration, without secrets.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, Value>"))]
    pub value: &'a Value,
}

/// A file that was handed to the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the contract's section 1.6 names each key")]
pub struct ServiceFile {
    pub filename: String,
    pub incarnation: u64,
    pub body: Vec<u8>,
}

/// How an election stands, in Habitat's spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ElectionStatus {
    /// There is none.
    None,
    /// It goes on.
    ElectionInProgress,
    /// Too few members.
    ElectionNoQuorum,
    /// There is a leader.
    ElectionFinished,
}

impl ElectionStatus {
    /// What a member's flags say.
    pub fn of(member: Option<&Member>) -> ElectionStatus {
        match member {
            Some(member) if member.election_is_finished => ElectionStatus::ElectionFinished,
            Some(member) if member.election_is_no_quorum => ElectionStatus::ElectionNoQuorum,
            Some(member) if member.election_is_running => ElectionStatus::ElectionInProgress,
            _ => ElectionStatus::None,
        }
    }
}

impl<'a> Census<'a> {
    /// Of the service in force.
    pub fn new(service: &'a Service) -> Census<'a> {
        let own = service.settings.service_group();
        let local_member_id = service.world.pod.member_id();
        let population: BTreeMap<String, Member> = context::population(&input(service))
            .map(|member| (member.member_id.clone(), member))
            .collect();
        let group = Group {
            service_group: own.clone(),
            election_status: ElectionStatus::of(population.get(&local_member_id)),
            update_election_status: ElectionStatus::None,
            pkg_incarnation: 0,
            leader_id: population
                .values()
                .find(|member| member.leader)
                .map(|member| member.member_id.clone()),
            service_config: Some(ServiceConfig {
                incarnation: service.incarnation,
                value: service.shown_cfg(),
            }),
            local_member_id: local_member_id.clone(),
            population,
            update_leader_id: None,
            changed_service_files: Vec::new(),
            service_files: service_files(service),
        };
        let bound = service.world.binds.values().filter(|group| group.exists);
        let mut census_groups: BTreeMap<String, Group<'a>> = bound
            .map(|group| {
                (
                    group.service_group.clone(),
                    Group::bound(group, &local_member_id),
                )
            })
            .collect();
        census_groups.insert(own, group);
        Census {
            changed: false,
            census_groups,
            local_member_id,
            last_service_counter: 0,
            last_election_counter: term(service),
            last_election_update_counter: 0,
            last_membership_counter: 0,
            last_service_config_counter: service.incarnation,
            last_service_file_counter: service.file_incarnations.values().sum(),
        }
    }
}

impl Group<'_> {
    /// A group that is bound: its configuration is not known here, but for what its members export.
    fn bound(group: &BoundGroup, local_member_id: &str) -> Self {
        let population: BTreeMap<String, Member> = context::bound_population(group)
            .map(|member| (member.member_id.clone(), member))
            .collect();
        Group {
            service_group: group.service_group.clone(),
            election_status: ElectionStatus::of(population.values().next()),
            update_election_status: ElectionStatus::None,
            pkg_incarnation: 0,
            leader_id: population
                .values()
                .find(|member| member.leader)
                .map(|member| member.member_id.clone()),
            service_config: None,
            local_member_id: local_member_id.to_owned(),
            population,
            update_leader_id: None,
            changed_service_files: Vec::new(),
            service_files: BTreeMap::new(),
        }
    }
}

/// The term of whoever leads: each election counts it up.
fn term(service: &Service) -> u64 {
    let leader = service.world.election.leader.as_ref();
    leader.map_or(0, |leader| leader.term)
}

/// The service files in force. What a Secret holds is not told.
fn service_files(service: &Service) -> BTreeMap<String, ServiceFile> {
    let shown = |(name, file): (&String, &crate::world::ServiceFile)| {
        let body = match file.sensitivity {
            Sensitivity::Public => file.content.clone(),
            Sensitivity::Secret => REDACTED.as_bytes().to_vec(),
        };
        let incarnation = service.file_incarnations.get(name).copied();
        let shown = ServiceFile {
            filename: name.clone(),
            incarnation: incarnation.unwrap_or_default(),
            body,
        };
        (name.clone(), shown)
    };
    service.world.files.iter().map(shown).collect()
}

/// What the context of templates is made from, for what the answers share with it.
pub(super) fn input(service: &Service) -> context::Input<'_> {
    context::Input {
        world: &service.world,
        package: &service.package,
        settings: &service.settings,
        // Exports are part of it: one that came from a Secret is not told here either.
        cfg: service.shown_cfg(),
        paths: &service.paths,
    }
}
