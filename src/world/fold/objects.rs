//! Owns what the ConfigMaps and Secrets that the settings name hold: documents, hooks and templates, service files. Never
//! parses them.

use std::collections::BTreeMap;

use super::Fold;
use crate::config::{FilesRef, ObjectKind as Kind, ObjectRef, Settings};
use crate::world::config_map::Watched;
use crate::world::{Document, OverlayFile, Sensitivity, ServiceFile, WatchKey};

impl Fold {
    pub(super) fn watched(&self, kind: Kind, object: &ObjectRef) -> Option<&Watched> {
        match kind {
            Kind::ConfigMap => self.config_maps.get(&object.name),
            Kind::Secret => self.secrets.get(&object.name),
        }
    }

    /// The content of a ConfigMap or Secret in force; what is missing is added to the problems.
    fn content(
        &self,
        kind: Kind,
        object: &ObjectRef,
        annotation: &str,
        problems: &mut Vec<String>,
    ) -> Option<&BTreeMap<String, Vec<u8>>> {
        let place = self.object_place(kind, object);
        let watched = self.watched(kind, object);
        match watched.and_then(|watched| watched.present) {
            None => problems.push(self.because(&watch(kind, object), format!("{place} has not been read yet"))),
            Some(false) if !object.optional => problems.push(format!(
                "{place} does not exist; create it, or write {}? in the annotation kubesup.dev/{annotation} if it may be missing",
                object.name
            )),
            Some(false) => return None,
            Some(true) => {}
        }
        watched.and_then(|watched| watched.content.as_ref())
    }

    pub(super) fn documents(
        &self,
        objects: &[ObjectRef],
        kind: Kind,
        problems: &mut Vec<String>,
    ) -> Vec<Document> {
        let annotation = match kind {
            Kind::ConfigMap => "config",
            Kind::Secret => "secrets",
        };
        let document = |object: &ObjectRef| {
            let data = self.content(kind, object, annotation, problems)?.clone();
            Some(Document {
                object: self.object_place(kind, object),
                sensitivity: sensitivity(kind),
                data,
            })
        };
        objects.iter().filter_map(document).collect()
    }

    pub(super) fn overlay(
        &self,
        settings: &Settings,
        problems: &mut Vec<String>,
    ) -> BTreeMap<String, OverlayFile> {
        let mut files = BTreeMap::new();
        for (objects, annotation, top) in [
            (&settings.hooks, "hooks", "hooks"),
            (&settings.templates, "templates", "config"),
        ] {
            for object in objects {
                for (key, content) in self
                    .content(Kind::ConfigMap, object, annotation, problems)
                    .into_iter()
                    .flatten()
                {
                    let directory = if object.directory.is_empty() {
                        top.to_owned()
                    } else {
                        format!("{top}/{}", object.directory)
                    };
                    let object =
                        format!("{}, key {key}", self.object_place(Kind::ConfigMap, object));
                    files.insert(
                        format!("{directory}/{key}"),
                        OverlayFile {
                            object,
                            content: content.clone(),
                        },
                    );
                }
            }
        }
        files
    }

    /// Of two files of one name the later object's counts.
    pub(super) fn files(
        &self,
        settings: &Settings,
        problems: &mut Vec<String>,
    ) -> BTreeMap<String, ServiceFile> {
        let mut files = BTreeMap::new();
        for FilesRef { kind, object } in &settings.files {
            let content = self.content(*kind, object, "files", problems);
            for (key, content) in content.into_iter().flatten() {
                let file = ServiceFile {
                    object: format!("{}, key {key}", self.object_place(*kind, object)),
                    sensitivity: sensitivity(*kind),
                    content: content.clone(),
                };
                files.insert(key.clone(), file);
            }
        }
        files
    }

    fn object_place(&self, kind: Kind, object: &ObjectRef) -> String {
        format!(
            "{} {}/{}",
            kind.name(),
            self.identity.namespace,
            object.name
        )
    }

    /// What is missing, with why its watch does not work when that is known.
    pub(super) fn because(&self, watch: &WatchKey, missing: String) -> String {
        match self.troubles.get(watch) {
            Some(trouble) => format!("{missing}: {trouble}"),
            None => missing,
        }
    }
}

fn sensitivity(kind: Kind) -> Sensitivity {
    match kind {
        Kind::ConfigMap => Sensitivity::Public,
        Kind::Secret => Sensitivity::Secret,
    }
}

pub(super) fn watch(kind: Kind, object: &ObjectRef) -> WatchKey {
    let name = object.name.clone();
    match kind {
        Kind::ConfigMap => WatchKey::ConfigMap { name },
        Kind::Secret => WatchKey::Secret { name },
    }
}

/// Every object that the settings name.
pub(super) fn references(settings: &Settings) -> impl Iterator<Item = (Kind, &ObjectRef)> {
    let config_maps = settings
        .config
        .iter()
        .chain(&settings.hooks)
        .chain(&settings.templates);
    config_maps
        .map(|object| (Kind::ConfigMap, object))
        .chain(settings.secrets.iter().map(|object| (Kind::Secret, object)))
        .chain(
            settings
                .files
                .iter()
                .map(|files| (files.kind, &files.object)),
        )
}
