//! Owns the settings that name other objects: binds, ConfigMaps, Secrets, service files. Never looks whether they are there.

use super::reader::{Reader, is_object_name};
use crate::config::{Bind, BindingMode, FilesRef, Key, ObjectKind, ObjectRef};

/// Whether a reference may name a directory (`name=sub/dir`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Directory {
    Allowed,
    Refused,
}

impl Reader<'_> {
    pub(super) fn binding_mode(&mut self) -> BindingMode {
        let modes = [
            ("strict", BindingMode::Strict),
            ("relaxed", BindingMode::Relaxed),
        ];
        self.one_of(Key::BindingMode, &modes)
            .unwrap_or(BindingMode::Strict)
    }

    pub(super) fn binds(&mut self) -> Vec<Bind> {
        let text = self.text(Key::Bind).unwrap_or_default().to_owned();
        let mut binds: Vec<Bind> = Vec::new();
        for item in text
            .split([',', ' ', '\n', '\t'])
            .filter(|item| !item.is_empty())
        {
            match Bind::parse(item) {
                Ok(bind) if binds.iter().any(|other| other.name == bind.name) => {
                    self.problem(
                        Key::Bind,
                        format!("{item:?}: {:?} is bound twice", bind.name),
                    );
                }
                Ok(bind) => binds.push(bind),
                Err(reason) => self.problem(Key::Bind, reason),
            }
        }
        binds
    }

    /// `secret/` before a name makes it a Secret's.
    pub(super) fn files(&mut self) -> Vec<FilesRef> {
        let text = self.text(Key::Files).unwrap_or_default().to_owned();
        let mut files: Vec<FilesRef> = Vec::new();
        for item in text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (kind, name) = match item.strip_prefix("secret/") {
                Some(name) => (ObjectKind::Secret, name),
                None => (ObjectKind::ConfigMap, item),
            };
            let (name, optional) = name
                .strip_suffix('?')
                .map_or((name, false), |name| (name, true));
            let problem = if !is_object_name(name) {
                Some(format!(
                    "{item:?}: {name:?} is no name; write a ConfigMap's name, or secret/ and a Secret's"
                ))
            } else if files
                .iter()
                .any(|other| other.kind == kind && other.object.name == name)
            {
                Some(format!("{item:?} is named twice"))
            } else {
                None
            };
            if let Some(problem) = problem {
                self.problem(Key::Files, problem);
                continue;
            }
            let object = ObjectRef {
                name: name.to_owned(),
                optional,
                directory: String::new(),
            };
            files.push(FilesRef { kind, object });
        }
        files
    }

    pub(super) fn objects(&mut self, key: Key, directory: Directory) -> Vec<ObjectRef> {
        let text = self.text(key).unwrap_or_default().to_owned();
        let mut objects: Vec<ObjectRef> = Vec::new();
        for item in text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (name, sub_directory) = item.split_once('=').unwrap_or((item, ""));
            let (name, optional) = name
                .strip_suffix('?')
                .map_or((name, false), |name| (name, true));
            if !is_object_name(name) {
                self.problem(
                    key,
                    format!("{item:?}: {name:?} is no name of a ConfigMap or Secret"),
                );
            } else if item.contains('=') && directory == Directory::Refused {
                self.problem(
                    key,
                    format!("{item:?}: only kubesup.dev/templates takes NAME=DIR"),
                );
            } else if sub_directory
                .split('/')
                .any(|part| part == ".." || (part.is_empty() && !sub_directory.is_empty()))
            {
                self.problem(
                    key,
                    format!("{item:?}: {sub_directory:?} is no relative directory"),
                );
            } else if objects
                .iter()
                .any(|other| other.name == name && other.directory == sub_directory)
            {
                self.problem(key, format!("{item:?} is named twice"));
            } else {
                objects.push(ObjectRef {
                    name: name.to_owned(),
                    optional,
                    directory: sub_directory.to_owned(),
                });
            }
        }
        objects
    }
}
