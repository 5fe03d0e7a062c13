//! A `ServiceAccount` as the kubelet gives it to a Pod: its token, bound to an object, and where it is mounted.

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::PostParams;
use serde_json::json;

use super::block_on;
use super::kubesup::{Builder, Kubesup};
use super::namespace::Namespace;
use super::package::Folder;

/// The account of the tests.
pub const ACCOUNT: &str = "demo";

/// Makes the account, which may do what the namespace grants to kubesup.
pub fn make(namespace: &Namespace<'_>) {
    namespace.put::<ServiceAccount>(json!({"metadata": {"name": ACCOUNT}}));
    namespace.put::<RoleBinding>(json!({
        "metadata": {"name": "account"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "kubesup"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace.name}],
    }));
}

/// A token that counts for as long as this object is there.
pub fn token(namespace: &Namespace<'_>, kind: &str, name: &str) -> String {
    let uid = match kind {
        "Pod" => block_on(namespace.api::<Pod>().get(name)).map(|pod| pod.metadata.uid),
        _ => block_on(namespace.api::<Secret>().get(name)).map(|secret| secret.metadata.uid),
    };
    let bound =
        json!({"kind": kind, "apiVersion": "v1", "name": name, "uid": uid.expect("it is there")});
    let request: TokenRequest = serde_json::from_value(json!({"metadata": {}, "spec": {
        "audiences": [], "expirationSeconds": 600, "boundObjectRef": bound,
    }}))
    .expect("a request");
    let api = namespace.api::<ServiceAccount>();
    let made = block_on(api.create_token_request(ACCOUNT, &PostParams::default(), &request));
    made.expect("a token").status.expect("a status").token
}

/// kubesup as a container of this Pod: with the account's files in their place and the variables of the API server's Service, and
/// nothing else. The folder holds the files until they are mounted. Needs root, for a mount namespace.
pub fn in_pod(namespace: &Namespace<'_>, pod: &str, folder: &Folder) -> Builder {
    const MOUNT: &str = "mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && \
        cp \"$0\"/* /run/secrets/kubernetes.io/serviceaccount && exec \"$@\"";
    let authority = namespace.server.authority();
    let authority = std::fs::read_to_string(authority).expect("a certificate");
    folder
        .write("token", &token(namespace, "Pod", pod))
        .write("namespace", &namespace.name)
        .write("ca.crt", &authority);
    let files = folder.path().display().to_string();
    let port = namespace.server.port().to_string();
    Kubesup::builder()
        .under(&["unshare", "--mount", "/bin/sh", "-c", MOUNT, &files])
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", &port)
}
