//! Owns the search for what is left of a program when the process that kubesup started has ended: members of its group, and
//! descendants that left the group. Finds them by parentage, and never signals anything that is not a descendant of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// One look for what is left, and whom it has told already.
#[derive(Debug, Default)]
pub struct Sweep {
    /// This group has the stop signal: its members are waited for.
    pub told: Option<i32>,
    /// All others get this signal, once, and are waited for; without it they are left alone.
    pub others: Option<i32>,
    signalled: BTreeSet<(i32, u64)>,
}

/// A process, as `/proc/<pid>/stat` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    /// In clock ticks since boot: with the pid it names one process for good.
    started: u64,
    alive: bool,
}

impl Sweep {
    /// A sweep that has not looked yet.
    pub fn new(told: Option<i32>, others: Option<i32>) -> Sweep {
        Sweep {
            told,
            others,
            signalled: BTreeSet::new(),
        }
    }

    /// Looks, tells whom it has not told yet, and says how many are left. `ours` are children that somebody waits for; they
    /// and what is below them are no leftovers.
    pub(super) fn look(&mut self, ours: &BTreeSet<i32>) -> usize {
        let left = self.left(ours);
        for process in &left {
            let is_told = Some(process.group) == self.told;
            if let (false, Some(signal)) = (is_told, self.others)
                && self.signalled.insert((process.pid, process.started))
            {
                send(process, signal);
            }
        }
        left.len()
    }

    /// KILLs all that is left; how many that were.
    pub(super) fn kill(&self, ours: &BTreeSet<i32>) -> usize {
        let left = self.left(ours);
        for process in &left {
            send(process, super::reaper::KILL);
        }
        left.len()
    }

    fn left(&self, ours: &BTreeSet<i32>) -> Vec<Process> {
        let own = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
        descendants(&all(), own, ours)
            .into_iter()
            .filter(|process| self.others.is_some() || Some(process.group) == self.told)
            .collect()
    }
}

/// Signals exactly this process: a descriptor pins it before it is looked at once more.
fn send(process: &Process, signal: i32) {
    let (Some(pid), Some(signal)) = (Pid::from_raw(process.pid), super::reaper::named(signal))
    else {
        return;
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pinned) if read(process.pid).is_some_and(|now| now.started == process.started) => {
            // It may have ended meanwhile.
            let _ = pidfd_send_signal(&pinned, signal);
        }
        Ok(_) | Err(rustix::io::Errno::SRCH) => {}
        // A kernel without such descriptors, or a sandbox that refuses them.
        Err(_) => send_by_pid(pid, process, signal),
    }
}

fn send_by_pid(pid: Pid, process: &Process, signal: Signal) {
    if read(process.pid).is_some_and(|now| now.started == process.started) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Living descendants of `own`, without `ours` and what is below them.
fn descendants(all: &[Process], own: i32, ours: &BTreeSet<i32>) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut parents = vec![own];
    while let Some(parent) = parents.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            if !ours.contains(&child.pid) {
                parents.push(child.pid);
                found.extend(child.alive.then_some(*child));
            }
        }
    }
    found
}

fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

fn read(pid: i32) -> Option<Process> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// `pid (name) state ppid pgrp …`: the name may hold anything, so that only its last bracket counts.
fn parse(stat: &[u8]) -> Option<Process> {
    let text = String::from_utf8_lossy(stat);
    let pid = text.split(' ').next()?.parse().ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    Some(Process {
        pid,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
        // Field 22; state is field 3.
        started: fields.nth(16)?.parse().ok()?,
        alive: !matches!(state, "Z" | "X" | "x"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name() {
        let line = b"12 (a) R 1) \xff) S 7 12 12 0 -1 1 2 3 4 5 6 7 8 9 10 11 12 13 4242 99\n";
        assert_eq!(
            parse(line),
            Some(Process {
                pid: 12,
                parent: 7,
                group: 12,
                started: 4242,
                alive: true
            })
        );
        assert_eq!(parse(b"12 (a) Z 7 12"), None);
        assert_eq!(parse(b""), None);
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(read(own).is_some_and(|process| process.pid == own && process.alive));
    }

    #[test]
    fn descendants_of_any_depth_are_found_but_not_what_somebody_waits_for() {
        let process = |pid, parent, alive| Process {
            pid,
            parent,
            group: pid,
            started: 1,
            alive,
        };
        let all = [
            process(1, 0, true),
            process(10, 1, true),
            process(11, 10, true),
            process(12, 11, true),
            process(20, 1, true),
            process(21, 20, true),
            process(30, 1, false),
            process(99, 50, true),
        ];
        let found: Vec<i32> = descendants(&all, 1, &BTreeSet::from([20]))
            .iter()
            .map(|process| process.pid)
            .collect();
        assert_eq!(found, [10, 11, 12]);
    }
}
