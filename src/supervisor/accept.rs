//! Owns what is in force: the service as it was last accepted, its files on disk, and why something newer was not.
//! Never starts a process.

mod binds;
mod install;
mod pending;
mod writing;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::{Base, paths};
use crate::config::Settings;
use crate::files::ServiceFiles;
use crate::lifecycle::{Event, Files};
use crate::package::binds::Status;
use crate::package::service_files;
use crate::process::Ids;
use crate::revision::{Revision, Revisions};
use crate::snapshot::{Paths, Service};
use crate::world::{ServiceFile, View, World};

/// What could not be written is tried again after this time, in case the disk was full for a moment.
const RETRY_WRITE: Duration = Duration::from_secs(5);

/// What is in force.
pub(super) struct Accepted {
    /// The settings until the first view, then those of the start.
    settings: Arc<Settings>,
    pinned: bool,
    http: Option<SocketAddr>,
    revisions: Revisions,
    service: Option<Arc<Service>>,
    files: Option<ServiceFiles>,
    /// Who hooks and the main process run as; `None`: as kubesup itself.
    user: Option<Ids>,
    /// The files as they were written last.
    on_disk: Arc<Files>,
    /// The service files as they were written last.
    uploaded: BTreeMap<String, ServiceFile>,
    /// Service files were written and the life cycle does not know yet.
    files_updated: bool,
    /// Somebody else may have changed them since.
    stale: bool,
    rejections: Vec<String>,
    retry_at: Option<Duration>,
    binds: Vec<Status>,
    gate: Gate,
}

/// Whether the life cycle has been told of a rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Not yet: there was nothing.
    Closed,
    /// Not yet: binds that are not satisfied hold it back.
    WaitingForBinds,
    /// It has, and nothing closes the gate again.
    Open,
}

impl Accepted {
    pub(super) fn new(settings: Settings, http: Option<SocketAddr>) -> Self {
        Accepted {
            settings: Arc::new(settings),
            pinned: false,
            http,
            revisions: Revisions::default(),
            service: None,
            files: None,
            user: None,
            on_disk: Arc::default(),
            uploaded: BTreeMap::new(),
            files_updated: false,
            stale: true,
            rejections: Vec::new(),
            retry_at: None,
            binds: Vec::new(),
            gate: Gate::Closed,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The life cycle knows of nothing that it could start yet.
    pub(super) fn is_first(&self) -> bool {
        self.gate != Gate::Open
    }

    /// How each bind stands.
    pub(super) fn binds(&self) -> &[Status] {
        &self.binds
    }

    /// Binds that are not satisfied hold back the first start.
    pub(super) fn is_waiting_for_binds(&self) -> bool {
        self.gate == Gate::WaitingForBinds
    }

    pub(super) fn service(&self) -> Option<&Arc<Service>> {
        self.service.as_ref()
    }

    pub(super) fn files(&self) -> Option<&ServiceFiles> {
        self.files.as_ref()
    }

    /// Who hooks and the main process run as; `None`: as kubesup itself.
    pub(super) fn user(&self) -> Option<&Ids> {
        self.user.as_ref()
    }

    /// The files as they were written last.
    pub(super) fn on_disk(&self) -> &Arc<Files> {
        &self.on_disk
    }

    /// The rendered text of a hook.
    pub(super) fn hook_text(&self, hook: &str) -> Option<&str> {
        self.on_disk
            .get(&format!("hooks/{hook}"))
            .map(String::as_str)
    }

    pub(super) fn rejections(&self) -> &[String] {
        &self.rejections
    }

    pub(super) fn retry_at(&self) -> Option<Duration> {
        self.retry_at
    }

    /// What is on disk may have been changed by somebody else: it is compared again at the next render.
    pub(super) fn forget_files(&mut self) {
        self.stale = true;
    }

    /// Takes the settings of this start from the first complete view. Whether it has just done so.
    pub(super) fn pin(&mut self, view: &View) -> bool {
        let (false, Some(settings)) = (self.pinned, &view.start) else {
            return false;
        };
        self.settings = Arc::clone(settings);
        self.pinned = true;
        true
    }

    /// Renders a view. What the life cycle is to know, when it was accepted; else the rejections say why not.
    pub(super) fn render(&mut self, view: &View, base: &Base, now: Duration) -> Vec<Event> {
        self.retry_at = None;
        let Some(world) = &view.world else {
            return Vec::new();
        };
        if !self.pinned {
            return Vec::new();
        }
        let paths = paths(&self.settings, self.http);
        self.look_at_binds(world, base);
        let made = match base {
            Ok(base) => self.revisions.make(world, base, &self.settings, &paths),
            Err(problems) => Err(problems.clone()),
        };
        if self.is_waiting_for_binds() {
            // Readers see the service that waits; nothing is written, and nobody starts anything. Why it would not render
            // now is no news: what templates read of the binds is not there.
            if let Ok(revision) = made {
                drop(self.accept(world, revision, paths));
            }
            return Vec::new();
        }
        let written = made.and_then(|revision| {
            self.write(&revision, world, &paths)
                .inspect_err(|_| self.retry_at = Some(now + RETRY_WRITE))?;
            Ok(revision)
        });
        match written {
            Ok(revision) => {
                // Before the first start the files are there, and nobody has to be told.
                let updated = std::mem::take(&mut self.files_updated) && !self.is_first();
                self.gate = Gate::Open;
                let rendered = self.accept(world, revision, paths);
                let updated = updated.then_some(Event::FilesUpdated);
                [rendered].into_iter().chain(updated).collect()
            }
            Err(problems) => {
                self.reject(problems);
                Vec::new()
            }
        }
    }

    /// Whether templates read who leads what is bound; `None` when they cannot be read themselves.
    pub(super) fn reads_leaders(&mut self, world: &World, base: &Base) -> Option<bool> {
        let base = base.as_ref().ok()?;
        self.revisions.reads_leaders(world, base, &self.settings)
    }

    fn accept(&mut self, world: &Arc<World>, revision: Revision, paths: Paths) -> Event {
        for warning in &revision.warnings {
            warn!("{warning}");
        }
        if !std::mem::take(&mut self.rejections).is_empty() {
            info!("configuration accepted again");
        }
        let changed = self
            .service
            .as_ref()
            .is_none_or(|service| service.cfg != revision.cfg || service.taint != revision.taint);
        let incarnation = self
            .service
            .as_ref()
            .map_or(0, |service| service.incarnation)
            + u64::from(changed);
        if changed {
            info!(incarnation, "configuration accepted");
        } else {
            debug!(incarnation, "rendered");
        }
        let members = world
            .members
            .values()
            .filter(|member| !member.terminating)
            .count();
        let (files, numbers) = self.service.as_ref().map_or_else(
            || (BTreeMap::new(), BTreeMap::new()),
            |known| (known.world.files.clone(), known.file_incarnations.clone()),
        );
        let file_incarnations = service_files::incarnations(&world.files, &files, &numbers);
        self.service = Some(Arc::new(Service {
            file_incarnations,
            settings: Arc::clone(&self.settings),
            package: revision.package,
            world: Arc::clone(world),
            shown: (!revision.taint.is_empty()).then(|| revision.taint.redact(&revision.cfg)),
            taint: revision.taint,
            cfg: revision.cfg,
            incarnation,
            paths,
        }));
        Event::Rendered {
            files: revision.files,
            members,
        }
    }

    fn reject(&mut self, problems: Vec<String>) {
        if self.rejections != problems {
            for problem in &problems {
                warn!("not accepted: {problem}");
            }
            self.rejections = problems;
        }
    }
}
