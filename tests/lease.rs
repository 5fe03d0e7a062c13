//! The Lease of a group: its compare-and-swap, against the real API server.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kubesup::cluster::lease::{self, Written};
use kubesup::lifecycle::election::{Outcome, Purpose, Record, Write};

use crate::support::api_server::ApiServer;
use crate::support::block_on;
use crate::support::namespace::Namespace;

const NAME: &str = "kubesup.demo.default";

fn write(
    namespace: &Namespace<'_>,
    over: Option<&Lease>,
    purpose: Purpose,
    record: Record,
) -> Written {
    let write = Write {
        id: 1,
        purpose,
        record,
    };
    let client = namespace.server.client();
    let patience = Duration::from_secs(10);
    block_on(lease::write(
        client,
        &namespace.name,
        NAME,
        over,
        &write,
        patience,
    ))
}

fn held(holder: &str, term: u64, version: &str) -> Record {
    Record {
        version: version.into(),
        holder: holder.into(),
        term,
        duration: Duration::from_secs(15),
        renewed: 1_700_000_000_000_001,
        ..Record::default()
    }
}

#[test]
fn of_two_who_write_over_one_version_one_succeeds() {
    let namespace = Namespace::new(ApiServer::shared());
    assert_eq!(lease::name("demo", "default"), NAME);
    let created = write(&namespace, None, Purpose::Acquire, held("a", 1, ""));
    let created = created.lease.expect("created");
    let first = lease::record(&created);
    assert_eq!((first.holder.as_str(), first.term), ("a", 1));
    assert_eq!(first.renewed, 1_700_000_000_000_001, "to the microsecond");

    let again = write(&namespace, None, Purpose::Acquire, held("b", 1, ""));
    assert_eq!(again.outcome, Outcome::Conflict, "it exists");

    let over = Some(&created);
    let released = Record {
        holder: String::new(),
        released: Some(1),
        ..first.clone()
    };
    let released = write(&namespace, over, Purpose::Release, released);
    let released = released.lease.expect("released");
    assert!(lease::record(&released).is_released());

    let late = write(
        &namespace,
        over,
        Purpose::Renew,
        held("a", 1, &first.version),
    );
    assert_eq!(
        late.outcome,
        Outcome::Conflict,
        "a renewal from before the release"
    );

    let version = lease::record(&released).version;
    let taken = write(
        &namespace,
        Some(&released),
        Purpose::Acquire,
        held("b", 2, &version),
    );
    let taken = taken.lease.expect("taken");
    assert_eq!(lease::record(&taken).released, None);
    let beaten = write(
        &namespace,
        Some(&released),
        Purpose::Acquire,
        held("c", 2, &version),
    );
    assert_eq!(beaten.outcome, Outcome::Conflict);

    namespace.delete::<Lease>(NAME);
    let version = lease::record(&taken).version;
    let gone = write(
        &namespace,
        Some(&taken),
        Purpose::Renew,
        held("b", 2, &version),
    );
    assert_eq!(gone.outcome, Outcome::Conflict, "it does not exist");
}
