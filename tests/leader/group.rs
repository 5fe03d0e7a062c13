//! A group of members: one kubesup process for each Pod.

use std::ops::Range;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::journal::{Journal, now};
use crate::support::api_server::User;
use crate::support::block_on;
use crate::support::kubesup::{Builder, Kubesup, signal_process};
use crate::support::namespace::{Namespace, SERVICE, least};
use crate::support::package::Folder;
use crate::support::pair::short_lead;

pub const LEASE: &str = "kubesup.demo.default";
pub const KILL: i32 = 9;
pub const TERM: i32 = 15;
pub const CONTINUE: i32 = 18;
pub const STOP: i32 = 19;

/// How a lead is held.
#[derive(Debug, Clone, Copy)]
pub enum Times {
    /// A lease of 3 s.
    Short,
    /// Those of kubesup itself: a lease of 15 s.
    Defaults,
}

impl Times {
    pub fn lease(self) -> Duration {
        match self {
            Times::Short => Duration::from_secs(3),
            Times::Defaults => Duration::from_secs(15),
        }
    }

    fn annotations(self) -> Value {
        match self {
            Times::Short => short_lead(),
            Times::Defaults => json!({"kubesup.dev/topology": "leader"}),
        }
    }
}

/// The rules that a member of a group needs.
pub fn rules() -> Value {
    least(&[
        json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE], "verbs": ["list", "watch", "update"]}),
    ])
}

/// What templates make of the lead.
pub const ROLE: &str = "{{#if kube.leader.is_me}}leads {{kube.leader.term}}{{else}}follows{{/if}}";

/// The Pods, the Lease and the package of a group.
pub struct Group {
    pub namespace: Namespace<'static>,
    pub package: Folder,
    pub(super) journal: Journal,
    annotations: Value,
}

impl Group {
    /// Nobody of it runs yet. The program tells the journal what it is when it starts, and at each `reconfigure`.
    pub fn new(times: Times) -> Group {
        Group::with(times, &json!({}))
    }

    /// The same, with more annotations for each Pod.
    pub fn with(times: Times, more: &Value) -> Group {
        let namespace = Namespace::granting(&[]);
        namespace.role(rules());
        namespace.put::<Lease>(json!({"metadata": {"name": LEASE}}));
        let mut annotations = times.annotations();
        let all = annotations.as_object_mut().expect("an object");
        all.extend(more.as_object().expect("an object").clone());
        let group = Group {
            namespace,
            package: Folder::new(),
            journal: Journal::new(),
            annotations,
        };
        group.package.write("config/role", ROLE);
        group.hook(
            "run",
            "note starts $(cat {{pkg.svc_config_path}}/role)\nexec sleep 1000\n",
        );
        group.hook(
            "reconfigure",
            "note reconfigures $(cat {{pkg.svc_config_path}}/role)\n",
        );
        group
    }

    /// A hook in which `note` writes into the journal.
    pub fn hook(&self, name: &str, text: &str) -> &Self {
        let journal = self.journal.file();
        let note = format!(
            "note() {{ echo \"$(date +%s%N) {{{{kube.pod.name}}}} $$ $*\" >>{}; }}\n",
            journal.display()
        );
        self.package.write(
            &format!("hooks/{name}"),
            &format!("#!/bin/sh\n{note}{text}"),
        );
        self
    }

    /// The member's Pod: made at its first start.
    pub fn pod(&self, number: u8) -> Pod {
        self.namespace.member(number, self.annotations.clone())
    }

    /// Starts the container of a Pod that is there.
    pub fn start(&self, number: u8) -> Member {
        self.start_as(User::Kubesup, number)
    }

    pub fn start_as(&self, user: User, number: u8) -> Member {
        self.begin(number, self.namespace.kubesup_as(user))
    }

    /// The same with what this kubesup has more.
    pub fn begin(&self, number: u8, kubesup: Builder) -> Member {
        let pod = name(number);
        let kubesup = kubesup.env("POD_NAME", &pod).package(self.package.path());
        Member {
            kubesup: kubesup.start(),
            pod,
        }
    }

    /// Pods and members `0..count`. The first one leads in term 1.
    pub fn members(&self, count: u8) -> Vec<Member> {
        self.pod(0);
        let first = self.start(0);
        self.wait(&first, "starts leads 1");
        [first].into_iter().chain(self.more(1..count)).collect()
    }

    /// Pods and members who follow, as somebody leads already.
    pub fn more(&self, numbers: Range<u8>) -> Vec<Member> {
        for number in numbers.clone() {
            self.pod(number);
        }
        let members: Vec<Member> = numbers.map(|number| self.start(number)).collect();
        for member in &members {
            self.wait(member, "starts follows");
        }
        members
    }

    /// The endpoints of these Pods, as a controller would have made them.
    pub fn endpoints(&self, count: u8) {
        let endpoint = |number| {
            let uid = self.uid(number);
            json!({"addresses": [format!("10.1.0.{}", number + 1)], "hostname": name(number), "targetRef": {"kind": "Pod", "name": name(number), "uid": uid}})
        };
        let endpoints: Vec<Value> = (0..count).map(endpoint).collect();
        self.namespace.put::<EndpointSlice>(json!({
            "metadata": {"name": "demo-1", "labels": {"kubernetes.io/service-name": SERVICE}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }));
    }

    pub fn uid(&self, number: u8) -> String {
        let pod = block_on(self.namespace.api::<Pod>().get(&name(number))).expect("the Pod");
        pod.metadata.uid.expect("a uid")
    }

    /// The Lease's holder and term; empty and 0 where none can be read.
    pub fn holder(&self) -> (String, u64) {
        let lease = block_on(self.namespace.api::<Lease>().get_opt(LEASE));
        let spec = lease.ok().flatten().and_then(|lease| lease.spec);
        let spec = spec.unwrap_or_default();
        let term = spec.lease_transitions.unwrap_or_default();
        (
            spec.holder_identity.unwrap_or_default(),
            u64::try_from(term).unwrap_or_default(),
        )
    }

    /// Writes this into the Lease, as somebody with kubectl would.
    pub fn edit(&self, change: &Value) {
        let leases = self.namespace.api::<Lease>();
        let merge = Patch::Merge(change);
        // The answer is the metadata: the rest may be what no client can read.
        block_on(leases.patch_metadata(LEASE, &PatchParams::default(), &merge)).expect("a Lease");
    }
}

pub fn name(number: u8) -> String {
    format!("{SERVICE}-{number}")
}

/// One start of kubesup in a Pod.
pub struct Member {
    pub pod: String,
    pub kubesup: Kubesup,
}

impl Member {
    /// The end of the container, as the kernel makes it when PID 1 is killed: nothing in it lives on. When that was.
    pub fn crash(mut self) -> Duration {
        let program = self.program();
        let at = now();
        self.kubesup.signal(KILL);
        signal_process(program, KILL);
        self.kubesup.wait_exit();
        at
    }

    pub fn program(&self) -> i32 {
        i32::try_from(self.kubesup.main_pid()).expect("a pid")
    }
}
