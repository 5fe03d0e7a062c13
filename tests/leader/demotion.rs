//! How a program loses the lead: before anybody else has it, whatever its hooks do.

use std::time::Duration;

use serde_json::json;

use super::group::{CONTINUE, Group, Member, STOP, TERM, Times};
use super::journal::{Entry, now};
use crate::support::api_server::User;
use crate::support::kubesup::signal_process;
use crate::support::namespace::least;
use crate::support::wait_until;

const HUP: i32 = 1;
const CONFIG: &str = "demo-config";
const PROGRAM_THAT_TELLS_ITS_END: &str = "note starts $(cat {{pkg.svc_config_path}}/role)\n\
     trap 'note ends; kill $!; exit 0' TERM\nsleep 1000 &\nwait\n";

fn two(members: &[Member]) -> (&Member, &Member) {
    (&members[0], &members[1])
}

/// Where in the journal it is told first.
fn place(journal: &[Entry], pod: &str, what: &str) -> usize {
    let is_it = |entry: &Entry| entry.pod == pod && entry.what == what;
    let place = journal.iter().position(is_it);
    place.unwrap_or_else(|| panic!("{pod} {what}: {journal:#?}"))
}

/// kubesup alone stands still; what comes meanwhile waits: an edit, a HUP, a check of health that is due.
fn resumed_after(pause: Duration) {
    let more = json!({"kubesup.dev/health-check-interval": "1s", "kubesup.dev/config": CONFIG});
    let group = Group::with(Times::Short, &more);
    let namespace = &group.namespace;
    let config =
        json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]});
    let all = [super::group::rules(), json!([config])];
    let all = all.iter().filter_map(serde_json::Value::as_array);
    namespace.role(all.flatten().cloned().collect());
    namespace.config_map(CONFIG, json!({"greeting": "before"}));
    group.hook("health-check", "note checks\n");
    let role = "{{#if kube.leader.is_me}}leads{{else}}follows{{/if}} {{cfg.greeting}}";
    group.package.write("config/role", role);
    group.pod(0);
    let first = group.start(0);
    group.wait_entry(&first, "it leads and its health is checked", |last| {
        last.what == "checks"
    });
    let at = now();
    first.kubesup.signal(STOP);
    namespace.config_map(CONFIG, json!({"greeting": "after"}));
    first.kubesup.signal(HUP);
    // The length of the fault.
    std::thread::sleep((at + pause).saturating_sub(now()));
    let before = group.told(&first).len();
    first.kubesup.signal(CONTINUE);
    // It leads anew: nobody else is there.
    group.wait_any(&first, "it leads with what was edited", |entry| {
        entry.what.ends_with(" leads after")
    });
    let mut told = group.told(&first).split_off(before);
    // In the order in which kubesup has started them: two processes may tell it the other way round.
    told.sort_by_key(|entry| (entry.pid, entry.at));
    let next = told.first().expect("entries");
    assert!(next.what.contains(" follows "), "{told:#?}");
}

#[test]
fn who_stood_still_past_the_deadline_demotes_its_program_before_it_does_anything_else() {
    resumed_after(Duration::from_secs(2));
}

#[test]
fn who_stood_still_past_the_time_of_a_demotion_kills_its_program_before_it_does_anything_else() {
    resumed_after(Duration::from_secs(5));
}

#[test]
fn without_a_reconfigure_hook_the_program_has_ended_before_another_leads() {
    let group = Group::new(Times::Short);
    let hook = group.package.path().join("hooks/reconfigure");
    std::fs::remove_file(hook).expect("a hook");
    group.hook("run", PROGRAM_THAT_TELLS_ITS_END);
    let members = group.members(2);
    // In a group of ten a restart is spread over 10 s.
    let addresses: Vec<String> = (1..=10).map(|number| format!("10.1.0.{number}")).collect();
    let endpoint = |address: &String| (address.clone(), json!({"ready": true}));
    let endpoints: Vec<_> = addresses.iter().map(endpoint).collect();
    let endpoints = endpoints
        .iter()
        .map(|(address, conditions)| (&**address, conditions.clone()));
    group.namespace.endpoints(&endpoints.collect::<Vec<_>>());
    for member in &members {
        wait_until(
            "it knows ten members",
            || member.kubesup.get("/census").1,
            |census| census.contains("10.1.0.10"),
        );
    }
    let (first, second) = two(&members);
    let at = now();
    group.edit(&json!({"metadata": {"annotations": {"kubesup.dev/transfer": "1"}}}));
    let led = group.wait(second, "starts leads 2");
    group.wait(first, "starts follows");
    let journal = group.journal();
    let ended = place(&journal, &first.pod, "ends");
    assert!(
        ended < place(&journal, &second.pod, "starts leads 2"),
        "{journal:#?}"
    );
    let took = led.at.saturating_sub(at);
    assert!(
        took < Duration::from_secs(1),
        "a restart that begins a lead is not spread: {took:?} {}",
        second.kubesup.log()
    );
    group.assert_terms();
}

#[test]
fn a_program_whose_demotion_hangs_is_killed_before_another_leads() {
    let group = Group::new(Times::Short);
    group.namespace.role_of(User::Second, super::group::rules());
    group.hook(
        "run",
        "note starts $(cat {{pkg.svc_config_path}}/role)\nwhile :; do note works; sleep 0.05; done\n",
    );
    group.hook(
        "reconfigure",
        "role=$(cat {{pkg.svc_config_path}}/role)\nnote reconfigures $role\n[ \"$role\" != follows ] || exec sleep 1000\n",
    );
    group.pod(0);
    group.pod(1);
    let first = group.start(0);
    group.wait_any(&first, "it leads", |entry| entry.what == "starts leads 1");
    let second = group.start_as(User::Second, 1);
    group.wait_any(&second, "it follows", |entry| {
        entry.what == "starts follows"
    });
    let program = first.program();
    let at = now();
    // From now on it cannot renew.
    group.namespace.role(least(&[json!(
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list", "watch"]}
    )]));
    let led = group.wait_any(&second, "it leads", |entry| entry.leads() == Some(2));
    let took = led.at.saturating_sub(at);
    assert!(
        took < Times::Short.lease() + Duration::from_secs(2),
        "{took:?}"
    );
    group.wait_any(&first, "it follows", |entry| entry.what == "starts follows");
    let journal = group.journal();
    place(&journal, &first.pod, "reconfigures follows");
    let last = journal.iter().rfind(|entry| entry.pid == program);
    let last = last.expect("it has worked");
    assert!(last.at < led.at, "{last:?} {led:?}");
    let log = first.kubesup.log();
    assert!(
        log.contains("the program did not give up the lead in time; killing it"),
        "{log}"
    );
    assert!(
        log.contains("grant update on coordination.k8s.io/leases"),
        "{log}"
    );
    assert_eq!(group.holder().1, 2);
}

#[test]
fn a_stop_goes_on_when_the_demotion_hangs_and_nobody_else_leads_before_the_program_has_ended() {
    let group = Group::new(Times::Short);
    group.hook("run", PROGRAM_THAT_TELLS_ITS_END);
    group.hook(
        "reconfigure",
        "role=$(cat {{pkg.svc_config_path}}/role)\nnote reconfigures $role\n[ \"$role\" != follows ] || exec sleep 1000\n",
    );
    let mut members = group.members(2);
    let second = members.remove(1);
    let mut first = members.remove(0);
    let at = now();
    first.kubesup.signal(TERM);
    let led = group.wait(&second, "reconfigures leads 2");
    assert_eq!(first.kubesup.wait_exit(), 0, "{}", first.kubesup.log());
    let journal = group.journal();
    let asked = place(&journal, &first.pod, "reconfigures follows");
    let ended = place(&journal, &first.pod, "ends");
    let leads = place(&journal, &second.pod, "reconfigures leads 2");
    assert!(asked < ended && ended < leads, "{journal:#?}");
    // The time of a demotion, 1 s for a release that waits for it, and the stop.
    let took = led.at.saturating_sub(at);
    assert!(
        took < Duration::from_secs(4),
        "{took:?} {}",
        first.kubesup.log()
    );
}

#[test]
fn a_program_that_stands_still_with_its_machine_is_killed_when_that_goes_on() {
    let group = Group::new(Times::Short);
    let members = group.members(2);
    let (first, second) = two(&members);
    let program = first.program();
    first.kubesup.signal(STOP);
    signal_process(program, STOP);
    group.wait(second, "reconfigures leads 2");
    // The program does not go on, so that nothing but a kill ends its lead.
    first.kubesup.signal(CONTINUE);
    group.wait(first, "starts follows");
    assert_ne!(first.program(), program);
    group.assert_terms();
}
