//! Owns the supervisor's part in the election: what the program may do now, what it is known not to do any more, and what
//! the election is told of the service. Never writes the Lease.

mod shown;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock;
use crate::config::{Settings, Topology};
use crate::lifecycle::election::{
    Candidate, Identity, Leaving, Order, Outlook, Role, Stand, Suitability, Why, role,
};
use crate::lifecycle::status::{Health, Phase, Status};
use crate::world::{self, OwnPod, World};

/// The channels between the supervisor and the election.
#[derive(Debug)]
pub struct Election {
    /// Whether the own member stands.
    pub stands: watch::Sender<Option<Stand>>,
    /// What it is told of the own service.
    pub candidates: watch::Sender<Candidate>,
    /// What it says.
    pub outlook: watch::Receiver<Outlook>,
    /// What the own Pod's label is to say; `None`: nobody keeps it.
    pub role: watch::Sender<Option<Role>>,
}

/// How long a release may hold up an end.
pub(super) const RELEASE: Duration = Duration::from_secs(1);
/// As in the election: timers do not run through suspend.
const LOOK: Duration = Duration::from_secs(1);

/// What the program has to do about its lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    Nothing,
    Demote(u64),
    Kill(u64),
}

pub(super) struct Lead {
    channels: Election,
    stands: Option<Stand>,
    /// What the newest rendering was made with.
    pub(super) shown: world::Election,
    /// The term that is being given up.
    pub(super) ending: Option<u64>,
    killed: u64,
    demoted: u64,
    pub(super) failures: u64,
    pub(super) rendered: bool,
    /// The world that was observed, and the same with the election: with thousands of members it is not made anew for
    /// each rendering.
    joined: Option<(Arc<World>, Arc<World>)>,
    pub(super) leaving: Option<Leaving>,
    /// Unknown before the hook has ended once: the own member does not stand before that.
    pub(super) suitability: Option<Suitability>,
}

impl Lead {
    pub(super) fn new(channels: Election) -> Lead {
        Lead {
            channels,
            stands: None,
            shown: world::Election::default(),
            ending: None,
            killed: 0,
            demoted: 0,
            failures: 0,
            rendered: false,
            joined: None,
            leaving: None,
            suitability: None,
        }
    }

    /// Stands, when the settings say so.
    pub(super) fn stand(&mut self, settings: &Settings, pod: &OwnPod) {
        if settings.topology != Topology::Leader {
            return;
        }
        let service = settings.service.as_ref().unwrap_or(&settings.name);
        let stand = Stand {
            me: Identity {
                pod: pod.name.clone(),
                container: pod.container.name.clone(),
                uid: pod.uid.clone(),
                nonce: String::new(),
            },
            lease: format!("kubesup.{service}.{}", settings.group),
            times: settings.lease,
            on_lost: settings.on_lost_lease,
            labelled: settings.keeps_role_label(),
        };
        self.stands = Some(stand.clone());
        self.channels.stands.send_replace(Some(stand));
    }

    /// Nothing but rendering happens until there is a leader, as in Habitat.
    pub(super) fn waits(&self) -> bool {
        self.stands.is_some() && self.election().leader.is_none()
    }

    pub(super) fn stands(&self) -> bool {
        self.stands.is_some()
    }

    pub(super) async fn changed(&mut self) {
        if self.channels.outlook.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What is due now, on the clock of the lead.
    pub(super) fn duty(&mut self) -> Duty {
        let order = self.channels.outlook.borrow_and_update().order.clone();
        match order {
            Order::Lead { term, until, .. } if clock::boot() >= until => self.demote(term),
            Order::Demote { term } => self.demote(term),
            Order::Kill { term } if term > self.demoted && self.killed < term => {
                self.killed = term;
                Duty::Kill(term)
            }
            Order::Lead { .. } | Order::Follow | Order::Kill { .. } => Duty::Nothing,
        }
    }

    fn demote(&self, term: u64) -> Duty {
        if term > self.demoted && self.ending.is_none() {
            Duty::Demote(term)
        } else {
            Duty::Nothing
        }
    }

    /// Why the lead of this term ends. Before the election has said so it is the clock that does.
    pub(super) fn why(&self, term: u64) -> Why {
        let ended = self.channels.outlook.borrow().ended;
        ended
            .filter(|(ended, _)| *ended == term)
            .map_or(Why::Deadline, |(_, why)| why)
    }

    /// Until the clock has to be looked at again.
    pub(super) fn next_look(&self) -> Option<Duration> {
        match &self.channels.outlook.borrow().order {
            Order::Lead { until, .. } if *until != Duration::MAX => {
                Some(until.saturating_sub(clock::boot()).min(LOOK))
            }
            _ => None,
        }
    }

    /// The program is without the lead that it is giving up.
    pub(super) fn ended(&mut self) {
        if let Some(term) = self.ending.take() {
            self.demoted = self.demoted.max(term);
        }
    }

    /// Whether the Lease may name us, so that an end has to wait for its release.
    pub(super) fn is_involved(&self) -> bool {
        self.stands.is_some() && self.channels.outlook.borrow().involved
    }

    /// How long it may take to give up the lead in order.
    pub(super) fn longest_handover(&self) -> Duration {
        self.stands.as_ref().map_or(Duration::ZERO, |stand| {
            stand.times.demotion_timeout + release(stand)
        })
    }

    /// Tells the election how the service does.
    pub(super) fn tell(&self, status: &Status) {
        if self.stands.is_none() {
            return;
        }
        let candidate = Candidate {
            rendered: self.rendered && self.suitability.is_some(),
            critical: status.health == Health::Critical,
            down: matches!(
                status.phase,
                Phase::BackingOff | Phase::PostStop | Phase::Finished
            ),
            failures: self.failures,
            leaving: self.leaving,
            suitability: self.suitability.unwrap_or_default(),
            demoted: self.demoted,
        };
        self.channels.candidates.send_if_modified(|known| {
            let changed = *known != candidate;
            *known = candidate;
            changed
        });
    }

    /// Nothing runs any more: the Lease is released, if that is quick.
    pub(super) async fn release(&mut self, status: &Status) {
        if !self.is_involved() {
            return;
        }
        self.leaving.get_or_insert(Leaving::Stopping);
        self.demoted = u64::MAX;
        self.label(None);
        self.tell(status);
        let longest = self.stands.as_ref().map_or(RELEASE, release);
        let released = self.channels.outlook.wait_for(|outlook| !outlook.involved);
        let _in_time = tokio::time::timeout(longest, released).await;
    }
}

/// How long a release may take, with what it waits for.
fn release(stand: &Stand) -> Duration {
    if stand.labelled {
        RELEASE + role::UNLABEL
    } else {
        RELEASE
    }
}
