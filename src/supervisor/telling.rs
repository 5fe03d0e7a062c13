//! Owns what the supervisor tells others: the snapshot that readers see, what the election and the Pod's label go by, and
//! the log. Never has an effect on the service.

use tracing::{info, warn};

use super::Supervisor;
use crate::lifecycle::Notice;
use crate::snapshot::Snapshot;

impl Supervisor {
    pub(super) fn publish(&self) {
        self.lead.label(self.led_by());
        self.lead.tell(&self.lifecycle.status());
        self.recorder.publish();
        let snapshot = Snapshot {
            view: self.views.borrow().clone(),
            service: self.accepted.service().cloned(),
            status: self.lifecycle.status(),
            binds: self.accepted.binds().to_vec(),
            waiting_for_binds: self.accepted.is_waiting_for_binds(),
            rejections: self.accepted.rejections().to_vec(),
            pending: self.accepted.pending(&self.views.borrow()),
        };
        self.snapshots.send_if_modified(|known| {
            let changed = !known.is_same(&snapshot);
            *known = snapshot;
            changed
        });
    }
}

pub(super) fn log(notice: &Notice) {
    match notice {
        Notice::Failed { output, .. } | Notice::FailedToStart { output, .. } => {
            warn!(last_output = ?output.join("\n"), "{notice}");
        }
        Notice::Unhealthy { .. }
        | Notice::LeftBehind
        | Notice::Killed(_)
        | Notice::TimedOut(_)
        | Notice::ReconfigureFailed { .. }
        | Notice::HookFailed { .. }
        | Notice::BudgetSpent { .. } => warn!("{notice}"),
        _ => info!("{notice}"),
    }
}
