//! Owns what `kubesup leader` asks the API server for: the Lease of a group as it is, the wish for another leader written into
//! it, and the wait for what comes of that. Never writes who leads.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ListParams, PostParams, WatchParams};
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use super::lease::{self, TRANSFER};
use crate::lifecycle::election::transfer::{Obstacle, Outcome, Request, outcome, request};
use crate::lifecycle::election::{Identity, Transfer};
use crate::rbac::{LEASE_WRITES, LEASES, Right};

/// For one answer. 10 s: somebody waits at a terminal.
const ANSWER: Duration = Duration::from_secs(10);
/// After a failure while waiting.
const PAUSE: Duration = Duration::from_millis(500);
/// The holder writes every few seconds: who meets it every time is told.
const TRIES: usize = 10;

/// Why a group's lead cannot be shown or handed over.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is no such Lease.
    #[error(
        "there is no Lease {0}; its name is kubesup.SERVICE.GROUP, and manifests/leader makes it (kubectl get leases)"
    )]
    Absent(String),
    /// Nobody could be asked.
    #[error("Lease {0}: {1}")]
    Obstacle(String, Obstacle),
    /// Forbidden.
    #[error(
        "cannot {verb} the Lease: {lease}: {reason}; grant {rule} (kubesup rbac prints the Role)"
    )]
    Forbidden {
        /// What was tried.
        verb: &'static str,
        /// The Lease.
        lease: String,
        /// The server's words.
        reason: String,
        /// What is missing.
        rule: String,
    },
    /// Something else.
    #[error("cannot {verb} the Lease: {lease}: {reason}")]
    Failed {
        /// What was tried.
        verb: &'static str,
        /// The Lease.
        lease: String,
        /// Why.
        reason: String,
    },
    /// Nobody leads in a new term in time.
    #[error("Lease {lease}: nobody else leads after {waited:?}: {stands}")]
    Late {
        /// The Lease.
        lease: String,
        /// How long it was.
        waited: Duration,
        /// How it stands.
        stands: String,
    },
}

/// The lead of one group.
pub struct Lead {
    /// As whom to ask.
    pub client: Client,
    /// The Lease's namespace.
    pub namespace: String,
    /// Its name.
    pub lease: String,
}

/// A transfer that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What was written.
    pub transfer: Transfer,
    /// Who leads and is to give it up.
    pub from: Identity,
    renewed: i64,
}

impl Lead {
    /// `shop/kubesup.demo.default`.
    pub fn object(&self) -> String {
        format!("{}/{}", self.namespace, self.lease)
    }

    /// The Lease as it is. Listed by its name, so that it needs no other right than kubesup's.
    ///
    /// # RBAC
    ///
    /// rbac, leader: "coordination.k8s.io" leases list,watch
    pub async fn look(&self) -> Result<Lease, TransferError> {
        let named = ListParams::default().fields(&self.selector());
        let found = self
            .within("read", &LEASES, self.api().list(&named))
            .await?;
        let lease = found.items.into_iter().next();
        lease.ok_or_else(|| TransferError::Absent(self.object()))
    }

    /// Asks the holder to give up the lead, to this Pod if one is named. `Err` is who is to lead and leads already.
    pub async fn ask(
        &self,
        to: Option<&str>,
    ) -> Result<Result<Asked, (Identity, u64)>, TransferError> {
        let mut left = TRIES;
        loop {
            let lease = self.look().await?;
            let record = lease::record(&lease);
            let asked = match request(&record, to) {
                Ok(Request::Ask(transfer, from)) => Asked {
                    transfer,
                    from,
                    renewed: record.renewed,
                },
                Ok(Request::Leads(identity, term)) => return Ok(Err((identity, term))),
                Err(obstacle) => return Err(TransferError::Obstacle(self.object(), obstacle)),
            };
            left -= 1;
            match self.write(lease, &asked.transfer).await {
                Err(kube::Error::Api(status)) if status.code == 409 && left > 0 => {}
                Err(error) => return Err(self.failed("write", &LEASE_WRITES, error)),
                Ok(()) => return Ok(Ok(asked)),
            }
        }
    }

    /// Writes the wish, if nobody has written since.
    ///
    /// # RBAC
    ///
    /// rbac, leader: "coordination.k8s.io" leases update
    async fn write(&self, mut lease: Lease, transfer: &Transfer) -> Result<(), kube::Error> {
        let text = lease::transfer_text(transfer);
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(TRANSFER.to_owned(), text);
        let parameters = PostParams::default();
        let (api, name) = (self.api(), self.lease.as_str());
        match timeout(ANSWER, api.replace(name, &parameters, &lease)).await {
            Ok(written) => written.map(drop),
            Err(elapsed) => Err(kube::Error::Service(Box::new(elapsed))),
        }
    }

    /// Waits until somebody leads in a new term, at most so long.
    pub async fn wait(&self, asked: &Asked, longest: Duration) -> Result<Outcome, TransferError> {
        let until = Instant::now() + longest;
        let mut seen = None;
        loop {
            let version = match self.look().await {
                Ok(lease) => {
                    let record = lease::record(&lease);
                    if let Some(outcome) = outcome(&asked.transfer, &asked.from, &record) {
                        return Ok(outcome);
                    }
                    let version = record.version.clone();
                    seen = Some(record);
                    Some(version)
                }
                Err(TransferError::Failed { .. }) => None,
                Err(error) => return Err(error),
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let stands = match seen {
                    None => "it cannot be read".to_owned(),
                    Some(record) if record.holder.is_empty() => format!(
                        "term {} is released, and no other member is fit; see /readyz?verbose of the members",
                        record.term
                    ),
                    Some(record) if record.renewed == asked.renewed => format!(
                        "{} holds term {} and has not renewed it meanwhile; it is vacant after its lease-duration",
                        asked.from.pod, record.term
                    ),
                    Some(record) => format!(
                        "{} still holds term {}; see its log",
                        asked.from.pod, record.term
                    ),
                };
                return Err(TransferError::Late {
                    lease: self.object(),
                    waited: longest,
                    stands,
                });
            }
            match version {
                Some(version) => drop(timeout(left, self.changed(&version)).await),
                None => sleep(left.min(PAUSE)).await,
            }
        }
    }

    /// Waits for the next change, or for the watch's end.
    async fn changed(&self, version: &str) {
        let parameters = WatchParams::default().fields(&self.selector());
        let api = self.api();
        match api.watch(&parameters, version).await {
            Ok(stream) => drop(Box::pin(stream).next().await),
            Err(_) => sleep(PAUSE).await,
        }
    }

    fn selector(&self) -> String {
        format!("metadata.name={}", self.lease)
    }

    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn within<T>(
        &self,
        verb: &'static str,
        right: &Right,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, TransferError> {
        match timeout(ANSWER, call).await {
            Ok(answer) => answer.map_err(|error| self.failed(verb, right, error)),
            Err(_elapsed) => Err(TransferError::Failed {
                verb,
                lease: self.object(),
                reason: format!("no answer within {ANSWER:?}"),
            }),
        }
    }

    fn failed(&self, verb: &'static str, right: &Right, error: kube::Error) -> TransferError {
        let lease = self.object();
        match error {
            kube::Error::Api(status) if status.code == 403 => TransferError::Forbidden {
                verb,
                lease,
                reason: format!("403 forbidden: {}", status.message),
                rule: format!(
                    "{} on {} {}",
                    right.verbs.join(" and "),
                    right.qualified(),
                    self.lease
                ),
            },
            kube::Error::Api(status) => TransferError::Failed {
                verb,
                lease,
                reason: format!("{} {}", status.code, status.message),
            },
            other => TransferError::Failed {
                verb,
                lease,
                reason: other.to_string(),
            },
        }
    }
}
