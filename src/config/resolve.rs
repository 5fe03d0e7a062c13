//! Owns the resolution of layers into [`Settings`]: the highest layer that sets a key wins, and every problem is
//! reported, each with where the value came from and what is allowed. Never reads a file or the environment.

mod layers;
mod program;
mod reader;
mod references;
mod serving;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::supervision::{HealthCheck, OnHealthFailure, Output, RemapExit, RewriteSignals, RunAs};
use super::{Key, OnLost, RoleLabel, Settings, Topology};
use program::count;
use reader::Reader;
use references::Directory;

pub use layers::{Layer, Layers, Origin, Problem, Value};
pub use reader::parse_signal;

/// Resolves the layers, with what the own Pod says between them.
pub fn resolve(layers: &Layers, pod: Option<&Layer>) -> Result<Settings, Vec<Problem>> {
    let mut reader = Reader {
        values: BTreeMap::new(),
        problems: Vec::new(),
    };
    for layer in layers.below_pod.iter().chain(pod).chain(&layers.above_pod) {
        for (key, value) in &layer.values {
            reader.values.insert(*key, (&layer.origin, value));
        }
    }
    let settings = read(&mut reader);
    if let Some(pod) = pod
        && settings.topology == Topology::Leader
        && settings.service.is_none()
    {
        // Before the own Pod is known it may still name one.
        reader.problems.push(Problem {
            place: pod.origin.to_string(),
            reason: "topology leader needs a Service, whose members elect the leader; set serviceName in the StatefulSet, \
                     or the annotation kubesup.dev/service: NAME"
                .to_owned(),
        });
    }
    if reader.problems.is_empty() {
        Ok(settings)
    } else {
        Err(reader.problems)
    }
}

/// Each setting that has a value, as it is written, with the place that it is written in.
pub fn effective(layers: &Layers, pod: Option<&Layer>) -> Vec<(Key, String, String)> {
    let mut values: BTreeMap<Key, (&Origin, &Value)> = BTreeMap::new();
    for layer in layers.below_pod.iter().chain(pod).chain(&layers.above_pod) {
        for (key, value) in &layer.values {
            values.insert(*key, (&layer.origin, value));
        }
    }
    let given = values
        .into_iter()
        .filter(|(_, (_, value))| !value.text.is_empty());
    given
        .map(|(key, (origin, value))| {
            let line = value.line.filter(|_| *origin != Origin::Defaults);
            let line = line.map(|line| format!(", line {line}"));
            let field = value.field.as_ref().map(|field| format!(", {field}"));
            let place = line.or(field).unwrap_or_default();
            let place = format!("{origin}{place}");
            (key, value.text.clone(), place)
        })
        .collect()
}

fn read(from: &mut Reader<'_>) -> Settings {
    let once = from.yes(Key::Once);
    let settings = Settings {
        name: from.word(Key::Name).unwrap_or_default(),
        group: from
            .word(Key::Group)
            .unwrap_or_else(|| "default".to_owned()),
        org: from.word(Key::Org),
        version: "0.0.0".to_owned(),
        topology: from
            .one_of(
                Key::Topology,
                &[
                    ("standalone", Topology::Standalone),
                    ("leader", Topology::Leader),
                ],
            )
            .unwrap_or(Topology::Standalone),
        binding_mode: from.binding_mode(),
        binds: from.binds(),
        service: from.object_name(Key::Service),
        config: from.objects(Key::Config, Directory::Refused),
        secrets: from.objects(Key::Secrets, Directory::Refused),
        hooks: from.objects(Key::Hooks, Directory::Refused),
        templates: from.objects(Key::Templates, Directory::Allowed),
        files: from.files(),
        package: from.text(Key::Package).map(PathBuf::from),
        config_from: from.text(Key::ConfigFrom).map(PathBuf::from),
        root: from
            .text(Key::Root)
            .map_or_else(|| PathBuf::from("/kubesup"), PathBuf::from),
        user_toml: from.text(Key::UserToml).map(PathBuf::from),
        listen_http: from.listen(),
        tls: from.tls(),
        health_check_interval: from.positive(Key::HealthCheckInterval, 30),
        health_check_timeout: from.positive(Key::HealthCheckTimeout, 60),
        reconfigure_timeout: from.positive(Key::ReconfigureTimeout, 60),
        file_updated_timeout: from.positive(Key::FileUpdatedTimeout, 60),
        suitability_interval: from.positive(Key::SuitabilityInterval, 10),
        suitability_timeout: from.positive(Key::SuitabilityTimeout, 5),
        post_stop_timeout: from.positive(Key::PostStopTimeout, 60),
        service_min_backoff_period: from
            .duration(Key::ServiceMinBackoffPeriod)
            .unwrap_or_default(),
        service_max_backoff_period: from
            .duration(Key::ServiceMaxBackoffPeriod)
            .unwrap_or_default(),
        service_restart_cooldown_period: from
            .duration(Key::ServiceRestartCooldownPeriod)
            .unwrap_or(Duration::from_secs(300)),
        restart_budget: from.budget(),
        on_exit: from.on_exit(once),
        shutdown_timeout: from.duration(Key::ShutdownTimeout),
        stop_signal: from.signal(Key::StopSignal),
        remap_exit: from
            .parsed(Key::RemapExit, RemapExit::parse)
            .unwrap_or_default(),
        rewrite_signal: from
            .parsed(Key::RewriteSignal, RewriteSignals::parse)
            .unwrap_or_default(),
        termination_log: from.termination_log(),
        once,
        tty: from.yes(Key::Tty),
        output: from
            .one_of(
                Key::Output,
                &[("pass", Output::Pass), ("inherit", Output::Inherit)],
            )
            .unwrap_or_default(),
        log_format: from.log_format(),
        user: from.parsed(Key::User, RunAs::parse),
        health_check: from.parsed(Key::HealthCheck, HealthCheck::parse),
        health_check_threshold: from.parsed(Key::HealthCheckThreshold, count).unwrap_or(3),
        health_check_start_delay: from
            .duration(Key::HealthCheckStartDelay)
            .unwrap_or_default(),
        on_health_failure: from
            .one_of(
                Key::OnHealthFailure,
                &[
                    ("nothing", OnHealthFailure::Nothing),
                    ("restart", OnHealthFailure::Restart),
                ],
            )
            .unwrap_or_default(),
        post_run_timeout: from.duration(Key::PostRunTimeout),
        init_timeout: from.duration(Key::InitTimeout),
        drain_linger: from
            .duration(Key::DrainLinger)
            .unwrap_or(Duration::from_secs(3)),
        drain_max: from
            .duration(Key::DrainMax)
            .unwrap_or(Duration::from_secs(10)),
        settle_quiet: from.duration(Key::SettleQuiet).unwrap_or_default(),
        settle_max: from.duration(Key::SettleMax).unwrap_or_default(),
        lease: from.lease(),
        on_lost_lease: from
            .one_of(
                Key::OnLostLease,
                &[("demote", OnLost::Demote), ("kill", OnLost::Kill)],
            )
            .unwrap_or_default(),
        role_label: from
            .one_of(
                Key::RoleLabel,
                &[("true", RoleLabel::Kept), ("false", RoleLabel::Unkept)],
            )
            .unwrap_or_default(),
        strict: from.yes(Key::Strict),
        written: from.written(),
    };
    for problem in settings.lease.problems() {
        from.problem(Key::LeaseDuration, problem);
    }
    settings
}
