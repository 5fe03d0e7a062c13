//! `/services` and the probes, from outside.

use serde_json::Value;

use crate::support::contract::ITEM;
use crate::support::kubesup::Kubesup;
use crate::support::package::demo_package;
use crate::support::wait_until;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn the_item_has_every_key_of_the_contract_and_no_other() {
    let package = demo_package();
    package.write(
        "hooks/health-check",
        "#!/bin/sh\necho fine\necho oddly >&2\nexit 1\n",
    );
    let kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .start();
    kubesup.wait_ready();
    let (status, body) = kubesup.get("/services");
    assert_eq!(status, 200);
    let list: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(keys(&list[0]), ITEM);
    assert_eq!(list[0], kubesup.item());
    assert_eq!(list[0]["health_check"], "Warning");
    assert!(
        !body.contains('\n') && !body.contains("\": "),
        "compact JSON"
    );

    let (status, body) = kubesup.get("/services/demo/default/health");
    assert_eq!(
        (status, body.as_str()),
        (
            200,
            r#"{"status":"WARNING","stdout":"fine\n","stderr":"oddly\n"}"#
        )
    );
    assert_eq!(kubesup.get("/services/demo/other"), (404, String::new()));
    assert_eq!(kubesup.get("/services/de.mo/default"), (400, String::new()));
    assert_eq!(kubesup.get("/nowhere"), (404, String::new()));
    assert_eq!(kubesup.get("/").0, 200);
}

#[test]
fn a_critical_service_is_not_ready_and_says_so() {
    let package = demo_package();
    package.write(
        "hooks/health-check",
        "#!/bin/sh\n[ -e {{pkg.svc_var_path}}/sick ] && exit 2\nexit 0\n",
    );
    let kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .flag("--health-check-interval", "50ms")
        .start();
    kubesup.wait_ready();
    std::fs::write(kubesup.file("var/sick"), "").expect("a file");
    let (status, _) = wait_until(
        "health is critical",
        || kubesup.get("/services/demo/default/health"),
        |(status, _)| *status == 503,
    );
    assert_eq!(status, 503);
    let report = kubesup.wait_readyz("[-]healthy failed: health is CRITICAL");
    assert!(report.contains("readyz check failed"), "{report}");
    assert_eq!(kubesup.get("/livez").0, 200);
}

#[test]
fn a_health_check_that_hangs_is_killed_and_holds_up_nothing() {
    let package = demo_package();
    package.write("hooks/health-check", "#!/bin/sh\nexec sleep 1000\n");
    let kubesup = Kubesup::builder()
        .manifests(package.path())
        .flag("--name", "demo")
        .flag("--health-check-timeout", "100ms")
        .flag("--health-check-interval", "50ms")
        .start();
    wait_until(
        "it was killed twice",
        || kubesup.log(),
        |log| log.matches("health-check hook timed out").count() >= 2,
    );
    assert_eq!(kubesup.item()["health_check"], "Unknown");
}

#[test]
fn before_the_first_complete_view_habitats_paths_are_503_without_a_body_and_livez_is_200() {
    let package = demo_package();
    package.write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: demo-0, annotations: {kubesup.dev/config: later}}\nspec: {containers: [{name: demo}]}\n",
    );
    let kubesup = Kubesup::builder()
        .manifests(package.path())
        .package(package.path())
        .flag("--name", "demo")
        .start();
    kubesup.wait_readyz("later does not exist");
    kubesup.assert_habitats_paths_are_503();
    assert_eq!(kubesup.get("/livez").0, 200);
    package.write(
        "later.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: later}\ndata: {}\n",
    );
    kubesup.wait_ready();
    assert_eq!(kubesup.get("/services").0, 200);
}
