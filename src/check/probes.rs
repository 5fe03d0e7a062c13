//! Owns the checks of the own container's probes: those that would deadlock, kill or mislead.

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Finding;
use crate::config::{Listen, Settings};

/// Habitat's paths answer 503 until the first complete view.
const LATE: [&str; 4] = ["/services", "/census", "/butterfly", "/readyz"];
/// These answer 200 whatever the service does.
const ALWAYS: [&str; 2] = ["/", "/livez"];

/// The lines of a readiness probe that is right.
const READINESS: [&str; 2] = ["readinessProbe:", "  httpGet: {path: /readyz, port: 9631}"];
const LIVENESS: [&str; 2] = ["livenessProbe:", "  httpGet: {path: /livez, port: 9631}"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Liveness,
    Readiness,
    Startup,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Liveness => "liveness probe",
            Kind::Readiness => "readiness probe",
            Kind::Startup => "startup probe",
        }
    }
}

pub(super) fn findings(container: &Container, settings: &Settings) -> Vec<Finding> {
    let probes = [
        (Kind::Liveness, &container.liveness_probe),
        (Kind::Readiness, &container.readiness_probe),
        (Kind::Startup, &container.startup_probe),
    ];
    let given = probes
        .into_iter()
        .filter_map(|(kind, probe)| Some((kind, probe.as_ref()?)));
    let mut findings: Vec<Finding> = given
        .flat_map(|(kind, probe)| of(kind, probe, container, settings))
        .collect();
    if container.readiness_probe.is_none() {
        let text = "there is no readiness probe: the Service sends traffic before the program runs";
        findings.push(Finding::warning("probes", text).add(&READINESS));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("probes", "they neither deadlock nor mislead"));
    }
    findings
}

fn of(kind: Kind, probe: &Probe, container: &Container, settings: &Settings) -> Vec<Finding> {
    let http = probe.http_get.as_ref();
    let port = http
        .map(|get| &get.port)
        .or(probe.tcp_socket.as_ref().map(|socket| &socket.port));
    let Some(port) = port else {
        return Vec::new();
    };
    let name = kind.name();
    let number = match (port, number(port, container)) {
        (_, Some(number)) => number,
        (IntOrString::String(port), None) => {
            let text = format!("{name}: no port of the container is called {port}");
            let line = format!("  - {{name: {port}, containerPort: 9631}}");
            return vec![Finding::error("probes", text).add(&["ports:", &line])];
        }
        (IntOrString::Int(_), None) => return Vec::new(),
    };
    let own = match settings.listen_http {
        None => None,
        Some(Listen::Any(port)) => Some((port, true)),
        Some(Listen::At(address)) => Some((address.port(), !address.ip().is_loopback())),
    };
    match own {
        Some((own, reachable)) if i32::from(own) == number => {
            let mut findings = Vec::new();
            if !reachable {
                let text = format!(
                    "{name}: kubesup listens on the loopback address, where the kubelet cannot reach it"
                );
                findings.push(Finding::error("probes", text).add(&[
                    "env:",
                    "  - {name: KUBESUP_LISTEN_HTTP, value: \"[::]:9631\"}",
                ]));
            }
            findings.extend(http.and_then(|get| scheme(kind, get, settings)));
            findings.extend(http.and_then(|get| path(kind, get)));
            findings
        }
        _ => unserved(kind, number, own.map(|(port, _)| port), container)
            .into_iter()
            .collect(),
    }
}

fn number(port: &IntOrString, container: &Container) -> Option<i32> {
    match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let ports = container.ports.as_deref().unwrap_or_default().iter();
            ports
                .filter(|port| port.name.as_ref() == Some(name))
                .map(|port| port.container_port)
                .next()
        }
    }
}

/// A port that is neither kubesup's nor one that the container names.
fn unserved(kind: Kind, number: i32, own: Option<u16>, container: &Container) -> Option<Finding> {
    let name = kind.name();
    let ports = container.ports.as_deref().unwrap_or_default();
    let declared = ports.iter().any(|port| port.container_port == number);
    if own.is_none() && number == 9631 {
        let text = format!("{name}: nothing serves port 9631, because kubesup's HTTP is off");
        return Some(Finding::error("probes", text).add(&["leave out listen-http: none (or -D)"]));
    }
    if declared {
        return None;
    }
    let served = own.map_or("none".to_owned(), |own| own.to_string());
    let text = format!(
        "{name}: nothing is known to serve port {number}; kubesup has {served}, and the container's ports do not name it"
    );
    let lines = match kind {
        Kind::Readiness => &READINESS,
        Kind::Liveness | Kind::Startup => &LIVENESS,
    };
    Some(Finding::error("probes", text).add(lines))
}

fn scheme(kind: Kind, get: &HTTPGetAction, settings: &Settings) -> Option<Finding> {
    let https = get.scheme.as_deref() == Some("HTTPS");
    let name = kind.name();
    match &settings.tls {
        Some(tls) if tls.ca_certs.is_some() => Some(Finding::error(
            "probes",
            format!(
                "{name}: kubesup wants client certificates (ca-certs), which the kubelet does not have"
            ),
        )),
        Some(_) if !https => Some(
            Finding::error(
                "probes",
                format!("{name}: kubesup serves HTTPS, the probe is HTTP"),
            )
            .add(&["httpGet:", "  scheme: HTTPS"]),
        ),
        None if https => Some(
            Finding::error(
                "probes",
                format!("{name}: kubesup serves HTTP, the probe is HTTPS"),
            )
            .add(&["httpGet:", "  scheme: HTTP"]),
        ),
        _ => None,
    }
}

fn path(kind: Kind, get: &HTTPGetAction) -> Option<Finding> {
    let path = get.path.as_deref().unwrap_or("/");
    let path = path.split('?').next().unwrap_or(path);
    let late = LATE.iter().any(|late| {
        path == *late
            || path
                .strip_prefix(late)
                .is_some_and(|rest| rest.starts_with('/'))
    });
    match kind {
        Kind::Liveness if late => Some(
            Finding::error(
                "probes",
                format!(
                    "liveness probe on {path}: it fails until the group, the configuration and the program are there, so that the container is killed while it waits for them"
                ),
            )
            .add(&LIVENESS),
        ),
        Kind::Startup if late => Some(
            Finding::error(
                "probes",
                format!(
                    "startup probe on {path}: what kubesup waits for, such as a ConfigMap that is not there yet, kills the container"
                ),
            )
            .add(&["startupProbe:", "  httpGet: {path: /livez, port: 9631}"]),
        ),
        Kind::Readiness if ALWAYS.contains(&path) => Some(
            Finding::error(
                "probes",
                format!("readiness probe on {path}: it answers 200 whatever the program does"),
            )
            .add(&READINESS),
        ),
        _ => None,
    }
}
