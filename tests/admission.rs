//! The admission policies of `role-label` and `readiness-gate`, on a real API server with a real Pod's token: a Pod changes
//! itself and only that field.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::support::api_server::ApiServer;
use crate::support::kubectl::{Answer, in_namespace};
use crate::support::namespace::Namespace;
use crate::support::wait_for;

/// Held while the policies are created.
static POLICIES: Mutex<()> = Mutex::new(());

/// A namespace with the overlay's account, Roles and policies, and two Pods of it.
struct Shop {
    namespace: Namespace<'static>,
    /// The Pod web-0's, and the token that it has.
    uid: String,
    token: String,
}

impl Shop {
    fn new() -> Shop {
        let namespace = Namespace::new(ApiServer::shared());
        let admin = |arguments: &[&str], input: &str| {
            in_namespace(&namespace, arguments, input).expect("the administrator may")
        };
        {
            // The policies have no namespace: of two that create one at a time, one would find it there.
            let _one_at_a_time = POLICIES.lock().unwrap_or_else(PoisonError::into_inner);
            admin(&["apply", "-k", "examples/injected"], "");
        }
        // kubectl reads before it patches; kubesup does not, and is not granted it.
        let look = [
            "create",
            "role",
            "look",
            "--verb=get",
            "--resource=pods,pods/status",
        ];
        admin(&look, "");
        let account = format!("--serviceaccount={}:shop-kubesup", namespace.name);
        admin(
            &["create", "rolebinding", "look", "--role=look", &account],
            "",
        );
        for name in ["web-0", "web-1"] {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "labels": {"app": "web"}, "annotations": {"a": "b"}},
                "spec": {"serviceAccountName": "shop-kubesup", "containers": [{"name": "main", "image": "nginx"}]},
            });
            admin(&["create", "-f", "-"], &pod.to_string());
            let status = r#"{"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}}"#;
            admin(
                &[
                    "patch",
                    "pod",
                    name,
                    "--subresource=status",
                    "--type=merge",
                    "-p",
                    status,
                ],
                "",
            );
        }
        let uid = admin(
            &["get", "pod", "web-0", "-o", "jsonpath={.metadata.uid}"],
            "",
        );
        let bound = format!("--bound-object-uid={uid}");
        let create = [
            "create",
            "token",
            "shop-kubesup",
            "--bound-object-kind=Pod",
            "--bound-object-name=web-0",
            &bound,
        ];
        let token = admin(&create, "").trim().to_owned();
        let shop = Shop {
            namespace,
            uid,
            token,
        };
        // Policies take effect a moment after they are there.
        for subresource in [&[][..], &["--subresource=status"]] {
            wait_for(
                "the policies are in force",
                Duration::from_secs(30),
                || match shop.patch(
                    "web-1",
                    subresource,
                    r#"{"metadata": {"labels": {"x": "y"}}}"#,
                ) {
                    Err(refused) if refused.contains("kubesup may change its own Pod only") => {
                        Ok(())
                    }
                    other => Err(other),
                },
            );
        }
        shop
    }

    /// A patch by the Pod web-0, tried only: nothing is written.
    fn patch(&self, pod: &str, more: &[&str], patch: &str) -> Answer {
        let token = format!("--token={}", self.token);
        let arguments = [
            "patch",
            "pod",
            pod,
            "--dry-run=server",
            "--type=strategic",
            "-p",
            patch,
            &token,
        ];
        in_namespace(&self.namespace, &[&arguments, more].concat(), "")
    }

    fn refuses(&self, more: &[&str], patch: &str, reason: &str) {
        let refused = self.patch("web-0", more, patch).expect_err(patch);
        assert!(refused.contains(reason), "{patch}: {refused}");
    }
}

#[test]
fn a_pod_may_label_itself_with_its_role_and_change_nothing_else_of_any_pod() {
    let shop = Shop::new();
    for role in ["leader", "follower"] {
        let patch = json!({"metadata": {"labels": {"kubesup.dev/role": role}}}).to_string();
        // As kubesup writes it.
        let own = json!({"metadata": {"uid": shop.uid, "labels": {"kubesup.dev/role": role}}});
        shop.patch("web-0", &[], &own.to_string())
            .expect("its own label");
        shop.patch("web-0", &[], &patch).expect("its own label");
        let refused = shop.patch("web-1", &[], &patch).expect_err("another Pod's");
        assert!(
            refused.contains("kubesup may change its own Pod only"),
            "{refused}"
        );
    }
    let only_label = "kubesup may change no label but kubesup.dev/role";
    for patch in [
        r#"{"metadata": {"labels": {"kubesup.dev/role": "leader", "app": "db"}}}"#,
        r#"{"metadata": {"labels": {"other": "x"}}}"#,
        r#"{"metadata": {"labels": {"app": null}}}"#,
    ] {
        shop.refuses(&[], patch, only_label);
    }
    shop.refuses(
        &[],
        r#"{"metadata": {"labels": {"kubesup.dev/role": "king"}}}"#,
        "is leader or follower",
    );
    shop.refuses(
        &[],
        r#"{"metadata": {"annotations": {"a": "c"}}}"#,
        "may not change the Pod's annotations",
    );
    shop.refuses(
        &[],
        r#"{"metadata": {"finalizers": ["example.com/stay"]}}"#,
        "may not change the Pod's finalizers",
    );
    shop.refuses(
        &[],
        r#"{"spec": {"containers": [{"name": "main", "image": "other"}]}}"#,
        "may not change the Pod's spec",
    );
}

#[test]
fn a_pod_may_write_its_own_healthy_condition_and_nothing_else_of_any_status() {
    let shop = Shop::new();
    let status = &["--subresource=status"];
    let healthy =
        r#"{"status": {"conditions": [{"type": "kubesup.dev/healthy", "status": "True"}]}}"#;
    shop.patch("web-0", status, healthy)
        .expect("its own condition");
    let refused = shop
        .patch("web-1", status, healthy)
        .expect_err("another Pod's");
    assert!(
        refused.contains("kubesup may change its own Pod only"),
        "{refused}"
    );
    let only_condition = "kubesup may change no condition but kubesup.dev/healthy";
    for patch in [
        r#"{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}"#,
        r#"{"status": {"conditions": [{"type": "example.com/gate", "status": "True"}]}}"#,
        r#"{"status": {"conditions": [{"type": "Ready", "$patch": "delete"}]}}"#,
    ] {
        shop.refuses(status, patch, only_condition);
    }
    for patch in [
        r#"{"status": {"podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]}}"#,
        r#"{"status": {"phase": "Failed"}}"#,
        r#"{"status": {"message": "x"}}"#,
    ] {
        shop.refuses(
            status,
            patch,
            "kubesup may change nothing of the Pod's status but a condition",
        );
    }
    shop.refuses(
        status,
        r#"{"metadata": {"labels": {"kubesup.dev/role": "leader"}}}"#,
        "may not change the Pod's labels",
    );
}

#[test]
fn nobody_else_is_bound_by_the_policies() {
    let shop = Shop::new();
    let patch = r#"{"metadata": {"labels": {"other": "x"}}}"#;
    let arguments = ["patch", "pod", "web-1", "--type=merge", "-p", patch];
    in_namespace(&shop.namespace, &arguments, "").expect("the administrator");
}
