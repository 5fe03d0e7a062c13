//! Owns `/butterfly` (contract, section 1.7): Habitat's dump of its ring, made from the members. There is no ring here:
//! what only a ring has is empty. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::census;
use crate::snapshot::Service;
use crate::template::context::{self, Member, MemberSys};
use crate::world::Progress;

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the contract's section 1.7 names each key")]
pub struct Butterfly {
    pub member: Members,
    pub membership: BTreeMap<String, Membership>,
    pub service: Rumors<BTreeMap<String, ServiceRumor>>,
    pub services: BTreeMap<String, BTreeMap<String, ServiceRumor>>,
    pub service_config: Rumors<Nothing>,
    pub latest_service_config: BTreeMap<String, Nothing>,
    pub service_file: Rumors<Nothing>,
    pub service_files: BTreeMap<String, Nothing>,
    pub election: Rumors<BTreeMap<String, Election>>,
    pub latest_election: BTreeMap<String, Election>,
    pub election_update: Rumors<Nothing>,
    pub latest_election_update: BTreeMap<String, Nothing>,
    pub departure: Rumors<BTreeMap<String, Departure>>,
    pub departed_members: Vec<String>,
}

/// A map that stays empty.
pub type Nothing = BTreeMap<String, String>;

/// A list of one kind of rumor, by service group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct Rumors<T> {
    pub list: BTreeMap<String, T>,
    pub update_counter: u64,
}

impl<T> Rumors<T> {
    fn of(list: BTreeMap<String, T>) -> Rumors<T> {
        Rumors {
            list,
            update_counter: 0,
        }
    }
}

/// All members and their health.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct Members {
    pub members: BTreeMap<String, NetworkMember>,
    pub health: BTreeMap<String, MemberHealth>,
    pub update_counter: u64,
}

/// One member on the network.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct NetworkMember {
    pub id: String,
    pub incarnation: u64,
    pub address: String,
    pub swim_port: u16,
    pub gossip_port: u16,
    pub persistent: bool,
    pub departed: bool,
    pub probe_ping: bool,
}

/// The same, with its health.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct Membership {
    pub address: String,
    pub gossip_port: u16,
    pub incarnation: u64,
    pub persistent: bool,
    pub swim_port: u16,
    pub health: MemberHealth,
}

/// How a member is, in Habitat's spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub enum MemberHealth {
    Alive,
    Suspect,
    Confirmed,
    Departed,
}

/// One member as a part of its group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct ServiceRumor {
    pub member_id: String,
    pub service_group: String,
    pub package: String,
    pub package_incarnation: u64,
    pub incarnation: u64,
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub cfg: serde_json::Value,
    pub sys: MemberSys,
    pub initialized: bool,
}

/// Who leads the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct Election {
    pub member_id: String,
    pub service_group: String,
    pub term: u64,
    pub suitability: u64,
    #[cfg_attr(test, schemars(extend("enum" = ["Running", "NoQuorum", "Finished"])))]
    pub status: &'static str,
    pub votes: Vec<String>,
}

/// A member that has gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct Departure {
    pub member_id: String,
}

impl Butterfly {
    /// Of the service in force.
    pub fn new(service: &Service) -> Butterfly {
        let group = service.settings.service_group();
        let members: Vec<Member> = context::population(&census::input(service)).collect();
        let by_id = || {
            members
                .iter()
                .map(|member| (member.member_id.clone(), member))
        };
        let rumors: BTreeMap<String, ServiceRumor> = by_id()
            .map(|(id, member)| (id, rumor(member, &group)))
            .collect();
        let services = BTreeMap::from([(group.clone(), rumors)]);
        let elections: BTreeMap<String, Election> = members
            .iter()
            .find(|member| member.leader)
            .map_or_else(
                || unfinished(service, &group),
                |leader| Some(election(service, leader, &group)),
            )
            .map(|election| (group.clone(), election))
            .into_iter()
            .collect();
        let departed: Vec<String> = members
            .iter()
            .filter(|member| member.departed)
            .map(|member| member.member_id.clone())
            .collect();
        let departures: BTreeMap<String, Departure> = departed
            .iter()
            .map(|id| {
                let member_id = id.clone();
                (id.clone(), Departure { member_id })
            })
            .collect();
        Butterfly {
            member: Members {
                members: by_id().map(|(id, member)| (id, network(member))).collect(),
                health: by_id().map(|(id, member)| (id, health(member))).collect(),
                update_counter: 0,
            },
            membership: by_id()
                .map(|(id, member)| (id, membership(member)))
                .collect(),
            service: Rumors::of(services.clone()),
            services,
            service_config: Rumors::of(BTreeMap::new()),
            latest_service_config: BTreeMap::new(),
            service_file: Rumors::of(BTreeMap::new()),
            service_files: BTreeMap::new(),
            election: Rumors::of(
                elections
                    .iter()
                    .map(|(group, election)| {
                        let keyed = BTreeMap::from([("election".to_owned(), election.clone())]);
                        (group.clone(), keyed)
                    })
                    .collect(),
            ),
            latest_election: elections,
            election_update: Rumors::of(BTreeMap::new()),
            latest_election_update: BTreeMap::new(),
            departure: Rumors::of(BTreeMap::from([("departure".to_owned(), departures)])),
            departed_members: departed,
        }
    }
}

fn health(member: &Member) -> MemberHealth {
    match (member.departed, member.confirmed, member.suspect) {
        (true, _, _) => MemberHealth::Departed,
        (_, true, _) => MemberHealth::Confirmed,
        (_, _, true) => MemberHealth::Suspect,
        _ => MemberHealth::Alive,
    }
}

fn network(member: &Member) -> NetworkMember {
    NetworkMember {
        id: member.member_id.clone(),
        incarnation: 0,
        address: member.sys.ip.clone(),
        swim_port: member.sys.gossip_port,
        gossip_port: member.sys.gossip_port,
        persistent: member.persistent,
        departed: member.departed,
        probe_ping: false,
    }
}

fn membership(member: &Member) -> Membership {
    Membership {
        address: member.sys.ip.clone(),
        gossip_port: member.sys.gossip_port,
        incarnation: 0,
        persistent: member.persistent,
        swim_port: member.sys.gossip_port,
        health: health(member),
    }
}

fn rumor(member: &Member, group: &str) -> ServiceRumor {
    ServiceRumor {
        member_id: member.member_id.clone(),
        service_group: group.to_owned(),
        package: member.package.clone(),
        package_incarnation: member.pkg_incarnation,
        incarnation: 0,
        // Exports only, as everywhere that others see.
        cfg: serde_json::to_value(&member.cfg).unwrap_or_default(),
        sys: member.sys.clone(),
        initialized: false,
    }
}

fn election(service: &Service, leader: &Member, group: &str) -> Election {
    let known = service.world.election.leader.as_ref();
    Election {
        member_id: leader.member_id.clone(),
        service_group: group.to_owned(),
        term: known.map_or(0, |leader| leader.term),
        suitability: known.map_or(0, |leader| leader.suitability),
        // Who led last is shown until another is known.
        status: status(service).unwrap_or("Running"),
        votes: Vec::new(),
    }
}

/// Nobody leads yet. As in Habitat each member begins by proposing itself.
fn unfinished(service: &Service, group: &str) -> Option<Election> {
    Some(Election {
        member_id: service.world.pod.member_id(),
        service_group: group.to_owned(),
        term: 0,
        suitability: 0,
        status: status(service)?,
        votes: Vec::new(),
    })
}

/// Where the election is; `None` where there is none.
fn status(service: &Service) -> Option<&'static str> {
    match service.world.election.progress {
        Progress::None => None,
        Progress::InProgress => Some("Running"),
        Progress::NoQuorum => Some("NoQuorum"),
        Progress::Finished => Some("Finished"),
    }
}
