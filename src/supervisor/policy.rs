//! Owns what settings, own Pod and package say about the life cycle. Decides nothing of it.

use std::time::Duration;

use crate::config::{Settings, resolve};
use crate::lifecycle::{CheckKind, Drain, Policy};
use crate::package::Package;
use crate::world::{DEFAULT_GRACE_SECONDS, OwnPod};

/// Signals that mean stop besides TERM, INT and QUIT: the setting's and the image's.
pub(super) fn stop_signals(settings: &Settings, pod: &OwnPod) -> Vec<i32> {
    let image = pod
        .container
        .stop_signal
        .as_deref()
        .and_then(resolve::parse_signal);
    settings.stop_signal.into_iter().chain(image).collect()
}

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
        // Members of a group have different UIDs, so that they do not all pick the same moment.
        seed: pod.map_or(1, |pod| {
            pod.uid
                .bytes()
                .fold(u64::from(std::process::id()), |seed, byte| {
                    seed.rotate_left(7) ^ u64::from(byte)
                })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Key, Layer, Layers, Origin, load};

    fn settings(flags: &[(Key, &str)]) -> Settings {
        let flags = flags
            .iter()
            .fold(Layer::new(Origin::Flag), |layer, (key, text)| {
                layer.with(*key, *text)
            });
        let layers = Layers {
            below_pod: vec![load::defaults()],
            above_pod: vec![flags],
        };
        resolve(&layers, None).expect("settings")
    }

    fn pod(stop_signal: Option<&str>, grace_seconds: i64) -> OwnPod {
        let mut pod = OwnPod {
            grace_seconds,
            ..OwnPod::default()
        };
        pod.container.stop_signal = stop_signal.map(ToOwned::to_owned);
        pod
    }

    #[test]
    fn the_signal_that_the_image_names_means_stop_beside_that_of_the_setting() {
        let of = |flags: &[(Key, &str)], image| stop_signals(&settings(flags), &pod(image, 30));
        let set = [(Key::StopSignal, "USR2")];
        assert_eq!(of(&[], None), [0; 0]);
        assert_eq!(of(&[], Some("SIGUSR1")), [10]);
        assert_eq!(of(&[], Some("SIGRTMIN+3")), [37]);
        assert_eq!(of(&set, Some("SIGUSR1")), [12, 10]);
        assert_eq!(
            of(&set, Some("odd")),
            [12],
            "and what is no signal means nothing"
        );
    }

    #[test]
    fn the_grace_is_the_pods_and_before_it_is_known_what_the_api_server_would_put() {
        let grace = |pod: Option<&OwnPod>| policy(&settings(&[]), pod, None).grace.as_secs();
        assert_eq!(grace(None), 30);
        assert_eq!(grace(Some(&pod(None, 7))), 7);
        assert_eq!(grace(Some(&pod(None, -1))), 0);
    }
}
