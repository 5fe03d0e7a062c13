//! Owns what a change of the lead is: who leads now, or that the own member does not any more, and why. Never decides it.

use std::fmt;

use serde::Serialize;

use crate::lifecycle::election::{Identity, Why};
use crate::world::Leader;

/// What became of the lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeadChange {
    /// In the eyes of the own member.
    pub what: What,
    /// The term.
    pub term: u64,
    /// The Pod that led or leads in it.
    pub pod: String,
    /// Why the own lead ended.
    pub why: Option<String>,
}

/// What became of it, in the eyes of the own member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It leads.
    Gained,
    /// It gives up the lead that it could have kept.
    GivenUp,
    /// It had to: the Lease was not renewed in time, or is another's.
    Lost,
    /// Another member leads.
    Other,
}

impl What {
    /// Its word, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            What::Gained => "gained",
            What::GivenUp => "given_up",
            What::Lost => "lost",
            What::Other => "other",
        }
    }
}

/// What changed from one leader to the next; `why` is why a lead of the own member ended, if one did.
pub fn between(old: Option<&Leader>, new: Option<&Leader>, why: Why) -> Option<LeadChange> {
    let own = old.filter(|old| old.is_me);
    let of = |what, leader: &Leader| {
        let identity = Identity::parse(&leader.holder);
        LeadChange {
            what,
            term: leader.term,
            pod: identity.map_or_else(|| leader.holder.clone(), |identity| identity.pod),
            why: None,
        }
    };
    match (own, new) {
        (None, None) => None,
        (Some(own), new) if new.is_none_or(|new| !new.is_me) => {
            let what = match why {
                Why::Deadline | Why::TakenOver | Why::Gone => What::Lost,
                Why::Leaving | Why::Failed | Why::Critical | Why::Transfer => What::GivenUp,
            };
            Some(LeadChange {
                why: Some(why.to_string()),
                ..of(what, own)
            })
        }
        (_, Some(new)) => {
            let key = |leader: &Leader| (leader.holder.clone(), leader.term);
            let what = if new.is_me { What::Gained } else { What::Other };
            (old.map(key) != Some(key(new))).then(|| of(what, new))
        }
        (Some(_), None) => None,
    }
}

impl fmt::Display for LeadChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeadChange { term, pod, .. } = self;
        let why = self.why.as_deref().unwrap_or_default();
        match self.what {
            What::Gained => write!(f, "leading in term {term}"),
            What::GivenUp => write!(f, "giving up the lead of term {term}: {why}"),
            What::Lost => write!(f, "lost the lead of term {term}: {why}"),
            What::Other => write!(f, "{pod} leads in term {term}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(pod: &str, term: u64) -> Leader {
        Leader {
            holder: format!("{pod}/db/uid/nonce"),
            term,
            is_me: pod == "me",
            ..Leader::default()
        }
    }

    fn told(old: Option<Leader>, new: Option<Leader>, why: Why) -> Option<String> {
        let change = between(old.as_ref(), new.as_ref(), why)?;
        Some(format!("{}: {change}", change.what.as_str()))
    }

    #[test]
    fn a_lead_that_came_went_or_is_anothers_is_told_and_nothing_else() {
        let (me, db) = (
            |term| Some(leader("me", term)),
            |term| Some(leader("db-1", term)),
        );
        let why = Why::Leaving;
        let is = |told: Option<String>, text: &str| assert_eq!(told.as_deref(), Some(text));
        is(told(None, me(3), why), "gained: leading in term 3");
        is(told(db(2), me(3), why), "gained: leading in term 3");
        is(told(me(3), me(5), why), "gained: leading in term 5");
        is(told(None, db(4), why), "other: db-1 leads in term 4");
        is(told(db(4), db(5), why), "other: db-1 leads in term 5");
        is(
            told(me(3), None, why),
            "given_up: giving up the lead of term 3: leaving",
        );
        is(
            told(me(3), db(4), Why::TakenOver),
            "lost: lost the lead of term 3: the Lease is not ours any more",
        );
        for (old, new) in [(None, None), (me(3), me(3)), (db(3), db(3)), (db(3), None)] {
            assert_eq!(told(old, new, why), None);
        }
    }
}
