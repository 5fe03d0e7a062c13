//! Owns what an operator's transfer of the lead means: what to ask the Lease's holder for, and what came of it. Never reads
//! or writes the Lease.

use super::{Identity, Record, Transfer};

/// Why there is nothing to ask for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The Lease has no holder.
    #[error(
        "nobody leads; whoever is fit takes over by itself, see /readyz?verbose of the members"
    )]
    Nobody,
    /// Its holder is not kubesup.
    #[error(
        "it is held by {0:?}, which is no kubesup; the members wait until it is not renewed any more"
    )]
    Foreign(String),
}

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// This, of the holder that leads now.
    Ask(Transfer, Identity),
    /// Nothing: who is to lead leads.
    Leads(Identity, u64),
}

/// What to ask the holder of the Lease for, so that `to` leads, or anybody else.
pub fn request(record: &Record, to: Option<&str>) -> Result<Request, Obstacle> {
    if record.holder.is_empty() {
        return Err(Obstacle::Nobody);
    }
    let holder =
        Identity::parse(&record.holder).ok_or_else(|| Obstacle::Foreign(record.holder.clone()))?;
    if to == Some(&holder.pod) {
        return Ok(Request::Leads(holder, record.term));
    }
    let transfer = Transfer {
        term: record.term,
        to: to.unwrap_or_default().to_owned(),
    };
    Ok(Request::Ask(transfer, holder))
}

/// Who leads after a transfer was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The Pod.
    pub pod: String,
    /// The term.
    pub term: u64,
    /// Whether that is what was asked for.
    pub as_asked: bool,
}

/// What came of a transfer; `None` while there is no new lead.
pub fn outcome(asked: &Transfer, from: &Identity, record: &Record) -> Option<Outcome> {
    if record.holder.is_empty() || record.term <= asked.term {
        return None;
    }
    let pod = Identity::parse(&record.holder).map_or_else(|| record.holder.clone(), |to| to.pod);
    let as_asked = match asked.to.as_str() {
        "" => pod != from.pod,
        to => pod == to,
    };
    Some(Outcome {
        pod,
        term: record.term,
        as_asked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(pod: &str, term: u64) -> Record {
        Record {
            holder: format!("{pod}/db/uid-{pod}/nonce"),
            term,
            ..Record::default()
        }
    }

    fn asked(to: Option<&str>) -> (Transfer, Identity) {
        match request(&held("db-0", 3), to) {
            Ok(Request::Ask(transfer, from)) => (transfer, from),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_holder_of_the_term_is_asked_unless_it_is_who_is_to_lead() {
        let (transfer, from) = asked(Some("db-1"));
        assert_eq!((transfer.term, transfer.to.as_str()), (3, "db-1"));
        assert_eq!(from.pod, "db-0");
        assert_eq!(asked(None).0.to, "");
        assert!(matches!(
            request(&held("db-1", 3), Some("db-1")),
            Ok(Request::Leads(_, 3))
        ));
        assert_eq!(request(&Record::default(), None), Err(Obstacle::Nobody));
        let foreign = Record {
            holder: "somebody".into(),
            ..held("db-0", 3)
        };
        let problem = request(&foreign, None).map(drop);
        assert_eq!(problem, Err(Obstacle::Foreign("somebody".into())));
    }

    #[test]
    fn a_new_term_ends_it_and_says_whether_the_right_one_leads() {
        let told = |to: Option<&str>, record: &Record| {
            let (transfer, from) = asked(to);
            outcome(&transfer, &from, record).map(|outcome| outcome.as_asked)
        };
        let released = Record {
            holder: String::new(),
            ..held("db-0", 3)
        };
        for waiting in [held("db-0", 3), released] {
            assert_eq!(told(None, &waiting), None);
        }
        assert_eq!(told(None, &held("db-2", 4)), Some(true));
        assert_eq!(told(None, &held("db-0", 4)), Some(false), "nobody else did");
        assert_eq!(told(Some("db-1"), &held("db-1", 4)), Some(true));
        assert_eq!(told(Some("db-1"), &held("db-2", 4)), Some(false));
    }
}
