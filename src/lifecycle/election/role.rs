//! Owns the words of the role label: what the own Pod's label `kubesup.dev/role` is to say, and what it may still say. Never
//! decides who leads.

use std::time::Duration;

/// The label.
pub const LABEL: &str = "kubesup.dev/role";

/// How long a release waits for the label to go: long enough for a slow API server, short enough for a new leader within
/// a second. The Lease decides who leads; the label is a signpost.
pub const UNLABEL: Duration = Duration::from_millis(500);

/// What the label is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The program leads: it has taken over the rendering that says so.
    Leader,
    /// It does not, or is about not to.
    Follower,
}

impl Role {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Leader => "leader",
            Role::Follower => "follower",
        }
    }
}

/// What the label may say now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Label {
    /// `leader`: it was written, or is being written; or a predecessor of ours left it so.
    #[default]
    MayLead,
    /// `follower`; or nobody can change what it says.
    Settled,
}
