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
            rejections: vec![problem.to_owned()],
            ..Attempt::default()
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

#[test]
fn a_start_that_fails_early_is_told_once() {
    let mut history = History::default();
    let attempt = Attempt {
        cause: "the first complete view".to_owned(),
        files: vec!["hooks/run".to_owned()],
        ..Attempt::default()
    };
    history.tried(attempt, Now::default());
    history.stepped(&Event::Tick, &[Command::Start(Job::Main)], Now::default());
    let failed = Command::Tell(Notice::FailedToStart {
        code: 7,
        ran: Duration::from_millis(20),
        output: vec![],
    });
    let mut teller = Teller::default();
    let mut notes = teller.notes(&history);
    history.stepped(&Event::Tick, &[failed], Now::default());
    notes.extend(teller.notes(&history));
    let reasons: Vec<_> = notes.iter().map(|note| note.reason).collect();
    assert_eq!(reasons, ["Failed"], "{notes:?}");
}

#[test]
fn a_lead_that_came_or_went_is_told_once_and_not_by_who_follows() {
    let mut history = History::default();
    let lead = |what, why: Option<&str>| LeadChange {
        what,
        term: 3,
        pod: "db-0".into(),
        why: why.map(str::to_owned),
    };
    let changes = [
        lead(What::Gained, None),
        lead(What::Lost, Some("no renewal succeeded in time")),
        lead(What::GivenUp, Some("leaving")),
        lead(What::Other, None),
    ];
    let mut teller = Teller::default();
    let mut notes = Vec::new();
    for lead in changes {
        let attempt = Attempt {
            lead: Some(lead),
            ..Attempt::default()
        };
        history.tried(attempt, Now::default());
        notes.extend(teller.notes(&history));
        // Its reaction is another outcome of the same change.
        let commands = [
            Command::Start(Job::Reconfigure),
            Command::Tell(Notice::Reconfigured),
        ];
        history.stepped(&Event::Tick, &commands, Now::default());
        teller.notes(&history);
    }
    let told: Vec<_> = notes
        .iter()
        .map(|note| format!("{} {}: {}", note.warning, note.reason, note.text))
        .collect();
    assert_eq!(
        told,
        [
            "false BecameLeader: leading in term 3",
            "true LostLease: lost the lead of term 3: no renewal succeeded in time",
            "false GaveUpLead: giving up the lead of term 3: leaving",
        ]
    );
}
