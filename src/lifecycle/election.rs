//! Owns the election of a leader as a pure state machine: who leads, until when, and what to write into the group's
//! Lease, from what was observed and `now`. Never compares two clocks, never talks to an API server, never starts or
//! stops a process: the shell writes what it asks for, and the supervisor follows its [`Order`].
//!
//! # Theory of operation
//!
//! One Lease names the holder. Every write of it is a compare-and-swap on its `resourceVersion`, and every acquisition
//! counts up the term (`leaseTransitions`). Two rules keep two programs from leading at one instant:
//!
//! - a leader's program is without the lead, or dead, by *deadline + demotion* after **sending** the last renewal that
//!   succeeded;
//! - nobody takes over before the Lease was released by its holder, or before the *lease duration* has passed since its
//!   last change was **seen**, which cannot be before it was sent.
//!
//! Both are counted on the counting process's own clock; `margin` is what pauses and the drift of the clocks may add.
//!
//! ```text
//!             released, or not renewed in time             written
//! Following ──────────────────────────────────▶ Standing ──────────▶ Holding ──┬─ deadline, or the Lease names another ─▶ Losing
//!     ▲                                            │                           └─ leaving, sick, down, transfer ─▶ Yielding ─┤
//!     ├──────────────── somebody else ◀────────────┘                                                                         │
//!     └──────────────── written ◀─── Releasing ◀───────────────────────────────────────────── the program is demoted ◀───────┘
//! ```

pub mod bids;
pub mod identity;
mod lead;
mod machine;
pub mod role;
mod sight;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::config::LeaseTimes;
pub use crate::config::OnLost;
pub use bids::Bids;
pub use identity::Identity;
pub use machine::Election;
pub use role::{Label, Role};

/// A moment: a clock of this machine that runs through suspend (`CLOCK_BOOTTIME`) for decisions, and the wall clock for
/// what is written down. Wall clocks are never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Moment {
    /// Since the machine was started.
    pub boot: Duration,
    /// Microseconds since 1970.
    pub wall: i64,
}

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Record {
    /// `resourceVersion`: compared for equality only.
    pub version: String,
    /// `holderIdentity`; empty when nobody holds it.
    pub holder: String,
    /// `leaseTransitions`: the term.
    pub term: u64,
    /// `leaseDurationSeconds`; zero when it is absent.
    pub duration: Duration,
    /// `renewTime` in microseconds since 1970: tells own writes apart, and a renewed Lease from one that is not.
    pub renewed: i64,
    /// The term that its holder has released; see [`Record::is_released`].
    pub released: Option<u64>,
    /// Who wants the next term, and how much.
    pub bids: Bids,
    /// The holder is asked to give it up.
    pub transfer: Option<Transfer>,
}

impl Record {
    /// Released by its holder: nobody holds it and the note says so for this term. One that was emptied by hand has no
    /// such note, and its holder may still lead.
    pub fn is_released(&self) -> bool {
        self.holder.is_empty() && self.released == Some(self.term)
    }
}

/// An operator's wish that the holder of a term gives it up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// The term that is meant; later ones are not.
    pub term: u64,
    /// The Pod that should lead next; any when empty.
    pub to: String,
}

/// The Lease as it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Lease {
    /// Not yet.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// There it is.
    Present(Record),
}

/// How an observation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sighting {
    /// A whole list, at the start or after a gap of the watch.
    Listed,
    /// The next change of a watch, in order.
    Changed,
}

/// What the supervisor says about its own service. The newest one counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Candidate {
    /// Files are rendered.
    pub rendered: bool,
    /// Health is Critical.
    pub critical: bool,
    /// The main process is down and waits for its next start.
    pub down: bool,
    /// How often the main process or `init` has ended unexpectedly.
    pub failures: u64,
    /// Why it will not stay, if so.
    pub leaving: Option<Leaving>,
    /// How well it is suited, if the package has a hook that says so.
    pub suitability: Suitability,
    /// The highest term that the program is known not to lead in any more.
    pub demoted: u64,
}

/// Why a member will not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaving {
    /// A stop signal, or the own Pod's deletion: the lead is handed over.
    Stopping,
    /// Another Pod has the own name: nothing is written any more.
    Gone,
}

/// What the `suitability` hook says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Suitability {
    /// The package has no such hook: chance decides.
    #[default]
    NoHook,
    /// Its last value; 0 when it failed or has not run yet, as in Habitat.
    Value(u64),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// The Lease was observed.
    Seen(Lease, Sighting),
    /// The watch of the Lease cannot be kept up, or works again.
    Blind(bool),
    /// The own service changed.
    Candidate(Candidate),
    /// The write of this number was answered, or was not in time.
    Written(u64, Outcome),
    /// Time has passed; see [`Election::next_deadline`].
    Tick,
}

/// How a write ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Written; the Lease has this version now.
    Ok(String),
    /// The Lease has another version, exists already, or does not exist.
    Conflict,
    /// No answer in time, or an error: it may have been written, or be written yet.
    Unknown,
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Output {
    /// Write the Lease; answered by [`Input::Written`] within the retry period. One at a time.
    Write(Write),
    /// Tell the operator.
    Tell(Notice),
}

/// A compare-and-swap of the Lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Write {
    /// Its number.
    pub id: u64,
    /// What for.
    pub purpose: Purpose,
    /// What to write. Its `version` is the one that must be there; empty: the Lease must not exist.
    pub record: Record,
}

/// What a write is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To lead in a new term.
    Acquire,
    /// To go on leading.
    Renew,
    /// To let others lead.
    Release,
    /// To say how well one is suited.
    Bid,
}

/// What the program may do. The newest one counts; each stays until it is obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// It follows.
    #[default]
    Follow,
    /// It leads.
    Lead {
        /// In this term.
        term: u64,
        /// The `resourceVersion` of the acquiring write.
        fence: String,
        /// Until this moment at the latest, on the clock of [`Moment::boot`]; moves with each renewal.
        until: Duration,
    },
    /// It must not lead any more, at once; to be confirmed with [`Candidate::demoted`].
    Demote {
        /// In this term.
        term: u64,
    },
    /// The main process group is killed at once; to be confirmed in the same way when it is gone.
    Kill {
        /// It still led in this term.
        term: u64,
    },
}

/// Who stands, and for which Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// The own member, without a nonce.
    pub me: Identity,
    /// The Lease's name.
    pub lease: String,
    /// How a lead is held.
    pub times: LeaseTimes,
    /// What losing it means.
    pub on_lost: OnLost,
    /// The own Pod's label says who leads: it goes before the Lease is released.
    pub labelled: bool,
}

/// What the supervisor is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outlook {
    /// What the program may do.
    pub order: Order,
    /// Who leads, as far as is known, and in which term; see [`Election::holder`].
    pub holder: Option<(String, u64)>,
    /// Where the election is.
    pub progress: Progress,
    /// See [`Election::is_involved`].
    pub involved: bool,
}

/// Where the group's election is, in Habitat's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Progress {
    /// Not known yet.
    #[default]
    None,
    /// There is no valid holder.
    InProgress,
    /// There is no valid holder, and the API server cannot be asked.
    NoQuorum,
    /// There is one.
    Finished,
}

/// Why a lead ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// No renewal succeeded in time.
    Deadline,
    /// The Lease names another, or says that it was released.
    TakenOver,
    /// Another Pod has the own name.
    Gone,
    /// A stop signal, or the own Pod's deletion.
    Leaving,
    /// The main process or `init` ended unexpectedly.
    Failed,
    /// Critical for too long.
    Critical,
    /// An operator asked for it.
    Transfer,
}

/// What an operator wants to know, once each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Notice {
    /// The own member leads.
    Leading {
        /// In this term.
        term: u64,
        /// With this fence.
        fence: String,
    },
    /// It does not any more, or is about not to.
    Demoting {
        /// In this term.
        term: u64,
        /// Why.
        why: Why,
    },
    /// The demotion took too long, or is not wanted.
    Killing {
        /// In this term.
        term: u64,
    },
    /// The Lease is free.
    Released {
        /// This term is over.
        term: u64,
    },
    /// A Lease that names a predecessor of ours is released.
    Predecessor {
        /// Its identity.
        holder: String,
        /// Its term.
        term: u64,
    },
    /// Another member leads.
    Follows {
        /// Who.
        holder: String,
        /// In which term.
        term: u64,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Deadline => "no renewal succeeded in time",
            Why::TakenOver => "the Lease is not ours any more",
            Why::Gone => "another Pod has our name",
            Why::Leaving => "leaving",
            Why::Failed => "the main process ended unexpectedly",
            Why::Critical => "health has been CRITICAL for too long",
            Why::Transfer => "a transfer was asked for",
        })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Leading { term, fence } => write!(f, "leading in term {term}, fence {fence}"),
            Notice::Demoting { term, why } => write!(f, "giving up the lead of term {term}: {why}"),
            Notice::Killing { term } => {
                write!(f, "killing the main process, which led in term {term}")
            }
            Notice::Released { term } => write!(f, "the lead of term {term} is released"),
            Notice::Predecessor { holder, term } => {
                write!(
                    f,
                    "releasing term {term} of {holder}, which was here before us"
                )
            }
            Notice::Follows { holder, term } => write!(f, "{holder} leads in term {term}"),
        }
    }
}
