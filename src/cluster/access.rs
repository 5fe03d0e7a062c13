//! Owns the questions of `kubesup check` and `kubesup rbac` to the API server: what the own Pod is, what is there, and
//! what is allowed. Never watches, and never writes.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::rbac::Rule;

/// For one question. 10 s: somebody waits at a terminal.
const ANSWER: Duration = Duration::from_secs(10);

/// The own Pod; `None` when there is none of this name.
///
/// # RBAC
///
/// rbac: "" pods list,watch
pub async fn pod(client: Client, namespace: &str, name: &str) -> Result<Option<Pod>, String> {
    read(client, namespace, name).await
}

/// What lives in a namespace.
pub trait Object:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug
{
}

impl<K> Object for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
{
}

/// An object; `None` when there is none of this name. Without the right to list it, it is an error that whoever asks can do
/// without.
pub async fn read<K: Object>(
    client: Client,
    namespace: &str,
    name: &str,
) -> Result<Option<K>, String> {
    let (api, named) = named::<K>(client, namespace, name);
    let found = within(api.list(&named)).await?;
    Ok(found.items.into_iter().next())
}

/// All objects of a kind in a namespace. kubesup has no right to that: without it, it is an error that whoever asks can do without.
pub async fn list<K>(client: Client, namespace: &str) -> Result<Vec<K>, String>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let api: Api<K> = Api::namespaced(client, namespace);
    Ok(within(api.list(&ListParams::default())).await?.items)
}

/// Whether a Service has EndpointSlices.
///
/// # RBAC
///
/// rbac: "discovery.k8s.io" endpointslices list,watch
pub async fn has_slices(client: Client, namespace: &str, service: &str) -> Result<bool, String> {
    let api: Api<EndpointSlice> = Api::namespaced(client, namespace);
    let label = format!("kubernetes.io/service-name={service}");
    let of_service = ListParams::default().labels(&label).limit(1);
    let found = within(api.list_metadata(&of_service)).await?;
    Ok(!found.items.is_empty())
}

/// Whether an object of this name is there, without reading what is in it.
pub async fn exists<K: Object>(
    client: Client,
    namespace: &str,
    name: &str,
) -> Result<bool, String> {
    let (api, named) = named::<K>(client, namespace, name);
    let found = within(api.list_metadata(&named)).await?;
    Ok(!found.items.is_empty())
}

/// An object is listed by its name, as the watches do, so that it needs no other right than theirs.
fn named<K: Object>(client: Client, namespace: &str, name: &str) -> (Api<K>, ListParams) {
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    (Api::namespaced(client, namespace), named)
}

/// Which verbs of the rule are denied; empty: it is granted. Everybody may ask this of himself.
pub async fn denied(client: &Client, namespace: &str, rule: &Rule) -> Result<Vec<String>, String> {
    let names: Vec<Option<&str>> = match rule.names.as_slice() {
        [] => vec![None],
        names => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    let namespace = rule.namespace.as_deref().unwrap_or(namespace);
    let verbs = rule.right.verbs.iter();
    let questions = verbs.flat_map(|verb| names.iter().map(move |name| (*verb, *name)));
    let answers = questions.map(|(verb, name)| async move {
        let allowed = is_allowed(client.clone(), namespace, rule, verb, name).await?;
        Ok((!allowed).then(|| verb.to_owned()))
    });
    let answers: Result<Vec<Option<String>>, String> =
        join_all(answers).await.into_iter().collect();
    let mut denied: Vec<String> = answers?.into_iter().flatten().collect();
    denied.dedup();
    Ok(denied)
}

async fn is_allowed(
    client: Client,
    namespace: &str,
    rule: &Rule,
    verb: &str,
    name: Option<&str>,
) -> Result<bool, String> {
    let (resource, subresource) = match rule.right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (rule.right.resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(rule.right.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                name: name.map(ToOwned::to_owned),
                namespace: Some(namespace.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client);
    let answer = within(api.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, String> {
    match tokio::time::timeout(ANSWER, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(format!("{} {}", status.code, status.message)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!("no answer within {ANSWER:?}")),
    }
}
