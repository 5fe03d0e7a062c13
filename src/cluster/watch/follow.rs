//! Owns one watch from its start to its stop: turns kube's events into deltas, waits out failures, lists anew when the
//! thread is lost. Never gives up.

use std::fmt::Debug;
use std::pin::pin;

use futures::StreamExt as _;
use kube::core::{DeserializeGuard, NamespaceResourceScope, ObjectMeta};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::util::rng::{HasherRng, Rng as _};
use tracing::{debug, warn};

use super::condition::Condition;
use crate::cluster::backoff::Backoff;
use crate::cluster::client::Connection;
use crate::cluster::freshness::Contact;
use crate::cluster::gate::Gate;
use crate::cluster::patience::Patience;
use crate::cluster::target::Target;
use crate::cluster::trouble::{is_answer, is_expired, needs_new_list, stalled_line, watch_line};
use crate::world::{Delta, Observation};

/// What can be watched: any namespaced type of the API.
pub(super) trait Watched:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + Default
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Watched for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Default
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// Makes an observation of a delta.
type Observe<K> = Box<dyn Fn(Delta<K>) -> Observation + Send + Sync>;

/// Nobody takes observations any more.
struct Closed;

/// One watch.
pub(super) struct Follow<K: Watched> {
    target: Target,
    api: Api<DeserializeGuard<K>>,
    selected: watcher::Config,
    observe: Observe<K>,
    contact: Contact,
    gate: Gate,
    observations: mpsc::Sender<Observation>,
    patience: Patience,
    backoff: Backoff,
    random: HasherRng,
    condition: Condition,
    /// What the list that is on its way has brought; `None` when none is.
    listing: Option<Vec<K>>,
    /// Complete lists so far.
    lists: u64,
    /// The last list had objects that do not decode, so that it was no picture of all there is.
    partial: bool,
    /// When it failed last; `None` once a watch has stood since.
    failed_at: Option<Instant>,
    /// The server has called our version too old since a watch stood last.
    expired: bool,
    /// What the failures that the backoff counts have in common.
    last_failure: Failure,
}

/// What failed: a server that cannot be reached and one that refuses are waited for in their own time, so that the pauses
/// of an outage do not go on when the server is back and, say, knows no roles yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// There was no answer.
    Silence,
    /// There was one, and it was a refusal, or broke off.
    Answer,
}

/// Whether the watcher at hand can go on.
#[derive(PartialEq, Eq)]
enum Thread {
    Kept,
    /// Only a new list helps.
    Lost,
}

impl<K: Watched> Follow<K> {
    pub(super) fn new(
        target: Target,
        api: Api<DeserializeGuard<K>>,
        selected: watcher::Config,
        observe: Observe<K>,
        contact: Contact,
        observations: mpsc::Sender<Observation>,
        connection: &Connection,
    ) -> Follow<K> {
        let patience = connection.patience().clone();
        Follow {
            condition: Condition::new(target.clone()),
            backoff: Backoff::new(patience.backoff.clone()),
            random: HasherRng::new(),
            listing: None,
            lists: 0,
            partial: false,
            failed_at: None,
            expired: false,
            last_failure: Failure::Silence,
            target,
            api,
            selected,
            observe,
            contact,
            gate: connection.gate(),
            observations,
            patience,
        }
    }

    /// Follows until `stop`, or until nobody takes observations.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        debug!("the watch starts");
        tokio::select! {
            // A stopped watch tells nothing more.
            biased;
            () = stop.cancelled() => {}
            Closed = self.forever() => return,
        }
        debug!("the watch is not wanted any more");
        if let Some(farewell) = self.condition.farewell() {
            let _nobody_left_to_tell = self.observations.send(farewell).await;
        }
    }

    async fn forever(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.until_lost().await {
                return closed;
            }
            debug!("the thread is lost, listing anew");
        }
    }

    /// Lists and watches until only a new list helps.
    async fn until_lost(&mut self) -> Result<(), Closed> {
        let seconds = &self.patience.watch_seconds;
        let seconds = self
            .random
            .next_range(u64::from(*seconds.start())..u64::from(*seconds.end()) + 1);
        let selected = self
            .selected
            .clone()
            .timeout(u32::try_from(seconds).unwrap_or(u32::MAX));
        let mut events = pin!(watcher(self.api.clone(), selected));
        self.listing = Some(Vec::new());
        loop {
            // All three are cancel-safe: what an event was made of stays in the stream.
            let thread = tokio::select! {
                event = events.next() => self.turn(event).await?,
                () = self.steady() => self.works().await?,
                () = sleep(self.patience.list), if self.listing.is_some() => self.stalled().await?,
            };
            if thread == Thread::Lost {
                return Ok(());
            }
        }
    }

    async fn turn(
        &mut self,
        event: Option<watcher::Result<Event<DeserializeGuard<K>>>>,
    ) -> Result<Thread, Closed> {
        match event {
            Some(Ok(event)) => self.take(event).await,
            Some(Err(error)) => self.failed(&error).await,
            // kube's watcher has no end; if it had, it would have to begin anew.
            None => {
                self.pause().await;
                Ok(Thread::Lost)
            }
        }
    }

    /// A watch has stood since the last failure. Quiet ones reach the stream with nothing, so the transport tells.
    async fn steady(&self) {
        match self.failed_at {
            Some(failure) => self.contact.steady(failure, self.patience.steady).await,
            None => std::future::pending().await,
        }
    }

    async fn works(&mut self) -> Result<Thread, Closed> {
        self.failed_at = None;
        self.expired = false;
        self.backoff.reset();
        self.condition.works(Instant::now());
        self.tell_news().await?;
        Ok(Thread::Kept)
    }

    /// A list began to arrive and did not end.
    async fn stalled(&mut self) -> Result<Thread, Closed> {
        self.last_failure = Failure::Answer;
        let line = stalled_line(&self.target, self.patience.list.as_secs());
        self.trouble(line, &"the list stalled").await?;
        self.pause().await;
        Ok(Thread::Lost)
    }

    async fn failed(&mut self, error: &watcher::Error) -> Result<Thread, Closed> {
        let failure = if is_answer(error) {
            Failure::Answer
        } else {
            Failure::Silence
        };
        if failure != self.last_failure {
            self.last_failure = failure;
            self.backoff.reset();
        }
        if is_expired(error) && !self.expired {
            // In order after an outage or a compaction; only a second one in a row is trouble. The list is what the view
            // waits for, so that it comes after the first pause, whatever failed before.
            self.expired = true;
            self.backoff.reset();
            debug!(%error, "the version is too old");
            self.contact.failed();
            self.failed_at = Some(Instant::now());
        } else {
            self.trouble(watch_line(&self.target, error), error).await?;
        }
        self.pause().await;
        Ok(if needs_new_list(error) {
            Thread::Lost
        } else {
            Thread::Kept
        })
    }

    async fn trouble(
        &mut self,
        line: String,
        error: &(dyn std::fmt::Display + Sync),
    ) -> Result<(), Closed> {
        let now = Instant::now();
        self.failed_at = Some(now);
        self.contact.failed();
        self.condition.failed(line, error, now);
        self.tell_news().await
    }

    async fn pause(&mut self) {
        let asked = self.contact.take_retry_after();
        let pause = self.backoff.next(self.random.next_f64(), asked);
        debug!(?pause, "waiting before the next attempt");
        if self.last_failure == Failure::Answer {
            return sleep(pause).await;
        }
        // Whoever finds the server first tells the others; a part of a second spreads what they then ask.
        let spread = self.patience.steady.mul_f64(self.random.next_f64());
        tokio::select! {
            () = sleep(pause) => {}
            () = self.gate.opened() => sleep(spread).await,
        }
    }

    async fn take(&mut self, event: Event<DeserializeGuard<K>>) -> Result<Thread, Closed> {
        match event {
            Event::Init => {
                self.condition.forget_undecodable();
                self.listing = Some(Vec::new());
            }
            Event::InitApply(object) => {
                let object = self.open(object);
                self.listing.get_or_insert_default().extend(object);
            }
            Event::InitDone => {
                let listed = self.listing.take().unwrap_or_default();
                self.listed(listed).await?;
            }
            Event::Apply(object) => {
                if let Some(object) = self.open(object) {
                    self.send(Delta::Apply(Box::new(object))).await?;
                }
            }
            Event::Delete(object) => {
                let gone = gone(object);
                self.condition.decodable(&gone.name_any());
                self.send(Delta::Delete(Box::new(gone))).await?;
            }
        }
        if self.listing.is_some() {
            return Ok(Thread::Kept);
        }
        self.tell_news().await?;
        // Now that everything decodes, a list shows all there is.
        let whole_again = self.partial && self.condition.all_decode();
        Ok(if whole_again {
            Thread::Lost
        } else {
            Thread::Kept
        })
    }

    /// A list is complete. One with objects that do not decode is no picture of all there is: as a `Reset` it would
    /// take away their last readable versions. What it has is applied, and the rest comes with a list that decodes.
    async fn listed(&mut self, objects: Vec<K>) -> Result<(), Closed> {
        debug!(objects = objects.len(), "listed");
        if self.lists > 0 {
            self.contact.relisted();
        }
        self.lists += 1;
        self.partial = !self.condition.all_decode();
        if !self.partial {
            return self.send(Delta::Reset(objects)).await;
        }
        for object in objects {
            self.send(Delta::Apply(Box::new(object))).await?;
        }
        Ok(())
    }

    /// The object, if it decodes, without its `managedFields`: they are often half of it, and nobody reads them.
    fn open(&mut self, object: DeserializeGuard<K>) -> Option<K> {
        let name = object.name_any();
        match object.0 {
            Ok(mut object) => {
                self.condition.decodable(&name);
                object.meta_mut().managed_fields = None;
                Some(object)
            }
            Err(invalid) if self.target.is_lease() => {
                // The last readable version is no use: the holder may have gone since, and who writes has to write over
                // this one. Nobody holds a Lease that says nothing, so that the group writes it anew.
                warn!(
                    lease = name,
                    reason = invalid.error,
                    "the Lease cannot be read; it is taken as empty"
                );
                Some(bare(invalid.metadata))
            }
            Err(invalid) => {
                self.condition.undecodable(name, invalid.error);
                None
            }
        }
    }

    async fn send(&self, delta: Delta<K>) -> Result<(), Closed> {
        let observation = (self.observe)(delta);
        self.observations
            .send(observation)
            .await
            .map_err(|_unsent| Closed)
    }

    async fn tell_news(&mut self) -> Result<(), Closed> {
        match self.condition.news() {
            Some(news) => self.observations.send(news).await.map_err(|_unsent| Closed),
            None => Ok(()),
        }
    }
}

/// The object that is gone; of one that does not decode, its metadata, which is enough to know it by.
fn gone<K: Watched>(object: DeserializeGuard<K>) -> K {
    let mut gone = object.0.unwrap_or_else(|invalid| bare(invalid.metadata));
    gone.meta_mut().managed_fields = None;
    gone
}

/// An object of which only the metadata are known.
fn bare<K: Watched>(metadata: ObjectMeta) -> K {
    let mut bare = K::default();
    *bare.meta_mut() = metadata;
    bare.meta_mut().managed_fields = None;
    bare
}
