//! Owns the manifests that grant rules: a Role and a `RoleBinding` for each namespace, as YAML with the reasons beside the
//! rules. Never decides which rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Need, Rule};

/// Who gets the rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The own namespace.
    pub namespace: String,
    /// The service account of the own Pod.
    pub service_account: String,
    /// The service's name; the Role is called after it.
    pub service: String,
}

/// The Roles and `RoleBindings`, one document each.
pub fn manifest(rules: &[Rule], subject: &Subject) -> String {
    let mut namespaces: BTreeMap<Option<&str>, Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        let namespace = rule.namespace.as_deref();
        let elsewhere = namespace.filter(|namespace| *namespace != subject.namespace);
        namespaces.entry(elsewhere).or_default().push(rule);
    }
    let documents = namespaces.into_iter().flat_map(|(namespace, rules)| {
        let name = match namespace {
            None => format!("kubesup-{}", subject.service),
            // Several namespaces may bind the same one.
            Some(_) => format!("kubesup-{}-{}", subject.namespace, subject.service),
        };
        let namespace = namespace.unwrap_or(&subject.namespace);
        let metadata = metadata(name.trim_end_matches('-'), namespace);
        [
            role(&metadata, &rules),
            binding(&metadata, name.trim_end_matches('-'), subject),
        ]
    });
    documents.collect::<Vec<_>>().join("---\n")
}

fn metadata(name: &str, namespace: &str) -> String {
    let (name, namespace) = (quoted(name), quoted(namespace));
    format!("metadata:\n  name: {name}\n  namespace: {namespace}\n")
}

fn role(metadata: &str, rules: &[&Rule]) -> String {
    let mut text =
        format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n{metadata}rules:\n");
    for rule in rules {
        let note = match rule.need {
            Need::Required => "",
            Need::Optional => " (may be left out)",
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  # {}{note}\n  - apiGroups: [{}]\n    resources: [{}]\n",
            rule.why,
            quoted(rule.right.group),
            rule.right.resource
        );
        if !rule.names.is_empty() {
            let names: Vec<_> = rule.names.iter().map(|name| quoted(name)).collect();
            let _ = writeln!(text, "    resourceNames: [{}]", names.join(", "));
        }
        let _ = writeln!(text, "    verbs: [{}]", rule.right.verbs.join(", "));
    }
    text
}

fn binding(metadata: &str, name: &str, subject: &Subject) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n{metadata}roleRef:\n  \
         apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: {}\nsubjects:\n  - kind: ServiceAccount\n    \
         name: {}\n    namespace: {}\n",
        quoted(name),
        quoted(&subject.service_account),
        quoted(&subject.namespace)
    )
}

/// A name such as `1` or `no` is a text too. JSON's texts are YAML's.
fn quoted(text: &str) -> String {
    if text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.contains(['-', '.'])
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
    {
        return text.to_owned();
    }
    format!("{text:?}")
}
