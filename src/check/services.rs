//! Owns the checks of Services: the own one, whose endpoints are the peers, and those that are bound. What could not be looked
//! at is not judged.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Pod, Service};

use super::{Finding, Inventory};
use crate::config::{Bind, Settings};

/// The annotations of a Service that its consumers see as configuration.
const EXPORT: &str = "kubesup.dev/export.";

pub(super) fn findings(
    pod: &Pod,
    settings: &Settings,
    namespace: &str,
    seen: &Inventory,
) -> Vec<Finding> {
    let own = settings.service.as_ref();
    let own = own.and_then(|service| own_service(pod, service, namespace, seen));
    let binds = settings.binds.iter();
    let binds = binds.filter_map(|bind| bound(bind, namespace, seen));
    own.into_iter().chain(binds).collect()
}

fn own_service(pod: &Pod, service: &str, namespace: &str, seen: &Inventory) -> Option<Finding> {
    let object = format!("{namespace}/{service}");
    let lines = [
        "apiVersion: v1".to_owned(),
        "kind: Service".to_owned(),
        format!("metadata: {{name: {service}, namespace: {namespace}}}"),
        "spec: {clusterIP: None, selector: {…}, ports: […]}".to_owned(),
    ];
    let missing = |text: String| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        Finding::error("service", text).add(&lines)
    };
    Some(match (seen.services.get(&object), seen.has_slices) {
        (Some(Some(found)), _) => peers(pod, service, &object, found),
        (Some(None), _) => missing(format!(
            "Service {object}: it is not there, so that the start waits for its EndpointSlices"
        )),
        // kubesup may not read Services; what it looks at are the slices.
        (None, Some(true)) => Finding::ok(
            "service",
            format!("Service {object}: its endpoints are the peers"),
        ),
        (None, Some(false)) => missing(format!(
            "Service {object}: it has no EndpointSlices, for which the start waits: it is not there, or has no selector"
        )),
        (None, None) => return None,
    })
}

/// Whether the Service that is there makes this Pod a member.
fn peers(pod: &Pod, name: &str, object: &str, service: &Service) -> Finding {
    let spec = service.spec.clone().unwrap_or_default();
    if let Some(host) = external_name(service) {
        let text = format!(
            "Service {object}: it is an ExternalName ({host}) and has no EndpointSlices, for which the start waits"
        );
        return Finding::error("service", text).add(&["spec: {clusterIP: None, selector: {…}}"]);
    }
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    let selector = spec.selector.unwrap_or_default();
    let unmet: Vec<String> = selector
        .iter()
        .filter(|(key, value)| labels.get(*key) != Some(value))
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    if !unmet.is_empty() {
        let text = format!(
            "Service {object}: its selector does not select this Pod, which is no member for the others; labels that are missing: {}",
            unmet.join(", ")
        );
        let labels = format!("  labels: {{{}}}", unmet.join(", "));
        return Finding::error("service", text).add(&["metadata:", &labels]);
    }
    let is_headless = spec.cluster_ip.as_deref() == Some("None");
    let subdomain = pod.spec.as_ref().and_then(|spec| spec.subdomain.as_deref());
    if !is_headless && subdomain == Some(name) {
        let text = format!(
            "Service {object}: it is not headless: the peers are known, but the names of its Pods do not resolve"
        );
        return Finding::warning("service", text).add(&["spec:", "  clusterIP: None"]);
    }
    let mut text = format!("Service {object}: its endpoints are the peers");
    if selector.is_empty() {
        text.push_str("; it has no selector, so that somebody else writes them");
    } else if is_headless && spec.publish_not_ready_addresses != Some(true) {
        text.push_str("; in DNS a Pod has a name once it is ready (publishNotReadyAddresses)");
    }
    Finding::ok("service", text)
}

fn external_name(service: &Service) -> Option<&str> {
    let spec = service.spec.as_ref()?;
    let is_external = spec.type_.as_deref() == Some("ExternalName");
    is_external.then(|| spec.external_name.as_deref().unwrap_or_default())
}

fn bound(bind: &Bind, namespace: &str, seen: &Inventory) -> Option<Finding> {
    let there = bind.namespace.as_deref().unwrap_or(namespace);
    let object = format!("{there}/{}", bind.service);
    let text = format!("bind {}: Service {object}", bind.name);
    let Some(service) = seen.services.get(&object)? else {
        return Some(
            Finding::warning("binds", format!("{text}: it is not there"))
                .add(&[&format!("kubectl get services -n {there}")]),
        );
    };
    if let Some(host) = external_name(service) {
        let text = format!("{text}: it is an ExternalName ({host}) and has no endpoints to bind");
        return Some(Finding::warning("binds", text));
    }
    let exports = exports(service);
    let wanted = seen.wanted_exports.get(&bind.name).into_iter().flatten();
    let missing: Vec<&str> = wanted
        .filter(|export| !exports.contains(export.as_str()))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Some(Finding::ok("binds", text));
    }
    let names = missing.join(", ");
    let lines = missing.iter();
    let lines: Vec<String> = lines
        .map(|export| format!("    {EXPORT}{export}: VALUE"))
        .collect();
    let remedy = ["metadata:", "  annotations:"].into_iter();
    let remedy: Vec<&str> = remedy.chain(lines.iter().map(String::as_str)).collect();
    let text = format!("{text}: it does not export {names}, which the package needs");
    Some(Finding::warning("binds", text).add(&remedy))
}

/// What a Service exports: its ports by name, the first one as `port`, and its annotations.
fn exports(service: &Service) -> BTreeSet<&str> {
    let spec = service.spec.as_ref();
    let ports = spec.and_then(|spec| spec.ports.as_deref());
    let ports = ports.unwrap_or_default();
    let annotations = service.metadata.annotations.iter().flatten();
    let annotated = annotations.filter_map(|(name, _)| name.strip_prefix(EXPORT));
    let named = ports.iter().filter_map(|port| port.name.as_deref());
    let first = ports.first().map(|_| "port");
    annotated.chain(named).chain(first).collect()
}
