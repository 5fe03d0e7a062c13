//! A namespace of the API server that one test has for itself, and the objects in it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace as ApiNamespace, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::api_server::{ApiServer, User};
use super::block_on;
use super::kubesup::{Builder, Kubesup, Outcome, command};

/// The Pod that tests run kubesup for.
pub const POD: &str = "demo-0";
/// Its Service.
pub const SERVICE: &str = "demo";

/// One namespace. It goes away with the API server.
pub struct Namespace<'a> {
    pub server: &'a ApiServer,
    pub name: String,
    client: Client,
}

impl<'a> Namespace<'a> {
    pub fn new(server: &'a ApiServer) -> Self {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test-{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let client = server.client();
        let namespace: ApiNamespace = object(json!({"metadata": {"name": name}}));
        block_on(Api::all(client.clone()).create(&PostParams::default(), &namespace))
            .expect("a namespace");
        Namespace {
            server,
            name,
            client,
        }
    }

    /// On the shared API server, with Service `demo`, where kubesup may do the least and `more`.
    pub fn granting(more: &[Value]) -> Namespace<'static> {
        let namespace = Namespace::new(ApiServer::shared());
        namespace.role(least(more));
        namespace.endpoints(&[]);
        namespace
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Creates the object, or makes it what it says.
    pub fn put<K>(&self, value: Value) -> K
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug
            + serde::Serialize,
    {
        let object: K = object(value);
        let name = object.meta().name.clone().expect("a name");
        let parameters = PatchParams::apply("kubesup-tests").force();
        block_on(
            self.api::<K>()
                .patch(&name, &parameters, &Patch::Apply(&object)),
        )
        .expect("an object")
    }

    pub fn delete<K>(&self, name: &str)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        self.delete_gracefully::<K>(name, 0);
    }

    /// The object stays until somebody confirms its end (a Pod's kubelet), or this is 0.
    pub fn delete_gracefully<K>(&self, name: &str, grace_seconds: u32)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        block_on(
            self.api::<K>()
                .delete(name, &DeleteParams::default().grace_period(grace_seconds)),
        )
        .expect("deleted");
    }

    pub fn config_map(&self, name: &str, data: Value) {
        self.put::<ConfigMap>(json!({"metadata": {"name": name}, "data": data}));
    }

    /// The Pod `demo-0` of Service `demo`, with an IP, as a kubelet would have left it.
    pub fn pod(&self, annotations: Value) -> Pod {
        self.member(0, annotations)
    }

    /// The same for any Pod of Service `demo`: `demo-3` has 10.1.0.4.
    pub fn member(&self, number: u8, annotations: Value) -> Pod {
        let name = format!("{SERVICE}-{number}");
        self.put::<Pod>(json!({
            "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "demo"}, "annotations": annotations},
            // On a node, else a deletion has no grace.
            "spec": {"nodeName": "node", "hostname": name, "subdomain": SERVICE, "containers": [{"name": "demo", "image": "demo"}]},
        }));
        self.address(&name, &format!("10.1.0.{}", number + 1))
    }

    /// The Pod `demo-0` with kubesup's readiness gate, and a condition of somebody else.
    pub fn gated_pod(&self, annotations: Value) {
        self.put::<Pod>(json!({
            "metadata": {"name": POD, "labels": {"app.kubernetes.io/name": "demo"}, "annotations": annotations},
            "spec": {"hostname": POD, "subdomain": SERVICE, "readinessGates": [{"conditionType": "kubesup.dev/healthy"}],
                "containers": [{"name": "demo", "image": "demo"}]},
        }));
        let conditions = json!([{"type": "Initialized", "status": "True"}]);
        let ips = json!([{"ip": "10.1.0.1"}]);
        self.status(
            POD,
            json!({"podIP": "10.1.0.1", "podIPs": ips, "conditions": conditions}),
        );
    }

    /// Gives a Pod its IP.
    pub fn address(&self, pod: &str, ip: &str) -> Pod {
        self.status(pod, json!({"podIP": ip, "podIPs": [{"ip": ip}]}))
    }

    /// Writes into a Pod's status, as its kubelet does.
    pub fn status(&self, pod: &str, status: Value) -> Pod {
        let patch = Patch::Merge(json!({"status": status}));
        let api = self.api::<Pod>();
        block_on(api.patch_status(pod, &PatchParams::default(), &patch)).expect("a status")
    }

    /// The Service and its EndpointSlice: each endpoint is an address and its conditions.
    pub fn endpoints(&self, endpoints: &[(&str, Value)]) {
        self.put::<Service>(json!({"metadata": {"name": SERVICE}, "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 8080}]}}));
        let endpoints: Vec<Value> = endpoints
            .iter()
            .map(|(address, conditions)| json!({"addresses": [address], "conditions": conditions}))
            .collect();
        self.put::<EndpointSlice>(json!({
            "metadata": {"name": "demo-1", "labels": {"kubernetes.io/service-name": SERVICE}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }));
    }

    /// Grants the least that kubesup needs: its Pod, its slices, and these ConfigMaps.
    pub fn grant(&self, config_maps: &[&str]) {
        self.role(least(&[json!(
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": config_maps, "verbs": ["list", "watch"]}
        )]));
    }

    /// Grants these rules to kubesup.
    pub fn role(&self, rules: Value) {
        self.role_of(User::Kubesup, rules);
    }

    /// Grants these rules to a user.
    pub fn role_of(&self, user: User, rules: Value) {
        let name = user.name();
        self.put::<Role>(json!({"metadata": {"name": name}, "rules": rules}));
        self.put::<RoleBinding>(json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
        }));
    }

    /// `kubesup check` in the Pod `demo-0`, with its rights.
    pub fn check(&self) -> Outcome {
        let kubeconfig = self.server.kubeconfig(User::Kubesup);
        command(
            &["check", "--kubeconfig", &kubeconfig.display().to_string()],
            &[("POD_NAMESPACE", &self.name), ("POD_NAME", POD)],
        )
    }

    /// kubesup as the Pod's entrypoint would run it, with the least rights.
    pub fn kubesup(&self) -> Builder {
        self.kubesup_as(User::Kubesup)
    }

    /// The same, with another's rights.
    pub fn kubesup_as(&self, user: User) -> Builder {
        let kubeconfig = self.server.kubeconfig(user);
        Kubesup::builder()
            .flag("--kubeconfig", &kubeconfig.display().to_string())
            .env("POD_NAMESPACE", &self.name)
            .env("POD_NAME", POD)
    }
}

/// What every kubesup needs, and these rules.
pub fn least(more: &[Value]) -> Value {
    let least = [
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}),
        json!({"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}),
    ];
    least.iter().chain(more).cloned().collect()
}

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}
