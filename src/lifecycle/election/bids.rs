//! Owns the bids that candidates write into the Lease at a vacancy: their spelling, and who comes when. Never decides
//! whether there is a vacancy.
//!
//! A bid is written only when it is higher than all that are there, so that there are few writes, and the list rises.

use std::fmt;
use std::str::FromStr;

/// Bids for one term: `7 12@db-0/db/u-1/x 40@db-2/db/u-3/z`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Bids {
    /// The term that they are for.
    pub term: u64,
    /// Suitability and identity.
    pub bids: Vec<(u64, String)>,
}

impl Bids {
    /// How many others come before one with this suitability, in this term.
    pub fn rank(&self, term: u64, suitability: u64, identity: &str) -> u32 {
        let before = |(value, who): &&(u64, String)| *value >= suitability && who != identity;
        let count = self.of(term).iter().filter(before).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// These bids with one more; `None` when there is a higher or equal one already.
    pub fn raised(&self, term: u64, suitability: u64, identity: &str) -> Option<Bids> {
        let bids = self.of(term);
        if bids.iter().any(|(value, _)| *value >= suitability) {
            return None;
        }
        let mut bids = bids.to_vec();
        bids.retain(|(_, who)| who != identity);
        bids.push((suitability, identity.to_owned()));
        Some(Bids { term, bids })
    }

    /// What this one has bid for the term; nothing is 0.
    pub fn bid_of(&self, term: u64, identity: &str) -> u64 {
        let bids = self.of(term).iter();
        bids.filter(|(_, who)| who == identity)
            .map(|(value, _)| *value)
            .max()
            .unwrap_or_default()
    }

    fn of(&self, term: u64) -> &[(u64, String)] {
        if self.term == term { &self.bids } else { &[] }
    }
}

impl fmt::Display for Bids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.term)?;
        for (value, who) in &self.bids {
            write!(f, " {value}@{who}")?;
        }
        Ok(())
    }
}

/// What cannot be read is no bid: somebody else's text must not keep a group without a leader.
impl FromStr for Bids {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Bids, Self::Err> {
        let mut words = text.split_whitespace();
        let term = words.next().and_then(|word| word.parse().ok());
        let bid = |word: &str| {
            let (value, who) = word.split_once('@')?;
            Some((value.parse().ok()?, who.to_owned()))
        };
        Ok(match term {
            Some(term) => Bids {
                term,
                bids: words.filter_map(bid).collect(),
            },
            None => Bids::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bids(text: &str) -> Bids {
        text.parse().expect("always")
    }

    #[test]
    fn bids_read_what_they_write_and_garbage_is_none() {
        for text in ["7", "7 12@a 40@b"] {
            assert_eq!(bids(text).to_string(), text);
        }
        assert_eq!(bids("nonsense 1@a"), Bids::default());
        assert_eq!(bids("7 x 12@a @ 99999999999999999999@c"), bids("7 12@a"));
    }

    #[test]
    fn a_bid_is_made_only_when_it_is_higher_than_those_that_are_there() {
        assert_eq!(bids("").raised(7, 0, "a"), Some(bids("7 0@a")));
        assert_eq!(bids("7 12@a").raised(7, 12, "b"), None);
        assert_eq!(bids("7 12@a").raised(7, 13, "b"), Some(bids("7 12@a 13@b")));
        assert_eq!(bids("7 12@a").raised(7, 13, "a"), Some(bids("7 13@a")));
        assert_eq!(bids("6 99@a").raised(7, 1, "b"), Some(bids("7 1@b")));
    }

    #[test]
    fn the_highest_bid_comes_first_and_who_bids_nothing_comes_after_all_that_are_not_lower() {
        let bids = bids("7 12@a 40@b");
        let rank = |suitability, who| bids.rank(7, suitability, who);
        assert_eq!(
            [rank(40, "b"), rank(12, "a"), rank(12, "c"), rank(0, "d")],
            [0, 1, 2, 2]
        );
        assert_eq!(bids.rank(8, 0, "d"), 0);
        let bid_of = |term, who| bids.bid_of(term, who);
        assert_eq!([bid_of(7, "b"), bid_of(8, "b"), bid_of(7, "c")], [40, 0, 0]);
    }
}
