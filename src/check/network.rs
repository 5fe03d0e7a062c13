//! Owns the check of `NetworkPolicies`: whether anybody may speak to kubesup's HTTP. Only what is clear is told: who may is not
//! looked at, and one policy that lets the port in is enough, because they add up.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Finding;
use crate::config::{Listen, Settings};

/// A warning when policies close the port of kubesup's HTTP to everybody. A kubelet's probes come from the node and pass.
pub(super) fn finding(
    pod: &Pod,
    settings: &Settings,
    namespace: &str,
    policies: &[NetworkPolicy],
) -> Option<Finding> {
    let port = match settings.listen_http? {
        Listen::Any(port) => port,
        Listen::At(address) if address.ip().is_loopback() => return None,
        Listen::At(address) => address.port(),
    };
    let isolating: Vec<&NetworkPolicy> = policies
        .iter()
        .filter(|policy| is_in(policy, namespace) && isolates(policy, pod))
        .collect();
    if isolating.is_empty() {
        return None;
    }
    let names: Vec<String> = isolating
        .iter()
        .filter_map(|policy| policy.metadata.name.as_ref())
        .map(|name| format!("{namespace}/{name}"))
        .collect();
    let names = names.join(", ");
    let rules = isolating
        .iter()
        .filter_map(|policy| policy.spec.as_ref()?.ingress.as_ref());
    if rules.flatten().any(|rule| admits(rule, port, pod)) {
        let text = format!("NetworkPolicy {names}: port {port} is open to whom it says");
        return Some(Finding::ok("network", text));
    }
    let text = format!(
        "NetworkPolicy {names}: nobody but the kubelet reaches port {port}: not /services, /census or /metrics, nor a Service that \
         names the port"
    );
    let port = format!("      - {{protocol: TCP, port: {port}}}");
    let lines = [
        "ingress:",
        "  - from: [{podSelector: {}}]",
        "    ports:",
        &port,
    ];
    Some(Finding::warning("network", text).add(&lines))
}

fn is_in(policy: &NetworkPolicy, namespace: &str) -> bool {
    let there = policy.metadata.namespace.as_deref();
    there.is_none_or(|there| there == namespace)
}

/// Whether it says who may speak to the Pod. Without `policyTypes` every policy does.
fn isolates(policy: &NetworkPolicy, pod: &Pod) -> bool {
    let Some(spec) = &policy.spec else {
        return false;
    };
    let types = spec.policy_types.as_deref().unwrap_or_default();
    let is_ingress = types.is_empty() || types.iter().any(|kind| kind == "Ingress");
    is_ingress
        && spec
            .pod_selector
            .as_ref()
            .is_none_or(|selector| selects(selector, pod))
}

fn selects(selector: &LabelSelector, pod: &Pod) -> bool {
    let none = BTreeMap::new();
    let labels = pod.metadata.labels.as_ref().unwrap_or(&none);
    let mut wanted = selector.match_labels.iter().flatten();
    let mut requirements = selector.match_expressions.iter().flatten();
    wanted.all(|(key, value)| labels.get(key) == Some(value))
        && requirements.all(|requirement| is_met(requirement, labels))
}

fn is_met(requirement: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let label = labels.get(&requirement.key);
    let values = requirement.values.as_deref().unwrap_or_default();
    match requirement.operator.as_str() {
        "In" => label.is_some_and(|label| values.contains(label)),
        "NotIn" => label.is_none_or(|label| !values.contains(label)),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        // The API server takes no other.
        _ => false,
    }
}

/// Whether it lets anybody in at this port. A rule without ports is about all of them.
fn admits(rule: &NetworkPolicyIngressRule, port: u16, pod: &Pod) -> bool {
    let ports = rule.ports.as_deref().unwrap_or_default();
    ports.is_empty() || ports.iter().any(|allowed| covers(allowed, port, pod))
}

fn covers(allowed: &NetworkPolicyPort, port: u16, pod: &Pod) -> bool {
    let is_tcp = allowed.protocol.as_deref().is_none_or(|name| name == "TCP");
    let port = i32::from(port);
    is_tcp
        && match &allowed.port {
            None => true,
            Some(IntOrString::Int(first)) => {
                (*first..=allowed.end_port.unwrap_or(*first)).contains(&port)
            }
            Some(IntOrString::String(name)) => named(pod, name, port),
        }
}

/// Whether a container of the Pod calls the port so.
fn named(pod: &Pod, name: &str, number: i32) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.any(|port| port.name.as_deref() == Some(name) && port.container_port == number)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Level;
    use super::*;
    use crate::config::{Key, Layer, Layers, Origin, load, resolve};

    fn policy(spec: Value) -> NetworkPolicy {
        let value = json!({"metadata": {"name": "closed"}, "spec": spec});
        serde_json::from_value(value).expect("a NetworkPolicy")
    }

    /// What is found of a Pod with the label `app: demo`, whose port 9631 is called `sup`.
    fn found(listen: &str, specs: &[Value]) -> Option<Finding> {
        let flags = Layer::new(Origin::Flag).with(Key::ListenHttp, listen);
        let layers = Layers {
            below_pod: vec![load::defaults()],
            above_pod: vec![flags],
        };
        let settings = resolve(&layers, None).expect("settings");
        let ports = json!([{"name": "http", "containerPort": 8080}, {"name": "sup", "containerPort": 9631}]);
        let pod = json!({"metadata": {"labels": {"app": "demo"}}, "spec": {"containers": [{"name": "demo", "ports": ports}]}});
        let pod: Pod = serde_json::from_value(pod).expect("a Pod");
        let policies: Vec<_> = specs.iter().cloned().map(policy).collect();
        finding(&pod, &settings, "shop", &policies)
    }

    fn level(specs: &[Value]) -> Option<Level> {
        found("[::]:9631", specs).map(|finding| finding.level)
    }

    fn letting_in(ports: Value) -> Value {
        json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": ports}]})
    }

    #[test]
    fn a_policy_that_selects_the_pod_and_lets_nobody_in_at_the_port_is_a_warning_with_the_lines_to_add()
     {
        let closed =
            json!({"podSelector": {"matchLabels": {"app": "demo"}}, "policyTypes": ["Ingress"]});
        let warning = found("[::]:9631", std::slice::from_ref(&closed)).expect("a finding");
        assert_eq!(warning.level, Level::Warning);
        assert!(
            warning
                .text
                .starts_with("NetworkPolicy shop/closed: nobody but the kubelet reaches port 9631")
        );
        let lines: Value = serde_yaml::from_str(&warning.remedy.join("\n")).expect("YAML");
        assert_eq!(lines["ingress"][0]["ports"][0]["port"], 9631);
        let other = found("0.0.0.0:7000", &[letting_in(json!([{"port": 9631}]))]);
        assert!(other.is_some_and(|finding| finding.text.contains("reaches port 7000")));
        for unreachable in ["none", "127.0.0.1:9631"] {
            assert_eq!(
                found(unreachable, std::slice::from_ref(&closed)),
                None,
                "{unreachable}"
            );
        }
    }

    #[test]
    fn one_policy_that_lets_the_port_in_is_enough() {
        let closed = || json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
        for ports in [
            json!(null),
            json!([]),
            json!([{"port": 9631}]),
            json!([{"protocol": "TCP", "port": 9000, "endPort": 9999}]),
            json!([{"port": "sup"}]),
            json!([{"port": 8080}, {"protocol": "TCP"}]),
        ] {
            let both = [closed(), letting_in(ports.clone())];
            assert_eq!(level(&both), Some(Level::Ok), "{ports}");
        }
        for ports in [
            json!([{"port": 8080}]),
            json!([{"port": 9000, "endPort": 9630}]),
            json!([{"protocol": "UDP", "port": 9631}]),
            json!([{"port": "http"}]),
        ] {
            let both = [closed(), letting_in(ports.clone())];
            assert_eq!(level(&both), Some(Level::Warning), "{ports}");
        }
    }

    #[test]
    fn what_does_not_select_the_pod_or_says_nothing_of_ingress_does_not_count() {
        let selecting = |selector: Value| level(&[json!({"podSelector": selector})]);
        let key = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]});
        for (selector, selects) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "other"}}), false),
            (json!({"matchLabels": {"app": "demo", "tier": "db"}}), false),
            (key("In", json!(["demo", "x"])), true),
            (key("In", json!(["x"])), false),
            (key("NotIn", json!(["x"])), true),
            (key("NotIn", json!(["demo"])), false),
            (key("Exists", json!(null)), true),
            (key("DoesNotExist", json!(null)), false),
            (key("Odd", json!(null)), false),
        ] {
            let expected = selects.then_some(Level::Warning);
            assert_eq!(selecting(selector.clone()), expected, "{selector}");
        }
        assert_eq!(
            level(&[json!({"podSelector": {}, "policyTypes": ["Egress"]})]),
            None
        );
        assert_eq!(level(&[]), None);
        let elsewhere =
            json!({"metadata": {"name": "a", "namespace": "other"}, "spec": {"podSelector": {}}});
        let elsewhere: NetworkPolicy = serde_json::from_value(elsewhere).expect("a NetworkPolicy");
        assert!(!is_in(&elsewhere, "shop"));
    }
}
