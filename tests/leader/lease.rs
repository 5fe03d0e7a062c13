//! The Lease as somebody else leaves it: emptied, edited, deleted, full of nonsense. There is one leader again, and its
//! term is higher than any before.

use k8s_openapi::api::coordination::v1::Lease;
use serde_json::{Value, json};

use super::group::{Group, LEASE, Member, Times};
use crate::support::namespace::least;
use crate::support::wait_for;

/// A group whose members may also create the Lease.
fn begin() -> (Group, Vec<Member>) {
    let group = Group::new(Times::Short);
    group.namespace.role(least(&[
        json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list", "watch", "update", "create"]}),
    ]));
    let members = group.members(2);
    (group, members)
}

/// One leads, with the Lease's term, which is higher than this one, and the other follows.
fn one_leads(what: &str, group: &Group, members: &[Member], known: u64) -> u64 {
    wait_for(what, super::journal::LONG, || {
        let (_, term) = group.holder();
        let last = |member| group.told(member).pop().expect("an entry");
        let mut leads: Vec<u64> = Vec::new();
        let mut follows = 0;
        for entry in members.iter().map(last) {
            match entry.leads() {
                Some(term) => leads.push(term),
                None => follows += 1,
            }
        }
        if term > known && leads == [term] && follows == members.len() - 1 {
            Ok(term)
        } else {
            Err((term, group.journal()))
        }
    })
}

fn after_each(edits: &[(&str, Value)]) {
    let (group, members) = begin();
    let mut term = 1;
    for (what, edit) in edits {
        group.edit(edit);
        term = one_leads(what, &group, &members, term);
    }
}

#[test]
fn a_lease_that_is_emptied_or_names_somebody_else_leaves_one_leader_and_a_higher_term() {
    after_each(&[
        (
            "the holder was cleared",
            json!({"spec": {"holderIdentity": null}}),
        ),
        (
            "somebody else was written into it",
            json!({"spec": {"holderIdentity": "somebody/else", "leaseDurationSeconds": 1}}),
        ),
        (
            "the term was put back",
            json!({"spec": {"leaseTransitions": 0}}),
        ),
    ]);
}

#[test]
fn a_lease_full_of_nonsense_leaves_one_leader_and_a_higher_term() {
    let notes = json!({
        "kubesup.dev/released-term": "yes", "kubesup.dev/bids": "7 x @ 1@", "kubesup.dev/transfer": "soon",
    });
    after_each(&[
        (
            "nothing was left in it",
            json!({"metadata": {"annotations": notes}, "spec": null}),
        ),
        (
            "its holder is no identity, its times are absurd, and its term is high",
            json!({"metadata": {"annotations": notes}, "spec": {
                "holderIdentity": "//\u{1F4A9} /", "leaseTransitions": 1_000_000, "leaseDurationSeconds": 1,
                "renewTime": "9999-12-31T23:59:59.999999Z", "acquireTime": "0001-01-01T00:00:00.000000Z",
            }}),
        ),
    ]);
}

#[test]
fn a_lease_that_is_deleted_is_made_anew_and_the_term_goes_on() {
    let (group, members) = begin();
    group.namespace.delete::<Lease>(LEASE);
    let term = one_leads("it was deleted", &group, &members, 1);
    group.namespace.delete::<Lease>(LEASE);
    group
        .namespace
        .put::<Lease>(json!({"metadata": {"name": LEASE}}));
    one_leads("it was made anew, empty", &group, &members, term);
    group.assert_terms();
}
