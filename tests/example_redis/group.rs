//! Three members of `examples/redis`, as a StatefulSet would have made them, each at an address of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, PodStatus, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;
use rustix::process::{Pid, Signal};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{PORT, Redis};
use crate::support::api_server::ApiServer;
use crate::support::kubesup::Kubesup;
use crate::support::namespace::Namespace;
use crate::support::network::path;
use crate::support::{block_on, wait_for};

pub const MEMBERS: u8 = 3;
const TERM: i32 = 15;
const KILL: i32 = 9;

pub fn address(number: u8) -> String {
    format!("10.213.0.{}", number + 1)
}

fn name(number: u8) -> String {
    format!("redis-{number}")
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/redis")
}

fn objects(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(example().join(file)).expect("a file");
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).expect("an object"))
        .collect()
}

/// The object of this kind in a file of the example.
fn object(file: &str, kind: &str) -> Value {
    let mut objects = objects(file).into_iter();
    objects
        .find(|object| object["kind"] == kind)
        .expect("it is there")
}

enum Member {
    Runs(Kubesup),
    /// Its volume.
    Down(TempDir),
}

pub struct Group {
    pub namespace: Namespace<'static>,
    members: Vec<Option<Member>>,
}

/// Finds the leader as the Service for writes does: by the label, among the Pods that are ready.
pub struct Finder(Api<Pod>);

impl Finder {
    /// Their addresses. A leader that has died is among them until its Pod is seen not to be ready.
    pub fn leaders(&self) -> Vec<String> {
        let leaders = ListParams::default().labels(&labels());
        let Ok(found) = block_on(self.0.list(&leaders)) else {
            return Vec::new();
        };
        let is_ready = |status: &PodStatus| {
            let mut conditions = status.conditions.iter().flatten();
            conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
        };
        let statuses = found.items.into_iter().filter_map(|pod| pod.status);
        let ready = statuses.filter(is_ready);
        ready.filter_map(|status| status.pod_ip).collect()
    }
}

/// What the Service for writes selects.
fn labels() -> String {
    let service = objects("services.yaml")
        .into_iter()
        .find(|object| object["metadata"]["name"] == "redis-leader")
        .expect("it is there");
    let selector = service["spec"]["selector"].as_object().expect("a selector");
    let label =
        |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().expect("text"));
    selector.iter().map(label).collect::<Vec<_>>().join(",")
}

impl Group {
    /// All three, with short times: a lease of 5 s, and a check of the health every 2 s.
    pub fn start() -> Group {
        let namespace = Namespace::new(ApiServer::shared());
        // Exactly what the example grants.
        namespace.role(object("rbac.yaml", "Role")["rules"].clone());
        namespace.put::<ServiceAccount>(object("rbac.yaml", "ServiceAccount"));
        namespace.put::<Lease>(object("lease.yaml", "Lease"));
        let config = object("config-map.yaml", "ConfigMap");
        namespace.config_map("redis-config", config["data"].clone());
        let volume = || Some(Member::Down(tempfile::tempdir().expect("a volume")));
        let mut group = Group {
            namespace,
            members: (0..MEMBERS).map(|_| volume()).collect(),
        };
        for number in 0..MEMBERS {
            group.pod(number);
        }
        for number in 0..MEMBERS {
            group.begin(number);
        }
        group
    }

    /// A Pod of the example's StatefulSet.
    fn pod(&self, number: u8) {
        let template = object("stateful-set.yaml", "StatefulSet")["spec"]["template"].clone();
        let mut metadata = template["metadata"].clone();
        metadata["name"] = json!(name(number));
        for (setting, time) in [
            ("lease-duration", "5s"),
            ("renew-deadline", "1500ms"),
            ("renew-period", "500ms"),
            ("retry-period", "300ms"),
            ("demotion-timeout", "3s"),
            ("margin", "200ms"),
            ("health-check-interval", "2s"),
        ] {
            metadata["annotations"][format!("kubesup.dev/{setting}")] = json!(time);
        }
        let mut spec = template["spec"].clone();
        spec["hostname"] = json!(name(number));
        spec["subdomain"] = json!("redis");
        spec["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
        self.namespace
            .put::<Pod>(json!({"metadata": metadata, "spec": spec}));
        self.namespace.address(&name(number), &address(number));
    }

    /// As the kubelet says it: a container that does not run is not ready.
    fn ready(&self, number: u8, ready: &str) {
        let conditions = json!([{"type": "Ready", "status": ready}]);
        self.namespace
            .status(&name(number), json!({"conditions": conditions}));
    }

    fn endpoints(&self) {
        self.put_endpoints(None);
    }

    /// The Pod's deletion, as the endpoints show it.
    pub fn terminates(&self, number: u8) {
        self.put_endpoints(Some(number));
    }

    fn put_endpoints(&self, terminating: Option<u8>) {
        let endpoint = |number: u8| {
            let pod = block_on(self.namespace.api::<Pod>().get(&name(number))).expect("the Pod");
            json!({
                "addresses": [address(number)], "hostname": name(number),
                "conditions": {"ready": true, "terminating": terminating == Some(number)},
                "targetRef": {"kind": "Pod", "name": name(number), "uid": pod.metadata.uid},
            })
        };
        let endpoints: Vec<Value> = (0..MEMBERS).map(endpoint).collect();
        self.namespace.put::<EndpointSlice>(json!({
            "metadata": {"name": "redis-1", "labels": {"kubernetes.io/service-name": "redis"}},
            "addressType": "IPv4", "endpoints": endpoints,
            "ports": [{"name": "redis", "port": PORT, "protocol": "TCP"}],
        }));
    }

    pub fn finder(&self) -> Finder {
        Finder(self.namespace.api())
    }

    /// Whom the Service for writes selects, when that is one.
    pub fn leader(&self) -> Option<u8> {
        let [leader] = &self.finder().leaders()[..] else {
            return None;
        };
        (0..MEMBERS).find(|number| address(*number) == *leader)
    }

    /// Starts the container of a Pod.
    pub fn begin(&mut self, number: u8) {
        self.endpoints();
        let member = &mut self.members[usize::from(number)];
        let Some(Member::Down(volume)) = member.take() else {
            panic!("redis-{number} runs");
        };
        let kubesup = self
            .namespace
            .kubesup()
            .env("POD_NAME", &name(number))
            .env("PATH", &path())
            // All are on one machine here: each has its address for itself.
            .env("KUBESUP_CFG", &format!("bind = \"{}\"", address(number)))
            .package(&example())
            .root(volume)
            .start();
        *member = Some(Member::Runs(kubesup));
        self.ready(number, "True");
    }

    fn kubesup(&self, number: u8) -> &Kubesup {
        match &self.members[usize::from(number)] {
            Some(Member::Runs(kubesup)) => kubesup,
            _ => panic!("redis-{number} is down"),
        }
    }

    /// Redis's pid.
    pub fn pid(&self, number: u8) -> Option<i32> {
        let services: Value =
            serde_json::from_str(&self.kubesup(number).get("/services").1).ok()?;
        i32::try_from(services[0]["process"]["pid"].as_i64()?).ok()
    }

    /// The health of its service, in Habitat's word.
    pub fn health(&self, number: u8) -> String {
        let (_, body) = self.kubesup(number).get("/services/redis/default/health");
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        body["status"].as_str().unwrap_or_default().to_owned()
    }

    fn end(&mut self, number: u8, end: impl FnOnce(&mut Kubesup) -> i32) -> i32 {
        let member = &mut self.members[usize::from(number)];
        let Some(Member::Runs(mut kubesup)) = member.take() else {
            panic!("redis-{number} is down");
        };
        let code = end(&mut kubesup);
        *member = Some(Member::Down(kubesup.into_root()));
        self.ready(number, "False");
        code
    }

    /// The death of a container: kubesup and all that it started are killed.
    pub fn kill(&mut self, number: u8) {
        let redis = self.pid(number).and_then(Pid::from_raw);
        self.end(number, |kubesup| {
            kubesup.signal(KILL);
            if let Some(redis) = redis {
                // Unless it has just ended.
                let _dead = rustix::process::kill_process_group(redis, Signal::KILL);
            }
            kubesup.wait_exit()
        });
    }

    /// Only Redis dies.
    pub fn kill_redis(&mut self, number: u8) {
        let redis = self.pid(number).and_then(Pid::from_raw);
        let redis = redis.expect("Redis runs");
        rustix::process::kill_process(redis, Signal::KILL).expect("Redis runs");
    }

    /// Its Redis stands still.
    pub fn pause(&self, number: u8) -> Paused {
        let redis = self.pid(number).and_then(Pid::from_raw);
        let redis = redis.expect("Redis runs");
        rustix::process::kill_process(redis, Signal::STOP).expect("Redis runs");
        Paused(redis)
    }

    /// The Pod is deleted in order, and something happens right after the signal; the exit code.
    pub fn stop(&mut self, number: u8, meanwhile: impl FnOnce()) -> i32 {
        self.end(number, |kubesup| {
            kubesup.signal(TERM);
            meanwhile();
            kubesup.wait_exit()
        })
    }

    /// Another Pod of the same name, with an empty volume.
    pub fn replace_pod(&mut self, number: u8) {
        self.namespace.delete::<Pod>(&name(number));
        self.pod(number);
        let volume = tempfile::tempdir().expect("a volume");
        self.members[usize::from(number)] = Some(Member::Down(volume));
    }

    /// Waits until one leads and all others replicate from it.
    pub fn settled(&self, time: Duration) -> u8 {
        wait_for("one leads and the others follow it", time, || {
            let leader = self.leader().ok_or_else(|| self.logs("nobody leads"))?;
            for number in (0..MEMBERS).filter(|number| *number != leader) {
                follows(number, leader).map_err(|error| self.logs(&error))?;
            }
            Ok::<_, Lines>(leader)
        })
    }

    /// The other two.
    pub fn others(number: u8) -> [u8; 2] {
        [(number + 1) % MEMBERS, (number + 2) % MEMBERS]
    }

    /// One of the leader's replicas hears nothing any more, as in a network that fails; which one.
    pub fn cut_off(leader: u8) -> u8 {
        let [one, _] = Self::others(leader);
        Self::cut_off_from_all(one);
        one
    }

    pub fn cut_off_from_all(number: u8) {
        let answer = Redis::once(number, &["REPLICAOF", "127.0.0.1", "1"]);
        assert_eq!(answer.as_deref(), Ok("OK"));
    }

    pub fn wait_leads(&self, number: u8, time: Duration) {
        wait_for("it leads", time, || match self.leader() {
            Some(leader) if leader == number && is_master(leader) => Ok(()),
            leader => Err(self.logs(&format!("{leader:?} leads"))),
        });
    }

    pub fn wait_another_leads(&self, former: u8, time: Duration) {
        wait_for("another one leads", time, || match self.leader() {
            Some(leader) if leader != former && is_master(leader) => Ok(()),
            leader => Err(self.logs(&format!("{leader:?} leads"))),
        });
    }

    /// It has all that the leader has.
    pub fn wait_follows(number: u8, leader: u8) {
        wait_for("it follows", Duration::from_secs(20), || {
            follows(number, leader)?;
            let offset = |number| {
                let info = Redis::once(number, &["INFO", "replication"])?;
                let line = info
                    .lines()
                    .find(|line| line.starts_with("master_repl_offset:"));
                line.map(ToOwned::to_owned).ok_or(info)
            };
            let (own, leaders) = (offset(number)?, offset(leader)?);
            if own == leaders {
                Ok(())
            } else {
                Err(format!("{own}, the leader {leaders}"))
            }
        });
    }

    fn logs(&self, what: &str) -> Lines {
        let mut text = what.to_owned();
        for number in 0..MEMBERS {
            let log = match &self.members[usize::from(number)] {
                Some(Member::Runs(kubesup)) => kubesup.log() + &kubesup.output(),
                _ => "down".to_owned(),
            };
            let last: Vec<&str> = log.lines().rev().take(40).collect();
            text.push_str("\n--- redis-");
            text += &number.to_string();
            text.push('\n');
            for line in last.into_iter().rev() {
                text += line;
                text += "\n";
            }
        }
        Lines(text)
    }
}

/// A Redis that stands still.
pub struct Paused(Pid);

impl Paused {
    pub fn resume(&self) {
        rustix::process::kill_process(self.0, Signal::CONT).expect("Redis runs");
    }
}

/// Nothing of it stays, whatever the test came to.
impl Drop for Group {
    fn drop(&mut self) {
        for number in 0..MEMBERS {
            if let Some(Member::Runs(_)) = self.members[usize::from(number)] {
                self.kill(number);
            }
        }
    }
}

/// Shown with its line ends.
pub struct Lines(String);

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_master(number: u8) -> bool {
    Redis::once(number, &["ROLE"]).is_ok_and(|role| role.starts_with("master"))
}

fn follows(number: u8, leader: u8) -> Result<(), String> {
    let info = Redis::once(number, &["INFO", "replication"])?;
    let host = format!("master_host:{}\r\n", address(leader));
    if is_master(leader) && info.contains(&host) && info.contains("master_link_status:up") {
        Ok(())
    } else {
        Err(format!("redis-{number}: {info}"))
    }
}
