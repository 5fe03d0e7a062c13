//! Owns the render context, the public contract of templates: Habitat's trees `sys pkg cfg svc bind` with exactly its keys
//! in its order (contract, section 3.1), and `kube`, which is ours. Never renders.

mod bind;
mod kubernetes;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Bound, Reach};
use crate::config::{Settings, Topology};
use crate::package::{self, Facts, Package};
use crate::snapshot::Paths;
use crate::world::{self, Progress, World};

/// What a context is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The cluster as observed.
    pub world: &'a World,
    /// The package.
    pub package: &'a Package,
    /// Name and group.
    pub settings: &'a Settings,
    /// The merged configuration.
    pub cfg: &'a Value,
    /// Where the service's files are.
    pub paths: &'a Paths,
}

/// The context, as far as some template can reach it.
pub fn build(input: &Input<'_>, reach: Reach) -> Value {
    let mut context = Map::new();
    let mut put = |name: &str, tree: Value| context.insert(name.to_owned(), tree);
    put("sys", value(&Sys::new(input.world, input.paths)));
    put("pkg", value(&Pkg::new(input.package, input.paths)));
    put("cfg", input.cfg.clone());
    if reach.svc {
        put("svc", value(&Svc::new(input)));
    }
    if reach.bind == Bound::Nothing {
        put("bind", json!({}));
    } else {
        put("bind", value(&bind::tree(input)));
    }
    if reach.kube {
        put("kube", kubernetes::tree(input.world));
    }
    Value::Object(context)
}

/// The context of the `install` hook and of `config_install/`: `pkg`, with one key more, and `cfg` (contract, section 3.1).
pub fn install(input: &Input<'_>) -> Value {
    let mut pkg = value(&Pkg::new(input.package, input.paths));
    if let Some(pkg) = pkg.as_object_mut() {
        let path = input.paths.join("config_install");
        pkg.insert("svc_config_install_path".to_owned(), path.into());
    }
    json!({"pkg": pkg, "cfg": input.cfg})
}

/// These types have string keys only, so that they always are JSON.
fn value<T: Serialize>(tree: &T) -> Value {
    serde_json::to_value(tree).unwrap_or_default()
}

/// `sys`: the supervisor. 11 keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the contract's section 3.1 names each key")]
pub struct Sys {
    pub version: String,
    pub member_id: String,
    pub ip: String,
    pub hostname: String,
    pub gossip_ip: String,
    pub gossip_port: u16,
    pub http_gateway_ip: String,
    pub http_gateway_port: u16,
    pub ctl_gateway_ip: String,
    pub ctl_gateway_port: u16,
    pub permanent: bool,
}

/// There is no gossip and no control gateway here; these are Habitat's defaults, for what reads them.
const GOSSIP: (&str, u16) = ("0.0.0.0", 9638);
const CTL_GATEWAY: (&str, u16) = ("127.0.0.1", 9632);

impl Sys {
    /// From the own Pod and where HTTP listens.
    pub fn new(world: &World, paths: &Paths) -> Sys {
        let (http_gateway_ip, http_gateway_port) = paths.http.map_or_else(
            || ("0.0.0.0".to_owned(), 0),
            |address| (address.ip().to_string(), address.port()),
        );
        Sys {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            member_id: world.pod.member_id(),
            ip: world.pod.ip.clone(),
            hostname: world.pod.hostname.clone(),
            gossip_ip: GOSSIP.0.to_owned(),
            gossip_port: GOSSIP.1,
            http_gateway_ip,
            http_gateway_port,
            ctl_gateway_ip: CTL_GATEWAY.0.to_owned(),
            ctl_gateway_port: CTL_GATEWAY.1,
            permanent: false,
        }
    }
}

/// `pkg`: the package. 20 keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the contract's section 3.1 names each key")]
pub struct Pkg {
    pub ident: String,
    pub origin: String,
    pub name: String,
    pub version: String,
    pub release: String,
    pub deps: Vec<Ident>,
    pub env: BTreeMap<String, String>,
    pub exposes: Vec<String>,
    pub exports: BTreeMap<String, String>,
    pub path: String,
    pub svc_path: String,
    pub svc_config_path: String,
    pub svc_data_path: String,
    pub svc_files_path: String,
    pub svc_static_path: String,
    pub svc_var_path: String,
    pub svc_pid_file: String,
    pub svc_run: String,
    pub svc_user: String,
    pub svc_group: String,
}

impl Pkg {
    /// From the package's facts and the service's paths.
    pub fn new(package: &Package, paths: &Paths) -> Pkg {
        let facts = &package.facts;
        Pkg {
            ident: facts.ident(),
            origin: facts.origin.clone(),
            name: facts.name.clone(),
            version: facts.version.clone(),
            release: facts.release.clone(),
            deps: facts.deps.iter().map(Ident::from).collect(),
            env: facts.env.clone(),
            exposes: facts.exposes.clone(),
            exports: facts.exports.clone(),
            path: facts.path.clone(),
            svc_path: paths.svc.display().to_string(),
            svc_config_path: paths.join("config"),
            svc_data_path: paths.join("data"),
            svc_files_path: paths.join("files"),
            svc_static_path: paths.join("static"),
            svc_var_path: paths.join("var"),
            svc_pid_file: paths.join("PID"),
            svc_run: paths.join("run"),
            svc_user: facts.svc_user.clone(),
            svc_group: facts.svc_group.clone(),
        }
    }
}

/// A package's identity in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct Ident {
    pub origin: String,
    pub name: String,
    pub version: String,
    pub release: String,
}

impl From<&package::ident::Ident> for Ident {
    fn from(ident: &package::ident::Ident) -> Ident {
        Ident {
            origin: ident.origin.clone(),
            name: ident.name.clone(),
            version: ident.version.clone(),
            release: ident.release.clone(),
        }
    }
}

impl Ident {
    fn of(facts: &Facts) -> Ident {
        Ident {
            origin: facts.origin.clone(),
            name: facts.name.clone(),
            version: facts.version.clone(),
            release: facts.release.clone(),
        }
    }
}

/// `svc`: the service group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(clippy::struct_excessive_bools, reason = "so it is in the contract")]
pub(crate) struct Svc {
    service: String,
    group: String,
    org: Option<String>,
    election_is_running: bool,
    election_is_no_quorum: bool,
    election_is_finished: bool,
    update_election_is_running: bool,
    update_election_is_no_quorum: bool,
    update_election_is_finished: bool,
    me: Option<Member>,
    members: Vec<Member>,
    leader: Option<Member>,
    first: Option<Member>,
    update_leader: Option<Member>,
}

impl Svc {
    fn new(input: &Input<'_>) -> Svc {
        let member = |member: &Arc<world::Member>| Member::new(member, input);
        let all = || input.world.members.values();
        let leader = leader(input.world)
            .and_then(|id| input.world.members.get(id))
            .map(member);
        Svc {
            service: input.settings.name.clone(),
            group: input.settings.group.clone(),
            org: input.settings.org.clone(),
            election_is_running: input.world.election.progress == Progress::InProgress,
            election_is_no_quorum: input.world.election.progress == Progress::NoQuorum,
            election_is_finished: input.world.election.progress == Progress::Finished,
            update_election_is_running: false,
            update_election_is_no_quorum: false,
            update_election_is_finished: false,
            me: input
                .world
                .members
                .get(&input.world.pod.member_id())
                .map(member),
            members: all()
                .filter(|member| !member.terminating)
                .map(member)
                .collect(),
            first: leader.clone().or_else(|| all().next().map(member)),
            leader,
            update_leader: None,
        }
    }
}

/// The member that leads, or led last.
fn leader(world: &World) -> Option<&String> {
    world
        .election
        .leader
        .as_ref()
        .map(|leader| &leader.member_id)
}

/// Every member of the own group, those that depart included, ordered by `member_id`.
pub fn population<'a>(input: &Input<'a>) -> impl Iterator<Item = Member> + use<'a> {
    let input = *input;
    let members = input.world.members.values();
    members.map(move |member| Member::new(member, &input))
}

#[cfg(test)]
pub(crate) use bind::BindGroup;
pub use bind::population as bound_population;

/// The own member.
pub fn me(input: &Input<'_>) -> Option<Member> {
    let id = input.world.pod.member_id();
    let member = input.world.members.get(&id);
    member.map(|member| Member::new(member, input))
}

/// A member of a group. 24 keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the contract's section 3.1 names each key")]
#[expect(clippy::struct_excessive_bools, reason = "so it is in the contract")]
pub struct Member {
    pub member_id: String,
    pub pkg: Ident,
    pub pkg_incarnation: u64,
    pub package: String,
    pub service: String,
    pub group: String,
    pub org: Option<String>,
    pub persistent: bool,
    pub leader: bool,
    pub follower: bool,
    pub update_leader: bool,
    pub update_follower: bool,
    pub election_is_running: bool,
    pub election_is_no_quorum: bool,
    pub election_is_finished: bool,
    pub update_election_is_running: bool,
    pub update_election_is_no_quorum: bool,
    pub update_election_is_finished: bool,
    pub sys: MemberSys,
    pub alive: bool,
    pub suspect: bool,
    pub confirmed: bool,
    pub departed: bool,
    pub cfg: BTreeMap<String, Value>,
}

impl Member {
    fn new(member: &world::Member, input: &Input<'_>) -> Member {
        let facts = &input.package.facts;
        let leads = leader(input.world).is_some_and(|id| *id == member.member_id);
        Member {
            member_id: member.member_id.clone(),
            pkg: Ident::of(facts),
            pkg_incarnation: 0,
            package: facts.ident(),
            service: input.settings.name.clone(),
            group: input.settings.group.clone(),
            org: input.settings.org.clone(),
            persistent: false,
            leader: leads,
            follower: input.settings.topology == Topology::Leader && !leads,
            update_leader: false,
            update_follower: false,
            election_is_running: input.world.election.progress == Progress::InProgress,
            election_is_no_quorum: input.world.election.progress == Progress::NoQuorum,
            election_is_finished: input.world.election.progress == Progress::Finished,
            update_election_is_running: false,
            update_election_is_no_quorum: false,
            update_election_is_finished: false,
            sys: MemberSys::new(member, input.paths),
            // In the own group, listed and not terminating is alive, ready or not: peers that are still forming must see
            // each other, and the own readiness must never change the own rendering.
            alive: !member.terminating,
            suspect: false,
            confirmed: false,
            departed: member.terminating,
            cfg: exports(member, input),
        }
    }
}

/// What others see of a member's configuration: its ports, and of the own one, which is the only one that is known here,
/// what the package exports of the merged configuration.
fn exports(member: &world::Member, input: &Input<'_>) -> BTreeMap<String, Value> {
    let ports = member.ports.iter();
    let mut cfg: BTreeMap<String, Value> = ports
        .map(|(name, port)| (name.clone(), Value::from(*port)))
        .collect();
    if member.member_id == input.world.pod.member_id() {
        cfg.extend(package::exports::evaluate(
            &input.package.facts.exports,
            input.cfg,
        ));
    }
    cfg
}

/// `sys` of a member. 8 keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "the contract's section 3.1 names each key")]
pub struct MemberSys {
    pub ip: String,
    pub hostname: String,
    pub gossip_ip: String,
    pub gossip_port: u16,
    pub http_gateway_ip: String,
    pub http_gateway_port: u16,
    pub ctl_gateway_ip: String,
    pub ctl_gateway_port: u16,
}

impl MemberSys {
    fn new(member: &world::Member, paths: &Paths) -> MemberSys {
        // All members run the same manifest.
        MemberSys::of(member, paths.http.map_or(0, |address| address.port()))
    }

    fn of(member: &world::Member, http_gateway_port: u16) -> MemberSys {
        MemberSys {
            ip: member.ip.clone(),
            hostname: member.hostname.clone(),
            gossip_ip: GOSSIP.0.to_owned(),
            gossip_port: GOSSIP.1,
            http_gateway_ip: "0.0.0.0".to_owned(),
            http_gateway_port,
            ctl_gateway_ip: CTL_GATEWAY.0.to_owned(),
            ctl_gateway_port: CTL_GATEWAY.1,
        }
    }
}
