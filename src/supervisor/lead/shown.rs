//! Owns what is shown of the election: to templates, and on the own Pod's label. Never takes part in it.

use std::sync::Arc;

use super::Lead;
use crate::lifecycle::election::{Identity, Leaving, Order, Progress, Role};
use crate::world::{self, World};

impl Lead {
    /// The observed world with the election as it is shown now.
    pub(in super::super) fn join(&mut self, observed: &Arc<World>) -> Arc<World> {
        if let Some((from, joined)) = &self.joined
            && Arc::ptr_eq(from, observed)
            && joined.election == self.shown
        {
            return Arc::clone(joined);
        }
        let mut joined = World::clone(observed);
        joined.election.clone_from(&self.shown);
        let joined = Arc::new(joined);
        self.joined = Some((Arc::clone(observed), Arc::clone(&joined)));
        joined
    }

    /// The election as templates see it.
    pub(in super::super) fn election(&self) -> world::Election {
        let Some(stand) = &self.stands else {
            return world::Election::default();
        };
        let outlook = self.channels.outlook.borrow();
        let own = match &outlook.order {
            Order::Lead { term, fence, .. } if *term > self.demoted && self.ending.is_none() => {
                Some(world::Leader {
                    holder: outlook
                        .holder
                        .as_ref()
                        .map_or_else(String::new, |(holder, _)| holder.clone()),
                    member_id: stand.me.member_id(),
                    term: *term,
                    suitability: outlook.suitability,
                    fence: fence.clone(),
                    is_me: true,
                })
            }
            _ => None,
        };
        let other = || {
            let (holder, term) = outlook.holder.as_ref()?;
            let identity = Identity::parse(holder)?;
            // The own member leads by an order only.
            (identity.uid != stand.me.uid).then(|| world::Leader {
                holder: holder.clone(),
                member_id: identity.member_id(),
                term: *term,
                suitability: outlook.suitability,
                fence: outlook.fence.clone().unwrap_or_default(),
                is_me: false,
            })
        };
        world::Election {
            progress: match outlook.progress {
                Progress::None => world::Progress::None,
                Progress::InProgress => world::Progress::InProgress,
                Progress::NoQuorum => world::Progress::NoQuorum,
                Progress::Finished => world::Progress::Finished,
            },
            leader: own.or_else(other),
        }
    }

    /// What the own Pod's label is to say. `taken_over` is the lead that the program has taken over, if it runs with one.
    pub(in super::super) fn label(&self, taken_over: Option<&world::Leader>) {
        if !self.stands.as_ref().is_some_and(|stand| stand.labelled) {
            return;
        }
        let leads = match &self.channels.outlook.borrow().order {
            Order::Lead { term, .. } if *term > self.demoted && self.ending.is_none() => {
                taken_over.is_some_and(|leader| leader.is_me && leader.term == *term)
            }
            _ => false,
        };
        let role = match self.leaving {
            // The Pod of our name is another's.
            Some(Leaving::Gone) => None,
            None if leads => Some(Role::Leader),
            _ => Some(Role::Follower),
        };
        self.channels.role.send_if_modified(|known| {
            let changed = *known != role;
            *known = role;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::sync::watch;

    use super::*;
    use crate::lifecycle::election::Outlook;
    use crate::supervisor::lead::Election;
    use crate::world::OwnPod;

    fn lead() -> Lead {
        let (stands, candidates) = (watch::Sender::default(), watch::Sender::default());
        Lead::new(Election {
            stands,
            candidates,
            outlook: watch::channel(Outlook::default()).1,
            role: watch::Sender::default(),
        })
    }

    #[test]
    fn the_same_world_with_the_same_election_is_one() {
        let observed = Arc::new(World {
            pod: OwnPod::default(),
            members: BTreeMap::default(),
            config: Vec::new(),
            overlay: BTreeMap::default(),
            files: BTreeMap::default(),
            binds: BTreeMap::default(),
            election: world::Election::default(),
        });
        let mut lead = lead();
        let first = lead.join(&observed);
        assert!(Arc::ptr_eq(&first, &lead.join(&observed)));
        lead.shown.progress = world::Progress::Finished;
        let second = lead.join(&observed);
        assert_eq!(second.election.progress, world::Progress::Finished);
        assert!(Arc::ptr_eq(&second, &lead.join(&observed)));
        let other = Arc::new(World::clone(&observed));
        assert!(!Arc::ptr_eq(&second, &lead.join(&other)));
    }
}
