//! Owns the identity under which a member stands: `<pod>/<container>/<uid>/<nonce>`. Never draws the nonce.

use std::fmt;

/// One start of kubesup in one container of one Pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Identity {
    /// The Pod's name.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The Pod's UID.
    pub uid: String,
    /// Another one at each start.
    pub nonce: String,
}

impl Identity {
    /// Reads a `holderIdentity`; `None` when it is not one of kubesup's.
    pub fn parse(text: &str) -> Option<Identity> {
        let mut parts = text.split('/').map(ToOwned::to_owned);
        let identity = Identity {
            pod: parts.next()?,
            container: parts.next()?,
            uid: parts.next()?,
            nonce: parts.next()?,
        };
        let whole = !identity.pod.is_empty() && !identity.uid.is_empty();
        (whole && parts.next().is_none()).then_some(identity)
    }

    /// Whether `holder` is an earlier start in the same container of the same Pod. Two never live at one time, so it is
    /// dead, and with it everything that it had started.
    pub fn is_successor_of(&self, holder: &str) -> bool {
        Identity::parse(holder).is_some_and(|other| {
            (&other.pod, &other.container, &other.uid) == (&self.pod, &self.container, &self.uid)
                && other.nonce != self.nonce
        })
    }

    /// The Pod's UID without dashes, Habitat's `member_id`.
    pub fn member_id(&self) -> String {
        self.uid.replace('-', "")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.pod, self.container, self.uid, self.nonce
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_what_it_writes_and_nothing_else() {
        let identity = Identity::parse("db-0/db/u-1/x").expect("an identity");
        assert_eq!(identity.to_string(), "db-0/db/u-1/x");
        assert_eq!(identity.member_id(), "u1");
        for other in ["", "db-0", "db-0_7f", "a/b/c", "a/b/c/d/e", "//u/x"] {
            assert_eq!(Identity::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_predecessor_is_another_start_in_the_same_container_of_the_same_pod() {
        let identity = Identity::parse("db-0/db/u-1/x").expect("an identity");
        assert!(identity.is_successor_of("db-0/db/u-1/y"));
        for other in [
            "db-0/db/u-1/x",
            "db-0/db/u-2/y",
            "db-0/sidecar/u-1/y",
            "db-1/db/u-1/y",
            "db-0",
        ] {
            assert!(!identity.is_successor_of(other), "{other}");
        }
    }
}
