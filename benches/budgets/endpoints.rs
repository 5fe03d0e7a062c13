//! Owns the figures of a large group: memory with many endpoints in view, and the work that one endpoint's change makes.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use super::measure::{Budget, Row, millis, processor_time, resident};
use crate::support::api_server::ApiServer;
use crate::support::kubesup::{Kubesup, http_get_as};
use crate::support::namespace::{Namespace, SERVICE};
use crate::support::package::{Folder, demo_package};
use crate::support::wait_until;

/// As many as the EndpointSlice controller puts into one slice, unless told otherwise.
const IN_A_SLICE: usize = 100;
const CHANGES: u32 = 10;
const LIST: &str = "{{#each svc.members}}{{sys.ip}}\n{{/each}}";

pub fn measure() -> Vec<Row> {
    let names = [
        (
            "10,000 endpoints, no template lists them: memory",
            "… one endpoint's change",
        ),
        (
            "10,000 endpoints, a template lists them: memory",
            "… one endpoint's change",
        ),
        (
            "1,000 endpoints, a template lists them: memory",
            "… one endpoint's change",
        ),
    ];
    let cases = [(10_000, None), (10_000, Some(LIST)), (1_000, Some(LIST))];
    let budgets = [(32.0, 20.0), (192.0, 250.0), (32.0, 25.0)];
    let mut rows = Vec::new();
    for ((count, template), ((memory, change), (memory_most, change_most))) in
        cases.into_iter().zip(names.into_iter().zip(budgets))
    {
        let (measured_memory, measured_change) = group(count, template);
        let row = |what, measured, unit, most| Row {
            what,
            measured,
            unit,
            compared: None,
            budget: Budget::AtMost(most),
        };
        rows.push(row(memory, measured_memory, "MiB", memory_most));
        rows.push(row(change, measured_change, "ms of processor", change_most));
    }
    rows
}

/// Resident memory in MiB, and processor time in ms for one change, of a kubesup in a group of this size.
fn group(count: usize, template: Option<&str>) -> (f64, f64) {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&[]);
    namespace.put::<Service>(
        json!({"metadata": {"name": SERVICE}, "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 8080}]}}),
    );
    for slice in 0..count / IN_A_SLICE {
        put_slice(&namespace, slice, true);
    }
    namespace.pod(json!({}));
    let package = demo_package();
    if let Some(template) = template {
        package.write("config/peers", template);
        package.write("hooks/reconfigure", "#!/bin/sh\n");
    }
    let kubesup = start(&namespace, &package, count);
    let before = processor_time(kubesup.pid());
    for change in 0..CHANGES {
        put_slice(&namespace, 0, change % 2 == 1);
        // Each is a render of its own: a pause longer than the quiet time, and its effect looked at where there is one.
        std::thread::sleep(Duration::from_millis(400));
    }
    settled(&kubesup);
    let change = millis(processor_time(kubesup.pid()).saturating_sub(before)) / f64::from(CHANGES);
    (resident(kubesup.pid()), change)
}

fn start(namespace: &Namespace<'_>, package: &Folder, count: usize) -> Kubesup {
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    // The page shows how many are in view.
    wait_until(
        "all endpoints are in view",
        || page(&kubesup),
        |page| page.contains(&format!("Members ({})", count + 1)),
    );
    settled(&kubesup);
    kubesup
}

fn page(kubesup: &Kubesup) -> String {
    http_get_as(kubesup.address(), "/", "text/html")
        .expect("the page")
        .1
}

/// Waits until it has nothing to do.
fn settled(kubesup: &Kubesup) {
    let mut last = Duration::ZERO;
    wait_until(
        "nothing is left to do",
        || {
            std::thread::sleep(Duration::from_millis(300));
            let now = processor_time(kubesup.pid());
            let spent = now.saturating_sub(last);
            last = now;
            spent
        },
        |spent| *spent < Duration::from_millis(2),
    );
}

/// A slice of endpoints, the first of which is ready or not.
fn put_slice(namespace: &Namespace<'_>, slice: usize, first_ready: bool) {
    let endpoints: Vec<Value> = (0..IN_A_SLICE)
        .map(|index| {
            let number = slice * IN_A_SLICE + index;
            let (high, low) = (number / 250, number % 250 + 1);
            json!({
                "addresses": [format!("10.{}.{}.{low}", 100 + high / 250, high % 250)],
                "conditions": {"ready": index > 0 || first_ready, "serving": true, "terminating": false},
                "hostname": format!("db-{number}"), "nodeName": "node-1", "zone": "a",
                "targetRef": {"kind": "Pod", "name": format!("db-{number}"), "namespace": namespace.name, "uid": format!("00000000-0000-0000-0000-{number:012}")},
            })
        })
        .collect();
    namespace.put::<EndpointSlice>(json!({
        "metadata": {"name": format!("demo-{slice}"), "labels": {"kubernetes.io/service-name": SERVICE}},
        "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }));
}
