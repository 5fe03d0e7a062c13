//! The fencing token of the lead: the same for the leader, for who saw it begin, and for who came later.

use serde_json::json;

use crate::support::api_server::User;
use crate::support::kubesup::{Kubesup, command};
use crate::support::pair::{member, package, pair, says};
use crate::support::wait_until;

#[test]
fn every_member_has_the_leaders_token() {
    let namespace = pair(&[], &json!({}));
    let package = package();
    let token = "{{kube.leader.term}} {{kube.leader.fence}}";
    package.write("config/token", token);
    let first = member(&namespace, &package, 0);
    says(&first, "leading in term 1");
    let second = member(&namespace, &package, 1);
    let token = |kubesup: &Kubesup| {
        std::fs::read_to_string(kubesup.file("config/token")).unwrap_or_default()
    };
    let both = |term: &'static str| {
        wait_until(
            term,
            || (token(&first), token(&second)),
            |(one, other)| one == other && one.starts_with(term) && one.len() > term.len(),
        )
    };
    // The second one came after the lead had begun.
    let (before, _) = both("1 ");
    let kubeconfig = namespace.server.kubeconfig(User::Admin);
    let kubeconfig = kubeconfig.display().to_string();
    let words = [
        "leader",
        "transfer",
        "--service",
        "demo",
        "-n",
        &namespace.name,
        "--kubeconfig",
        &kubeconfig,
    ];
    let handed = command(&words, &[]);
    assert_eq!(handed.code, Some(0), "{handed:?}");
    // The first one saw it begin.
    let (after, _) = both("2 ");
    assert_ne!(after[2..], before[2..]);
}
