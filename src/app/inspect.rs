//! Owns `kubesup rbac` and `kubesup check`: gathers what is asked about from a cluster or from manifests, and prints what
//! the pure parts make of it. Decides nothing.

use std::collections::BTreeSet;
use std::io::Write as _;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use serde_json::json;

use super::source::{Source, above};
use super::{EXIT_PROBLEMS, StartError, Surroundings, layers};
use crate::check::{self, Effective, Finding, Given, Inventory, Level, Resolved, Review};
use crate::cli::cluster::{Arguments, Output};
use crate::cluster::{access, client, patience::Patience};
use crate::config::{ObjectKind, Settings, Topology};
use crate::manifests::{self, Objects};
use crate::rbac::{self, Rule, Subject};
use crate::world::Identity;

/// What was gathered.
struct Inspected {
    identity: Identity,
    namespace: String,
    resolved: Resolved,
    from: From,
}

enum From {
    Cluster(kube::Client),
    Manifests(Box<Objects>),
}

/// Prints the Roles and their bindings.
pub async fn rbac(arguments: Arguments, surroundings: Surroundings) -> Result<i32, StartError> {
    let inspected = inspect(&arguments, &surroundings).await?;
    let Some(settings) = &inspected.resolved.settings else {
        let problems = inspected.resolved.findings.iter();
        return Err(StartError::Problems(
            problems
                .filter(|finding| finding.level == Level::Error)
                .map(|finding| format!("{}: {}", finding.topic, finding.text))
                .collect(),
        ));
    };
    let subject = Subject {
        namespace: inspected.namespace.clone(),
        service_account: inspected.resolved.service_account.clone(),
        service: settings.name.clone(),
    };
    let rules = rbac::rules(settings, inspected.resolved.facts);
    print(&rbac::manifest(&rules, &subject))?;
    Ok(0)
}

/// Prints what would be done and what is wrong; 1 when something is.
pub async fn check(arguments: Arguments, surroundings: Surroundings) -> Result<i32, StartError> {
    let inspected = match inspect(&arguments, &surroundings).await {
        Ok(inspected) => inspected,
        Err(StartError::Problems(lines)) => return report(arguments.output, &[], &missing(&lines)),
        Err(error) => return Err(error),
    };
    let resolved = &inspected.resolved;
    let mut findings = resolved.findings.clone();
    if let Some(settings) = &resolved.settings {
        let rules = rbac::rules(settings, resolved.facts);
        let seen = match &inspected.from {
            From::Manifests(objects) => inventory(objects, &inspected.namespace),
            From::Cluster(client) => {
                let reviews = reviews(client, &inspected.namespace, rules).await;
                findings.extend(check::rights(&reviews));
                look(client, &inspected.identity, settings).await
            }
        };
        findings.extend(check::objects(settings, &inspected.namespace, &seen));
    }
    findings.sort_by_key(|finding| finding.level);
    report(arguments.output, &resolved.effective, &findings)
}

fn missing(lines: &[String]) -> Vec<Finding> {
    lines.iter().map(|line| check::unseen(line)).collect()
}

async fn inspect(
    arguments: &Arguments,
    surroundings: &Surroundings,
) -> Result<Inspected, StartError> {
    let run = &arguments.run;
    let source = Source::of(run, surroundings)?;
    let identity = source.identity();
    let (pod, from) = match source {
        Source::Manifests { identity, path, .. } => {
            let objects = manifests::load(&path, &identity).map_err(|errors| {
                StartError::Problems(errors.iter().map(ToString::to_string).collect())
            })?;
            let pod = objects.own_pod.clone().unwrap_or_default();
            (pod, From::Manifests(Box::new(objects)))
        }
        Source::Cluster { identity, access } => {
            let connection = client::connect(*access, Patience::default());
            let connection = connection
                .await
                .map_err(|error| StartError::Usage(vec![error.to_string()]))?;
            let client = connection.client();
            (own_pod(&client, &identity).await?, From::Cluster(client))
        }
    };
    let mut environment = surroundings.environment.clone();
    if let From::Manifests(objects) = &from {
        environment = above(&environment, objects.literal_environment(&identity));
    }
    let layers = layers(run, surroundings, None, &environment)?;
    let resolved = check::resolve_pod(&Given {
        pod: &pod,
        identity: &identity,
        layers: &layers,
        unknown_variables: &check::unknown_variables(&environment),
    });
    let namespace = pod.metadata.namespace.clone();
    Ok(Inspected {
        namespace: namespace.unwrap_or_else(|| identity.namespace.clone()),
        identity,
        resolved,
        from,
    })
}

async fn own_pod(client: &kube::Client, identity: &Identity) -> Result<Pod, StartError> {
    let (namespace, name) = (&identity.namespace, &identity.pod_name);
    let problem = match access::pod(client.clone(), namespace, name).await {
        Ok(Some(pod)) => return Ok(pod),
        Ok(None) => "there is no such Pod; set POD_NAME and POD_NAMESPACE".to_owned(),
        Err(reason) => format!(
            "{reason}; grant list and watch on pods; kubesup rbac -f MANIFESTS prints the whole Role without asking a cluster"
        ),
    };
    Err(StartError::Problems(vec![format!(
        "cannot read the own Pod: {namespace}/{name}: {problem}"
    )]))
}

async fn reviews(client: &kube::Client, namespace: &str, rules: Vec<Rule>) -> Vec<(Rule, Review)> {
    let mut reviews = Vec::new();
    for rule in rules {
        let review = match access::denied(client, namespace, &rule).await {
            Ok(denied) if denied.is_empty() => Review::Granted,
            Ok(denied) => Review::Denied(denied),
            Err(reason) => Review::Unknown(reason),
        };
        reviews.push((rule, review));
    }
    reviews
}

/// Looks, with kubesup's own rights, whether what the settings name is there. What may not be looked at is not told: the
/// review of its rule says so.
async fn look(client: &kube::Client, identity: &Identity, settings: &Settings) -> Inventory {
    let namespace = &identity.namespace;
    let mut config_maps = Some(BTreeSet::new());
    for name in rbac::names(settings, ObjectKind::ConfigMap) {
        let there = access::exists::<ConfigMap>(client.clone(), namespace, &name).await;
        note(&mut config_maps, name, there);
    }
    let mut secrets = Some(BTreeSet::new());
    for name in rbac::names(settings, ObjectKind::Secret) {
        let there = access::exists::<Secret>(client.clone(), namespace, &name).await;
        note(&mut secrets, name, there);
    }
    let mut leases = Some(BTreeSet::new());
    if let (Topology::Leader, Some(service)) = (settings.topology, &settings.service) {
        let name = rbac::lease_name(service, &settings.group);
        let there = access::exists::<Lease>(client.clone(), namespace, &name).await;
        note(&mut leases, name, there);
    }
    Inventory {
        config_maps,
        secrets,
        leases,
        // kubesup needs no right to read these, and has none.
        services: None,
        policies: None,
    }
}

fn note(known: &mut Option<BTreeSet<String>>, name: String, there: Result<bool, String>) {
    match there {
        Ok(true) => drop(known.as_mut().map(|known| known.insert(name))),
        Ok(false) => {}
        Err(_) => *known = None,
    }
}

fn inventory(objects: &Objects, namespace: &str) -> Inventory {
    let config_maps = objects.config_maps.iter();
    let secrets = objects.secrets.iter();
    let services = objects.services.iter().filter_map(|service| {
        let there = service.metadata.namespace.as_deref().unwrap_or(namespace);
        Some(format!("{there}/{}", service.metadata.name.as_ref()?))
    });
    Inventory {
        config_maps: Some(
            config_maps
                .filter_map(|o| o.metadata.name.clone())
                .collect(),
        ),
        secrets: Some(secrets.filter_map(|o| o.metadata.name.clone()).collect()),
        services: Some(services.collect()),
        leases: Some(objects.leases.clone()),
        policies: Some(objects.policies.clone()),
    }
}

fn report(
    output: Output,
    effective: &[Effective],
    findings: &[Finding],
) -> Result<i32, StartError> {
    let text = match output {
        Output::Text => check::text(effective, findings),
        Output::Json => {
            let document = json!({"settings": effective, "findings": findings});
            format!("{document:#}\n")
        }
    };
    print(&text)?;
    let failed = findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if failed { EXIT_PROBLEMS } else { 0 })
}

fn print(text: &str) -> Result<(), StartError> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| StartError::Problems(vec![format!("cannot write to stdout: {error}")]))
}
