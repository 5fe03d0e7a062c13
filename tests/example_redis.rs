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

/// Sorts that take a replica some 500 ms.
const WORK: usize = 70;

/// What becomes of a killed leader.
#[derive(Debug, Clone, Copy)]
enum Back {
    /// Its container starts again at once, with the data of its last snapshot.
    Restarted,
    /// Its Pod is gone until another one leads, and has its data then.
    Late,
    /// Another Pod comes at once, with an empty volume.
    Empty,
    /// Only its Redis was killed: kubesup gives up the lead and starts it again.
    Redis,
}

/// Every one of the group has all of these keys.
fn assert_all_have(group: &Group, keys: &[u64]) {
    let leader = group.leader().expect("a leader");
    for number in 0..MEMBERS {
        let mut redis = Redis::connect(number).expect("a member");
        if number != leader {
            Group::wait_follows(number, leader);
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
                let back = [Back::Restarted, Back::Late, Back::Empty, Back::Redis][round % 4];
                let killed = group.settled(FAILOVER);
                let lags = Group::cut_off(killed);
                writer.wait_for_more(50, FAILOVER);

                if let Back::Redis = back {
                    group.kill_redis(killed);
                } else {
                    group.kill(killed);
                    match back {
                        Back::Late => group.wait_another_leads(killed, FAILOVER),
                        Back::Empty => group.replace_pod(killed),
                        Back::Restarted | Back::Redis => {}
                    }
                    group.begin(killed);
                }
                group.wait_another_leads(killed, FAILOVER);
                let leads = group.settled(FAILOVER);
                writer.wait_for_more(50, FAILOVER);
                assert_ne!(
                    leads, lags,
                    "round {round}, redis-{killed} was killed ({back:?}): it had not everything"
                );
            }
            let written = writer.stop();
            group.settled(FAILOVER);
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
            let [second, third] = Group::others(alone);
            // More than the group will write: its offset is the highest of all, and its snapshot has it.
            for number in [second, third] {
                Group::cut_off_from_all(number);
            }
            let mut redis = Redis::connect(alone).expect("the leader");
            for number in 0..500 {
                let key = format!("alone-{number}");
                assert_eq!(
                    redis.ask(&["SET", &key, &"x".repeat(1000)]).as_deref(),
                    Ok("OK")
                );
            }
            // A snapshot for a replica may be under way: only after it can there be another.
            let save = || match redis.ask(&["SAVE"]) {
                Ok(answer) if answer == "OK" => Ok(()),
                answer => Err(answer),
            };
            wait_for("its snapshot has them all", FAILOVER, save);
            group.kill(alone);
            group.wait_another_leads(alone, FAILOVER);
            let writer = Writer::start(&group);
            writer.wait_for_more(50, FAILOVER);
            let written = writer.stop();

            let former = group.leader().expect("a leader");
            let [heir] = *Group::others(former)
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
fn a_replica_that_is_loading_does_not_lead() {
    in_own_network(
        "example_redis::a_replica_that_is_loading_does_not_lead",
        || {
            let mut group = Group::start();
            let killed = group.settled(FAILOVER);
            let [loads, next] = Group::others(killed);
            let mut leader = Redis::connect(killed).expect("the leader");
            for number in 0..1000 {
                let (key, value) = (number.to_string(), "x".repeat(100));
                assert_eq!(leader.ask(&["SET", &key, &value]).as_deref(), Ok("OK"));
            }
            assert_eq!(leader.ask(&["WAIT", "2", "5000"]).as_deref(), Ok("2"));
            // 40 s for the data that a full synchronisation brings, and Redis answers meanwhile. It asks for a full one after it has
            // written something by itself.
            for words in [
                &["CONFIG", "SET", "key-load-delay", "40000"][..],
                &[
                    "CONFIG",
                    "SET",
                    "loading-process-events-interval-bytes",
                    "1024",
                ],
                &["REPLICAOF", "NO", "ONE"],
                &["SET", "own", "1"],
                &["REPLICAOF", &address(killed), "6379"],
            ] {
                assert_eq!(Redis::once(loads, words).as_deref(), Ok("OK"), "{words:?}");
            }
            let ping = || Redis::once(loads, &["PING"]);
            let is_loading = |answer: &Result<_, String>| matches!(answer, Err(error) if error.contains("LOADING"));
            let _loading = wait_until("it is loading", ping, is_loading);
            wait_for("its health is CRITICAL", FAILOVER, || {
                match group.health(loads) {
                    health if health == "CRITICAL" => Ok(()),
                    health => Err(health),
                }
            });

            group.kill(killed);
            group.wait_leads(next, FAILOVER);

            assert!(is_loading(&ping()), "it was loading all the time");
            assert_eq!(
                Redis::once(loads, &["CONFIG", "SET", "key-load-delay", "0"]).as_deref(),
                Ok("OK")
            );
            group.begin(killed);
            assert_eq!(group.settled(FAILOVER), next);
            let keys: Vec<_> = (0..1000).collect();
            assert_all_have(&group, &keys);
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
                .config_map("redis-config", json!({"maxmemory": "256mb"}));
            for number in 0..MEMBERS {
                let _changed = wait_until(
                    "the new maxmemory",
                    || Redis::once(number, &["CONFIG", "GET", "maxmemory"]),
                    |answer| *answer == Ok("maxmemory 268435456".to_owned()),
                );
            }

            let writer = Writer::start(&group);
            writer.wait_for_more(50, FAILOVER);
            // One replica is gone, and the other one is slow: what was acknowledged last comes after work that takes it a while.
            let [gone, heir] = Group::others(leader);
            group.kill(gone);
            let slow = group.pause(heir);
            let mut redis = Redis::connect(leader).expect("the leader");
            let numbers: Vec<_> = (0..20_000)
                .map(|number| (number * 7919 % 20_000).to_string())
                .collect();
            let list = ["RPUSH", "list"]
                .into_iter()
                .chain(numbers.iter().map(String::as_str));
            redis.ask(&list.collect::<Vec<_>>()).expect("a list");
            for _ in 0..WORK {
                redis
                    .ask(&["SORT", "list", "STORE", "sorted"])
                    .expect("sorted");
            }
            let newest = 1_000_000;
            assert_eq!(
                redis.ask(&["SET", &newest.to_string(), "last"]).as_deref(),
                Ok("OK")
            );
            let no_more_writes = || {
                wait_until(
                    "it takes no more writes",
                    || Redis::writes_now(leader),
                    |writes| !writes,
                );
                slow.resume();
            };
            group.terminates(leader);
            assert_eq!(group.stop(leader, no_more_writes), 0, "in order");
            group.wait_another_leads(leader, FAILOVER);
            group.begin(leader);
            group.begin(gone);
            writer.wait_for_more(50, FAILOVER);
            let leads = group.settled(FAILOVER);

            let written = writer.stop();
            assert_all_have(&group, &written.acknowledged);
            assert_all_have(&group, &[newest]);
            assert_eq!(leads, heir);
            let pid = pids[usize::from(leads)];
            assert_eq!(
                group.pid(leads),
                pid,
                "promoted, reconfigured, never restarted"
            );
            assert_eq!(
                wait_for("maxmemory", FAILOVER, || Redis::once(
                    leader,
                    &["CONFIG", "GET", "maxmemory"]
                )),
                "maxmemory 268435456",
                "{} has it from its file",
                address(leader)
            );
        },
    );
}
