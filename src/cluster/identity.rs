//! Owns the answer to "who am I": namespace, Pod, UID and container, from the environment, the own service-account
//! token, the hostname and the mount table. Never asks the API server, and trusts the token without verifying it:
//! what it says is checked against the own Pod later.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::world::Identity;

/// Where kubelet mounts the service account's token, CA and namespace.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The texts that [`identify`] looks into; `None` for what is not there or cannot be read.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The service-account token, a JWT.
    pub token: Option<String>,
    /// The namespace beside the token.
    pub namespace: Option<String>,
    /// `/proc/self/mountinfo`.
    pub mountinfo: Option<String>,
}

impl Files {
    /// Reads them: token and namespace from the service account's directory (see [`SERVICE_ACCOUNT`]).
    pub fn read(service_account: &Path) -> Files {
        Files {
            token: fs::read_to_string(service_account.join("token")).ok(),
            namespace: fs::read_to_string(service_account.join("namespace")).ok(),
            mountinfo: fs::read_to_string("/proc/self/mountinfo").ok(),
        }
    }
}

/// The hostname of this container, which is the Pod's name unless the Pod says otherwise (`hostname`, `hostNetwork`)
/// or its name has more than 63 characters.
pub fn hostname() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/hostname").ok()
}

/// A fact that no source tells, and that nothing works without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The Pod's namespace.
    Namespace,
    /// The Pod's name.
    PodName,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fact, sources, variable, path) = match self {
            Fact::Namespace => (
                "namespace",
                "namespace file",
                "POD_NAMESPACE",
                "metadata.namespace",
            ),
            Fact::PodName => ("name", "hostname", "POD_NAME", "metadata.name"),
        };
        write!(
            f,
            "{fact}: {variable} is not set, and there is neither a service-account token that names the Pod nor a \
             {sources}; add to the container's env: - {{name: {variable}, valueFrom: {{fieldRef: {{fieldPath: {path}}}}}}}"
        )
    }
}

/// Says which facts are missing and which manifest lines supply them, all at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot tell which Pod this is: {}", list(missing))]
pub struct IdentityError {
    /// What no source tells.
    pub missing: Vec<Fact>,
}

fn list(missing: &[Fact]) -> String {
    missing
        .iter()
        .map(Fact::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Finds out who we are. `container` is what `--container` or `KUBESUP_CONTAINER` says; without it the mount of the
/// termination log tells, and without that it stays open (the only container of the Pod).
///
/// `POD_NAME`, `POD_NAMESPACE` and `POD_UID` win over the token's claims, and those over hostname and namespace file.
/// The token's UID counts only if the token is for the same Pod.
pub fn identify(
    env: &BTreeMap<String, String>,
    files: &Files,
    hostname: Option<&str>,
    container: Option<&str>,
) -> Result<Identity, IdentityError> {
    let claims = files.token.as_deref().and_then(claims).unwrap_or_default();
    let claimed = claims.pod.unwrap_or_default();
    let variable = |name: &str| present(env.get(name).map(String::as_str));
    let namespace = variable("POD_NAMESPACE")
        .or_else(|| present(claims.namespace.as_deref()))
        .or_else(|| present(files.namespace.as_deref()));
    let pod_name = variable("POD_NAME")
        .or_else(|| present(claimed.name.as_deref()))
        .or_else(|| present(hostname));
    let (Some(namespace), Some(pod_name)) = (&namespace, &pod_name) else {
        let facts = [(Fact::Namespace, &namespace), (Fact::PodName, &pod_name)];
        let missing = facts.iter().filter(|(_, value)| value.is_none());
        return Err(IdentityError {
            missing: missing.map(|(fact, _)| *fact).collect(),
        });
    };
    let same_pod =
        claimed.name.as_ref() == Some(pod_name) && claims.namespace.as_ref() == Some(namespace);
    let claimed_uid = claimed.uid.as_deref().filter(|_| same_pod);
    Ok(Identity {
        namespace: namespace.clone(),
        pod_name: pod_name.clone(),
        pod_uid: variable("POD_UID").or_else(|| present(claimed_uid)),
        container: present(container)
            .or_else(|| files.mountinfo.as_deref().and_then(mounted_container)),
    })
}

fn present(value: Option<&str>) -> Option<String> {
    let value = value?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// The part of the token's payload that Kubernetes adds.
#[derive(Debug, Default, Deserialize)]
struct Claims {
    namespace: Option<String>,
    pod: Option<PodClaim>,
}

#[derive(Debug, Default, Deserialize)]
struct PodClaim {
    name: Option<String>,
    uid: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "kubernetes.io")]
    kubernetes: Claims,
}

/// The claims of a token that is bound to a Pod; `None` for any other text.
fn claims(token: &str) -> Option<Claims> {
    let payload = token.trim().split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let payload: Payload = serde_json::from_slice(&json).ok()?;
    Some(payload.kubernetes)
}

/// The container's name from the mount of its termination log. kubelet keeps that file at
/// `…/pods/<uid>/containers/<name>/<id>` and mounts it at `terminationMessagePath`, so any mount point counts, but the
/// default one, `/dev/termination-log`, counts first.
fn mounted_container(mountinfo: &str) -> Option<String> {
    let mounts = mountinfo.lines().filter_map(|line| {
        // mount id, parent id, device, root of the mount in its file system, mount point, …
        let mut fields = line.split(' ').skip(3);
        let root = fields.next()?;
        let point = fields.next()?;
        Some((point == "/dev/termination-log", container_of(root)?))
    });
    let (_, name) = mounts.max_by_key(|(default, _)| *default)?;
    Some(name.to_owned())
}

fn container_of(root: &str) -> Option<&str> {
    let mut parts = root.rsplit('/');
    let (_id, name) = (parts.next()?, parts.next()?);
    let containers = parts.next()? == "containers";
    let _uid = parts.next()?;
    (containers && parts.next()? == "pods").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln\n", URL_SAFE_NO_PAD.encode(payload))
    }

    fn bound() -> Files {
        Files {
            token: Some(token(
                r#"{"aud":["x"],"kubernetes.io":{"namespace":"shop","pod":{"name":"web-0","uid":"u-1"},"serviceaccount":{"name":"web"}}}"#,
            )),
            ..Files::default()
        }
    }

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn facts(identity: &Identity) -> [Option<&str>; 4] {
        [
            Some(&identity.namespace),
            Some(&identity.pod_name),
            identity.pod_uid.as_deref(),
            identity.container.as_deref(),
        ]
    }

    #[test]
    fn the_environment_wins_over_the_token() {
        let env = env(&[("POD_NAME", "a"), ("POD_NAMESPACE", "n"), ("POD_UID", "u")]);
        let identity = identify(&env, &bound(), Some("host"), Some("c")).unwrap();
        assert_eq!(
            facts(&identity),
            [Some("n"), Some("a"), Some("u"), Some("c")]
        );
    }

    #[test]
    fn the_token_wins_over_hostname_and_namespace_file() {
        let files = Files {
            namespace: Some("other".into()),
            ..bound()
        };
        let identity = identify(&env(&[("POD_NAME", " ")]), &files, Some("host"), None).unwrap();
        assert_eq!(
            facts(&identity),
            [Some("shop"), Some("web-0"), Some("u-1"), None]
        );
    }

    #[test]
    fn a_token_for_another_pod_does_not_tell_the_uid() {
        let identity = identify(&env(&[("POD_NAME", "web-1")]), &bound(), None, None).unwrap();
        assert_eq!(facts(&identity), [Some("shop"), Some("web-1"), None, None]);
    }

    #[test]
    fn nor_does_one_for_a_pod_of_another_namespace() {
        let elsewhere = env(&[("POD_NAMESPACE", "other")]);
        let identity = identify(&elsewhere, &bound(), None, None).unwrap();
        assert_eq!(facts(&identity), [Some("other"), Some("web-0"), None, None]);
        let said = env(&[("POD_NAMESPACE", "other"), ("POD_UID", "u-2")]);
        let identity = identify(&said, &bound(), None, None).unwrap();
        assert_eq!(identity.pod_uid.as_deref(), Some("u-2"));
    }

    #[test]
    fn who_says_the_container_knows_better_than_the_mounts_and_they_do_when_nobody_says() {
        let files = Files {
            mountinfo: Some("813 800 8:1 /pods/5f/containers/mounted/0a1b /dev/termination-log rw - ext4 /dev/sda1 rw\n".into()),
            ..bound()
        };
        let container = |said| identify(&env(&[]), &files, None, said).unwrap().container;
        assert_eq!(container(Some("said")).as_deref(), Some("said"));
        assert_eq!(container(None).as_deref(), Some("mounted"));
        assert_eq!(container(Some(" ")).as_deref(), Some("mounted"));
    }

    #[test]
    fn hostname_and_namespace_file_do_when_the_token_names_no_pod() {
        for text in [r#"{"sub":"x"}"#, r#"{"kubernetes.io":{}}"#, "no json"] {
            let files = Files {
                token: Some(token(text)),
                namespace: Some("shop\n".into()),
                mountinfo: None,
            };
            let identity = identify(&env(&[]), &files, Some("web-0\n"), None).unwrap();
            assert_eq!(
                facts(&identity),
                [Some("shop"), Some("web-0"), None, None],
                "{text}"
            );
        }
    }

    #[test]
    fn all_missing_facts_come_at_once_with_the_lines_to_add() {
        let error = identify(&env(&[]), &Files::default(), None, None).unwrap_err();
        assert_eq!(error.missing, [Fact::Namespace, Fact::PodName]);
        let text = error.to_string();
        assert!(
            text.starts_with("cannot tell which Pod this is: namespace: POD_NAMESPACE is not set")
        );
        for field in ["namespace", "name"] {
            assert!(
                text.contains(&format!("{{fieldRef: {{fieldPath: metadata.{field}}}}}")),
                "{text}"
            );
        }
    }

    #[test]
    fn the_lines_to_add_are_an_env_entry_in_yaml() {
        let text = Fact::PodName.to_string();
        let (_, entry) = text.split_once("env: ").unwrap();
        let parsed: serde_json::Value = serde_yaml::from_str(entry).unwrap();
        let at = |pointer| parsed.pointer(pointer).and_then(serde_json::Value::as_str);
        assert_eq!(at("/0/name"), Some("POD_NAME"));
        assert_eq!(at("/0/valueFrom/fieldRef/fieldPath"), Some("metadata.name"));
    }

    #[test]
    fn the_mount_of_the_termination_log_names_the_container() {
        let own_file_system = "812 800 8:1 /var/lib/kubelet/pods/5f/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw\n\
            813 800 8:1 /var/lib/kubelet/pods/5f/containers/web/0a1b /dev/termination-log rw - ext4 /dev/sda1 rw\n";
        let moved_log =
            "813 800 8:2 /pods/5f/containers/side.car/0a1b /tmp/log rw - ext4 /dev/sdb rw\n";
        let both = format!("{moved_log}{own_file_system}{moved_log}");
        let sub_path = "814 800 8:1 /var/lib/kubelet/pods/5f/volume-subpaths/conf/web/0 /etc/x rw - ext4 /dev/sda1 rw\n";
        let cases = [
            (own_file_system, Some("web")),
            (moved_log, Some("side.car")),
            (&both, Some("web")),
            (sub_path, None),
            ("", None),
            ("1 2 3", None),
        ];
        for (mountinfo, expected) in cases {
            assert_eq!(
                mounted_container(mountinfo).as_deref(),
                expected,
                "{mountinfo}"
            );
        }
    }
}
