//! Owns the `kube` tree: what Kubernetes adds to Habitat's context.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::value;
use crate::world::{Member, Members, World};

/// The whole tree.
pub(super) fn tree(world: &World) -> Value {
    let pod = &world.pod;
    let binds = world.binds.iter();
    let binds: BTreeMap<_, _> = binds
        .map(|(name, group)| (name, endpoints(&group.members)))
        .collect();
    json!({
        "pod": {
            "name": pod.name,
            "namespace": pod.namespace,
            "uid": pod.uid,
            "ip": pod.ip,
            "ips": pod.ips,
            "node_name": pod.node_name,
            "labels": pod.labels,
            "annotations": pod.annotations,
        },
        "container": value(&ContainerTree {
            name: &pod.container.name,
            ports: &pod.container.ports,
            resources: value(&pod.container.resources),
        }),
        "leader": world.election.leader.as_ref().map(|leader| json!({
            "term": leader.term,
            "holder": leader.holder,
            "is_me": leader.is_me,
            "fence": leader.fence,
        })),
        "endpoints": value(&endpoints(&world.members)),
        "binds": value(&binds),
    })
}

fn endpoints(members: &Members) -> Vec<Endpoint<'_>> {
    members
        .values()
        .map(|member| Endpoint::new(member))
        .collect()
}

#[derive(Serialize)]
struct ContainerTree<'a> {
    name: &'a str,
    ports: &'a BTreeMap<String, i32>,
    resources: Value,
}

/// One endpoint, ready or not.
#[derive(Serialize)]
struct Endpoint<'a> {
    name: &'a str,
    addresses: &'a [String],
    hostname: &'a str,
    /// The number at the end of a StatefulSet's Pod name.
    ordinal: Option<u64>,
    ready: bool,
    serving: bool,
    terminating: bool,
    node_name: &'a str,
    zone: &'a str,
    ports: &'a BTreeMap<String, i32>,
}

impl Endpoint<'_> {
    fn new(member: &Member) -> Endpoint<'_> {
        let name = member.pod_name.as_deref().unwrap_or_default();
        Endpoint {
            name,
            addresses: &member.addresses,
            hostname: &member.hostname,
            ordinal: name
                .rsplit_once('-')
                .and_then(|(_, number)| number.parse().ok()),
            ready: member.ready,
            serving: member.serving,
            terminating: member.terminating,
            node_name: &member.node_name,
            zone: &member.zone,
            ports: &member.ports,
        }
    }
}
