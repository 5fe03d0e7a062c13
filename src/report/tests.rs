use super::*;
use crate::history::Attempt;
use crate::lifecycle::{Command, Event, Job, Notice, Now, status::Status};

fn snapshot(pid: Option<i32>, health: Health) -> Snapshot {
    Snapshot {
        status: Status {
            pid,
            health,
            ..Status::default()
        },
        ..Snapshot::default()
    }
}

#[test]
fn the_condition_is_true_only_while_the_program_runs_and_is_well() {
    let of = |pid, health| condition(&snapshot(pid, health));
    assert_eq!(of(None, Health::Ok), STARTING);
    assert!(of(Some(1), Health::Ok).healthy && of(Some(1), Health::Warning).healthy);
    assert_eq!(of(Some(1), Health::Critical).reason, "HealthCritical");
    assert!(!of(Some(1), Health::Unknown).healthy);
    let mut stopping = snapshot(Some(1), Health::Ok);
    stopping.status.stopping = true;
    assert_eq!(condition(&stopping).reason, "Stopping");
}

fn rejected(history: &mut History, problem: &str) {
    history.tried(
        Attempt {
            cause: "an edit",
            differences: vec![],
            files: vec![],
            rejections: vec![problem.to_owned()],
        },
        Now::default(),
    );
}

#[test]
fn each_outcome_is_told_once_with_its_reason() {
    let (mut history, mut teller) = (History::default(), Teller::default());
    rejected(&mut history, "ConfigMap shop/a, key b: no TOML");
    let notes = teller.notes(&history);
    assert_eq!(
        notes,
        [Note {
            warning: true,
            reason: "ConfigurationRejected",
            text: "ConfigMap shop/a, key b: no TOML".into()
        }]
    );
    assert_eq!(teller.notes(&history), []);
    rejected(&mut history, "another");
    assert_eq!(teller.notes(&history).len(), 1);
}

#[test]
fn a_long_note_is_cut_at_a_character() {
    let mut history = History::default();
    rejected(&mut history, &"ä".repeat(2000));
    let notes = Teller::default().notes(&history);
    assert!(notes[0].text.len() <= 1024 && notes[0].text.ends_with('…'));
}

#[test]
fn a_burst_is_let_through_and_then_one_every_five_minutes() {
    let mut allowance = Allowance::default();
    let at = Duration::from_secs;
    assert_eq!((0..100).filter(|_| allowance.take(at(1))).count(), 25);
    assert!(allowance.take(at(301)) && !allowance.take(at(302)));
    assert_eq!((0..100).filter(|_| allowance.take(at(100_000))).count(), 25);
}

#[test]
fn a_program_that_ended_by_itself_is_told_once_whatever_comes_of_it() {
    let mut history = History::default();
    let failed = Command::Tell(Notice::Failed {
        job: Job::Main,
        code: 137,
        output: vec![],
    });
    history.stepped(&Event::Tick, &[failed], Now::default());
    let mut teller = Teller::default();
    let notes = teller.notes(&history);
    assert_eq!(
        (notes.len(), notes[0].warning, notes[0].reason),
        (1, true, "Failed")
    );
    assert!(notes[0].text.contains("137"), "{notes:?}");
    history.stepped(&Event::Tick, &[Command::Start(Job::Main)], Now::default());
    history.stepped(
        &Event::Tick,
        &[Command::Tell(Notice::Started { pid: 9 })],
        Now::default(),
    );
    let reasons = |notes: Vec<Note>| notes.iter().map(|note| note.reason).collect::<Vec<_>>();
    assert_eq!(reasons(teller.notes(&history)), ["Restarted"]);
    assert_eq!(
        reasons(Teller::default().notes(&history)),
        ["Failed", "Restarted"]
    );
}
