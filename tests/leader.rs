//! One member of a group leads, by its Lease: several kubesups against the real API server.

mod census;
mod demotion;
mod group;
mod hands;
mod journal;
mod lease;
mod leaving;
mod rights;
mod rounds;
mod suitability;

use self::group::ROLE;
use crate::support::kubesup::Kubesup;
use crate::support::package::Folder;
use crate::support::wait_until;

#[test]
fn without_a_cluster_it_leads_alone_and_without_a_service_it_says_what_is_missing() {
    let package = Folder::new();
    package
        .write("config/role", ROLE)
        .write("hooks/run", "#!/bin/sh\nexec sleep 1000\n");
    let manifests = Folder::new();
    let pod = |service: &str| {
        format!(
            "kind: Pod\nmetadata:\n  name: demo-0\n  labels: {{app.kubernetes.io/name: demo}}\n  annotations: {{kubesup.dev/topology: leader}}\n\
             spec: {{{service} containers: [{{name: main}}]}}\n"
        )
    };
    manifests.write("demo.yaml", &pod(""));
    let kubesup = Kubesup::builder()
        .manifests(manifests.path())
        .package(package.path())
        .start();
    kubesup.wait_readyz("topology leader needs a Service");

    manifests
        .write(
            "service.yaml",
            "kind: Service\nmetadata: {name: demo}\nspec: {selector: {app.kubernetes.io/name: demo}, ports: [{port: 80}]}\n",
        )
        .write("demo.yaml", &pod("subdomain: demo,"));

    kubesup.wait_ready();
    let role = || kubesup.read("config/role");
    wait_until("it leads", role, |role| role == "leads 1");
}
