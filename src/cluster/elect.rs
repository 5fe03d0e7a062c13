//! Owns the shell of the election: it feeds what it sees of the Lease, of the own service and of the clock to
//! `lifecycle::election`, writes the Lease as that says, and tells the supervisor what the program may do. Decides nothing.
//!
//! It has a watch and a channel of its own, so that a storm of other observations cannot hold up a renewal.

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::Lease as ApiLease;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::client::Connection;
use super::freshness::Freshness;
use super::lease::{self, Written};
use super::watch::follow_lease;
use crate::clock;
use crate::lifecycle::election::{
    Candidate, Election, Identity, Input, Label, Lease, Moment, Order, Outlook, Output, Progress,
    Purpose, Sighting, Stand, role,
};
use crate::world::{self, Delta, Observation};

/// Timers do not run through suspend: the clock is looked at this often while there is a lead to lose.
const LOOK: Duration = Duration::from_secs(1);
/// Objects that a write may still be over.
const VERSIONS: usize = 4;
/// What the watch has seen and nobody has taken yet.
const SIGHTINGS: usize = 16;

/// What the task is told, and where it tells.
#[derive(Debug)]
pub struct Channels {
    /// Whether the own member stands, and for what.
    pub stands: watch::Receiver<Option<Stand>>,
    /// The own service.
    pub candidates: watch::Receiver<Candidate>,
    /// What the program may do.
    pub outlook: watch::Sender<Outlook>,
    /// What the own Pod's label may say.
    pub label: watch::Receiver<Label>,
}

/// Takes part in the election, once the own service stands for it. Ends when the supervisor has.
pub async fn run(
    connection: Connection,
    identity: world::Identity,
    mut channels: Channels,
    freshness: watch::Sender<Freshness>,
) {
    let Some(stand) = stand(&mut channels.stands).await else {
        return;
    };
    info!(lease = %stand.lease, "standing for the lead");
    let (sender, sightings) = mpsc::channel(SIGHTINGS);
    let stop = CancellationToken::new();
    let patience = stand.times.retry_period;
    let me = Identity {
        nonce: nonce(),
        ..stand.me.clone()
    };
    let task = Task {
        election: Election::new(me, stand.times, stand.on_lost),
        client: connection.client(),
        namespace: identity.namespace.clone(),
        lease: stand.lease.clone(),
        patience,
        labelled: stand.labelled,
        versions: Vec::new(),
        writing: None,
        channels,
    };
    let name = stand.lease.clone();
    tokio::select! {
        () = follow_lease(connection, identity, name, sender, freshness, stop) => {}
        () = task.run(sightings) => {}
    }
}

/// Leads alone, term 1: where there is no cluster there is nobody else.
pub async fn alone(mut channels: Channels) {
    if let Some(stand) = stand(&mut channels.stands).await {
        channels.outlook.send_replace(Outlook {
            order: Order::Lead {
                term: 1,
                fence: "1".to_owned(),
                until: Duration::MAX,
            },
            holder: Some((stand.me.to_string(), 1)),
            progress: Progress::Finished,
            involved: false,
        });
    }
    while channels.candidates.changed().await.is_ok() {}
}

async fn stand(stands: &mut watch::Receiver<Option<Stand>>) -> Option<Stand> {
    let stand = stands.wait_for(Option::is_some).await.ok()?;
    stand.clone()
}

/// Another one at each start. The hasher's keys come from the system's randomness.
fn nonce() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(clock::boot().as_nanos());
    format!("{:016x}", hasher.finish())
}

fn now() -> Moment {
    Moment {
        boot: clock::boot(),
        wall: k8s_openapi::jiff::Timestamp::now().as_microsecond(),
    }
}

struct Task {
    election: Election,
    client: kube::Client,
    namespace: String,
    lease: String,
    patience: Duration,
    /// The label goes before the Lease is released.
    labelled: bool,
    /// The newest objects, to write over.
    versions: Vec<ApiLease>,
    writing: Option<BoxFuture<'static, (u64, Written)>>,
    channels: Channels,
}

impl Task {
    async fn run(mut self, mut sightings: mpsc::Receiver<Observation>) {
        let candidate = self.channels.candidates.borrow_and_update().clone();
        self.step(Input::Candidate(candidate));
        loop {
            let pause = self
                .election
                .next_deadline(now())
                .map(|at| at.saturating_sub(clock::boot()).min(LOOK));
            tokio::select! {
                Some(seen) = sightings.recv() => self.see(seen),
                (id, written) = under_way(&mut self.writing) => self.written(id, written),
                changed = self.channels.candidates.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let candidate = self.channels.candidates.borrow_and_update().clone();
                    self.step(Input::Candidate(candidate));
                }
                () = sleep(pause) => self.step(Input::Tick),
            }
        }
    }

    fn see(&mut self, seen: Observation) {
        let input = match seen {
            Observation::Leases { delta, .. } => match delta {
                Delta::Reset(all) => {
                    let lease = all.into_iter().next();
                    Input::Seen(self.note(lease), Sighting::Listed)
                }
                Delta::Apply(lease) => Input::Seen(self.note(Some(*lease)), Sighting::Changed),
                Delta::Delete(_) => Input::Seen(Lease::Absent, Sighting::Changed),
            },
            Observation::Trouble { problem, .. } => Input::Blind(problem.is_some()),
            _ => return,
        };
        self.step(input);
    }

    fn note(&mut self, lease: Option<ApiLease>) -> Lease {
        let Some(lease) = lease else {
            return Lease::Absent;
        };
        let record = lease::record(&lease);
        if self.versions.len() == VERSIONS {
            self.versions.remove(0);
        }
        self.versions.push(lease);
        Lease::Present(record)
    }

    fn written(&mut self, id: u64, written: Written) {
        self.writing = None;
        if let Some(error) = &written.error {
            warn!(lease = %self.lease, %error, "the Lease is not written");
        }
        if let Some(lease) = written.lease {
            self.note(Some(lease));
        }
        self.step(Input::Written(id, written.outcome));
    }

    fn step(&mut self, input: Input) {
        let now = now();
        for output in self.election.step(input, now) {
            match output {
                Output::Tell(notice) => info!("{notice}"),
                Output::Write(write) => {
                    let version = Some(&write.record.version);
                    let over = self
                        .versions
                        .iter()
                        .find(|lease| lease.metadata.resource_version.as_ref() == version)
                        .cloned();
                    let (client, namespace) = (self.client.clone(), self.namespace.clone());
                    let (lease, patience) = (self.lease.clone(), self.patience);
                    let releases = self.labelled && write.purpose == Purpose::Release;
                    let label = releases.then(|| self.channels.label.clone());
                    self.writing = Some(Box::pin(async move {
                        if let Some(label) = label {
                            gone(label).await;
                        }
                        let over = over.as_ref();
                        let written =
                            lease::write(client, &namespace, &lease, over, &write, patience).await;
                        (write.id, written)
                    }));
                }
            }
        }
        let outlook = Outlook {
            order: self.election.order(),
            holder: self
                .election
                .holder()
                .map(|(holder, term)| (holder.to_owned(), term)),
            progress: self.election.progress(now),
            involved: self.election.is_involved(),
        };
        self.channels.outlook.send_if_modified(|known| {
            let changed = *known != outlook;
            *known = outlook;
            changed
        });
    }
}

/// Waits until the own Pod's label does not say any more that it leads, so that a Service never selects two; but not for
/// long. A release is a compare-and-swap: it may come late.
async fn gone(mut label: watch::Receiver<Label>) {
    let settled = label.wait_for(|label| *label == Label::Settled);
    let _in_time = tokio::time::timeout(role::UNLABEL, settled).await;
}

async fn under_way(writing: &mut Option<BoxFuture<'static, (u64, Written)>>) -> (u64, Written) {
    match writing {
        Some(writing) => writing.await,
        None => std::future::pending().await,
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
