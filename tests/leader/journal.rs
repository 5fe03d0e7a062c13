//! The journal that the programs of a group and their hooks keep, in one file.
//!
//! All times of a promise are those that they have written themselves: a test that looks late sees the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::group::{Group, Member};
use crate::support::package::Folder;
use crate::support::wait_for;

/// A lease of the defaults, on a loaded machine.
pub const LONG: Duration = Duration::from_secs(60);

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Since 1970.
    pub at: Duration,
    pub pod: String,
    /// Who has told it. A process that was started later has a higher one.
    pub pid: i32,
    /// `starts leads 1`, `reconfigures follows`, …
    pub what: String,
}

impl Entry {
    /// The term that the program has been told to lead in.
    pub fn leads(&self) -> Option<u64> {
        let (_, term) = self.what.split_once(" leads ")?;
        term.parse().ok()
    }
}

/// Where it is.
pub struct Journal(Folder);

impl Journal {
    pub fn new() -> Journal {
        Journal(Folder::new())
    }

    pub fn file(&self) -> PathBuf {
        self.0.path().join("journal")
    }

    fn read(&self) -> Vec<Entry> {
        let text = std::fs::read_to_string(self.file()).unwrap_or_default();
        let entry = |line: &str| {
            let mut words = line.splitn(4, ' ');
            let at = words.next()?.parse().ok()?;
            Some(Entry {
                at: Duration::from_nanos(at),
                pod: words.next()?.to_owned(),
                pid: words.next()?.parse().ok()?,
                what: words.next()?.to_owned(),
            })
        };
        text.lines()
            .map(|line| entry(line).unwrap_or_else(|| panic!("{line}")))
            .collect()
    }
}

/// The time as `date` tells it.
#[expect(
    clippy::disallowed_methods,
    reason = "the programs' clock is the wall clock"
)]
pub fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
}

impl Group {
    /// What the programs have told so far, in the order of their telling.
    pub fn journal(&self) -> Vec<Entry> {
        self.journal.read()
    }

    /// What one member's program and hooks have told.
    pub fn told(&self, member: &Member) -> Vec<Entry> {
        let mut journal = self.journal();
        journal.retain(|entry| entry.pod == member.pod);
        journal
    }

    /// Waits until the newest entry of this member is this one.
    pub fn wait(&self, member: &Member, what: &str) -> Entry {
        self.wait_entry(member, &format!("{} {what}", member.pod), |entry| {
            entry.what == what
        })
    }

    /// The same for a condition.
    pub fn wait_entry(&self, member: &Member, what: &str, is_it: impl Fn(&Entry) -> bool) -> Entry {
        wait_for(what, LONG, || {
            let told = self.told(member);
            let last = told.last().filter(|entry| is_it(entry)).cloned();
            last.ok_or_else(|| format!("{:#?}\n{}", self.journal(), member.kubesup.log()))
        })
    }

    /// Waits until this member has told something of this kind, whatever it has told since. The first of them.
    pub fn wait_any(&self, member: &Member, what: &str, is_it: impl Fn(&Entry) -> bool) -> Entry {
        wait_for(&format!("{} {what}", member.pod), LONG, || {
            let told = self.told(member);
            let found = told.iter().find(|entry| is_it(entry)).cloned();
            found.ok_or_else(|| format!("{told:#?}\n{}", member.kubesup.log()))
        })
    }

    /// Waits until somebody leads in this term, or in a later one.
    pub fn wait_term(&self, term: u64) -> Entry {
        wait_for(&format!("somebody leads in term {term}"), LONG, || {
            let journal = self.journal();
            let found = journal
                .iter()
                .find(|entry| entry.leads().is_some_and(|led| led >= term));
            found.cloned().ok_or(journal)
        })
    }

    /// Each term has one leader, and who leads later leads in a later term. The newest term.
    pub fn assert_terms(&self) -> u64 {
        let journal = self.journal();
        let mut leaders: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        let mut newest = 0;
        for entry in &journal {
            let Some(term) = entry.leads() else { continue };
            leaders.entry(term).or_default().insert(&entry.pod);
            assert!(term >= newest, "a term of before: {journal:#?}");
            newest = term;
        }
        for (term, who) in &leaders {
            assert_eq!(who.len(), 1, "term {term}: {journal:#?}");
        }
        assert_eq!(self.holder().1, newest, "the Lease's: {journal:#?}");
        newest
    }
}
