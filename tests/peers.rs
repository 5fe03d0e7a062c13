//! Members of the group, from EndpointSlices.

use serde_json::json;

use crate::support::api_server::ApiServer;
use crate::support::namespace::Namespace;
use crate::support::package::{RECONFIGURE, demo_package};
use crate::support::wait_until;

#[test]
fn members_come_ready_or_not_and_a_terminating_endpoint_leaves_the_rendered_list() {
    let namespace = Namespace::new(ApiServer::shared());
    namespace.grant(&[]);
    namespace.endpoints(&[
        ("10.1.0.2", json!({"ready": true})),
        ("10.1.0.3", json!({"ready": false})),
    ]);
    namespace.pod(json!({}));
    let package = demo_package();
    package
        .write("hooks/reconfigure", RECONFIGURE)
        .write("config/app.conf", "{{#eachAlive svc.members as |member|}}{{member.sys.ip}}:{{member.cfg.http}}\n{{/eachAlive}}");
    let kubesup = namespace.kubesup().package(package.path()).start();
    kubesup.wait_ready();
    let peers = || {
        let mut lines: Vec<String> = kubesup
            .read("config/app.conf")
            .lines()
            .map(ToOwned::to_owned)
            .collect();
        lines.sort();
        lines
    };
    // Self is there though no slice lists it; its ports are not known yet.
    assert_eq!(peers(), ["10.1.0.1:", "10.1.0.2:8080", "10.1.0.3:8080"]);

    namespace.endpoints(&[
        ("10.1.0.2", json!({"ready": true, "terminating": true})),
        ("10.1.0.3", json!({"ready": true})),
    ]);

    wait_until("the terminating one has left", peers, |peers| {
        *peers == ["10.1.0.1:", "10.1.0.3:8080"]
    });
}
