//! Owns the note of how the `install` hook has ended, on disk, so that the next start knows. Never runs it.

use tracing::warn;

use super::Accepted;
use crate::package::Facts;

impl Accepted {
    /// Whether the `install` hook has succeeded for this package before.
    pub(in super::super) fn is_installed(&self) -> bool {
        let (Some(service), Some(files)) = (&self.service, &self.files) else {
            return false;
        };
        let status = files.install_status();
        status.is_ok_and(|status| status == Some(install_status(0, &service.package.facts)))
    }

    /// Notes how the `install` hook has ended, so that the next start knows.
    pub(in super::super) fn note_install(&self, code: i32) {
        if let (Some(service), Some(files)) = (&self.service, &self.files)
            && let Err(error) =
                files.write_install_status(&install_status(code, &service.package.facts))
        {
            warn!(%error, "the end of the install hook is not noted; it will run again at the next start");
        }
    }
}

/// A new release of a package is installed anew.
fn install_status(code: i32, facts: &Facts) -> String {
    format!("{code} {}\n", facts.ident())
}
