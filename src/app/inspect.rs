//! Owns `kubesup rbac` and `kubesup check`: gathers what is asked about from a cluster or from manifests, and prints what
//! the pure parts make of it. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use serde_json::json;

use super::source::{Source, above};
use super::{EXIT_PROBLEMS, StartError, Surroundings, layers, package_directory};
use crate::check::{self, Effective, Finding, Given, Inventory, Level, PostStop, Resolved, Review};
use crate::cli::cluster::{Arguments, Output};
use crate::cluster::{access, client, patience::Patience};
use crate::config::{ObjectKind, Settings, Topology};
use crate::manifests::{self, Objects};
use crate::package::{Hook, Package, directory};
use crate::rbac::{self, Rule, Subject};
use crate::world::Identity;

/// What was gathered.
pub(super) struct Inspected {
    identity: Identity,
    pod: Pod,
    /// The package, if it is at hand.
    package: Option<Package>,
    pub(super) namespace: String,
    pub(super) resolved: Resolved,
    pub(super) from: From,
}

pub(super) enum From {
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
        let (mut seen, hooks) = match &inspected.from {
            From::Manifests(objects) => (
                inventory(objects, &inspected.namespace, settings),
                hooks_of(&objects.config_maps, settings),
            ),
            From::Cluster(client) => {
                let reviews = reviews(client, &inspected.namespace, rules).await;
                findings.extend(check::rights(&reviews));
                let namespace = &inspected.identity.namespace;
                let config_maps = hook_config_maps(client, namespace, settings).await;
                let seen = look(client, namespace, settings).await;
                (seen, hooks_of(&config_maps, settings))
            }
        };
        let package = inspected.package.as_ref();
        let post_stop = if hooks || package.is_some_and(has_post_stop) {
            PostStop::Present
        } else {
            PostStop::NotSeen
        };
        findings.push(check::stop(&inspected.pod, settings, post_stop));
        seen.wanted_exports = package.map(wanted_exports).unwrap_or_default();
        let (pod, namespace) = (&inspected.pod, &inspected.namespace);
        findings.extend(check::objects(pod, settings, namespace, &seen));
    }
    findings.sort_by_key(|finding| finding.level);
    report(arguments.output, &resolved.effective, &findings)
}

fn has_post_stop(package: &Package) -> bool {
    package.hooks.contains_key(&Hook::PostStop)
}

fn wanted_exports(package: &Package) -> BTreeMap<String, Vec<String>> {
    let facts = &package.facts;
    let binds = facts.binds.iter().chain(&facts.binds_optional);
    binds
        .map(|bind| (bind.name.clone(), bind.exports.clone()))
        .collect()
}

/// Whether a ConfigMap that holds hooks has a `post-stop`.
fn hooks_of(config_maps: &[ConfigMap], settings: &Settings) -> bool {
    let named = |map: &&ConfigMap| {
        let hooks = settings.hooks.iter();
        hooks
            .map(|hook| Some(&hook.name))
            .any(|name| name == map.metadata.name.as_ref())
    };
    let keys = config_maps.iter().filter(named);
    let mut keys = keys.flat_map(|map| map.data.iter().flatten());
    keys.any(|(key, _)| Hook::from_file_name(key) == Some(Hook::PostStop))
}

async fn hook_config_maps(
    client: &kube::Client,
    namespace: &str,
    settings: &Settings,
) -> Vec<ConfigMap> {
    let mut config_maps = Vec::new();
    for hook in &settings.hooks {
        // Whether it may be read and is there is told by other checks.
        let read = access::read(client.clone(), namespace, &hook.name).await;
        config_maps.extend(read.ok().flatten());
    }
    config_maps
}

fn missing(lines: &[String]) -> Vec<Finding> {
    lines.iter().map(|line| check::unseen(line)).collect()
}

pub(super) async fn inspect(
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
    let directory = resolved
        .settings
        .as_ref()
        .and_then(|settings| package_directory(settings, run));
    // What is wrong with a package is told by the start, and by `kubesup render`.
    let package = directory.and_then(|directory| directory::read(&directory).ok());
    Ok(Inspected {
        pod,
        package: package.map(|read| read.package),
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
async fn look(client: &kube::Client, namespace: &str, settings: &Settings) -> Inventory {
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
    // The own Service is looked at by whoever may; kubesup needs no right to it.
    let mut services = BTreeMap::new();
    for (there, name) in services_of(settings, namespace) {
        let read = access::read::<Service>(client.clone(), &there, &name).await;
        services.extend(read.ok().map(|found| (format!("{there}/{name}"), found)));
    }
    let has_slices = match &settings.service {
        Some(service) => access::has_slices(client.clone(), namespace, service)
            .await
            .ok(),
        None => None,
    };
    Inventory {
        config_maps,
        secrets,
        leases,
        services,
        has_slices,
        wanted_exports: BTreeMap::new(),
        // kubesup needs no right to read these, and has none.
        policies: None,
        // Nor to these, which whoever asks from outside may have.
        network_policies: access::list(client.clone(), namespace)
            .await
            .unwrap_or_default(),
    }
}

/// The own Service and those that are bound: namespace and name.
fn services_of(settings: &Settings, namespace: &str) -> BTreeSet<(String, String)> {
    let own = settings.service.iter();
    let own = own.map(|service| (namespace.to_owned(), service.clone()));
    let binds = settings.binds.iter().map(|bind| {
        let there = bind.namespace.as_deref().unwrap_or(namespace);
        (there.to_owned(), bind.service.clone())
    });
    own.chain(binds).collect()
}

fn note(known: &mut Option<BTreeSet<String>>, name: String, there: Result<bool, String>) {
    match there {
        Ok(true) => drop(known.as_mut().map(|known| known.insert(name))),
        Ok(false) => {}
        Err(_) => *known = None,
    }
}

fn inventory(objects: &Objects, namespace: &str, settings: &Settings) -> Inventory {
    let config_maps = objects.config_maps.iter();
    let secrets = objects.secrets.iter();
    let named = |(there, name): (String, String)| {
        let mut services = objects.services.iter();
        let found = services.find(|service| {
            let metadata = &service.metadata;
            let in_namespace = metadata.namespace.as_deref().unwrap_or(namespace) == there;
            in_namespace && metadata.name.as_ref() == Some(&name)
        });
        (format!("{there}/{name}"), found.cloned())
    };
    Inventory {
        config_maps: Some(
            config_maps
                .filter_map(|o| o.metadata.name.clone())
                .collect(),
        ),
        secrets: Some(secrets.filter_map(|o| o.metadata.name.clone()).collect()),
        services: services_of(settings, namespace)
            .into_iter()
            .map(named)
            .collect(),
        // A controller writes them, from the Service.
        has_slices: None,
        wanted_exports: BTreeMap::new(),
        leases: Some(
            objects
                .leases
                .iter()
                .filter_map(|o| o.metadata.name.clone())
                .collect(),
        ),
        policies: Some(objects.policies.clone()),
        network_policies: objects.network_policies.clone(),
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

pub(super) fn print(text: &str) -> Result<(), StartError> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| StartError::Problems(vec![format!("cannot write to stdout: {error}")]))
}
