//! Owns `kubesup leader`: finds the Lease that is meant, shows who leads, hands the lead over, and prints what came of it.
//! Decides nothing.

use std::io::Write as _;
use std::path::Path;

use k8s_openapi::api::coordination::v1::Lease;
use serde_json::{Value, json};

use super::inspect::{From, inspect, print};
use super::{EXIT_PROBLEMS, StartError, Surroundings};
use crate::check::Level;
use crate::cli::cluster::{self, Output};
use crate::cli::leader::{Action, Arguments};
use crate::cli::run;
use crate::cluster::transfer::{Lead, TransferError};
use crate::cluster::{access, client, identity, lease, patience::Patience};
use crate::config::{Key, Layer, Origin, Topology};
use crate::lifecycle::election::Identity;

/// Shows who leads, or hands the lead over.
pub async fn leader(arguments: Arguments, surroundings: Surroundings) -> Result<i32, StartError> {
    let lead = find(&arguments, &surroundings).await?;
    match &arguments.action {
        Action::Show(output) => show(&lead, *output).await,
        Action::Transfer { to, longest } => {
            if let Some(pod) = to {
                there(&lead, pod).await?;
            }
            let asked = match lead.ask(to.as_deref()).await.map_err(problem)? {
                Ok(asked) => asked,
                Err((leader, term)) => {
                    print(&format!("{} leads already, in term {term}\n", leader.pod))?;
                    return Ok(0);
                }
            };
            let (from, term) = (&asked.from.pod, asked.transfer.term);
            print(&format!(
                "asked {from} to give up the lead of term {term}\n"
            ))?;
            let outcome = lead.wait(&asked, *longest).await.map_err(problem)?;
            print(&format!("{} leads in term {}\n", outcome.pod, outcome.term))?;
            if outcome.as_asked {
                return Ok(0);
            }
            Err(StartError::Problems(vec![match to {
                Some(to) => format!(
                    "{to} does not lead: it was not fit, or not there; see its log and /readyz?verbose"
                ),
                None => format!(
                    "{from} leads again: no other member was fit; see their logs and /readyz?verbose"
                ),
            }]))
        }
    }
}

fn problem(error: TransferError) -> StartError {
    StartError::Problems(vec![error.to_string()])
}

/// The Lease that the flags name, else the own Pod's.
async fn find(arguments: &Arguments, surroundings: &Surroundings) -> Result<Lead, StartError> {
    let name = match (&arguments.lease, &arguments.service) {
        (Some(lease), _) => Some(lease.clone()),
        (None, Some(service)) => {
            let group = arguments.group.as_deref().unwrap_or("default");
            Some(lease::name(service, group))
        }
        (None, None) => None,
    };
    match name {
        Some(lease) => named(arguments, surroundings, lease).await,
        None => own(arguments, surroundings).await,
    }
}

async fn named(
    arguments: &Arguments,
    surroundings: &Surroundings,
    lease: String,
) -> Result<Lead, StartError> {
    let environment = &surroundings.environment;
    let service_account = Path::new(identity::SERVICE_ACCOUNT);
    let access = match &arguments.kubeconfig {
        Some(file) => client::kubeconfig(file),
        None => client::in_cluster(environment, service_account),
    };
    let usage = |error: client::ClientError| StartError::Usage(vec![error.to_string()]);
    let access = access.map_err(usage)?;
    let of_the_pod = match arguments.kubeconfig {
        Some(_) => None,
        None => identity::Files::read(service_account).namespace,
    };
    let namespace = arguments
        .namespace
        .clone()
        .or_else(|| environment.get("POD_NAMESPACE").cloned())
        .or(of_the_pod)
        .unwrap_or_else(|| access.namespace().to_owned());
    let connection = client::connect(access, Patience::default()).await;
    Ok(Lead {
        client: connection.map_err(usage)?.client(),
        namespace: namespace.trim().to_owned(),
        lease,
    })
}

/// The own Pod's, as `kubesup run` would find it.
async fn own(arguments: &Arguments, surroundings: &Surroundings) -> Result<Lead, StartError> {
    const OR: &str = "or name the group: --service SERVICE [--group GROUP], or --lease NAME";
    let mut flags = Layer::new(Origin::Flag);
    if let Some(group) = &arguments.group {
        flags = flags.with(Key::Group, group.clone());
    }
    let mut surroundings = surroundings.clone();
    if let Some(namespace) = &arguments.namespace {
        let environment = &mut surroundings.environment;
        environment.insert("POD_NAMESPACE".to_owned(), namespace.clone());
    }
    let run = run::Arguments {
        manifests: None,
        kubeconfig: arguments.kubeconfig.clone(),
        settings_file: None,
        container: None,
        package: None,
        flags,
        warnings: Vec::new(),
        command: Vec::new(),
    };
    let asked = cluster::Arguments {
        run,
        output: Output::Text,
    };
    let inspected = inspect(&asked, &surroundings)
        .await
        .map_err(|error| match error {
            StartError::Usage(mut lines) => {
                lines.push(OR.to_owned());
                StartError::Usage(lines)
            }
            StartError::Problems(mut lines) => {
                lines.push(OR.to_owned());
                StartError::Problems(lines)
            }
            other @ StartError::Unavailable(_) => other,
        })?;
    let pod = format!("the own Pod in namespace {}", inspected.namespace);
    let From::Cluster(client) = inspected.from else {
        return Err(StartError::Problems(vec![OR.to_owned()]));
    };
    let Some(settings) = inspected.resolved.settings else {
        let findings = inspected.resolved.findings.iter();
        let errors = findings.filter(|finding| finding.level == Level::Error);
        return Err(StartError::Problems(
            errors
                .map(|finding| format!("{pod}: {}: {}", finding.topic, finding.text))
                .collect(),
        ));
    };
    match (settings.topology, &settings.service) {
        (Topology::Leader, Some(service)) => Ok(Lead {
            client,
            namespace: inspected.namespace,
            lease: lease::name(service, &settings.group),
        }),
        _ => Err(StartError::Problems(vec![format!(
            "{pod} has no leader: its topology is standalone; {OR}"
        )])),
    }
}

/// A Pod that is not there would only hold up the others.
async fn there(lead: &Lead, pod: &str) -> Result<(), StartError> {
    let namespace = &lead.namespace;
    match access::pod(lead.client.clone(), namespace, pod).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(StartError::Problems(vec![format!(
            "there is no Pod {namespace}/{pod}; kubectl get pods -n {namespace} lists them"
        )])),
        Err(reason) => {
            // Whoever may write the Lease need not be allowed to read Pods.
            let _ = writeln!(
                std::io::stderr(),
                "kubesup: warning: whether there is a Pod {namespace}/{pod} could not be told: {reason}"
            );
            Ok(())
        }
    }
}

async fn show(lead: &Lead, output: Output) -> Result<i32, StartError> {
    let lease = lead.look().await.map_err(problem)?;
    let text = match output {
        Output::Text => text(&lead.object(), &lease),
        Output::Json => format!("{:#}\n", document(&lead.object(), &lease)),
    };
    print(&text)?;
    let held = !lease::record(&lease).holder.is_empty();
    Ok(if held { 0 } else { EXIT_PROBLEMS })
}

fn text(object: &str, lease: &Lease) -> String {
    let record = lease::record(lease);
    let leader = match (record.holder.as_str(), Identity::parse(&record.holder)) {
        ("", _) if record.is_released() => format!("nobody; term {} is released", record.term),
        ("", _) => "nobody".to_owned(),
        (_, Some(holder)) => holder.pod,
        (holder, None) => format!("{holder} (no kubesup)"),
    };
    let mut lines = vec![
        format!("lease     {object}"),
        format!("leader    {leader}"),
        format!("term      {}", record.term),
    ];
    if let Some(renewed) = renewed(lease) {
        let seconds = record.duration.as_secs();
        lines.push(format!("renewed   {renewed}, for {seconds}s"));
    }
    if let Some(transfer) = record
        .transfer
        .filter(|transfer| transfer.term == record.term)
    {
        let to = match transfer.to.as_str() {
            "" => "anybody else",
            to => to,
        };
        lines.push(format!("transfer  to {to}, asked for"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn renewed(lease: &Lease) -> Option<String> {
    let time = lease.spec.as_ref()?.renew_time.as_ref()?;
    Some(time.0.to_string())
}

fn document(object: &str, lease: &Lease) -> Value {
    let record = lease::record(lease);
    let leader = Identity::parse(&record.holder);
    json!({
        "lease": object,
        "holder": record.holder,
        "leader": leader.map(|leader| json!({
            "pod": leader.pod, "container": leader.container, "uid": leader.uid,
        })),
        "term": record.term,
        "released": record.is_released(),
        "renewed": renewed(lease),
        "lease_seconds": record.duration.as_secs(),
        "transfer": record.transfer.map(|transfer| json!({"term": transfer.term, "to": transfer.to})),
    })
}
