//! Faults in rounds: whoever leads is told to stop, is killed, or stands still, and somebody else leads within the times
//! that are promised.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::group::{CONTINUE, Group, Member, STOP, TERM, Times};
use super::journal::{Entry, now};
use crate::support::kubesup::signal_process;

/// After a TERM somebody else leads within this time.
const HANDOVER: Duration = Duration::from_millis(500);
/// After the lease it may take this much longer to replace who does not answer.
const MORE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
enum Fault {
    Term,
    Kill,
    Pause,
}

/// Each kind in turn, and in every turn in another order.
fn faults(rounds: usize) -> Vec<Fault> {
    use std::hash::{BuildHasher as _, RandomState};
    let mut kinds = [Fault::Term, Fault::Kill, Fault::Pause];
    let mut faults = Vec::new();
    while faults.len() < rounds {
        let keys = RandomState::new();
        kinds.sort_by_cached_key(|kind| keys.hash_one(format!("{kind:?}")));
        faults.extend(kinds);
    }
    faults.truncate(rounds);
    faults
}

struct Rounds {
    group: Group,
    members: Vec<Member>,
    times: Times,
    paused: Duration,
    term: u64,
    /// How long each TERM took.
    handovers: Vec<Duration>,
}

impl Rounds {
    fn begin(times: Times, paused: Duration) -> Rounds {
        let group = Group::new(times);
        let members = group.members(3);
        Rounds {
            group,
            members,
            times,
            paused,
            term: 1,
            handovers: Vec::new(),
        }
    }

    fn suffer(&mut self, fault: Fault) {
        let leader = self.group.wait_term(self.term).pod;
        let index = self.members.iter().position(|member| member.pod == leader);
        let member = self.members.remove(index.expect("a member"));
        let number = leader
            .rsplit('-')
            .next()
            .and_then(|number| number.parse().ok());
        let number = number.expect("a number");
        let back = match fault {
            Fault::Term => self.stop(member, number),
            Fault::Kill => self.kill(member, number),
            Fault::Pause => self.pause(member),
        };
        self.members.push(back);
        self.term = self.group.assert_terms();
    }

    /// Somebody else leads, at this time after the fault.
    fn replaced(&self, leader: &str, since: Duration) -> Duration {
        let next = self.group.wait_term(self.term + 1);
        assert_ne!(next.pod, leader);
        next.at.saturating_sub(since)
    }

    /// The Pod is replaced.
    fn stop(&mut self, mut member: Member, number: u8) -> Member {
        let at = now();
        member.kubesup.signal(TERM);
        let took = self.replaced(&member.pod, at);
        let told = || (self.group.journal(), member.kubesup.log());
        assert!(took < self.times.lease(), "{took:?}: {:#?}", told());
        self.handovers.push(took);
        assert_eq!(member.kubesup.wait_exit(), 0);
        self.group.namespace.delete::<Pod>(&member.pod);
        self.group.pod(number);
        self.follows(number)
    }

    /// The container restarts in its Pod.
    fn kill(&self, member: Member, number: u8) -> Member {
        let leader = member.pod.clone();
        let at = member.crash();
        let took = self.replaced(&leader, at);
        let longest = self.times.lease() + MORE;
        assert!(took < longest, "{took:?}: {:#?}", self.group.journal());
        self.follows(number)
    }

    fn follows(&self, number: u8) -> Member {
        let member = self.group.start(number);
        self.group.wait(&member, "starts follows");
        member
    }

    /// The machine stands still, the program too.
    fn pause(&self, member: Member) -> Member {
        let program = member.program();
        let before = self.group.told(&member).len();
        let at = now();
        member.kubesup.signal(STOP);
        signal_process(program, STOP);
        let took = self.replaced(&member.pod, at);
        let longest = self.times.lease() + MORE;
        assert!(took < longest, "{took:?}: {:#?}", self.group.journal());
        // The length of the fault.
        std::thread::sleep((at + self.paused).saturating_sub(now()));
        signal_process(program, CONTINUE);
        member.kubesup.signal(CONTINUE);
        // By its hook, or, as its time was over long ago, by a new start.
        let demoted = |entry: &Entry| entry.what.ends_with(" follows");
        self.group
            .wait_entry(&member, "it is demoted", |last| demoted(last));
        let told: Vec<Entry> = self.group.told(&member);
        assert!(told[before..].iter().all(demoted), "{told:#?}");
        member
    }
}

fn is_soak() -> bool {
    std::env::var_os("KUBESUP_SOAK").is_some()
}

#[test]
fn whoever_stops_is_killed_or_stands_still_is_replaced_in_time_and_each_term_has_one_leader() {
    let (times, paused, rounds) = if is_soak() {
        (Times::Defaults, Duration::from_secs(20), 10)
    } else {
        (Times::Short, Duration::from_secs(4), 3)
    };
    let mut group = Rounds::begin(times, paused);
    for fault in faults(rounds) {
        group.suffer(fault);
    }
    let journal = group.group.journal();
    assert_eq!(group.term, rounds as u64 + 1, "{journal:#?}");
}

#[test]
fn a_leader_that_is_told_to_stop_is_replaced_within_half_a_second() {
    let mut group = Rounds::begin(Times::Short, Duration::ZERO);
    for _ in 0..5 {
        group.suffer(Fault::Term);
    }
    // All the other tests run at this time, so that some handover may wait for the processor; what is slow by itself is slow
    // most times. The soak judges each.
    let handovers = &mut group.handovers;
    handovers.sort();
    let judged = if is_soak() {
        handovers.last()
    } else {
        handovers.get(handovers.len() / 2)
    };
    assert!(judged < Some(&HANDOVER), "{handovers:?}");
}
