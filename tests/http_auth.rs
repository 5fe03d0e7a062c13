//! Who may read the HTTP API, and how much: the gateway's token and `HAB_FEAT_REDACT_HTTP`.

use serde_json::Value;

use crate::support::kubesup::{Builder, Kubesup};
use crate::support::package::{Folder, demo_package};
use crate::support::wait_until;

const TOKEN: &str = "HAB_SUP_GATEWAY_AUTH_TOKEN";

fn demo(folder: &Folder) -> Builder {
    Kubesup::builder()
        .manifests(folder.path())
        .flag("--name", "demo")
}

fn status(kubesup: &Kubesup, path: &str, header: &[u8]) -> u16 {
    kubesup.send("GET", path, header).expect("an answer").0
}

/// Notes the environment of each process that kubesup starts.
fn spying_package() -> Folder {
    let package = demo_package();
    let spy = |name: &str| format!("#!/bin/sh\nenv > {{{{pkg.svc_var_path}}}}/env-of-{name}\n");
    package
        .write("hooks/init", &spy("init"))
        .write("hooks/health-check", &spy("health-check"))
        .write("hooks/reconfigure", &spy("reconfigure"))
        .write("hooks/run", &format!("{}exec sleep 1000\n", spy("run")));
    package
}

fn no_process_has(kubesup: &Kubesup, package: &Folder, secret: &str) {
    package.write("config/app.conf", "another\n");
    for hook in ["init", "run", "health-check", "reconfigure"] {
        let environment = wait_until(
            &format!("{hook} ran"),
            || kubesup.read(&format!("var/env-of-{hook}")),
            |text| text.contains("PATH="),
        );
        assert!(!environment.contains(TOKEN), "{hook}: {environment}");
        assert!(!environment.contains(secret), "{hook}: {environment}");
    }
    assert!(!kubesup.log().contains(secret), "{}", kubesup.log());
}

#[test]
fn with_a_token_the_api_is_closed_and_the_probes_are_open_and_no_hook_sees_it() {
    let package = spying_package();
    let kubesup = demo(&package).env(TOKEN, "geheim-0815").start();
    // The probes need no token.
    kubesup.wait_ready();
    assert_eq!(kubesup.get("/livez").0, 200);
    assert_eq!(kubesup.get("/").0, 200);
    for path in [
        "/services",
        "/services/demo/default/config",
        "/census",
        "/butterfly",
    ] {
        assert_eq!(kubesup.get(path), (401, String::new()), "{path}");
        let wrong = status(&kubesup, path, b"Authorization: Bearer geheim\r\n");
        assert_eq!(wrong, 401, "{path}");
        let right = status(&kubesup, path, b"Authorization: Bearer geheim-0815\r\n");
        assert_eq!(right, 200, "{path}");
    }
    no_process_has(&kubesup, &package, "geheim-0815");
}

#[test]
fn a_token_of_odd_bytes_works() {
    let token = b"t\xff\xfe\"';$(){}\\\x80k";
    let package = demo_package();
    let kubesup = demo(&package).env_bytes(TOKEN, token).start();
    kubesup.wait_ready();
    assert_eq!(kubesup.get("/services").0, 401);
    let header = [&b"Authorization: Bearer "[..], token, b"\r\n"].concat();
    assert_eq!(status(&kubesup, "/services", &header), 200);
}

#[test]
fn a_token_that_no_request_can_present_is_refused_at_the_start() {
    let package = demo_package();
    let mut kubesup = demo(&package).env(TOKEN, "geheim\n").spawn();
    assert_eq!(kubesup.wait_exit(), 64);
    let log = kubesup.log();
    assert!(
        log.contains("HAB_SUP_GATEWAY_AUTH_TOKEN: byte 7 is white space"),
        "{log}"
    );
    assert!(!log.contains("geheim"), "{log}");
}

#[test]
fn an_empty_token_counts_as_none() {
    let package = demo_package();
    let kubesup = demo(&package).env(TOKEN, "").start();
    kubesup.wait_ready();
    assert_eq!(kubesup.get("/services").0, 200);
}

#[test]
fn a_token_that_manifests_give_the_container_counts_and_no_hook_sees_it() {
    let package = spying_package();
    package.write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: demo-0}\nspec:\n  containers:\n  - name: demo\n    env:\n    \
         - {name: HAB_SUP_GATEWAY_AUTH_TOKEN, value: aus-dem-manifest}\n    - {name: HAB_FEAT_REDACT_HTTP, value: '1'}\n",
    );
    let kubesup = demo(&package).start();
    kubesup.wait_ready();
    let bearer = b"Authorization: Bearer aus-dem-manifest\r\n";
    assert_eq!(kubesup.get("/services").0, 401);
    assert_eq!(status(&kubesup, "/services", bearer), 200);
    assert_eq!(status(&kubesup, "/census", bearer), 404);
    no_process_has(&kubesup, &package, "aus-dem-manifest");
}

#[test]
fn redaction_withholds_configuration_and_the_views_of_the_group() {
    let package = demo_package();
    let kubesup = demo(&package).env("HAB_FEAT_REDACT_HTTP", "true").start();
    kubesup.wait_ready();
    assert_eq!(kubesup.get("/census"), (404, String::new()));
    assert_eq!(kubesup.get("/butterfly"), (404, String::new()));
    assert_eq!(
        kubesup.get("/services/demo/default/config"),
        (200, "null".to_owned())
    );
    let item: Value = kubesup.item();
    assert_eq!(item["service_group"], "demo.default");
    assert_eq!(item.get("cfg"), None);
    // Templates see it all the same.
    assert!(kubesup.read("config/app.conf").contains("greeting=hello"));
}
