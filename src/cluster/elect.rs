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
use tracing::{debug, info, warn};

use super::access;
use super::client::Connection;
use super::freshness::Freshness;
use super::lease::{self, Written};
use super::watch::follow_lease;
use crate::clock;
use crate::lifecycle::election::{
    Candidate, Election, Identity, Input, Label, Lease, Moment, Notice, Order, Outcome, Outlook,
    Output, Progress, Purpose, Sighting, Stand, Why, fence, role,
};
use crate::rbac::{LEASE_WRITES, Need, Rule};
use crate::world::{self, Delta, Observation, WatchKey};

/// Timers do not run through suspend: the clock is looked at this often while there is a lead to lose.
const LOOK: Duration = Duration::from_secs(1);
/// Objects that a write may still be over.
const VERSIONS: usize = 4;
/// Who follows does not write: whether the right to it was granted meanwhile is asked after this many times of a lease, which is
/// every 30 s by default.
const LEASES: u32 = 2;
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
    /// Where troubles with the Lease are told.
    pub troubles: mpsc::Sender<Observation>,
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
        ask_after: LEASES * stand.times.lease_duration,
        asking: None,
        labelled: stand.labelled,
        versions: Vec::new(),
        writing: None,
        refusal: None,
        ended: None,
        fences: fence::Seen::default(),
        troubles: Troubles::default(),
        told: None,
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
            suitability: 0,
            progress: Progress::Finished,
            involved: false,
            ended: None,
            fence: None,
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
    ask_after: Duration,
    /// Whether the Lease may be written again, while the last that is known is that it may not.
    asking: Option<BoxFuture<'static, bool>>,
    /// The label goes before the Lease is released.
    labelled: bool,
    /// The newest objects, to write over.
    versions: Vec<ApiLease>,
    writing: Option<BoxFuture<'static, (u64, Written)>>,
    /// Why the last write failed: said once, and when it is over.
    refusal: Option<String>,
    /// The last lead of ours that ended, and why.
    ended: Option<(u64, Why)>,
    fences: fence::Seen,
    troubles: Troubles,
    /// What was told of them last.
    told: Option<String>,
    channels: Channels,
}

/// Why the Lease cannot be followed, or not be written.
#[derive(Debug, Default)]
struct Troubles {
    watch: Option<String>,
    write: Option<String>,
}

impl Troubles {
    fn text(&self) -> Option<String> {
        let both: Vec<&str> = [&self.watch, &self.write]
            .into_iter()
            .filter_map(|trouble| trouble.as_deref())
            .collect();
        (!both.is_empty()).then(|| both.join("; "))
    }
}

impl Task {
    async fn run(mut self, mut sightings: mpsc::Receiver<Observation>) {
        let candidate = self.channels.candidates.borrow_and_update().clone();
        self.step(Input::Candidate(candidate));
        let troubles = self.channels.troubles.clone();
        loop {
            let pause = self
                .election
                .next_deadline(now())
                .map(|at| at.saturating_sub(clock::boot()).min(LOOK));
            tokio::select! {
                Some(seen) = sightings.recv() => self.see(seen),
                (id, written) = under_way(&mut self.writing) => self.written(id, written),
                granted = under_way(&mut self.asking) => self.asked(granted),
                changed = self.channels.candidates.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let candidate = self.channels.candidates.borrow_and_update().clone();
                    self.step(Input::Candidate(candidate));
                }
                () = sleep(pause) => self.step(Input::Tick),
                // A full channel must not hold up a renewal.
                Ok(permit) = troubles.reserve(), if self.told != self.troubles.text() => {
                    self.told = self.troubles.text();
                    let watch = WatchKey::Lease { name: self.lease.clone() };
                    permit.send(Observation::Trouble { watch, problem: self.told.clone() });
                }
            }
        }
    }

    fn see(&mut self, seen: Observation) {
        let input = match seen {
            Observation::Leases { delta, .. } => match delta {
                Delta::Reset(all) => {
                    let lease = all.into_iter().next();
                    self.seen(lease, Sighting::Listed)
                }
                Delta::Apply(lease) => self.seen(Some(*lease), Sighting::Changed),
                Delta::Delete(_) => Input::Seen(Lease::Absent, Sighting::Changed),
            },
            Observation::Trouble { problem, .. } => {
                self.troubles.watch = problem;
                Input::Blind(self.troubles.watch.is_some())
            }
            _ => return,
        };
        self.step(input);
    }

    fn seen(&mut self, lease: Option<ApiLease>, sighting: Sighting) -> Input {
        let noted = lease.as_ref().and_then(lease::fence);
        let lease = self.note(lease);
        if let Lease::Present(record) = &lease {
            self.fences.see(record, noted, sighting);
        }
        Input::Seen(lease, sighting)
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
        match (&written.error, &written.outcome) {
            (Some(error), Outcome::Conflict) => debug!(%error, "somebody else wrote the Lease"),
            (Some(error), _) => {
                let refusal = lease::refusal(&self.namespace, &self.lease, error);
                if lease::is_lasting(error) {
                    self.troubles.write = Some(refusal.clone());
                }
                if lease::is_forbidden(error) && self.asking.is_none() {
                    self.ask();
                }
                if self.refusal.as_ref() != Some(&refusal) {
                    warn!(problem = refusal, %error, "the Lease is not written");
                    self.refusal = Some(refusal);
                }
            }
            (None, Outcome::Ok(_)) => {
                self.troubles.write = None;
                self.asking = None;
                if let Some(problem) = self.refusal.take() {
                    info!(problem, "the Lease is written again");
                }
            }
            (None, _) => {}
        }
        if let Some(lease) = written.lease {
            self.note(Some(lease));
        }
        self.step(Input::Written(id, written.outcome));
    }

    /// Asks in a while whether the Lease may be written: whoever follows would not find out.
    fn ask(&mut self) {
        let (client, namespace) = (self.client.clone(), self.namespace.clone());
        let rule = Rule {
            right: LEASE_WRITES,
            namespace: None,
            names: vec![self.lease.clone()],
            why: "",
            need: Need::Required,
        };
        let after = self.ask_after;
        self.asking = Some(Box::pin(async move {
            tokio::time::sleep(after).await;
            let denied = access::denied(&client, &namespace, &rule).await;
            denied.is_ok_and(|denied| denied.is_empty())
        }));
    }

    fn asked(&mut self, granted: bool) {
        self.asking = None;
        if !granted {
            return self.ask();
        }
        self.troubles.write = None;
        if let Some(problem) = self.refusal.take() {
            info!(problem, "the Lease may be written now");
        }
    }

    fn step(&mut self, input: Input) {
        let now = now();
        for output in self.election.step(input, now) {
            match output {
                Output::Tell(notice) => {
                    if let Notice::Demoting { term, why } = notice {
                        self.ended = Some((term, why));
                    }
                    info!("{notice}");
                }
                Output::Write(write) => {
                    let version = Some(&write.record.version);
                    let mut over = self
                        .versions
                        .iter()
                        .find(|lease| lease.metadata.resource_version.as_ref() == version)
                        .cloned();
                    if let (Purpose::Renew, Some(over), Order::Lead { term, fence, .. }) =
                        (write.purpose, &mut over, self.election.order())
                    {
                        lease::note_fence(over, term, &fence);
                    }
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
            suitability: self.election.suitability(),
            progress: self.election.progress(now),
            involved: self.election.is_involved(),
            ended: self.ended,
            fence: self
                .election
                .holder()
                .and_then(|(_, term)| self.fences.of(term))
                .map(ToOwned::to_owned),
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

async fn under_way<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
