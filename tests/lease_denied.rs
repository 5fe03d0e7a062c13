//! A Lease that may not be followed, or not be written: what is missing is named, and it goes on by itself once it is granted.

use serde_json::{Value, json};

use crate::support::namespace::Namespace;
use crate::support::pair::{LEASE, member, package, pair, says};
use crate::support::wait_until;

/// What every member needs, and these verbs on the Lease.
fn grant(namespace: &Namespace<'_>, verbs: &[&str]) {
    namespace.role(json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE], "verbs": verbs},
    ]));
}

#[test]
fn the_rule_that_is_missing_for_the_lease_is_named_until_it_is_granted() {
    let namespace = pair(&[], &json!({}));
    // Some verb, since there is no rule without one.
    grant(&namespace, &["get"]);
    let package = package();
    let kubesup = member(&namespace, &package, 0);
    let follow = "grant list and watch on coordination.k8s.io/leases (manifests/leader/role.yaml)";
    let readyz = kubesup.wait_readyz(follow);
    assert!(
        readyz.contains("[-]leader failed (not gating): nobody leads: "),
        "{readyz}"
    );
    assert!(
        readyz.contains("[-]fresh failed (not gating): Lease kubesup.demo.default: "),
        "{readyz}"
    );
    let trouble = || {
        let status: Value = serde_json::from_str(&kubesup.get("/v1/status").1).expect("JSON");
        let watches = status["watches"].as_array().expect("watches").iter();
        let lease = watches.filter(|watch| watch["resource"] == "leases.coordination.k8s.io");
        let text = |watch: &Value| watch["trouble"].as_str().unwrap_or_default().to_owned();
        lease.map(text).collect::<String>()
    };
    assert!(trouble().contains(follow), "{}", trouble());

    grant(&namespace, &["list", "watch"]);
    let write = "grant update on coordination.k8s.io/leases (manifests/leader/role.yaml)";
    kubesup.wait_readyz(write);
    wait_until("the watch is well", trouble, |text| !text.contains(follow));

    grant(&namespace, &["list", "watch", "update"]);
    says(&kubesup, "leading in term");
    kubesup.wait_readyz("[+]leader ok");
    kubesup.wait_readyz("[+]fresh ok");
}
