//! Owns what follows from the settings, the own Pod and the package for the life cycle: its policy, and the signals that
//! stop it. Knows nothing of what runs.

use std::time::Duration;

use crate::config::{Settings, resolve};
use crate::lifecycle::{CheckKind, Drain, Policy};
use crate::package::Package;
use crate::world::{DEFAULT_GRACE_SECONDS, OwnPod};

/// What settings, own Pod and package say about the life cycle.
pub(super) fn policy(
    settings: &Settings,
    pod: Option<&OwnPod>,
    package: Option<&Package>,
) -> Policy {
    let grace = pod.map_or(DEFAULT_GRACE_SECONDS, |pod| pod.grace_seconds);
    let facts = package.map(|package| &package.facts);
    Policy {
        on_exit: settings.on_exit,
        min_backoff: settings.service_min_backoff_period,
        max_backoff: settings.service_max_backoff_period,
        cooldown: settings.service_restart_cooldown_period,
        budget: settings.restart_budget,
        health_interval: settings.health_check_interval,
        health_timeout: settings.health_check_timeout,
        reconfigure_timeout: settings.reconfigure_timeout,
        file_updated_timeout: settings.file_updated_timeout,
        post_stop_timeout: settings.post_stop_timeout,
        shutdown_timeout: settings.shutdown_timeout.or_else(|| {
            facts
                .and_then(|facts| facts.shutdown_timeout)
                .map(Duration::from_secs)
        }),
        grace: Duration::from_secs(u64::try_from(grace).unwrap_or_default()),
        stop_signal: facts
            .and_then(|facts| facts.shutdown_signal.as_deref())
            .and_then(resolve::parse_signal),
        rewrite: settings.rewrite_signal.clone(),
        post_run_timeout: settings.post_run_timeout,
        init_timeout: settings.init_timeout,
        check: if settings.health_check.is_some() {
            CheckKind::Setting
        } else {
            CheckKind::Hook
        },
        health_threshold: settings.health_check_threshold,
        health_start_delay: settings.health_check_start_delay,
        on_health_failure: settings.on_health_failure,
        drain: Some(Drain {
            linger: settings.drain_linger,
            max: settings.drain_max,
        }),
        seed: pod.map_or(1, |pod| seed(&pod.uid)),
    }
}

/// Members of a group have different UIDs, so that they do not all pick the same moment.
fn seed(uid: &str) -> u64 {
    let own = u64::from(std::process::id());
    uid.bytes()
        .fold(own, |seed, byte| seed.rotate_left(7) ^ u64::from(byte))
}

/// Signals that mean stop besides TERM, INT and QUIT: the setting's and the image's.
pub(super) fn stop_signals(settings: &Settings, pod: &OwnPod) -> Vec<i32> {
    let image = pod
        .container
        .stop_signal
        .as_deref()
        .and_then(resolve::parse_signal);
    settings.stop_signal.into_iter().chain(image).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;
    use crate::config::Key;
    use crate::package::Facts;
    use crate::world::Container;

    fn pod(uid: &str, stop_signal: Option<&str>) -> OwnPod {
        OwnPod {
            uid: uid.into(),
            grace_seconds: 7,
            container: Container {
                stop_signal: stop_signal.map(Into::into),
                ..Container::default()
            },
            ..OwnPod::default()
        }
    }

    fn package(facts: Facts) -> Package {
        Package {
            facts,
            ..Package::default()
        }
    }

    #[test]
    fn the_grace_is_the_pods_and_before_that_is_known_what_kubernetes_gives() {
        let settings = settings(&[]);
        let grace = |pod: Option<&OwnPod>| policy(&settings, pod, None).grace;
        assert_eq!(grace(None), Duration::from_secs(30));
        assert_eq!(grace(Some(&pod("a", None))), Duration::from_secs(7));
    }

    #[test]
    fn the_time_to_stop_is_the_settings_else_the_packages() {
        let package = package(Facts {
            shutdown_timeout: Some(8),
            shutdown_signal: Some("QUIT".into()),
            ..Facts::default()
        });
        let by_package = policy(&settings(&[]), None, Some(&package));
        assert_eq!(by_package.shutdown_timeout, Some(Duration::from_secs(8)));
        assert_eq!(by_package.stop_signal, Some(3));
        let given = settings(&[(Key::ShutdownTimeout, "4s")]);
        let by_settings = policy(&given, None, Some(&package));
        assert_eq!(by_settings.shutdown_timeout, Some(Duration::from_secs(4)));
    }

    #[test]
    fn a_health_check_of_the_settings_stands_in_for_the_hook() {
        let check = |given: &[(Key, &str)]| policy(&settings(given), None, None).check;
        assert_eq!(check(&[]), CheckKind::Hook);
        assert_eq!(
            check(&[(Key::HealthCheck, "tcp://:5432")]),
            CheckKind::Setting
        );
    }

    #[test]
    fn members_of_a_group_have_different_seeds() {
        let settings = settings(&[]);
        let seed = |uid: &str| policy(&settings, Some(&pod(uid, None)), None).seed;
        assert_ne!(seed("a"), seed("b"));
        assert_eq!(seed("a"), seed("a"));
    }

    #[test]
    fn the_settings_stop_signal_and_the_images_both_stop() {
        let pod = pod("a", Some("SIGQUIT"));
        assert_eq!(stop_signals(&settings(&[]), &pod), [3]);
        let real_time = self::pod("a", Some("SIGRTMIN+3"));
        assert_eq!(stop_signals(&settings(&[]), &real_time), [37]);
        let given = settings(&[(Key::StopSignal, "USR1")]);
        assert_eq!(stop_signals(&given, &pod), [10, 3]);
    }
}
