//! Tokens as the kubelet gives them to a Pod: a file that is replaced, and that is worth nothing once the Pod is gone.

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::support::account::{self, ACCOUNT, token};
use crate::support::api_server::ApiServer;
use crate::support::kubesup::{Builder, Kubesup};
use crate::support::namespace::{Namespace, POD, SERVICE};
use crate::support::package::{Folder, RECONFIGURE, demo_package};
use crate::support::{SOON, block_on, wait_for, wait_until};

/// The Pod with a `ServiceAccount` that may read what it names.
fn namespace<'a>(server: &'a ApiServer, config_maps: &[&str], annotations: Value) -> Namespace<'a> {
    let namespace = Namespace::new(server);
    namespace.grant(config_maps);
    account::make(&namespace);
    namespace.endpoints(&[]);
    namespace.put::<Pod>(json!({
        "metadata": {"name": POD, "labels": {"app.kubernetes.io/name": "demo"}, "annotations": annotations},
        "spec": {"nodeName": "node", "serviceAccountName": ACCOUNT, "hostname": POD, "subdomain": SERVICE,
            "containers": [{"name": "demo", "image": "demo"}]},
    }));
    namespace.address(POD, "10.1.0.1");
    namespace
}

/// kubesup with its token in this folder's `token`.
fn kubesup(namespace: &Namespace<'_>, folder: &Folder) -> Builder {
    let server = namespace.server;
    let file = folder.path().join("token");
    let kubeconfig = server.kubeconfig_with_token_file(&namespace.name, &file);
    Kubesup::builder()
        .flag("--kubeconfig", &kubeconfig.display().to_string())
        .env("POD_NAMESPACE", &namespace.name)
        .env("POD_NAME", POD)
}

#[test]
fn a_token_file_that_is_replaced_is_read_anew_before_its_first_token_is_missed_for_long() {
    let maps = ["first", "second"];
    let namespace = namespace(
        ApiServer::shared(),
        &maps,
        json!({"kubesup.dev/config": "first"}),
    );
    namespace.config_map("first", json!({"greeting": "first"}));
    namespace.config_map("second", json!({"greeting": "second"}));
    for secret in ["old", "new"] {
        namespace.put::<Secret>(json!({"metadata": {"name": secret}}));
    }
    let folder = Folder::new();
    folder.write("token", &token(&namespace, "Secret", "old"));
    let package = demo_package();
    package.write("hooks/reconfigure", RECONFIGURE);
    let kubesup = kubesup(&namespace, &folder).package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    folder.write("token", &token(&namespace, "Secret", "new"));
    namespace.delete::<Secret>("old");
    // A new watch is a new request, and needs a token that counts.
    let annotations = json!({"metadata": {"annotations": {"kubesup.dev/config": "first,second"}}});
    let api = namespace.api::<Pod>();
    block_on(api.patch(POD, &PatchParams::default(), &Patch::Merge(&annotations))).expect("a Pod");

    // The client reads the file again 50 s after it did so last; the pause after a refusal comes on top.
    wait_for("the new token is used", 5 * SOON, || {
        match kubesup.read("config/app.conf") {
            text if text.contains("greeting=second") => Ok(()),
            text => Err((text, kubesup.readyz())),
        }
    });
    wait_until(
        "nothing is in the way any more",
        || kubesup.readyz(),
        |report| report.contains("[+]fresh ok"),
    );
    assert_eq!(kubesup.main_pid(), pid, "reconfigured, never restarted");
}

#[test]
fn a_token_that_dies_with_the_pod_is_told_and_the_program_goes_on_until_it_is_stopped() {
    let server = ApiServer::start();
    let namespace = namespace(&server, &["first"], json!({"kubesup.dev/config": "first"}));
    namespace.config_map("first", json!({"greeting": "first"}));
    let folder = Folder::new();
    folder.write("token", &token(&namespace, "Pod", POD));
    let package = demo_package();
    let mut kubesup = kubesup(&namespace, &folder).package(package.path()).start();
    kubesup.wait_ready();
    let pid = kubesup.main_pid();

    namespace.delete::<Pod>(POD);

    wait_until(
        "it is noticed",
        || kubesup.log(),
        |log| log.contains("the own Pod is being deleted"),
    );
    // A watch that stands is not asked who it is; a new one is.
    server.kill();
    server.resume();
    wait_until(
        "it is told",
        || kubesup.readyz(),
        |report| report.contains("401 unauthorized; check that the token is current"),
    );
    // From here on a program that ends stays down, but nothing is taken from the one that runs.
    assert_eq!(kubesup.main_pid(), pid);
    assert_eq!(
        kubesup.read("config/app.conf"),
        "greeting=first\nport=8080\n"
    );
    assert_eq!(kubesup.get("/livez").0, 200);
    kubesup.signal(15);
    assert_eq!(kubesup.wait_exit(), 0, "{}", kubesup.log());
}
