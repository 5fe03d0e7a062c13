//! Owns the `bind` tree: the members of bound Services as Habitat's templates see them. A bind is there while it is satisfied.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Ident, Input, Member, MemberSys};
use crate::package::binds::{self, Exports};
use crate::world::{self, BoundGroup, BoundLeader};

/// One bind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BindGroup {
    first: Option<Member>,
    leader: Option<Member>,
    members: Vec<Member>,
}

/// All binds that are satisfied, by name.
pub(super) fn tree(input: &Input<'_>) -> BTreeMap<String, BindGroup> {
    let satisfied = binds::satisfied(input.world, &input.package.facts);
    satisfied
        .map(|(name, group)| (name.clone(), BindGroup::new(group)))
        .collect()
}

/// Every member of what is bound, those that depart included, ordered by `member_id`.
pub fn population(group: &BoundGroup) -> impl Iterator<Item = Member> + use<'_> {
    let exports = Exports::of(group);
    let members = group.members.values();
    members.map(move |member| bound_member(member, group, &exports))
}

impl BindGroup {
    fn new(group: &BoundGroup) -> BindGroup {
        let all: Vec<Member> = population(group).collect();
        let leader = all.iter().find(|member| member.leader).cloned();
        BindGroup {
            first: leader.clone().or_else(|| all.first().cloned()),
            leader,
            members: all.into_iter().filter(|member| !member.departed).collect(),
        }
    }
}

/// What runs behind a bound Service is not known here: its package has the Service's name and no version.
fn bound_member(member: &world::Member, group: &BoundGroup, exports: &Exports) -> Member {
    let pkg = Ident {
        origin: "kubesup".to_owned(),
        name: group.service.clone(),
        version: "0.0.0".to_owned(),
        release: "0".repeat(14),
    };
    let leads = matches!(&group.leader, BoundLeader::Member(id) if *id == member.member_id);
    let has_election = matches!(group.leader, BoundLeader::Member(_) | BoundLeader::Vacant);
    let package = format!(
        "{}/{}/{}/{}",
        pkg.origin, pkg.name, pkg.version, pkg.release
    );
    Member {
        member_id: member.member_id.clone(),
        pkg,
        pkg_incarnation: 0,
        package,
        service: group.service.clone(),
        group: group.group.clone(),
        org: group.org.clone(),
        persistent: false,
        leader: leads,
        follower: !leads && has_election,
        update_leader: false,
        update_follower: false,
        election_is_running: group.leader == BoundLeader::Vacant,
        election_is_no_quorum: false,
        election_is_finished: matches!(group.leader, BoundLeader::Member(_)),
        update_election_is_running: false,
        update_election_is_no_quorum: false,
        update_election_is_finished: false,
        sys: MemberSys::of(member, 0),
        // Another group's readiness is news, unlike the own one's.
        alive: member.ready && !member.terminating,
        suspect: !member.ready && !member.terminating,
        confirmed: false,
        departed: member.terminating,
        cfg: exports.of_member(member),
    }
}
