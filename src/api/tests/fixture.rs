//! Snapshots as the supervisor makes them, from objects and settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::{Key, Layer, Layers, Origin, load};
use crate::lifecycle::status::{Health, Phase, Status};
use crate::package::{Hook, Package, Source, binds, service_files};
use crate::revision::Revisions;
use crate::snapshot::{Paths, Service, Snapshot};
use crate::world::{Delta, Fold, Identity, Observation, View, WatchKey};

/// What is observed, and how the service does.
pub(super) struct Fixture {
    settings: Vec<(Key, &'static str)>,
    endpoints: Vec<Value>,
    bound: Vec<Value>,
    root: PathBuf,
    status: Status,
}

/// A service `demo.default` of one Pod, running and healthy.
pub(super) fn demo() -> Fixture {
    Fixture {
        settings: Vec::new(),
        endpoints: Vec::new(),
        bound: Vec::new(),
        root: PathBuf::from("/kubesup"),
        status: Status {
            phase: Phase::Running,
            pid: Some(42),
            process_state_entered: 1_700_000_000,
            initialized: true,
            health: Health::Ok,
            ..Status::default()
        },
    }
}

impl Fixture {
    pub(super) fn with(mut self, key: Key, value: &'static str) -> Fixture {
        self.settings.push((key, value));
        self
    }

    pub(super) fn root(mut self, root: PathBuf) -> Fixture {
        self.root = root;
        self
    }

    pub(super) fn status(mut self, change: impl FnOnce(&mut Status)) -> Fixture {
        change(&mut self.status);
        self
    }

    /// Another member.
    pub(super) fn member(mut self, name: &str, address: &str, conditions: Value) -> Fixture {
        self.endpoints.push(json!({
            "addresses": [address],
            "hostname": name,
            "conditions": conditions,
            "targetRef": {"kind": "Pod", "name": name, "uid": format!("uid-of-{name}")},
        }));
        self
    }

    /// An endpoint of every bound Service.
    pub(super) fn bound(mut self, address: &str, conditions: Value) -> Fixture {
        self.bound
            .push(json!({"addresses": [address], "conditions": conditions}));
        self
    }

    fn view(&self) -> View {
        let flags = self
            .settings
            .iter()
            .fold(Layer::new(Origin::Flag), |layer, (key, text)| {
                layer.with(*key, *text)
            });
        let layers = Layers {
            below_pod: vec![load::defaults()],
            above_pod: vec![flags],
        };
        let identity = Identity {
            namespace: "shop".to_owned(),
            pod_name: "demo-0".to_owned(),
            ..Identity::default()
        };
        let pod = json!({
            "metadata": {
                "name": "demo-0", "namespace": "shop", "uid": "11111111-2222-3333-4444-555555555555",
                "labels": {"app.kubernetes.io/name": "demo", "app.kubernetes.io/version": "1.2.3"},
            },
            "spec": {"subdomain": "demo", "hostname": "demo-0", "containers": [{"name": "demo"}]},
            "status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]},
        });
        let slice = json!({
            "metadata": {"name": "demo-1", "namespace": "shop"},
            "addressType": "IPv4",
            "endpoints": self.endpoints,
            "ports": [{"name": "http", "port": 8080}],
        });
        let mut fold = Fold::new(identity, layers);
        let pod = serde_json::from_value(pod).expect("a Pod");
        fold.apply(Observation::Pods(Delta::Reset(vec![pod])));
        fold.apply(Observation::EndpointSlices {
            service: "demo".to_owned(),
            delta: Delta::Reset(vec![serde_json::from_value(slice).expect("a slice")]),
        });
        for watch in fold.wanted() {
            self.see_bound(&mut fold, watch);
        }
        fold.view()
    }

    /// What a bind's watch sees: nothing, unless there are endpoints.
    fn see_bound(&self, fold: &mut Fold, watch: WatchKey) {
        let there = !self.bound.is_empty();
        match &watch {
            WatchKey::BoundSlices { services, .. } => {
                let slices = services.iter().filter(|_| there).map(|service| {
                    let slice = json!({
                        "metadata": {"name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
                        "addressType": "IPv4",
                        "endpoints": self.bound,
                        "ports": [{"name": "sql", "port": 5432}],
                    });
                    serde_json::from_value(slice).expect("a slice")
                });
                let delta = Delta::Reset(slices.collect());
                fold.apply(Observation::BoundSlices { watch, delta });
            }
            WatchKey::BoundService { service, .. } => {
                let object = json!({"metadata": {"name": service, "annotations": {"kubesup.dev/export.user": "\"app\""}}});
                let object = there.then(|| serde_json::from_value(object).expect("a Service"));
                let delta = Delta::Reset(object.into_iter().collect());
                fold.apply(Observation::BoundServices { watch, delta });
            }
            _ => {}
        }
    }

    /// The snapshot once everything was accepted.
    pub(super) fn snapshot(self) -> Snapshot {
        let view = self.view();
        let world = view.world.clone().expect("a complete view");
        let settings = view.settings.clone().expect("settings");
        let source = |text: &str| Source {
            origin: "the test".to_owned(),
            text: text.to_owned(),
        };
        let mut package = Package {
            default_toml: Some(source("greeting = \"hello\"\n[server]\nport = 8080\n")),
            ..Package::default()
        };
        package.hooks.insert(Hook::Run, source("#!/bin/sh\n"));
        package
            .hooks
            .insert(Hook::HealthCheck, source("#!/bin/sh\n"));
        let paths = Paths {
            svc: self.root.join("svc/demo"),
            root: self.root,
            http: Some(([127, 0, 0, 1], 9631).into()),
        };
        let revision = Revisions::default()
            .make(&world, &package, &settings, &paths)
            .expect("a revision");
        Snapshot {
            view: Arc::new(view),
            service: Some(Arc::new(Service {
                file_incarnations: service_files::incarnations(
                    &world.files,
                    &BTreeMap::new(),
                    &BTreeMap::new(),
                ),
                settings,
                package: revision.package,
                world: Arc::clone(&world),
                shown: (!revision.taint.is_empty()).then(|| revision.taint.redact(&revision.cfg)),
                taint: revision.taint,
                cfg: revision.cfg,
                incarnation: 1,
                paths,
            })),
            binds: binds::statuses(&world, &package.facts),
            status: self.status,
            ..Snapshot::default()
        }
    }

    /// The snapshot before anything was rendered.
    pub(super) fn unrendered(self) -> Snapshot {
        Snapshot {
            view: Arc::new(self.view()),
            ..Snapshot::default()
        }
    }
}
