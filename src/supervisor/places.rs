//! Owns where things are that the settings place: the service's directory and `user.toml`. Never looks whether they are
//! there.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::Settings;
use crate::snapshot::Paths;

/// `<root>/svc/<name>` and where HTTP listens.
pub fn paths(settings: &Settings, http: Option<SocketAddr>) -> Paths {
    // Hooks may run elsewhere; without a working directory a relative root stays what it is.
    let root = std::path::absolute(&settings.root).unwrap_or_else(|_| settings.root.clone());
    Paths {
        svc: root.join("svc").join(&settings.name),
        root,
        http,
    }
}

/// Where `user.toml` is: as in Habitat, unless the setting says it.
pub fn user_toml(settings: &Settings) -> PathBuf {
    let path = settings.user_toml.clone().unwrap_or_else(|| {
        let directory = settings.root.join("user").join(&settings.name);
        directory.join("config").join("user.toml")
    });
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::settings;
    use super::*;
    use crate::config::Key;

    #[test]
    fn a_service_lives_below_the_root() {
        let paths = paths(&settings(&[(Key::Root, "/hab")]), None);
        assert_eq!(paths.root, Path::new("/hab"));
        assert_eq!(paths.svc, Path::new("/hab/svc/db"));
    }

    #[test]
    fn user_toml_is_where_habitat_has_it_unless_the_setting_says_where() {
        let root = (Key::Root, "/hab");
        assert_eq!(
            user_toml(&settings(&[root])),
            Path::new("/hab/user/db/config/user.toml")
        );
        assert_eq!(
            user_toml(&settings(&[root, (Key::UserToml, "/etc/own.toml")])),
            Path::new("/etc/own.toml")
        );
    }

    #[test]
    fn a_relative_root_is_made_absolute_since_hooks_may_run_elsewhere() {
        let given = settings(&[(Key::Root, "hab")]);
        assert!(paths(&given, None).svc.is_absolute());
        assert!(user_toml(&given).is_absolute());
    }
}
