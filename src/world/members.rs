//! Owns the members of the group: joins the EndpointSlices of the own Service with the own Pod. Never decides who
//! is healthy: it reports what the slices say.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use serde::Serialize;

use super::OwnPod;

/// One endpoint of the group's Service, that is, one Pod of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The Pod's UID without dashes; a stable hash of address and service for an endpoint without a Pod.
    pub member_id: String,
    /// The address: of both families the first of the own Pod's that the Service has.
    pub ip: String,
    /// All addresses, both families.
    pub addresses: Vec<String>,
    /// The endpoint's `hostname`, else the Pod's name, else the address.
    pub hostname: String,
    /// The Pod's name (`targetRef.name`), if there is one.
    pub pod_name: Option<String>,
    /// The condition `ready`; absent means true.
    pub ready: bool,
    /// The condition `serving`; absent means true.
    pub serving: bool,
    /// The condition `terminating`; absent means false. A terminating member is departed.
    pub terminating: bool,
    /// `nodeName`.
    pub node_name: String,
    /// `zone`.
    pub zone: String,
    /// Named ports and `port`, the first one: the member's exports. Shared by the members of a slice.
    pub ports: Arc<BTreeMap<String, i32>>,
}

/// All members of a group by `member_id`. Shared with the slices that list them: ten thousand would weigh twice as much.
pub type Members = BTreeMap<String, Arc<Member>>;

/// What one EndpointSlice says, kept instead of the API's object, which is several times as large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// One member for each endpoint; `ip` is its only address.
    members: Vec<Arc<Member>>,
}

impl Slice {
    /// Takes what matters from the API's object. Slices of names (`addressType: FQDN`) have no members.
    pub fn from_api(slice: &EndpointSlice, service: &str) -> Slice {
        let ports = Arc::new(ports(slice));
        let is_name = slice.address_type == "FQDN";
        let endpoints = slice.endpoints.iter().filter(|_| !is_name);
        Slice {
            members: endpoints
                .filter_map(|endpoint| member(endpoint, service, &ports))
                .map(Arc::new)
                .collect(),
        }
    }
}

fn ports(slice: &EndpointSlice) -> BTreeMap<String, i32> {
    let mut ports = BTreeMap::new();
    for port in slice.ports.as_deref().unwrap_or_default() {
        let Some(number) = port.port else { continue };
        ports.entry("port".to_owned()).or_insert(number);
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            ports.insert(name.to_owned(), number);
        }
    }
    ports
}

/// Consumers use the first address of an endpoint only, as the API's documentation asks them to. Whether it is one of its
/// family is the API server's to check. An empty UID is none: else all endpoints with one would be the same member.
fn member(
    endpoint: &Endpoint,
    service: &str,
    ports: &Arc<BTreeMap<String, i32>>,
) -> Option<Member> {
    let address = endpoint.addresses.first()?.clone();
    if address.is_empty() {
        return None;
    }
    let conditions = endpoint.conditions.as_ref();
    let target = endpoint
        .target_ref
        .as_ref()
        .filter(|target| target.kind.as_deref() == Some("Pod"));
    let pod_name = target.and_then(|target| target.name.clone());
    let uid = target
        .and_then(|target| target.uid.as_deref())
        .filter(|uid| !uid.is_empty());
    Some(Member {
        member_id: uid.map_or_else(|| stable_id(&address, service), |uid| uid.replace('-', "")),
        hostname: endpoint
            .hostname
            .clone()
            .or_else(|| pod_name.clone())
            .unwrap_or_else(|| address.clone()),
        pod_name,
        ready: conditions
            .and_then(|conditions| conditions.ready)
            .unwrap_or(true),
        serving: conditions
            .and_then(|conditions| conditions.serving)
            .unwrap_or(true),
        terminating: conditions
            .and_then(|conditions| conditions.terminating)
            .unwrap_or(false),
        node_name: endpoint.node_name.clone().unwrap_or_default(),
        zone: endpoint.zone.clone().unwrap_or_default(),
        ports: Arc::clone(ports),
        addresses: vec![address.clone()],
        ip: address,
    })
}

/// 32 hex digits that stay the same for an address of a service (FNV-1a, 128 bits).
pub fn stable_id(address: &str, service: &str) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let bytes = service.bytes().chain([0]).chain(address.bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:032x}")
}

/// All members by `member_id`: what the slices list, duplicates joined, and self, which is always there.
///
/// An endpoint on its way from one slice to another is in both for a moment, and is one member.
/// Where two slices disagree, the one that says more for the member counts.
pub fn join<'a>(slices: impl Iterator<Item = &'a Slice>, own: &OwnPod) -> Members {
    let mut members = join_others(slices, own);
    let me = members
        .entry(own.member_id())
        .or_insert_with(|| Arc::new(myself(own)));
    // The own Pod tells it before any slice does, and when no slice lists it any more.
    if own.departing && !me.terminating {
        Arc::make_mut(me).terminating = true;
    }
    members
}

/// The same for a Service that need not be the own one: only what the slices list.
pub fn join_others<'a>(slices: impl Iterator<Item = &'a Slice>, own: &OwnPod) -> Members {
    let mut members = Members::new();
    for listed in slices.flat_map(|slice| &slice.members) {
        match members.get_mut(&listed.member_id) {
            None => {
                members.insert(listed.member_id.clone(), Arc::clone(listed));
            }
            Some(known) => Arc::make_mut(known).add(listed),
        }
    }
    let family = family(own, &members);
    for member in members.values_mut() {
        if member.addresses.len() > 1 {
            Arc::make_mut(member).prefer(family);
        }
    }
    members
}

impl Member {
    /// Takes over what another slice says of the same endpoint.
    fn add(&mut self, listed: &Member) {
        self.ready |= listed.ready;
        self.serving |= listed.serving;
        self.terminating &= listed.terminating;
        for address in &listed.addresses {
            if !self.addresses.contains(address) {
                self.addresses.push(address.clone());
            }
        }
        for (name, port) in &*listed.ports {
            if !self.ports.contains_key(name) {
                Arc::make_mut(&mut self.ports).insert(name.clone(), *port);
            }
        }
    }

    /// Puts the addresses of a family first.
    fn prefer(&mut self, ipv6: bool) {
        self.addresses
            .sort_by_key(|address| (is_ipv6(address) != ipv6, address.clone()));
        if let Some(first) = self.addresses.first() {
            self.ip.clone_from(first);
        }
    }
}

/// The first family of the own Pod's addresses that any endpoint has; `true` is IPv6.
fn family(own: &OwnPod, members: &Members) -> bool {
    let mine = own.ips.iter().map(|ip| is_ipv6(ip));
    let has = |family: bool| {
        members
            .values()
            .flat_map(|member| &member.addresses)
            .any(|address| is_ipv6(address) == family)
    };
    mine.clone()
        .find(|family| has(*family))
        .or_else(|| mine.clone().next())
        .unwrap_or(false)
}

fn is_ipv6(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6())
}

/// Self, until a slice lists it.
fn myself(own: &OwnPod) -> Member {
    Member {
        member_id: own.member_id(),
        ip: own.ip.clone(),
        addresses: own.ips.clone(),
        hostname: own.hostname.clone(),
        pod_name: Some(own.name.clone()),
        ready: false,
        serving: false,
        terminating: false,
        node_name: own.node_name.clone(),
        zone: String::new(),
        ports: Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn slice(value: Value) -> Slice {
        Slice::from_api(
            &serde_json::from_value(value).expect("an EndpointSlice"),
            "db",
        )
    }

    fn endpoint(uid: &str, address: &str, conditions: Value) -> Value {
        json!({"addresses": [address], "conditions": conditions, "targetRef": {"kind": "Pod", "name": format!("pod-{uid}"), "uid": uid}})
    }

    fn own() -> OwnPod {
        OwnPod {
            name: "db-0".into(),
            uid: "a-0".into(),
            ip: "10.0.0.1".into(),
            ips: vec!["10.0.0.1".into(), "fd00::1".into()],
            hostname: "db-0".into(),
            ..OwnPod::default()
        }
    }

    #[test]
    fn absent_conditions_mean_ready_and_serving_and_not_terminating() {
        let slice = slice(
            json!({"addressType": "IPv4", "endpoints": [endpoint("b", "10.0.0.2", json!({}))]}),
        );
        let members = join([slice].iter(), &own());
        let member = &members["b"];
        assert_eq!(
            (member.ready, member.serving, member.terminating),
            (true, true, false)
        );
    }

    #[test]
    fn self_is_there_before_any_slice_lists_it() {
        let members = join([].iter(), &own());
        assert_eq!(members.keys().collect::<Vec<_>>(), ["a0"]);
        assert_eq!(members["a0"].hostname, "db-0");
    }

    #[test]
    fn self_departs_with_its_pod_whether_or_not_a_slice_lists_it() {
        let listed = slice(
            json!({"addressType": "IPv4", "endpoints": [endpoint("a-0", "10.0.0.1", json!({"ready": true})), endpoint("b", "10.0.0.2", json!({}))]}),
        );
        let deleted = OwnPod {
            departing: true,
            ..own()
        };
        let departs = |own: &OwnPod, slices: &[Slice]| join(slices.iter(), own)["a0"].terminating;
        let listed = [listed];
        assert!(!departs(&own(), &listed) && !departs(&own(), &[]));
        assert!(departs(&deleted, &listed) && departs(&deleted, &[]));
        let others = join(listed.iter(), &deleted);
        assert!(!others["b"].terminating && others["a0"].ready, "{others:?}");
    }

    #[test]
    fn both_families_of_a_pod_are_one_member_with_the_family_of_the_own_pod_first() {
        let v6 = slice(
            json!({"addressType": "IPv6", "endpoints": [endpoint("b", "fd00::2", json!({}))]}),
        );
        let v4 = slice(
            json!({"addressType": "IPv4", "endpoints": [endpoint("b", "10.0.0.2", json!({}))]}),
        );
        assert_eq!(join([v6.clone(), v4].iter(), &own())["b"].ip, "10.0.0.2");
        assert_eq!(
            join([v6].iter(), &own())["b"].ip,
            "fd00::2",
            "a Service of the other family alone still has addresses"
        );
    }

    #[test]
    fn an_endpoint_in_two_slices_is_one_member_and_the_order_does_not_matter() {
        let old = slice(
            json!({"addressType": "IPv4", "endpoints": [endpoint("b", "10.0.0.2", json!({"ready": false}))]}),
        );
        let new = slice(
            json!({"addressType": "IPv4", "endpoints": [endpoint("b", "10.0.0.2", json!({"ready": true}))]}),
        );
        let one = join([old.clone(), new.clone()].iter(), &own());
        assert_eq!(one, join([new, old].iter(), &own()));
        assert!(one["b"].ready);
        assert_eq!(one.len(), 2);
    }

    #[test]
    fn endpoints_without_a_pod_have_a_stable_id_and_their_address_as_name() {
        let value = json!({"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"]}], "ports": [{"name": "", "port": 5432}, {"name": "admin", "port": 9}]});
        let members = join([slice(value.clone())].iter(), &own());
        let member = members
            .values()
            .find(|member| member.hostname == "192.0.2.1")
            .expect("the endpoint");
        assert_eq!(member.member_id.len(), 32);
        assert_eq!(member.member_id, stable_id("192.0.2.1", "db"));
        assert_eq!(
            *member.ports,
            BTreeMap::from([("admin".to_owned(), 9), ("port".to_owned(), 5432)])
        );
    }

    #[test]
    fn names_and_empty_endpoints_are_no_members() {
        let fqdn =
            slice(json!({"addressType": "FQDN", "endpoints": [{"addresses": ["example.com"]}]}));
        let empty = slice(json!({"addressType": "IPv4", "endpoints": [{"addresses": []}]}));
        assert_eq!(join([fqdn, empty].iter(), &own()).len(), 1);
    }
}
