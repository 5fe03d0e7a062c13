//! Owns the group's Lease on the wire: what its fields and annotations mean, and its compare-and-swap. Never decides when
//! to write: `lifecycle::election` does.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::lifecycle::election::{Outcome, Purpose, Record, Transfer, Write};
use crate::rbac::LEASE_WRITES;

/// The term that the holder has released.
pub const RELEASED_TERM: &str = "kubesup.dev/released-term";
/// Who wants the next term, and how much.
pub const BIDS: &str = "kubesup.dev/bids";
/// `<term> [<pod>]`: the holder of the term is asked to give it up, to this Pod.
pub const TRANSFER: &str = "kubesup.dev/transfer";

/// `<term> <resourceVersion>`: the fence of the holder, which the acquiring write itself cannot name.
pub const FENCE: &str = "kubesup.dev/fence";

/// The Lease of a group: `kubesup.<Service>.<group>`, as in `Settings::lease_name`.
pub fn name(service: &str, group: &str) -> String {
    format!("kubesup.{service}.{group}")
}

/// What the Lease says. What cannot be read, because somebody edited it by hand, is as if it were not there.
pub fn record(lease: &Lease) -> Record {
    let empty = LeaseSpec::default();
    let spec = lease.spec.as_ref().unwrap_or(&empty);
    let annotation = |name: &str| {
        let annotations = lease.metadata.annotations.as_ref()?;
        annotations.get(name).map(String::as_str)
    };
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Record {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.clone().unwrap_or_default(),
        term: spec
            .lease_transitions
            .and_then(|term| u64::try_from(term).ok())
            .unwrap_or_default(),
        duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        renewed: spec
            .renew_time
            .as_ref()
            .map(|time| time.0.as_microsecond())
            .unwrap_or_default(),
        released: annotation(RELEASED_TERM).and_then(|term| term.trim().parse().ok()),
        bids: annotation(BIDS)
            .unwrap_or_default()
            .parse()
            .unwrap_or_default(),
        transfer: annotation(TRANSFER).and_then(transfer),
    }
}

/// The holder's note of its fence.
pub fn fence(lease: &Lease) -> Option<(u64, String)> {
    let text = lease.metadata.annotations.as_ref()?.get(FENCE)?;
    let (term, fence) = text.split_once(' ')?;
    Some((term.parse().ok()?, fence.trim().to_owned()))
}

/// The holder notes its fence in the object that it renews.
pub fn note_fence(lease: &mut Lease, term: u64, fence: &str) {
    let annotations = lease.metadata.annotations.get_or_insert_default();
    annotations.insert(FENCE.to_owned(), format!("{term} {fence}"));
}

fn transfer(text: &str) -> Option<Transfer> {
    let mut words = text.split_whitespace();
    Some(Transfer {
        term: words.next()?.parse().ok()?,
        to: words.next().unwrap_or_default().to_owned(),
    })
}

/// How a transfer is written.
pub fn transfer_text(transfer: &Transfer) -> String {
    let text = format!("{} {}", transfer.term, transfer.to);
    text.trim().to_owned()
}

/// The object that a write asks for: the one that it is made over, or a new one, with what the record says.
fn object(name: &str, over: Option<&Lease>, write: &Write) -> Lease {
    let record = &write.record;
    let mut lease = over.cloned().unwrap_or_default();
    lease.metadata.name = Some(name.to_owned());
    lease.metadata.resource_version = (!record.version.is_empty()).then(|| record.version.clone());
    let annotations = lease.metadata.annotations.get_or_insert_default();
    let mut set = |name: &str, value: Option<String>| match value {
        Some(value) => drop(annotations.insert(name.to_owned(), value)),
        None => drop(annotations.remove(name)),
    };
    set(RELEASED_TERM, record.released.map(|term| term.to_string()));
    let bids = &record.bids;
    set(BIDS, (!bids.bids.is_empty()).then(|| bids.to_string()));
    let transfer = record.transfer.as_ref();
    set(TRANSFER, transfer.map(transfer_text));
    let spec = lease.spec.get_or_insert_default();
    if write.purpose == Purpose::Bid {
        // A bid is no sign of life of the holder: it changes nothing else.
        return lease;
    }
    spec.holder_identity = Some(record.holder.clone());
    // The API has 32 bits: 2,147,483,647 terms.
    spec.lease_transitions = Some(i32::try_from(record.term).unwrap_or(i32::MAX));
    // Whole seconds, and never fewer than are meant.
    let millis = record.duration.as_millis();
    spec.lease_duration_seconds = Some(
        i32::try_from(millis.div_ceil(1000))
            .unwrap_or(i32::MAX)
            .max(1),
    );
    spec.renew_time = Timestamp::from_microsecond(record.renewed)
        .ok()
        .map(MicroTime);
    if write.purpose == Purpose::Acquire {
        spec.acquire_time = spec.renew_time.clone();
    }
    lease
}

/// What came of a write.
#[derive(Debug)]
pub struct Written {
    /// For the election.
    pub outcome: Outcome,
    /// The Lease as it is now, to make the next write over.
    pub lease: Option<Lease>,
    /// Why it was not written, or may not have been; for the log.
    pub error: Option<kube::Error>,
}

/// Writes the Lease if it still has the version that the write is over; creates it if that says that there is none.
/// `over` is the object of that version; what others keep in it stays.
///
/// An answer that takes longer than `patience` is [`Outcome::Unknown`]: it may have been written, or may be yet.
///
/// # RBAC
///
/// rbac, leader: "coordination.k8s.io" leases update
///
/// rbac, leader: "coordination.k8s.io" leases create
///
/// `create` is needed only where the manifests do not create the Lease, and cannot be granted by `resourceNames`.
pub async fn write(
    client: Client,
    namespace: &str,
    name: &str,
    over: Option<&Lease>,
    write: &Write,
    patience: Duration,
) -> Written {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    let lease = object(name, over, write);
    let parameters = PostParams::default();
    let call = async {
        if write.record.version.is_empty() {
            api.create(&parameters, &lease).await
        } else {
            api.replace(name, &parameters, &lease).await
        }
    };
    match tokio::time::timeout(patience, call).await {
        Ok(Ok(lease)) => Written {
            outcome: Outcome::Ok(lease.metadata.resource_version.clone().unwrap_or_default()),
            lease: Some(lease),
            error: None,
        },
        Ok(Err(error)) => Written {
            outcome: outcome(&error),
            lease: None,
            error: Some(error),
        },
        Err(_elapsed) => Written {
            outcome: Outcome::Unknown,
            lease: None,
            error: None,
        },
    }
}

/// Why the Lease is not written, and what to do: `cannot write Lease: shop/x: 403 forbidden; grant update on …`.
pub fn refusal(namespace: &str, name: &str, error: &kube::Error) -> String {
    let why = match error {
        kube::Error::Api(status) if status.code == 403 => {
            let (verbs, resource) = (LEASE_WRITES.verbs.join(" and "), LEASE_WRITES.qualified());
            format!("403 forbidden; grant {verbs} on {resource} (manifests/leader/role.yaml)")
        }
        kube::Error::Api(status) => format!("{} {}", status.code, status.message.trim()),
        other => other.to_string(),
    };
    format!("cannot write Lease: {namespace}/{name}: {why}")
}

/// Whether nothing but somebody's doing mends that.
pub fn is_lasting(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422))
}

/// Whether the right to it is missing.
pub fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// Another version, one that exists already, and none at all are the same to the election: the watch will tell.
fn outcome(error: &kube::Error) -> Outcome {
    match error {
        kube::Error::Api(status) if matches!(status.code, 404 | 409) => Outcome::Conflict,
        _ => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::scripted::{Server, impatience};
    use serde_json::{Value, json};

    fn lease(value: Value) -> Lease {
        serde_json::from_value(value).expect("a Lease")
    }

    fn acquire(version: &str) -> Write {
        Write {
            id: 1,
            purpose: Purpose::Acquire,
            record: Record {
                version: version.into(),
                holder: "db-0/db/u-0/x".into(),
                term: 4,
                duration: Duration::from_millis(14_500),
                renewed: 1_700_000_000_123_456,
                ..Record::default()
            },
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut write = acquire("7");
        write.record.bids = "4 1@a".parse().expect("always");
        write.record.released = Some(3);
        write.record.transfer = Some(Transfer {
            term: 4,
            to: "db-1".into(),
        });
        let read = record(&object("x", None, &write));
        let whole_seconds = Record {
            duration: Duration::from_secs(15),
            ..write.record
        };
        assert_eq!(read, whole_seconds);
    }

    #[test]
    fn what_others_keep_in_the_lease_stays_and_our_notes_of_before_go() {
        let over = lease(json!({
            "metadata": {"name": "x", "resourceVersion": "7", "labels": {"team": "db"},
                "annotations": {"note": "mine", RELEASED_TERM: "3", BIDS: "4 1@a", TRANSFER: "3"}},
            "spec": {"leaseTransitions": 3},
        }));
        let new = object("x", Some(&over), &acquire("7"));
        assert_eq!(new.metadata.labels, over.metadata.labels);
        let annotations = new.metadata.annotations.expect("annotations");
        assert_eq!(annotations.keys().collect::<Vec<_>>(), ["note"]);
        let spec = new.spec.expect("a spec");
        assert_eq!(spec.lease_transitions, Some(4));
        assert_eq!(spec.acquire_time, spec.renew_time);
    }

    #[test]
    fn a_bid_changes_nothing_but_the_bids() {
        let over = lease(json!({
            "metadata": {"name": "x", "resourceVersion": "7"},
            "spec": {"holderIdentity": "a", "leaseTransitions": 3, "leaseDurationSeconds": 15},
        }));
        let bid = Write {
            purpose: Purpose::Bid,
            record: Record {
                bids: "4 1@b".parse().expect("always"),
                ..record(&over)
            },
            ..acquire("7")
        };
        let new = object("x", Some(&over), &bid);
        assert_eq!(new.spec, over.spec);
        assert_eq!(record(&new).bids, bid.record.bids);
    }

    #[test]
    fn nonsense_in_a_lease_is_as_if_it_were_not_there() {
        let odd = lease(json!({
            "metadata": {"name": "x", "annotations": {RELEASED_TERM: "yes", BIDS: "?", TRANSFER: "soon"}},
            "spec": {"leaseTransitions": -3, "leaseDurationSeconds": -1},
        }));
        assert_eq!(record(&odd), Record::default());
        assert_eq!(record(&Lease::default()), Record::default());
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_leaves_it_open_whether_it_was_written() {
        let server = Server::start().await;
        let client = server.connect(impatience()).await.client();
        let write = acquire("7");
        let short = Duration::from_millis(50);
        let (written, call) = tokio::join!(
            super::write(client, "shop", "x", None, &write, short),
            server.call()
        );
        assert_eq!(written.outcome, Outcome::Unknown);
        drop(call);
    }
}
