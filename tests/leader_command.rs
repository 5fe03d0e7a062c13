//! `kubesup leader`: who leads, and the lead handed over by hand.

use std::ffi::OsString;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use kubesup::cli::{Invocation, parse};
use serde_json::{Value, json};

use crate::support::api_server::User;
use crate::support::block_on;
use crate::support::kubesup::{Outcome, command};
use crate::support::namespace::Namespace;
use crate::support::pair::{LEASE, member, package, pair, says};

/// As `kubectl exec demo-0 -- kubesup leader …`.
fn exec(namespace: &Namespace<'_>, words: &[&str]) -> Outcome {
    let kubeconfig = namespace.server.kubeconfig(User::Kubesup);
    let kubeconfig = kubeconfig.display().to_string();
    let words = [&["leader"], words, &["--kubeconfig", &kubeconfig]].concat();
    command(
        &words,
        &[("POD_NAMESPACE", &namespace.name), ("POD_NAME", "demo-0")],
    )
}

/// From outside, as somebody who may do everything.
fn outside(namespace: &Namespace<'_>, words: &[&str]) -> Outcome {
    let kubeconfig = namespace.server.kubeconfig(User::Admin);
    let kubeconfig = kubeconfig.display().to_string();
    let common = ["--kubeconfig", &kubeconfig, "--namespace", &namespace.name];
    command(&[&["leader"], words, &common].concat(), &[])
}

fn fails(outcome: &Outcome, code: i32, text: &str) {
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    assert!(outcome.log.contains(text), "{text}: {outcome:?}");
}

#[test]
fn a_lead_is_shown_and_handed_over_by_hand_from_the_pod_and_from_outside() {
    let namespace = pair(&[], &json!({}));
    let package = package();
    let first = member(&namespace, &package, 0);
    says(&first, "leading in term 1");
    let second = member(&namespace, &package, 1);
    second.wait_ready();

    let shown = exec(&namespace, &["show"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for line in [
        &format!("lease     {}/{LEASE}", namespace.name),
        "leader    demo-0",
        "term      1",
    ] {
        assert!(
            shown.stdout.lines().any(|other| other == line),
            "{line}: {shown:?}"
        );
    }
    let service = ["show", "--service", "demo", "--format", "json"];
    let json: Value = serde_json::from_str(&outside(&namespace, &service).stdout).expect("JSON");
    assert_eq!(json["leader"]["pod"], "demo-0", "{json}");
    assert_eq!(json["term"], 1, "{json}");

    let handed = exec(&namespace, &["transfer", "--to", "demo-1"]);
    assert_eq!(handed.code, Some(0), "{handed:?}");
    assert_eq!(
        handed.stdout,
        "asked demo-0 to give up the lead of term 1\ndemo-1 leads in term 2\n"
    );
    let again = exec(&namespace, &["transfer", "--to", "demo-1"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.stdout, "demo-1 leads already, in term 2\n");

    says(&first, "demo-1/demo");
    // Who has just given it up stands again after a lease.
    let back = outside(&namespace, &["transfer", "--lease", LEASE]);
    assert_eq!(back.code, Some(0), "{back:?}");
    assert!(
        back.stdout.ends_with("demo-0 leads in term 3\n"),
        "{back:?}"
    );
}

#[test]
fn a_transfer_that_cannot_be_says_why() {
    let namespace = pair(&[], &json!({}));
    fails(&exec(&namespace, &["transfer"]), 1, "nobody leads");
    let shown = exec(&namespace, &["show"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stdout.contains("leader    nobody"), "{shown:?}");
    let other = ["transfer", "--service", "db", "--group", "blue"];
    fails(
        &outside(&namespace, &other),
        1,
        &format!("there is no Lease {}/kubesup.db.blue", namespace.name),
    );

    let package = package();
    let first = member(&namespace, &package, 0);
    says(&first, "leading in term 1");
    let unknown = ["transfer", "--to", "demo-9"];
    fails(&exec(&namespace, &unknown), 1, "there is no Pod");
    // demo-1 is a Pod, but nobody runs in it.
    let late = exec(
        &namespace,
        &["transfer", "--to", "demo-1", "--timeout", "1s"],
    );
    fails(&late, 1, "nobody else leads after 1s: term 1 is released");
    says(&first, "leading in term 2");

    namespace.role(json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE], "verbs": ["list"]},
    ]));
    fails(
        &exec(&namespace, &["transfer"]),
        1,
        &format!("grant update on coordination.k8s.io/leases {LEASE}"),
    );
    namespace.role(json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]));
    fails(
        &exec(&namespace, &["show"]),
        1,
        &format!("grant list and watch on coordination.k8s.io/leases {LEASE}"),
    );
}

#[test]
fn a_lead_that_nobody_else_can_take_comes_back_and_that_is_a_failure() {
    let namespace = pair(&[], &json!({}));
    let package = package();
    let first = member(&namespace, &package, 0);
    says(&first, "leading in term 1");
    let back = exec(&namespace, &["transfer"]);
    assert!(
        back.stdout.ends_with("demo-0 leads in term 2\n"),
        "{back:?}"
    );
    fails(&back, 1, "demo-0 leads again: no other member was fit");
}

#[test]
fn a_lease_held_by_who_is_no_kubesup_is_left_alone() {
    let namespace = pair(&[], &json!({}));
    let leases = namespace.api::<Lease>();
    let held = Patch::Merge(json!({"spec": {"holderIdentity": "somebody"}}));
    block_on(leases.patch(LEASE, &PatchParams::default(), &held)).expect("a Lease");
    fails(&exec(&namespace, &["transfer"]), 1, "which is no kubesup");
}

#[test]
fn without_a_group_it_says_how_to_name_one_and_wrong_flags_are_told_with_what_is_meant() {
    let nowhere = command(&["leader", "show"], &[]);
    fails(&nowhere, 64, "or name the group: --service SERVICE");
    let typo = command(&["leader", "transfer", "--too", "demo-1"], &[]);
    fails(&typo, 64, "unknown flag --too; did you mean --to?");
    let time = command(&["leader", "transfer", "--timeout", "5"], &[]);
    fails(&time, 64, "is no duration");
}

#[test]
fn the_help_of_leader_is_the_golden_one() {
    let help = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        match parse(&words) {
            Ok(Invocation::Print(help)) => help,
            other => panic!("{other:?}"),
        }
    };
    let whole = [
        help(&["kubesup", "leader", "--help"]),
        help(&["kubesup", "leader", "show", "--help"]),
        help(&["kubesup", "leader", "transfer", "--help"]),
    ];
    insta::assert_snapshot!("leader_help", whole.join("\n"));
}
