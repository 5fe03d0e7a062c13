//! What kubesups have asked the API server for, from its audit log. Never the tests' own requests.

use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api_server::User;
use super::namespace::Namespace;

/// One line for each request of a kubesup, when it has been answered; a watch has one more, when it began.
pub(super) fn policy() -> String {
    let users = [User::Kubesup.name(), User::Second.name()];
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": users}, {"level": "None"}],
    });
    policy.to_string()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    user: Value,
    object_ref: Option<Value>,
}

/// `list leases`, `update leases`, `watch pods`: what this user has asked for in this namespace, in order.
pub fn requests(namespace: &Namespace<'_>, user: User) -> Vec<String> {
    let log = fs::read_to_string(namespace.server.audit_log()).unwrap_or_default();
    let events = log
        .lines()
        // The last line may be half written.
        .filter_map(|line| serde_json::from_str::<Event>(line).ok());
    let ours = events.filter_map(|event| {
        let object = event.object_ref?;
        let ours = event.user["username"] == user.name()
            && object["namespace"] == *namespace.name
            && event.stage
                == if event.verb == "watch" {
                    "ResponseStarted"
                } else {
                    "ResponseComplete"
                };
        let resource = object["resource"].as_str().unwrap_or_default();
        ours.then(|| format!("{} {resource}", event.verb))
    });
    ours.collect()
}
