//! Owns whether binds are satisfied, in the words and by the rules of Habitat (contract, section 4.4). Never waits for one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Facts;
use super::document::{Format, parse};
use crate::world::{BoundGroup, Member, World};

/// How one bind stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The bind's name.
    pub bind: String,
    /// The service group that is bound.
    pub service_group: String,
    /// Why it is not satisfied; `None` when it is.
    pub unsatisfied: Option<String>,
    /// What is wrong with the Service's export annotations, one line each.
    pub bad_exports: Vec<String>,
}

impl Status {
    /// Everything that is wrong with it.
    pub fn problems(&self) -> impl Iterator<Item = &String> {
        self.unsatisfied.iter().chain(&self.bad_exports)
    }
}

/// How each bind stands, by its name.
pub fn statuses(world: &World, facts: &Facts) -> Vec<Status> {
    let status = |(bind, group): (&String, &BoundGroup)| Status {
        bind: bind.clone(),
        service_group: group.service_group.clone(),
        unsatisfied: unsatisfied(bind, group, facts),
        bad_exports: annotated(group).1,
    };
    world.binds.iter().map(status).collect()
}

/// The binds that are satisfied: those that templates see.
pub fn satisfied<'a>(
    world: &'a World,
    facts: &Facts,
) -> impl Iterator<Item = (&'a String, &'a BoundGroup)> {
    let all = world.binds.iter();
    all.filter(|(bind, group)| unsatisfied(bind, group, facts).is_none())
}

/// What a package with declared binds cannot start with, in Habitat's words.
pub fn refuse<'a>(
    facts: &Facts,
    mapped: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Vec<String>> {
    let missing: Vec<&str> = facts
        .binds
        .iter()
        .map(|bind| bind.name.as_str())
        .filter(|name| !mapped.clone().any(|mapped| mapped == *name))
        .collect();
    let declared = || facts.binds.iter().chain(&facts.binds_optional);
    // A plain plan without metafiles declares none, and may be given any.
    let is_strict = facts.installed || declared().next().is_some();
    let undeclared: Vec<&str> = mapped
        .filter(|_| is_strict)
        .filter(|name| !declared().any(|bind| bind.name == *name))
        .collect();
    let mut problems = Vec::new();
    if !missing.is_empty() {
        problems.push(format!(
            "Missing required bind(s), {}: map each with --bind NAME:[NAMESPACE/]SERVICE, or in the annotation kubesup.dev/bind",
            missing.join(", ")
        ));
    }
    if !undeclared.is_empty() {
        let declared: Vec<_> = declared().map(|bind| bind.name.as_str()).collect();
        let declared = match declared.join(", ") {
            none if none.is_empty() => "no binds".to_owned(),
            some => some,
        };
        problems.push(format!(
            "Invalid bind(s), {}: package {} declares {declared}",
            undeclared.join(", "),
            facts.ident()
        ));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// What consumers see of the configuration of a group's members.
#[derive(Debug)]
pub struct Exports {
    /// The values of the Service's annotations.
    annotated: BTreeMap<String, Value>,
}

impl Exports {
    /// The same for all members: read once.
    pub fn of(group: &BoundGroup) -> Exports {
        Exports {
            annotated: annotated(group).0,
        }
    }

    /// A member's ports, and over them the annotations.
    pub fn of_member(&self, member: &Member) -> BTreeMap<String, Value> {
        let ports = member.ports.iter();
        let mut cfg: BTreeMap<String, Value> = ports
            .map(|(name, port)| (name.clone(), Value::from(*port)))
            .collect();
        cfg.extend(self.annotated.clone());
        cfg
    }
}

/// An endpoint that is there, whether it is ready (alive) or not (suspect).
fn is_active(member: &Member) -> bool {
    !member.terminating
}

fn unsatisfied(bind: &str, group: &BoundGroup, facts: &Facts) -> Option<String> {
    let name = &group.service_group;
    if let Some(unread) = &group.unread {
        return Some(format!(
            "The specified service group '{name}' for binding '{bind}' is not known yet: {unread}"
        ));
    }
    if !group.exists {
        return Some(format!(
            "The specified service group '{name}' for binding '{bind}' is not (yet?) present in the census data."
        ));
    }
    let mut members = group.members.values().map(AsRef::as_ref);
    let Some(first) = members.find(|member| is_active(member)) else {
        let hint = match &group.external_name {
            Some(host) => format!(
                " Service {}/{} is an ExternalName ({host}), which has no EndpointSlices; bind a Service without a selector that has some",
                group.namespace, group.service
            ),
            None => String::new(),
        };
        return Some(format!(
            "The specified service group '{name}' for binding '{bind}' is present in the census, but currently has no active members.{hint}"
        ));
    };
    let told = group
        .leader()
        .filter(|member| is_active(member))
        .unwrap_or(first);
    let has = Exports::of(group).of_member(told);
    let mut declared = facts.binds.iter().chain(&facts.binds_optional);
    let required = declared
        .find(|declared| declared.name == bind)
        .map(|declared| declared.exports.as_slice())
        .unwrap_or_default();
    let missing: BTreeSet<&String> = required
        .iter()
        .filter(|export| !has.contains_key(*export))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "The group '{name}' cannot satisfy the `{bind}` bind because it does not export the following required fields: {missing:?}"
        )
    })
}

/// The values of the Service's annotations, and what is wrong with those that are none.
fn annotated(group: &BoundGroup) -> (BTreeMap<String, Value>, Vec<String>) {
    let (mut values, mut problems) = (BTreeMap::new(), Vec::new());
    for (key, text) in &group.exports {
        // One value on one line: more would be more keys.
        let parsed = match text.trim() {
            one if one.is_empty() || one.contains('\n') => Err("it is not one line".to_owned()),
            one => match parse(Format::Toml, &format!("value = {one}")) {
                Ok(mut table) => table.shift_remove("value").ok_or_else(String::new),
                Err(error) => Err(error.reason),
            },
        };
        match parsed {
            Ok(value) => {
                values.insert(key.clone(), value);
            }
            Err(reason) => problems.push(format!(
                "Service {}/{}, annotation kubesup.dev/export.{key}: no TOML value: {}; write a text in quotes",
                group.namespace,
                group.service,
                reason.trim()
            )),
        }
    }
    (values, problems)
}
