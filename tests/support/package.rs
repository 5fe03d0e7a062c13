//! A package directory, and a folder of manifests, made by a test.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

/// A folder that goes away with the test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    /// Writes a file, as an editor does that replaces it.
    pub fn write(&self, path: &str, text: &str) -> &Self {
        let file = self.0.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        let part = file.with_extension("part");
        std::fs::write(&part, text).expect("a file");
        let mode = if path.starts_with("hooks/") {
            0o755
        } else {
            0o644
        };
        std::fs::set_permissions(&part, std::fs::Permissions::from_mode(mode)).expect("a mode");
        std::fs::rename(part, file).expect("a file");
        self
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A program that waits, appends to `log` of its service's `var` when hooks run, and ends at TERM.
pub fn demo_package() -> Folder {
    let folder = Folder::new();
    folder
        .write(
            "default.toml",
            "greeting = \"hello\"\n[server]\nport = 8080\n",
        )
        .write(
            "config/app.conf",
            "greeting={{cfg.greeting}}\nport={{cfg.server.port}}\n",
        )
        .write("hooks/run", "#!/bin/sh\necho started\nexec sleep 1000\n");
    folder
}

/// A `reconfigure` hook that notes each of its runs.
pub const RECONFIGURE: &str = "#!/bin/sh\ncat {{pkg.svc_config_path}}/app.conf >> {{pkg.svc_var_path}}/reconfigured\necho end >> {{pkg.svc_var_path}}/reconfigured\n";

/// A `health-check` hook that is Critical while there is a file `sick` in the service's `var`.
pub const HEALTH_CHECK: &str = "#!/bin/sh\ncat {{pkg.svc_var_path}}/sick && exit 2\nexit 0\n";
