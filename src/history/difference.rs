//! Owns what changed between two looks at the world: which objects, and which of their keys. Never a value, since it may be
//! a secret.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::package::Package;
use crate::world::{Document, Members, World};

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// The object, such as `ConfigMap shop/demo-config` or `Pod shop/demo-0`.
    pub object: String,
    /// Which part of it: a key, a field, an endpoint.
    pub key: Option<String>,
    /// What became of it.
    pub change: Kind,
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was not there before.
    Added,
    /// It is there still, but different.
    Changed,
    /// It is gone.
    Removed,
}

/// More of them help nobody: when a whole Service comes up, each endpoint is one.
const MOST: usize = 50;

/// What changed from `old` to `new`. Before the first look everything is new.
pub fn between(old: Option<&World>, new: &World) -> Vec<Difference> {
    let mut found = Found::default();
    match old {
        Some(old) => {
            found.pod(old, new);
            found.members("EndpointSlices", &old.members, &new.members);
            found.binds(old, new);
            found.documents(&old.config, &new.config);
            found.overlay(old, new);
        }
        None => found.documents(&[], &new.config),
    }
    found.0
}

/// What changed in the package that lies below all ConfigMaps.
pub fn of_packages(old: &Package, new: &Package) -> Vec<Difference> {
    let mut found = Found::default();
    let object = if new.facts.path.is_empty() {
        "package".to_owned()
    } else {
        format!("package {}", new.facts.path)
    };
    let files =
        |package: &Package| -> BTreeMap<String, String> {
            let default = package.default_toml.iter();
            let hooks = package.hooks.iter();
            let config = package.config.iter();
            default
                .map(|source| ("default.toml".to_owned(), source.text.clone()))
                .chain(hooks.map(|(hook, source)| {
                    (format!("hooks/{}", hook.file_name()), source.text.clone())
                }))
                .chain(config.map(|(path, source)| (format!("config/{path}"), source.text.clone())))
                .collect()
        };
    found.maps(&object, &files(old), &files(new));
    found.0
}

/// Files of a rendering that are new, different or gone.
pub fn of_files(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let changed = new
        .iter()
        .filter(|(path, text)| old.get(*path) != Some(text));
    let gone = old.keys().filter(|path| !new.contains_key(*path));
    let all = changed.map(|(path, _)| path).chain(gone);
    all.take(MOST).cloned().collect()
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, object: &str, key: Option<&str>, change: Kind) {
        if self.0.len() < MOST {
            self.0.push(Difference {
                object: object.to_owned(),
                key: key.map(str::to_owned),
                change,
            });
        }
    }

    fn maps<V: PartialEq>(
        &mut self,
        object: &str,
        old: &BTreeMap<String, V>,
        new: &BTreeMap<String, V>,
    ) {
        for (key, value) in new {
            match old.get(key) {
                None => self.add(object, Some(key), Kind::Added),
                Some(known) if known != value => self.add(object, Some(key), Kind::Changed),
                Some(_) => {}
            }
        }
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            self.add(object, Some(key), Kind::Removed);
        }
    }

    fn pod(&mut self, old: &World, new: &World) {
        let (old, new) = (&old.pod, &new.pod);
        let object = format!("Pod {}/{}", new.namespace, new.name);
        let labels = |labels: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let named = labels
                .iter()
                .map(|(name, value)| (format!("label {name}"), value.clone()));
            named.collect()
        };
        let annotations = |annotations: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let named = annotations.iter();
            named
                .map(|(name, value)| (format!("annotation {name}"), value.clone()))
                .collect()
        };
        self.maps(&object, &labels(&old.labels), &labels(&new.labels));
        self.maps(
            &object,
            &annotations(&old.annotations),
            &annotations(&new.annotations),
        );
        let parts = [
            ("uid", old.uid != new.uid),
            ("status.podIP", old.ip != new.ip || old.ips != new.ips),
            ("spec.nodeName", old.node_name != new.node_name),
            (
                "terminationGracePeriodSeconds",
                old.grace_seconds != new.grace_seconds,
            ),
            ("container", old.container != new.container),
        ];
        for (part, _) in parts.into_iter().filter(|(_, differs)| *differs) {
            self.add(&object, Some(part), Kind::Changed);
        }
    }

    fn members(&mut self, object: &str, old: &Members, new: &Members) {
        for (id, member) in new {
            match old.get(id) {
                None => self.add(object, Some(&member.hostname), Kind::Added),
                Some(known) if known != member => {
                    self.add(object, Some(&member.hostname), Kind::Changed);
                }
                Some(_) => {}
            }
        }
        for (id, member) in old {
            if !new.contains_key(id) {
                self.add(object, Some(&member.hostname), Kind::Removed);
            }
        }
    }

    /// Of what is bound now: binds themselves are the same from start to end.
    fn binds(&mut self, old: &World, new: &World) {
        for (name, group) in &new.binds {
            let Some(known) = old.binds.get(name).filter(|known| *known != group) else {
                continue;
            };
            let place = format!("{}/{}", group.namespace, group.service);
            let service = format!("Service {place}");
            match (known.exists, group.exists) {
                (false, true) => self.add(&service, None, Kind::Added),
                (true, false) => self.add(&service, None, Kind::Removed),
                _ => {}
            }
            let annotations = |exports: &BTreeMap<String, String>| -> BTreeMap<String, String> {
                let named = exports.iter();
                named
                    .map(|(key, text)| {
                        (format!("annotation kubesup.dev/export.{key}"), text.clone())
                    })
                    .collect()
            };
            self.maps(
                &service,
                &annotations(&known.exports),
                &annotations(&group.exports),
            );
            let object = format!("EndpointSlices of Service {place}");
            self.members(&object, &known.members, &group.members);
            if known.leader != group.leader {
                self.add(&format!("leader of Service {place}"), None, Kind::Changed);
            }
        }
    }

    fn documents(&mut self, old: &[Document], new: &[Document]) {
        let find = |all: &[Document], object: &str| -> Option<usize> {
            all.iter().position(|document| document.object == object)
        };
        for document in new {
            let known = find(old, &document.object).and_then(|index| old.get(index));
            let empty = BTreeMap::new();
            let before = known.map_or(&empty, |known| &known.data);
            self.maps(&document.object, before, &document.data);
        }
        for document in old {
            if find(new, &document.object).is_none() {
                self.add(&document.object, None, Kind::Removed);
            }
        }
    }

    fn overlay(&mut self, old: &World, new: &World) {
        self.named(&old.overlay, &new.overlay, |file| &file.object);
        self.named(&old.files, &new.files, |file| &file.object);
    }

    /// Files whose objects name their keys too: `ConfigMap shop/demo-hooks, key run`.
    fn named<F: PartialEq>(
        &mut self,
        old: &BTreeMap<String, F>,
        new: &BTreeMap<String, F>,
        object: impl Fn(&F) -> &String,
    ) {
        let mut note = |file: &F, kind| {
            let text = object(file);
            let (object, key) = match text.split_once(", key ") {
                Some((object, key)) => (object, Some(key)),
                None => (text.as_str(), None),
            };
            self.add(object, key, kind);
        };
        for (path, file) in new {
            match old.get(path) {
                None => note(file, Kind::Added),
                Some(known) if known != file => note(file, Kind::Changed),
                Some(_) => {}
            }
        }
        for (path, file) in old {
            if !new.contains_key(path) {
                note(file, Kind::Removed);
            }
        }
    }
}
