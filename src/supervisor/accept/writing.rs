//! Owns the way of a revision to the disk: only what differs, as the user of the service. Never decides whether it goes into
//! force.

use std::sync::Arc;

use tracing::{info, warn};

use super::Accepted;
use crate::config::Settings;
use crate::files::{FilesError, Owner, ServiceFiles};
use crate::package::Facts;
use crate::process::{Ids, users};
use crate::revision::Revision;
use crate::snapshot::Paths;
use crate::world::World;

impl Accepted {
    pub(super) fn write(
        &mut self,
        revision: &Revision,
        world: &World,
        paths: &Paths,
    ) -> Result<(), Vec<String>> {
        let line = |error: FilesError| vec![error.to_string()];
        let files = if let Some(files) = &mut self.files {
            files
        } else {
            self.user =
                user(&self.settings, &revision.package.facts).map_err(|problem| vec![problem])?;
            let owner = self.user.as_ref().map(|ids| Owner {
                uid: ids.uid,
                gid: ids.gid,
            });
            self.files
                .insert(ServiceFiles::open(paths.svc.clone(), owner).map_err(line)?)
        };
        if self.stale || self.uploaded != world.files {
            let contents = world
                .files
                .iter()
                .map(|(name, file)| (name.as_str(), file.content.as_slice()));
            let written = files.write_uploaded(&contents.collect()).map_err(line)?;
            for path in written.written.iter().chain(&written.removed) {
                info!(%path, "service file changed");
                self.files_updated = true;
            }
            self.uploaded.clone_from(&world.files);
        }
        if self.stale || self.on_disk != revision.files {
            let written = files.write(&revision.files).map_err(line)?;
            for path in &written.written {
                info!(%path, "written");
            }
            for path in &written.removed {
                info!(%path, "removed");
            }
            self.stale = false;
            self.on_disk = Arc::clone(&revision.files);
        }
        Ok(())
    }
}

/// Who hooks and the main process run as: whom the settings name, else the package; `None` when that is kubesup's own user,
/// or when kubesup may not choose.
fn user(settings: &Settings, facts: &Facts) -> Result<Option<Ids>, String> {
    let (name, group) = match &settings.user {
        Some(run_as) => (run_as.user.as_str(), run_as.group.as_deref()),
        None if facts.svc_user.is_empty() => return Ok(None),
        None => {
            let group = Some(facts.svc_group.as_str()).filter(|group| !group.is_empty());
            (facts.svc_user.as_str(), group)
        }
    };
    if !users::may_switch().map_err(|error| format!("cannot read /proc/self/status: {error}"))? {
        // As in Habitat: a Pod may forbid it, and its runAsUser says whom instead.
        warn!(
            "running as self and not as {name}: the capabilities CHOWN, SETGID and SETUID are needed to choose"
        );
        return Ok(None);
    }
    let ids = users::find(name, group).map_err(|error| error.to_string())?;
    if users::is_self(&ids) {
        return Ok(None);
    }
    info!(user = name, uid = ids.uid, gid = ids.gid, groups = ?ids.groups, "hooks and the program run as another user");
    Ok(Some(ids))
}
