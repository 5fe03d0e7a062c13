//! What holds of every life, whatever happens in it.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Move {
    Drained(bool),
    Swept,
    Stop(i32),
    Render(u8),
    End(Job, i32),
    Wait(u64),
    ChangeFiles,
    Delete(u32),
}

fn a_move() -> impl Strategy<Value = Move> {
    let job = prop_oneof![
        Just(Job::Install),
        Just(Job::Init),
        Just(Job::Main),
        Just(Job::PostRun),
        Just(Job::HealthCheck),
        Just(Job::Reconfigure),
        Just(Job::FileUpdated),
        Just(Job::PostStop)
    ];
    prop_oneof![
        4 => any::<u8>().prop_map(Move::Render),
        6 => (job, 0..4i32).prop_map(|(job, code)| Move::End(job, code)),
        4 => (0..40_000u64).prop_map(Move::Wait),
        2 => Just(Move::ChangeFiles),
        1 => prop_oneof![Just(30), Just(5), Just(0)].prop_map(Move::Delete),
        1 => any::<bool>().prop_map(Move::Drained),
        2 => Just(Move::Swept),
        1 => prop_oneof![Just(15), Just(2)].prop_map(Move::Stop),
    ]
}

/// Every bit of `which` is a file that is there or has another text.
fn some_files(which: u8) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("hooks/run", if which & 1 == 0 { "1" } else { "2" }),
        ("config/a", if which & 2 == 0 { "1" } else { "2" }),
    ];
    for (bit, name) in [
        (128, "hooks/install"),
        (4, "hooks/init"),
        (8, "hooks/reconfigure"),
        (16, "hooks/post-stop"),
        (32, "hooks/health-check"),
        (64, "hooks/file-updated"),
    ] {
        if which & bit != 0 {
            all.push((name, "x"));
        }
    }
    all
}

/// Policies that differ in what may hold up or hasten an end.
fn a_policy() -> impl Strategy<Value = Policy> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(drains, exits, checks, backs_off)| Policy {
            drain: drains.then_some(Drain {
                linger: 3 * S,
                max: 10 * S,
            }),
            on_exit: if exits { OnExit::Exit } else { OnExit::Restart },
            check: if checks {
                CheckKind::Setting
            } else {
                CheckKind::Hook
            },
            health_threshold: 2,
            on_health_failure: OnHealthFailure::Restart,
            min_backoff: if backs_off { S } else { Duration::ZERO },
            max_backoff: if backs_off { 30 * S } else { Duration::ZERO },
            ..policy()
        },
    )
}

/// What an outsider sees of a life, and what must be true of it.
#[derive(Default)]
struct Witness {
    up: Vec<Job>,
    told: Option<Duration>,
    /// What shortens the grace: deletions and stop signals so far.
    hurry: u32,
    over: bool,
}

const JOBS: [Job; 8] = [
    Job::Install,
    Job::Init,
    Job::Main,
    Job::PostRun,
    Job::HealthCheck,
    Job::Reconfigure,
    Job::FileUpdated,
    Job::PostStop,
];

impl Witness {
    fn note(&mut self, words: Vec<String>, now: Duration) -> Result<(), TestCaseError> {
        for word in words {
            prop_assert!(!self.over, "{word} after the end");
            let (verb, rest) = word.split_once(' ').unwrap_or((&word, ""));
            let job = JOBS
                .into_iter()
                .find(|job| rest.split(' ').next() == Some(job.hook()));
            match (verb, job) {
                ("start", Some(job)) => {
                    prop_assert!(!self.up.contains(&job), "two of {job:?}");
                    prop_assert!(
                        job != Job::Init || !self.up.contains(&Job::Main),
                        "init beside the main process"
                    );
                    self.up.push(job);
                    if matches!(job, Job::Main | Job::Init) {
                        self.told = None;
                    }
                }
                ("signal", Some(Job::Main | Job::Init)) => {
                    prop_assert!(self.told.is_none(), "told twice");
                    self.told = Some(now);
                }
                ("kill", Some(Job::Main | Job::Init)) => {
                    let Some(told) = self.told else {
                        return Err(TestCaseError::fail("killed without having been told"));
                    };
                    // 30 s without the margin, the share of post-stop and the longest drain.
                    let least = if self.hurry > 1 {
                        Duration::ZERO
                    } else {
                        14 * S
                    };
                    prop_assert!(now > told + least, "killed before its grace");
                }
                ("finish", None) => {
                    prop_assert!(
                        !self.up.contains(&Job::Main) && !self.up.contains(&Job::Init),
                        "the end beside something that runs"
                    );
                    self.over = true;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Histories that are tried, more of them with `KUBESUP_SOAK`.
fn histories() -> u32 {
    if std::env::var_os("KUBESUP_SOAK").is_some() {
        50_000
    } else {
        1_000
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(histories()))]
    #[test]
    fn there_is_one_main_process_and_every_stop_comes_to_an_end(
        policy in a_policy(),
        leaves_something in any::<bool>(),
        moves in proptest::collection::vec(a_move(), 0..60),
    ) {
        let mut life = Life { leaves_something, ..Life::new(policy) };
        let mut witness = Witness::default();
        for a_move in moves {
            let words = match a_move {
                Move::Render(which) => life.rendered(&some_files(which)),
                Move::End(job, code) => {
                    if !witness.up.contains(&job) { continue; }
                    witness.up.retain(|other| *other != job);
                    life.ended(job, code)
                }
                Move::Wait(millis) => {
                    let until = life.now + Duration::from_millis(millis);
                    // As the supervisor does, which sleeps to each deadline. What is due at once never stays so.
                    for _ in 0..1000 {
                        let Some(due) = life.machine.next_deadline().filter(|at| *at <= until) else { break };
                        life.now = due.max(life.now);
                        let words = life.feed(Event::Tick);
                        witness.note(words, life.now)?;
                    }
                    life.now = until;
                    life.feed(Event::Tick)
                }
                Move::ChangeFiles => life.feed(Event::FilesUpdated),
                Move::Delete(grace) => {
                    witness.hurry += 2;
                    life.feed(Event::Deleted { grace: grace * S })
                }
                Move::Drained(gone) => life.feed(Event::Drained(if gone { Drained::Gone } else { Drained::InNoService })),
                Move::Swept => life.feed(Event::Swept),
                Move::Stop(signal) => {
                    witness.hurry += 1;
                    life.feed(Event::Stop { signal })
                }
            };
            witness.note(words, life.now)?;
        }
        witness.hurry += 1;
        let stop = life.stop();
        witness.note(stop, life.now)?;
        // What was killed ends, and nothing else ends by itself.
        for _ in 0..60 {
            let doomed = witness.up.iter().copied().find(|job| life.machine.jobs.get(job).is_some_and(|job| job.killed));
            let words = if let Some(job) = doomed {
                witness.up.retain(|other| *other != job);
                life.ended(job, 137)
            } else if let Some(deadline) = life.machine.next_deadline() {
                life.now = deadline.max(life.now);
                life.feed(Event::Tick)
            } else {
                break;
            };
            witness.note(words, life.now)?;
        }
        prop_assert_eq!(life.machine.status().phase, Phase::Finished);
    }
}
