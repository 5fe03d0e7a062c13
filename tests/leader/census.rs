//! All members see the same group and the same leader.

use serde_json::Value;

use super::group::{Group, Member, Times};
use crate::support::wait_until;

/// What a member shows, but for who itself is and the port of its HTTP, which here is another one for each.
fn census(member: &Member) -> Value {
    let text = member.kubesup.get("/census").1;
    let mut census: Value = serde_json::from_str(&text).unwrap_or_default();
    let who = census["local_member_id"].take();
    if let Some(group) = census.pointer_mut("/census_groups/demo.default") {
        assert_eq!(group["local_member_id"].take(), who);
        let population = group["population"].as_object_mut().expect("members");
        for member in population.values_mut() {
            member["sys"]["http_gateway_port"].take();
        }
    }
    census
}

fn all_agree(count: u8) {
    let group = Group::new(Times::Short);
    for number in 0..count {
        group.pod(number);
    }
    group.endpoints(count);
    // All at once: nobody is there first.
    let members: Vec<Member> = (0..count).map(|number| group.start(number)).collect();
    for member in &members {
        member.kubesup.wait_ready();
    }
    let seen = wait_until(
        "all show the same census with a leader",
        || members.iter().map(census).collect::<Vec<_>>(),
        |seen| {
            let group = &seen[0]["census_groups"]["demo.default"];
            group["leader_id"].is_string() && seen.iter().all(|other| other == &seen[0])
        },
    );
    let shown = &seen[0]["census_groups"]["demo.default"];
    let population = shown["population"].as_object().expect("members");
    assert_eq!(population.len(), usize::from(count), "{shown:#}");
    let leaders = population
        .values()
        .filter(|member| member["leader"] == true);
    assert_eq!(leaders.count(), 1, "{shown:#}");
    assert_eq!(shown["election_status"], "ElectionFinished");
    let (holder, term) = group.holder();
    let uid = holder
        .split('/')
        .nth(2)
        .expect("an identity")
        .replace('-', "");
    assert_eq!(shown["leader_id"], uid, "{holder}");
    assert_eq!(group.assert_terms(), term);
    let led = group
        .journal()
        .into_iter()
        .filter(|entry| entry.leads().is_some());
    assert_eq!(
        led.count(),
        1,
        "one leads, and is told so once: {:#?}",
        group.journal()
    );
}

#[test]
fn three_members_show_the_same_census_and_one_leader() {
    all_agree(3);
}

#[test]
fn ten_members_show_the_same_census_and_one_leader() {
    all_agree(10);
}
