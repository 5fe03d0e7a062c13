//! Owns the metrics: all of them are registered here, under Habitat's names where they mean something (contract, section
//! 1.8) and as `kubesup_*` else. Parts report through a [`Metrics`] handle; nothing here looks at them by itself.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// `OpenMetrics`, which Prometheus asks for first.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels whose values are words of the program.
type Words<const N: usize> = [(&'static str, &'static str); N];
/// One label whose values are names of objects, as many as there are watches.
type Named = [(&'static str, String); 1];
type Timed = Family<Words<1>, Histogram, fn() -> Histogram>;
type Seconds = Gauge<f64, AtomicU64>;

/// Everything that is counted. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    described: Arc<Vec<Described>>,
    requests: Family<Words<1>, Counter>,
    request_duration: Timed,
    hook_duration: Timed,
    open_files: Gauge,
    cpu_time: Gauge,
    ready: Gauge,
    health: Family<Words<1>, Gauge>,
    main_process_up: Gauge,
    members: Family<Words<1>, Gauge>,
    leader: Gauge,
    leader_term: Gauge,
    leader_changes: Family<Words<1>, Counter>,
    incarnation: Gauge,
    rejected: Gauge,
    renders: Family<Words<1>, Counter>,
    render_duration: Histogram,
    reactions: Family<Words<1>, Counter>,
    restarts: Family<Words<1>, Counter>,
    hook_exits: Family<Words<2>, Counter>,
    orphans: Counter,
    watch_age: Family<Named, Seconds>,
    watch_relists: Family<Named, Counter>,
    watch_errors: Family<Named, Counter>,
    stream_clients: Gauge,
}

/// What a metric is called and what it counts, for the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// As a query spells it: counters end in `_total`.
    pub name: String,
    /// One sentence, without the stop.
    pub help: &'static str,
    /// Label names.
    pub labels: &'static [&'static str],
}

/// What the gauges show, looked at when somebody asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Look<'a> {
    /// Whether `/readyz` is 200.
    pub ready: bool,
    /// The word of the health, and all words that there are.
    pub health: (&'static str, &'a [&'static str]),
    /// Whether the main process runs.
    pub up: bool,
    /// Members by state.
    pub members: [(&'static str, usize); 3],
    /// The term that the own member leads in.
    pub own_term: Option<u64>,
    /// The term of the leader that is known.
    pub term: Option<u64>,
    /// Accepted configurations so far.
    pub incarnation: u64,
    /// Whether the newest configuration was not accepted.
    pub rejected: bool,
    /// The watches: name, age in seconds, relists, errors.
    pub watches: Vec<(String, Option<f64>, u64, u64)>,
    /// Open descriptors of kubesup.
    pub open_files: usize,
    /// Processor time of kubesup.
    pub cpu_time: Duration,
}

/// Answers take microseconds, hooks up to minutes.
const REQUEST_BUCKETS: [f64; 8] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 1.0];
const HOOK_BUCKETS: [f64; 9] = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0];
const RENDER_BUCKETS: [f64; 7] = [0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5];

fn request_histogram() -> Histogram {
    Histogram::new(REQUEST_BUCKETS)
}

fn hook_histogram() -> Histogram {
    Histogram::new(HOOK_BUCKETS)
}

/// Collects what is registered with its description.
struct Registering {
    registry: Registry,
    described: Vec<Described>,
}

impl Registering {
    fn add<M: Metric + Clone>(
        &mut self,
        name: &str,
        help: &'static str,
        labels: &'static [&'static str],
        metric: M,
    ) -> M {
        // The encoder gives counters their ending.
        let registered = match metric.metric_type() {
            prometheus_client::metrics::MetricType::Counter => name.trim_end_matches("_total"),
            _ => name,
        };
        self.registry.register(registered, help, metric.clone());
        self.described.push(Described {
            name: name.to_owned(),
            help,
            labels,
        });
        metric
    }
}

impl Metrics {
    /// All at their beginning.
    pub fn new() -> Metrics {
        let mut new = Registering {
            registry: Registry::default(),
            described: Vec::new(),
        };
        let build = Family::<Words<1>, Gauge>::default();
        build
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        new.add(
            "kubesup_build_info",
            "Always 1; the version of kubesup is the label",
            &["version"],
            build,
        );
        Metrics {
            requests: new.add("hab_sup_http_gateway_requests_total", "HTTP requests by the route that answered", &["path"], Family::default()),
            request_duration: new.add("hab_sup_http_gateway_request_duration_seconds", "How long answers took by route", &["path"], Family::new_with_constructor(request_histogram as fn() -> Histogram)),
            hook_duration: new.add("hab_sup_hook_duration_seconds", "How long hooks ran", &["hook"], Family::new_with_constructor(hook_histogram as fn() -> Histogram)),
            open_files: new.add("hab_sup_open_file_descriptors_total", "Open file descriptors of kubesup", &[], Gauge::default()),
            cpu_time: new.add("hab_sup_cpu_time_nanoseconds", "Processor time that kubesup has used, its children excluded", &[], Gauge::default()),
            ready: new.add("kubesup_ready", "1 while /readyz is 200", &[], Gauge::default()),
            health: new.add("kubesup_health", "1 for the result of the last health check, 0 for the others", &["health"], Family::default()),
            main_process_up: new.add("kubesup_main_process_up", "1 while the main process runs", &[], Gauge::default()),
            members: new.add("kubesup_members", "Members of the group by state, self included", &["state"], Family::default()),
            leader: new.add("kubesup_leader", "1 while the own member leads", &[], Gauge::default()),
            leader_term: new.add("kubesup_leader_term", "The term of the leader that is known; 0 without one", &[], Gauge::default()),
            leader_changes: new.add("kubesup_leader_changes_total", "Changes of the lead as this member sees them: gained, given_up, lost (not renewed in time, or taken over) or other (another member leads)", &["change"], Family::default()),
            incarnation: new.add("kubesup_configuration_incarnation", "Accepted configurations since the start", &[], Gauge::default()),
            rejected: new.add("kubesup_configuration_rejected", "1 while the newest configuration is not accepted and the last good one stays in force", &[], Gauge::default()),
            renders: new.add("kubesup_renders_total", "Renderings by result: accepted or rejected", &["result"], Family::default()),
            render_duration: new.add("kubesup_render_duration_seconds", "How long a rendering took, files written", &[], Histogram::new(RENDER_BUCKETS)),
            reactions: new.add("kubesup_reactions_total", "What changes asked for: start, reconfigure, restart or none, files alone included", &["reaction"], Family::default()),
            restarts: new.add("kubesup_restarts_total", "Restarts of the main process by Habitat's termination reason", &["reason"], Family::default()),
            hook_exits: new.add("kubesup_hook_exits_total", "Ends of hooks by result: ok (code 0) or failed", &["hook", "result"], Family::default()),
            orphans: new.add("kubesup_orphans_reaped_total", "Orphans that were reaped: processes of others whose parent had ended", &[], Counter::default()),
            watch_age: new.add("kubesup_watch_age_seconds", "Since the API server was last heard on this watch", &["watch"], Family::default()),
            watch_relists: new.add("kubesup_watch_relists_total", "Complete lists after the first on this watch", &["watch"], Family::default()),
            watch_errors: new.add("kubesup_watch_errors_total", "Failures of this watch", &["watch"], Family::default()),
            stream_clients: new.add("kubesup_stream_clients", "Clients that follow /v1/watch", &[], Gauge::default()),
            registry: Arc::new(new.registry),
            described: Arc::new(new.described),
        }
    }

    /// What there is, in the order of the answer.
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// A request was answered. `path` is the route, not what was asked for: its values are few.
    pub fn answered(&self, path: &'static str, took: Duration) {
        let labels = [("path", path)];
        self.requests.get_or_create(&labels).inc();
        let histogram = self.request_duration.get_or_create(&labels);
        histogram.observe(took.as_secs_f64());
    }

    /// A hook ended.
    pub fn hook_ended(&self, hook: &'static str, code: i32, took: Duration) {
        let histogram = self.hook_duration.get_or_create(&[("hook", hook)]);
        histogram.observe(took.as_secs_f64());
        let result = if code == 0 { "ok" } else { "failed" };
        let labels = [("hook", hook), ("result", result)];
        self.hook_exits.get_or_create(&labels).inc();
    }

    /// Something was rendered.
    pub fn rendered(&self, result: &'static str, took: Duration) {
        self.renders.get_or_create(&[("result", result)]).inc();
        self.render_duration.observe(took.as_secs_f64());
    }

    /// A change asked for something.
    pub fn reacted(&self, reaction: &'static str) {
        self.reactions
            .get_or_create(&[("reaction", reaction)])
            .inc();
    }

    /// The lead came, went, or is another's.
    pub fn led(&self, change: &'static str) {
        self.leader_changes
            .get_or_create(&[("change", change)])
            .inc();
    }

    /// The main process is restarted.
    pub fn restarted(&self, reason: &'static str) {
        self.restarts.get_or_create(&[("reason", reason)]).inc();
    }

    /// So many orphans have been reaped so far.
    pub fn orphans_reaped(&self, count: u64) {
        self.orphans.inner().store(count, Ordering::Relaxed);
    }

    /// A client follows the stream, until what this returns is dropped.
    pub fn stream_client(&self) -> StreamClient {
        self.stream_clients.inc();
        StreamClient(self.stream_clients.clone())
    }

    /// The answer to a scrape.
    pub fn text(&self, look: &Look<'_>) -> String {
        self.ready.set(i64::from(look.ready));
        let (health, all) = look.health;
        for word in all {
            let gauge = self.health.get_or_create(&[("health", *word)]);
            gauge.set(i64::from(*word == health));
        }
        self.main_process_up.set(i64::from(look.up));
        for (state, count) in look.members {
            self.members
                .get_or_create(&[("state", state)])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let number =
            |term: Option<u64>| i64::try_from(term.unwrap_or_default()).unwrap_or(i64::MAX);
        self.leader.set(i64::from(look.own_term.is_some()));
        self.leader_term.set(number(look.term));
        self.incarnation
            .set(i64::try_from(look.incarnation).unwrap_or(i64::MAX));
        self.rejected.set(i64::from(look.rejected));
        // A watch that is gone is shown no more.
        self.watch_age.clear();
        self.watch_relists.clear();
        self.watch_errors.clear();
        for (watch, age, relists, errors) in &look.watches {
            let labels = [("watch", watch.clone())];
            if let Some(age) = age {
                self.watch_age.get_or_create(&labels).set(*age);
            }
            let store = |family: &Family<Named, Counter>, count: u64| {
                let counter = family.get_or_create(&labels);
                counter.inner().store(count, Ordering::Relaxed);
            };
            store(&self.watch_relists, *relists);
            store(&self.watch_errors, *errors);
        }
        self.open_files
            .set(i64::try_from(look.open_files).unwrap_or(i64::MAX));
        self.cpu_time
            .set(i64::try_from(look.cpu_time.as_nanos()).unwrap_or(i64::MAX));
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing to a String cannot fail.
            let _ = write!(text, "# EOF");
        }
        text
    }
}

/// One client of the stream.
#[derive(Debug)]
pub struct StreamClient(Gauge);

impl Drop for StreamClient {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metrics({} of them)", self.described.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a value for each label.
    fn text() -> String {
        let metrics = Metrics::new();
        metrics.answered("/services", Duration::from_millis(1));
        metrics.hook_ended("reconfigure", 1, Duration::from_secs(2));
        metrics.rendered("accepted", Duration::from_millis(2));
        metrics.reacted("restart");
        metrics.restarted("run_hook_failed");
        metrics.orphans_reaped(7);
        metrics.led("gained");
        let _client = metrics.stream_client();
        metrics.text(&Look {
            ready: true,
            health: ("ok", &["ok", "critical"]),
            up: true,
            members: [("ready", 3), ("not_ready", 1), ("terminating", 0)],
            own_term: Some(3),
            term: Some(3),
            incarnation: 4,
            rejected: false,
            watches: vec![("ConfigMap a".to_owned(), Some(1.5), 2, 3)],
            open_files: 12,
            cpu_time: Duration::from_millis(5),
        })
    }

    #[test]
    fn every_metric_is_in_the_answer_with_its_help() {
        let text = text();
        for Described { name, help, labels } in Metrics::new().described() {
            let family = name.trim_end_matches("_total");
            let described = format!("# HELP {family} {help}.");
            let as_it_is = format!("# HELP {name} {help}.");
            assert!(
                text.contains(&described) || text.contains(&as_it_is),
                "{name}:\n{text}"
            );
            let sample = text.lines().find(|line| {
                line.starts_with(name.as_str())
                    && labels
                        .iter()
                        .all(|label| line.contains(&format!("{label}=\"")))
            });
            assert!(sample.is_some(), "{name} {labels:?}:\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn what_is_reported_is_shown() {
        let text = text();
        for line in [
            "hab_sup_http_gateway_requests_total{path=\"/services\"} 1",
            "hab_sup_hook_duration_seconds_count{hook=\"reconfigure\"} 1",
            "kubesup_hook_exits_total{hook=\"reconfigure\",result=\"failed\"} 1",
            "kubesup_orphans_reaped_total 7",
            "kubesup_health{health=\"ok\"} 1",
            "kubesup_health{health=\"critical\"} 0",
            "kubesup_members{state=\"ready\"} 3",
            "kubesup_leader 1",
            "kubesup_leader_term 3",
            "kubesup_leader_changes_total{change=\"gained\"} 1",
            "kubesup_watch_age_seconds{watch=\"ConfigMap a\"} 1.5",
            "kubesup_watch_errors_total{watch=\"ConfigMap a\"} 3",
            "hab_sup_open_file_descriptors_total 12",
            "hab_sup_cpu_time_nanoseconds 5000000",
            "kubesup_stream_clients 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}:\n{text}");
        }
    }

    #[test]
    fn the_reference_lists_all_of_them_and_no_others() {
        let reference = include_str!("../docs/reference/metrics.md");
        let listed: Vec<&str> = reference
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter_map(|line| line.split('`').next())
            .collect();
        let metrics = Metrics::new();
        let names: Vec<&str> = metrics
            .described()
            .iter()
            .map(|metric| metric.name.as_str())
            .collect();
        assert_eq!(listed, names);
        for metric in metrics.described() {
            let labels: Vec<String> = metric
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            let row = format!(
                "| `{}` | {} | {} |",
                metric.name,
                labels.join(", "),
                metric.help
            );
            assert!(reference.contains(&row), "{row}");
        }
    }
}
