//! `examples/redis` with the real Redis: whoever is killed, no write is lost that was acknowledged and replicated.

mod client;
mod group;

use std::time::Duration;

use serde_json::json;

use crate::support::network::in_own_network;
use crate::support::{wait_for, wait_until};
use client::{Redis, Writer};
use group::{Group, MEMBERS, address};

/// Longer than a lease, an election, a start and a full synchronisation on a loaded machine.
const FAILOVER: Duration = Duration::from_secs(40);

/// What becomes of a killed leader.
#[derive(Debug, Clone, Copy)]
enum Back {
    /// Its container starts again at once, with the data of its last snapshot.
    Restarted,
    /// Its Pod is gone until another one leads, and has its data then.
    Late,
    /// Another Pod comes at once, with an empty volume.
    Empty,
}

/// Every one of the group has all of these keys.
fn assert_all_have(group: &Group, keys: &[u64]) {
    let leader = group.leader().expect("a leader");
    for number in 0..MEMBERS {
        let mut redis = Redis::connect(number).expect("a member");
        if number != leader {
            group.wait_follows(number, leader);
        }
        let missing: Vec<_> = keys
            .iter()
            .filter(|key| redis.ask(&["EXISTS", &key.to_string()]).as_deref() != Ok("1"))
            .collect();
        assert!(
            missing.is_empty(),
            "redis-{number} lacks {} of {}: {missing:?}",
            missing.len(),
            keys.len()
        );
    }
}

#[test]
fn no_acknowledged_write_that_was_replicated_is_lost_when_leaders_are_killed() {
    in_own_network(
        "example_redis::no_acknowledged_write_that_was_replicated_is_lost_when_leaders_are_killed",
        || {
            let rounds = if std::env::var_os("KUBESUP_SOAK").is_some() {
                10
            } else {
                3
            };
            let mut group = Group::start();
            let writer = Writer::start(&group);
            writer.wait_for_more(50, FAILOVER);
            for round in 0..rounds {
                let back = [Back::Restarted, Back::Late, Back::Empty][round % 3];
                let killed = group.settled(FAILOVER);
                let lags = group.cut_off(killed);
                writer.wait_for_more(50, FAILOVER);

                group.kill(killed);
                match back {
                    Back::Restarted => group.begin(killed),
                    Back::Late => {
                        group.wait_another_leads(killed, FAILOVER);
                        group.begin(killed);
                    }
                    Back::Empty => {
                        group.replace_pod(killed);
                        group.begin(killed);
                    }
                }
                let leads = group.settled(FAILOVER);
                writer.wait_for_more(50, FAILOVER);
                eprintln!(
                    "round {round}: redis-{killed} was killed ({back:?}) while redis-{lags} lagged, redis-{leads} leads"
                );
                assert_ne!(leads, lags, "it had not everything");
            }
            let written = writer.stop();
            group.settled(FAILOVER);
            eprintln!(
                "{} writes acknowledged, {} of them replicated",
                written.acknowledged.len(),
                written.replicated.len()
            );
            assert_all_have(&group, &written.replicated);
        },
    );
}

#[test]
fn what_a_leader_wrote_alone_does_not_come_back_over_what_the_group_wrote_since() {
    in_own_network(
        "example_redis::what_a_leader_wrote_alone_does_not_come_back_over_what_the_group_wrote_since",
        || {
            let mut group = Group::start();
            let alone = group.settled(FAILOVER);
            let [second, third] = group.others(alone);
            // More than the group will write: its offset is the highest of all, and its snapshot has it.
            for number in [second, third] {
                group.cut_off_from_all(number);
            }
            let mut redis = Redis::connect(alone).expect("the leader");
            for number in 0..500 {
                let key = format!("alone-{number}");
                assert_eq!(
                    redis.ask(&["SET", &key, &"x".repeat(1000)]).as_deref(),
                    Ok("OK")
                );
            }
            assert_eq!(redis.ask(&["SAVE"]).as_deref(), Ok("OK"));
            group.kill(alone);
            group.wait_another_leads(alone, FAILOVER);
            let writer = Writer::start(&group);
            writer.wait_for_more(50, FAILOVER);
            let written = writer.stop();

            let former = group.leader().expect("a leader");
            let [heir] = *group
                .others(former)
                .into_iter()
                .filter(|number| *number != alone)
                .collect::<Vec<_>>()
            else {
                panic!("three members");
            };
            group.kill(former);
            group.begin(alone);

            group.wait_leads(heir, FAILOVER);
            group.begin(former);
            assert_eq!(group.settled(FAILOVER), heir);
            assert_all_have(&group, &written.replicated);
            for number in 0..MEMBERS {
                let known = Redis::once(number, &["EXISTS", "alone-0"]);
                assert_eq!(
                    known.as_deref(),
                    Ok("0"),
                    "redis-{number} has what the group never had"
                );
            }
        },
    );
}

#[test]
fn a_leader_that_is_stopped_loses_nothing_acknowledged_and_a_setting_is_changed_without_a_restart()
{
    in_own_network(
        "example_redis::a_leader_that_is_stopped_loses_nothing_acknowledged_and_a_setting_is_changed_without_a_restart",
        || {
            let mut group = Group::start();
            let leader = group.settled(FAILOVER);
            let pids: Vec<_> = (0..MEMBERS).map(|number| group.pid(number)).collect();
            group
                .namespace
                .config_map("redis-config", json!({"maxmemory": "32mb"}));
            for number in 0..MEMBERS {
                let _changed = wait_until(
                    "the new maxmemory",
                    || Redis::once(number, &["CONFIG", "GET", "maxmemory"]),
                    |answer| *answer == Ok("maxmemory 33554432".to_owned()),
                );
            }

            let writer = Writer::start(&group);
            writer.wait_for_more(50, FAILOVER);
            assert_eq!(group.stop(leader), 0, "in order");
            group.wait_another_leads(leader, FAILOVER);
            writer.wait_for_more(50, FAILOVER);
            group.begin(leader);
            let leads = group.settled(FAILOVER);

            let written = writer.stop();
            assert_all_have(&group, &written.acknowledged);
            assert_ne!(leads, leader);
            for number in (0..MEMBERS).filter(|number| *number != leader) {
                assert_eq!(
                    group.pid(number),
                    pids[usize::from(number)],
                    "promoted, reconfigured, never restarted"
                );
            }
            assert_eq!(
                wait_for("maxmemory", FAILOVER, || Redis::once(
                    leader,
                    &["CONFIG", "GET", "maxmemory"]
                )),
                "maxmemory 33554432",
                "{} has it from its file",
                address(leader)
            );
        },
    );
}
