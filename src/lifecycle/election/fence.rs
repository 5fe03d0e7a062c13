//! Owns what a follower knows of the leader's fence, the `resourceVersion` of the acquiring write: seen when that write was,
//! else read from the leader's note in the Lease. Never decides who leads.

use super::{Record, Sighting};

/// The fence of the newest lead that was seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    lead: Option<(String, u64)>,
    fence: Option<(u64, String)>,
}

impl Seen {
    /// Takes in a sight of the Lease; `noted` is the leader's note, a term and its fence.
    pub fn see(&mut self, record: &Record, noted: Option<(u64, String)>, sighting: Sighting) {
        let lead = (record.holder.clone(), record.term);
        // A watch leaves nothing out: the first sight of a lead is the write that began it, unless it was the first of all.
        let begins =
            sighting == Sighting::Changed && self.lead.as_ref().is_some_and(|known| *known != lead);
        if let Some(noted) = noted.filter(|(term, _)| *term == record.term) {
            self.fence = Some(noted);
        } else if begins && !record.holder.is_empty() {
            self.fence = Some((record.term, record.version.clone()));
        }
        self.lead = Some(lead);
    }

    /// The fence of this term, if it is known.
    pub fn of(&self, term: u64) -> Option<&str> {
        let fence = self.fence.as_ref().filter(|(known, _)| *known == term);
        fence.map(|(_, fence)| fence.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(holder: &str, term: u64, version: &str) -> Record {
        Record {
            holder: holder.into(),
            term,
            version: version.into(),
            ..Record::default()
        }
    }

    #[test]
    fn the_write_that_began_a_lead_is_its_fence_and_later_ones_are_not() {
        let mut seen = Seen::default();
        seen.see(&held("", 3, "10"), None, Sighting::Listed);
        assert_eq!(seen.of(3), None);
        seen.see(&held("a", 4, "11"), None, Sighting::Changed);
        seen.see(&held("a", 4, "12"), None, Sighting::Changed);
        assert_eq!(seen.of(4), Some("11"));
        seen.see(&held("b", 5, "15"), None, Sighting::Changed);
        assert_eq!((seen.of(4), seen.of(5)), (None, Some("15")));
    }

    #[test]
    fn after_a_gap_the_leaders_note_of_that_term_tells() {
        let mut seen = Seen::default();
        let note = |term: u64| Some((term, "11".to_owned()));
        seen.see(&held("a", 4, "20"), note(3), Sighting::Listed);
        assert_eq!(seen.of(4), None, "a note of another term");
        seen.see(&held("a", 4, "21"), note(4), Sighting::Changed);
        assert_eq!(seen.of(4), Some("11"));
        seen.see(&held("b", 6, "30"), note(4), Sighting::Listed);
        assert_eq!(
            seen.of(6),
            None,
            "what was missed may have been the beginning"
        );
    }
}
