//! Owns how a bind is written: `NAME:[NAMESPACE/]SERVICE[.GROUP]`, with Habitat's `@ORG` at the end. Never looks whether
//! there is such a Service.

use std::fmt;

use super::lease_name;

/// A service that this one needs, under a name of the package's choosing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The bind's name in templates: `bind.NAME`.
    pub name: String,
    /// The Service's namespace; `None` for the own one.
    pub namespace: Option<String>,
    /// The Service.
    pub service: String,
    /// Its service group; `default` unless said.
    pub group: String,
    /// Its organisation, as in Habitat.
    pub org: Option<String>,
}

impl Bind {
    /// Reads one bind. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Bind, String> {
        let shape = || {
            format!(
                "{text:?} is no bind; write NAME:SERVICE, NAME:NAMESPACE/SERVICE or NAME:SERVICE.GROUP"
            )
        };
        let (name, target) = text.split_once(':').ok_or_else(shape)?;
        if target.contains(':') {
            return Err(shape());
        }
        let (target, org) = match target.split_once('@') {
            Some((target, org)) => (target, Some(org)),
            None => (target, None),
        };
        let (namespace, target) = match target.split_once('/') {
            Some((namespace, target)) => (Some(namespace), target),
            None => (None, target),
        };
        let (service, group) = target.split_once('.').unwrap_or((target, "default"));
        if !is_word(name) {
            return Err(format!("{text:?}: {name:?} is no name for a bind"));
        }
        if let Some(namespace) = namespace.filter(|namespace| !is_label(namespace)) {
            return Err(format!("{text:?}: {namespace:?} is no namespace"));
        }
        if !is_label(service) {
            return Err(format!("{text:?}: {service:?} is no name of a Service"));
        }
        if let Some(odd) = [Some(group), org]
            .into_iter()
            .flatten()
            .find(|word| !is_word(word))
        {
            return Err(format!(
                "{text:?}: {odd:?} is neither a group nor an organisation"
            ));
        }
        Ok(Bind {
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            service: service.to_owned(),
            group: group.to_owned(),
            org: org.map(str::to_owned),
        })
    }

    /// The Lease of the group that is bound.
    pub fn lease(&self) -> String {
        lease_name(&self.service, &self.group)
    }

    /// `service.group[@org]`, as Habitat names what is bound.
    pub fn service_group(&self) -> String {
        let org = self.org.as_deref().map(|org| format!("@{org}"));
        format!("{}.{}{}", self.service, self.group, org.unwrap_or_default())
    }
}

/// `NAME:[NAMESPACE/]SERVICE.GROUP[@ORG]`.
impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.service_group())
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['#', '@', '.', '/', ',', ':'])
        && !text.contains(char::is_whitespace)
}

/// A DNS label, as Kubernetes wants names of Services and namespaces: at most 63 of `a-z 0-9 -`.
fn is_label(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.chars().all(|c| alphanumeric(c) || c == '-')
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_has_a_name_and_a_service_and_perhaps_more() {
        for (text, shown, namespace, org) in [
            ("db:postgres", "db:postgres.default", None, None),
            ("db:postgres.blue", "db:postgres.blue", None, None),
            (
                "db:data/postgres",
                "db:data/postgres.default",
                Some("data"),
                None,
            ),
            (
                "db:data/postgres.blue",
                "db:data/postgres.blue",
                Some("data"),
                None,
            ),
            (
                "my_db:postgres.default@acme",
                "my_db:postgres.default@acme",
                None,
                Some("acme"),
            ),
        ] {
            let bind = Bind::parse(text).expect("a bind");
            assert_eq!(bind.to_string(), shown);
            assert_eq!(bind.namespace.as_deref(), namespace, "{text}");
            assert_eq!(bind.org.as_deref(), org, "{text}");
            assert_eq!(bind.service, "postgres", "{text}");
        }
    }

    #[test]
    fn what_is_no_bind_says_which_part_is_wrong() {
        for (text, reason) in [
            ("postgres", "is no bind; write NAME:SERVICE"),
            ("", "is no bind"),
            ("a:b:c", "is no bind"),
            (":postgres", "\"\" is no name for a bind"),
            ("d.b:postgres", "\"d.b\" is no name for a bind"),
            ("db:", "\"\" is no name of a Service"),
            ("db:Postgres", "\"Postgres\" is no name of a Service"),
            ("db:-x", "\"-x\" is no name of a Service"),
            ("db:/x", "\"\" is no namespace"),
            ("db:a/b/c", "\"b/c\" is no name of a Service"),
            ("db:x.", "\"\" is neither a group nor an organisation"),
            ("db:x.a.b", "\"a.b\" is neither"),
            ("db:x.a@", "\"\" is neither"),
        ] {
            let error = Bind::parse(text).expect_err("an error");
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
