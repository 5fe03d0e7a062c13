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

    use std::time::Duration;

    use tokio::sync::watch;

    use super::*;
    use crate::config::{Key, OnLost};
    use crate::lifecycle::election::{Outlook, Stand};
    use crate::supervisor::lead::Election;
    use crate::supervisor::tests::settings;
    use crate::world::OwnPod;

    const ME: &str = "db-0/db/u-0/now";

    /// The own member does not stand.
    fn lead() -> Lead {
        lead_with(Outlook::default())
    }

    fn lead_with(outlook: Outlook) -> Lead {
        let (stands, candidates) = (watch::Sender::default(), watch::Sender::default());
        Lead::new(Election {
            stands,
            candidates,
            outlook: watch::channel(outlook).1,
            role: watch::Sender::default(),
        })
    }

    /// The own member stands, and this one holds the Lease in term 3.
    fn standing(holder: &str, order: Order) -> Lead {
        let mut lead = lead_with(Outlook {
            order,
            holder: Some((holder.into(), 3)),
            fence: Some("f".into()),
            ..Outlook::default()
        });
        lead.stands = Some(Stand {
            me: Identity::parse(ME).expect("an identity"),
            lease: "kubesup.db.default".into(),
            times: settings(&[(Key::Topology, "leader")]).lease,
            on_lost: OnLost::Demote,
            labelled: true,
        });
        lead
    }

    fn ordered() -> Order {
        Order::Lead {
            term: 3,
            fence: "own".into(),
            until: Duration::MAX,
        }
    }

    fn role(lead: &Lead, taken_over: Option<&world::Leader>) -> Option<Role> {
        lead.label(taken_over);
        *lead.channels.role.borrow()
    }

    #[test]
    fn the_own_member_leads_by_an_order_alone_and_not_while_it_gives_the_lead_up_or_has_done_so() {
        let follows = standing(ME, Order::Follow);
        assert_eq!(follows.election().leader, None);
        let mut leads = standing(ME, ordered());
        let leader = leads.election().leader.expect("a leader");
        assert!(leader.is_me);
        assert_eq!((leader.term, leader.fence.as_str()), (3, "own"));
        leads.ending = Some(3);
        assert_eq!(leads.election().leader, None);
        leads.ended();
        assert_eq!(leads.election().leader, None);
    }

    #[test]
    fn another_leads_when_the_lease_names_it() {
        let leader = standing("db-1/db/u-1/x", Order::Follow).election().leader;
        let leader = leader.expect("a leader");
        assert!(!leader.is_me);
        assert_eq!((leader.term, leader.fence.as_str()), (3, "f"));
        assert_eq!(standing("somebody", Order::Follow).election().leader, None);
    }

    #[test]
    fn the_label_says_leader_once_the_program_has_taken_the_lead_over_and_until_it_gives_it_up() {
        let mut lead = standing(ME, ordered());
        let leader = lead.election().leader.expect("a leader");
        assert_eq!(role(&lead, None), Some(Role::Follower));
        assert_eq!(role(&lead, Some(&leader)), Some(Role::Leader));
        lead.ending = Some(3);
        assert_eq!(role(&lead, Some(&leader)), Some(Role::Follower));
    }

    #[test]
    fn who_leaves_is_labelled_a_follower_and_the_pod_of_another_is_not_labelled() {
        let mut lead = standing(ME, ordered());
        let leader = lead.election().leader;
        lead.leaving = Some(Leaving::Stopping);
        assert_eq!(role(&lead, leader.as_ref()), Some(Role::Follower));
        lead.leaving = Some(Leaving::Gone);
        assert_eq!(role(&lead, leader.as_ref()), None);
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
