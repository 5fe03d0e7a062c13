//! What kubesup did and why: `/v1/status`, `/v1/history`, `/v1/watch` and `/metrics`, from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::kubesup::{Builder, Kubesup};
use crate::support::namespace::Namespace;
use crate::support::package::{Folder, RECONFIGURE, demo_package};
use crate::support::wait_until;

/// A Pod with the ConfigMap `demo-config`.
fn configure(folder: &Folder, greeting: &str) {
    folder.write(
        "demo.yaml",
        &format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: demo-config}}\ndata: {{app.toml: 'greeting = \"{greeting}\"'}}\n\
             ---\napiVersion: v1\nkind: Pod\nmetadata: {{name: demo-0, annotations: {{kubesup.dev/config: demo-config}}}}\n\
             spec: {{containers: [{{name: demo}}]}}\n"
        ),
    );
}

fn local(folder: &Folder) -> Builder {
    Kubesup::builder()
        .manifests(folder.path())
        .flag("--name", "demo")
}

fn json_of(kubesup: &Kubesup, path: &str) -> Value {
    let (status, body) = kubesup.get(path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// The newest change, once this holds of it.
fn newest(kubesup: &Kubesup, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait_until(
        what,
        || json_of(kubesup, "/v1/history")["changes"][0].clone(),
        holds,
    )
}

#[test]
fn an_edit_is_told_with_its_object_and_key_the_decision_the_hook_and_the_result() {
    let folder = demo_package();
    folder.write("hooks/reconfigure", RECONFIGURE);
    configure(&folder, "hello");
    let kubesup = local(&folder).start();
    kubesup.wait_ready();
    let start = newest(&kubesup, "the start is told", |change| {
        change["decision"] == "start"
    });
    assert_eq!(start["cause"], "the first complete view");
    assert_eq!(start["hooks"][0]["hook"], "run");
    assert_eq!(start["hooks"][0]["code"], Value::Null);

    configure(&folder, "geheim");
    let edit = newest(&kubesup, "the edit is applied", |change| {
        change["decision"] == "reconfigure" && change["result"]["state"] == "applied"
    });
    assert_eq!(edit["changed"][0]["key"], "app.toml");
    assert!(
        edit["changed"][0]["object"]
            .as_str()
            .is_some_and(|object| object.ends_with("demo-config")),
        "{edit}"
    );
    assert_eq!(edit["files"], json!(["config/app.conf"]));
    assert_eq!(edit["hooks"][0]["hook"], "reconfigure");
    assert_eq!(edit["hooks"][0]["code"], 0);
    assert!(edit["hooks"][0]["milliseconds"].is_u64());
    assert!(
        !edit.to_string().contains("geheim"),
        "no value is shown: {edit}"
    );

    configure(&folder, "bad\\q");
    let rejected = newest(&kubesup, "the edit is rejected", |change| {
        change["decision"] == "reject"
    });
    assert_eq!(rejected["result"]["state"], "rejected");
    assert_ne!(rejected["result"]["problems"], json!([]));
    let status = json_of(&kubesup, "/v1/status");
    assert_eq!(status["configuration"]["incarnation"], 2);
    assert_eq!(
        status["configuration"]["rejections"],
        rejected["result"]["problems"]
    );
    assert_eq!(status["ready"], true);
}

#[test]
fn a_start_that_fails_is_told_with_the_last_lines_of_its_output() {
    let folder = demo_package();
    folder.write(
        "hooks/run",
        "#!/bin/sh\nfor i in $(seq 1 100); do echo line $i; done\necho it is broken >&2\nexit 7\n",
    );
    let kubesup = local(&folder)
        .flag("--service-min-backoff-period", "100s")
        .flag("--service-max-backoff-period", "100s")
        .start();
    let failure = newest(&kubesup, "the failure is told", |change| {
        change["reason"] == "run_hook_failed"
    });
    let cause = failure["cause"].as_str().expect("a cause");
    assert!(
        cause.starts_with("run hook ended by itself with code 7 after ")
            && cause.contains("it has not started"),
        "{cause}"
    );
    assert_eq!(failure["decision"], "restart");
    let output = failure["hooks"][0]["output"].as_array().expect("lines");
    assert_eq!(output.len(), 20);
    assert_eq!(output[19], "it is broken");
    assert_eq!(output[18], "line 100");
}

#[test]
fn the_stream_tells_a_change_when_it_happens() {
    let folder = demo_package();
    folder.write("hooks/reconfigure", RECONFIGURE);
    configure(&folder, "hello");
    let kubesup = local(&folder).start();
    kubesup.wait_ready();
    let mut stream = TcpStream::connect(kubesup.address()).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    write!(stream, "GET /v1/watch HTTP/1.1\r\nHost: kubesup\r\n\r\n").expect("sent");
    let mut lines = BufReader::new(stream)
        .lines()
        .map(|line| line.expect("in time"));
    assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
    assert!(lines.any(|line| line.is_empty()), "the end of the head");
    configure(&folder, "hey");
    let data = lines
        .filter_map(|line| line.strip_prefix("data: ").map(str::to_owned))
        .map(|data| serde_json::from_str::<Value>(&data).expect("JSON"))
        .find(|change| {
            change["result"]["state"] == "applied" && change["decision"] == "reconfigure"
        })
        .expect("the change");
    assert_eq!(data["changed"][0]["key"], "app.toml");
}

#[test]
fn metrics_count_what_happened() {
    let folder = demo_package();
    folder.write("hooks/reconfigure", RECONFIGURE);
    configure(&folder, "hello");
    let kubesup = local(&folder).start();
    kubesup.wait_ready();
    configure(&folder, "hey");
    let has = |line: &'static str| {
        wait_until(
            line,
            || kubesup.get("/metrics").1,
            |text| text.lines().any(|other| other == line),
        )
    };
    has("kubesup_hook_exits_total{hook=\"reconfigure\",result=\"ok\"} 1");
    has("hab_sup_hook_duration_seconds_count{hook=\"reconfigure\"} 1");
    has("kubesup_reactions_total{reaction=\"start\"} 1");
    has("kubesup_reactions_total{reaction=\"reconfigure\"} 1");
    has("kubesup_configuration_incarnation 2");
    has("kubesup_main_process_up 1");
    configure(&folder, "bad\\q");
    has("kubesup_renders_total{result=\"rejected\"} 1");
    has("kubesup_configuration_rejected 1");
    let pid = i32::try_from(kubesup.main_pid()).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
    has("kubesup_restarts_total{reason=\"run_hook_failed\"} 1");
}

#[test]
fn the_status_shows_each_watch_of_the_api_server_with_its_selector_and_age() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&["demo-config"]);
    namespace.config_map("demo-config", json!({"app.toml": "greeting = \"hello\""}));
    namespace.endpoints(&[("10.1.0.2", json!({"ready": true}))]);
    namespace.pod(json!({"kubesup.dev/config": "demo-config"}));
    let package = demo_package();
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let status = json_of(&kubesup, "/v1/status");
    let watches = status["watches"].as_array().expect("watches");
    let shown: Vec<_> = watches
        .iter()
        .map(|watch| (watch["resource"].as_str(), watch["selector"].as_str()))
        .collect();
    for expected in [
        (Some("pods"), Some("metadata.name=demo-0")),
        (
            Some("endpointslices.discovery.k8s.io"),
            Some("kubernetes.io/service-name=demo"),
        ),
        (Some("configmaps"), Some("metadata.name=demo-config")),
    ] {
        assert!(shown.contains(&expected), "{expected:?}: {shown:?}");
    }
    for watch in watches {
        let age = watch["age_seconds"].as_f64().expect("heard");
        assert!((0.0..60.0).contains(&age), "{watch}");
        assert_eq!(
            (&watch["errors"], &watch["trouble"]),
            (&json!(0), &Value::Null)
        );
    }
    let metrics = kubesup.get("/metrics").1;
    assert!(
        metrics.contains("kubesup_watch_age_seconds{watch=\"ConfigMap demo-config\"} "),
        "{metrics}"
    );
}
