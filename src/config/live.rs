//! Owns what an edit of the own Pod means while kubesup runs: which settings follow it, and which wait for the next start. Never
//! looks at the Pod.

use super::keys::Reach;
use super::{Key, Settings};

impl Settings {
    /// These, with what is live as it is now.
    #[must_use]
    pub fn with_live(&self, now: &Settings) -> Settings {
        Settings {
            config: now.config.clone(),
            secrets: now.secrets.clone(),
            hooks: now.hooks.clone(),
            templates: now.templates.clone(),
            files: now.files.clone(),
            ..self.clone()
        }
    }

    /// What the own Pod says otherwise now, and what is not followed: one line each.
    pub fn pending(&self, now: &Settings) -> Vec<String> {
        let keys = Key::ALL.iter().filter(|key| key.reach() == Reach::Pod);
        let differs = keys.filter(|key| self.written.get(key) != now.written.get(key));
        let mut lines: Vec<String> = differs
            .map(|key| line(key.name(), now.written.get(key)))
            .collect();
        if self.version != now.version {
            lines.push(line("version", Some(&now.version)));
        }
        lines
    }
}

fn line(name: &str, value: Option<&String>) -> String {
    let is = match value {
        Some(value) => format!("is {value}"),
        None => "is not set".to_owned(),
    };
    format!("{name} {is} in the own Pod now; it is read at the next start")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layer, Layers, Origin, load, resolve};

    /// The settings of a Pod with these annotations.
    fn of(values: &[(Key, &str)]) -> Settings {
        let layers = Layers {
            below_pod: vec![load::defaults()],
            above_pod: vec![],
        };
        let pod = Layer::new(Origin::Pod("shop/demo-0".into()));
        let pod = values
            .iter()
            .fold(pod, |layer, (key, text)| layer.with(*key, *text));
        resolve(&layers, Some(&pod)).unwrap_or_else(|problems| panic!("{values:?}: {problems:?}"))
    }

    /// Another value than the default, for each key.
    fn another(key: Key) -> &'static str {
        match key {
            Key::Topology => "leader",
            Key::BindingMode => "relaxed",
            Key::Bind => "db:pg",
            Key::LeaseDuration => "20s",
            Key::RenewDeadline => "9s",
            Key::RenewPeriod | Key::RetryPeriod => "3s",
            Key::DemotionTimeout => "2s",
            Key::Margin => "1500ms",
            Key::RestartBudget => "7/1m",
            Key::OnExit => "exit",
            Key::StopSignal => "USR2",
            Key::RemapExit => "143=0",
            Key::RewriteSignal => "TERM=QUIT",
            Key::Output => "inherit",
            Key::LogFormat => "json",
            Key::HealthCheck => "tcp://:1",
            Key::HealthCheckThreshold => "9",
            Key::OnHealthFailure => "restart",
            Key::OnLostLease => "kill",
            Key::RoleLabel | Key::Strict => "true",
            _ if key.value_name() == "TIME" => "77s",
            _ => "another",
        }
    }

    #[test]
    fn an_edit_of_each_setting_that_is_read_at_the_start_is_pending_and_of_no_other() {
        let service = (Key::Service, "peers");
        let before = of(&[service]);
        for key in Key::ALL.iter().filter(|key| key.reach() != Reach::Local) {
            let edited = of(&[service, (*key, another(*key))]);
            let pending = before.pending(&edited);
            if key.reach() == Reach::Pod {
                let line = format!(
                    "{} is {} in the own Pod now; it is read at the next start",
                    key.name(),
                    another(*key)
                );
                assert_eq!(pending, [line]);
                assert_eq!(edited.pending(&before).len(), 1, "taken back: {key:?}");
            } else {
                assert_eq!(pending, Vec::<String>::new(), "{key:?}");
            }
        }
    }

    #[test]
    fn the_version_is_read_at_the_start_too_and_what_is_gone_is_said_to_be_so() {
        let before = of(&[(Key::Service, "peers")]);
        let version = "1.2.3".to_owned();
        let newer = Settings {
            version,
            ..before.clone()
        };
        assert_eq!(
            before.pending(&newer),
            ["version is 1.2.3 in the own Pod now; it is read at the next start"]
        );
        assert_eq!(
            before.pending(&of(&[])),
            ["service is not set in the own Pod now; it is read at the next start"]
        );
    }

    #[test]
    fn what_is_live_follows_and_nothing_else_does() {
        let before = of(&[]);
        for key in Key::ALL.iter().filter(|key| key.reach() != Reach::Local) {
            let service = (Key::Service, "peers");
            let edited = of(&[service, (*key, another(*key))]);
            let mut in_force = before.with_live(&edited);
            in_force.written.clone_from(&before.written);
            assert_eq!(in_force != before, key.reach() == Reach::Live, "{key:?}");
        }
    }
}
