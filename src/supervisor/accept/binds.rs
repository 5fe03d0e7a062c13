//! Owns the supervisor's look at the binds: which names cannot be, how each bind stands, and whether they hold back the start.
//! Never decides what satisfies a bind; `package::binds` does.

use std::collections::BTreeMap;

use tracing::{info, warn};

use super::{Accepted, Gate};
use crate::config::BindingMode;
use crate::package::binds;
use crate::supervisor::Base;
use crate::world::World;

impl Accepted {
    /// What is wrong with the names of the binds; nothing mends that before the next start.
    pub(in super::super) fn refuse_binds(&self, base: &Base) -> Result<(), Vec<String>> {
        let (true, Ok(base)) = (self.pinned, base) else {
            return Ok(());
        };
        let mapped = self.settings.binds.iter().map(|bind| bind.name.as_str());
        binds::refuse(&base.facts, mapped)
    }

    /// Follows the binds, and says what became of each.
    pub(super) fn look_at_binds(&mut self, world: &World, base: &Base) {
        let Ok(base) = base else { return };
        let now = binds::statuses(world, &base.facts);
        let known: BTreeMap<&str, &binds::Status> = self
            .binds
            .iter()
            .map(|status| (status.bind.as_str(), status))
            .collect();
        let mut changed = false;
        for status in &now {
            let before = known.get(status.bind.as_str()).copied();
            if before == Some(status) {
                continue;
            }
            changed = true;
            let was_satisfied = before.is_some_and(|before| before.unsatisfied.is_none());
            if status.unsatisfied.is_none() && !was_satisfied {
                info!(
                    "The group '{}' satisfies the `{}` bind",
                    status.service_group, status.bind
                );
            }
            let is_new = |problem: &&String| {
                before.is_none_or(|before| !before.problems().any(|known| known == *problem))
            };
            for problem in status.problems().filter(is_new) {
                warn!("{problem}");
            }
        }
        let unsatisfied = now.iter().any(|status| status.unsatisfied.is_some());
        if self.gate != Gate::Open {
            let waits = unsatisfied && self.settings.binding_mode == BindingMode::Strict;
            if waits && changed {
                info!("Waiting for service binds...");
            }
            self.gate = if waits {
                Gate::WaitingForBinds
            } else {
                Gate::Closed
            };
        }
        self.binds = now;
    }
}
