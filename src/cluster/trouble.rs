//! Owns the one line that says why a watch cannot be kept up, and what to do about it. Never decides whether it is said.

use std::error::Error;
use std::io;

use http::StatusCode;
use kube::client::AuthError;
use kube::core::Status;
use kube::runtime::watcher;

use super::target::Target;
use super::transport::NoAnswer;

/// What happens without anybody's doing.
const AGAIN: &str = "kubesup tries again";

/// `cannot watch ConfigMap: shop/demo-config: 403 forbidden; grant list and watch on configmaps (…)`.
pub(super) fn watch_line(target: &Target, error: &watcher::Error) -> String {
    line(target, &explain(target, error))
}

/// The line for a list that began to arrive and never ended.
pub(super) fn stalled_line(target: &Target, seconds: u64) -> String {
    let server = &target.server;
    line(
        target,
        &format!("the list from {server} did not arrive whole within {seconds} s; {AGAIN}"),
    )
}

fn line(target: &Target, explained: &str) -> String {
    format!(
        "cannot watch {}: {}: {explained}",
        target.kind(),
        target.object()
    )
}

/// The line for an object that does not decode. `reason` is serde's text, which may quote a value: never for Secrets.
pub(super) fn undecodable_line(
    target: &Target,
    object: &str,
    reason: &str,
    others: usize,
) -> String {
    let more = if others == 0 {
        String::new()
    } else {
        format!(" (and {others} more)")
    };
    let which = match &target.key {
        crate::world::WatchKey::EndpointSlices { .. }
        | crate::world::WatchKey::BoundSlices { .. } => format!("{}, {object}", target.object()),
        _ => target.object(),
    };
    format!(
        "cannot read {}: {which}{more}: {reason}; its last readable version stays in force, check the object and the \
         API server's version",
        target.kind()
    )
}

/// The list that a watch would go on from is too old; nothing is wrong, it is listed anew.
pub(super) fn is_expired(error: &watcher::Error) -> bool {
    status(error).is_some_and(|status| status.code == 410)
}

/// The server has answered, if only to refuse, or to break off later.
pub(super) fn is_answer(error: &watcher::Error) -> bool {
    let broken_off = matches!(
        error,
        watcher::Error::WatchFailed(_) | watcher::Error::WatchError(_)
    );
    broken_off || status(error).is_some()
}

/// After this error kube's watcher would go on with a stream or a version that is no good any more: with one that
/// lost an event, or, for a 410 as an HTTP status, with the version that was just refused.
pub(super) fn needs_new_list(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(_) => is_expired(error),
        watcher::Error::WatchFailed(error) => !matches!(error, kube::Error::ReadEvents(_)),
        watcher::Error::WatchError(_) => true,
        watcher::Error::InitialListFailed(_) | watcher::Error::NoResourceVersion => false,
    }
}

fn status(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    }
}

/// Why, and what to do.
fn explain(target: &Target, error: &watcher::Error) -> String {
    let server = &target.server;
    if let Some(status) = status(error) {
        return explain_status(target, status);
    }
    let no_server = format!("check that {server} is a Kubernetes API server");
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match error {
            kube::Error::SerdeError(_) if target.is_secret() => {
                format!("the answer of {server} is not understood; {no_server}")
            }
            kube::Error::SerdeError(error) => {
                format!("the answer of {server} is not understood: {error}; {no_server}")
            }
            kube::Error::FromUtf8(_) => {
                format!("the answer of {server} is not UTF-8; {no_server}")
            }
            kube::Error::Auth(error) => explain_credentials(error),
            other => explain_io(server, other),
        },
        _ => format!("the answer of {server} has no resourceVersion; {no_server}"),
    }
}

fn explain_status(target: &Target, status: &Status) -> String {
    let code = status.code;
    let text = StatusCode::from_u16(code)
        .ok()
        .and_then(|code| code.canonical_reason());
    let text = text.unwrap_or("error").to_lowercase();
    let todo = match code {
        401 => "check that the token is current and its service account exists".to_owned(),
        403 => target.grant(),
        404 => format!(
            "check that {} serves {}, as Kubernetes does from 1.21 on",
            target.server,
            target.right().qualified()
        ),
        410 => "kubesup lists anew".to_owned(),
        // The server's own words may change from answer to answer; they are in the log.
        429 | 500..=599 => AGAIN.to_owned(),
        _ => format!("{} says: {}", target.server, status.message.trim()),
    };
    format!("{code} {text}; {todo}")
}

fn explain_credentials(error: &AuthError) -> String {
    format!("no credentials: {error}; check the service account's mount, or the kubeconfig")
}

/// Explains what went wrong below HTTP, by the errors inside the error.
fn explain_io(server: &str, error: &kube::Error) -> String {
    let mut deepest = String::new();
    let mut lookup = false;
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        deepest = error.to_string();
        lookup |= deepest == "dns error";
        if let Some(NoAnswer { after }) = error.downcast_ref() {
            let seconds = after.as_secs_f32();
            return format!(
                "no answer from {server} within {seconds} s; {AGAIN}, check the API server and the network to it"
            );
        }
        if let Some(error) = error.downcast_ref::<AuthError>() {
            return explain_credentials(error);
        }
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return format!(
                "the certificate of {server} is not accepted: {why}; check that the CA is this cluster's"
            );
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    return format!(
                        "connection refused by {server}; {AGAIN}, check that the API server runs"
                    );
                }
                io::ErrorKind::TimedOut
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable => {
                    return format!(
                        "{server} cannot be reached: {error}; {AGAIN}, check the network and its NetworkPolicies"
                    );
                }
                _ => {}
            }
        }
        // An io::Error that wraps another says that one's text, but its source is that one's source.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    if lookup {
        return format!("{server} has no address: {deepest}; check the name and DNS");
    }
    format!("connection to {server} lost: {deepest}; {AGAIN}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Identity, WatchKey};
    use std::time::Duration;

    fn target(key: WatchKey) -> Target {
        let identity = Identity {
            namespace: "shop".into(),
            pod_name: "web-0".into(),
            ..Identity::default()
        };
        Target::new(key, &identity, "10.96.0.1:443".into())
    }

    fn config_map() -> Target {
        target(WatchKey::ConfigMap {
            name: "demo-config".into(),
        })
    }

    fn api(code: u16) -> kube::Error {
        kube::Error::Api(
            Status::failure("no such thing", "X")
                .with_code(code)
                .boxed(),
        )
    }

    fn io_error(kind: io::ErrorKind) -> kube::Error {
        kube::Error::Service(Box::new(io::Error::new(kind, "os text")))
    }

    fn after_cannot_watch(error: kube::Error) -> String {
        let line = watch_line(&config_map(), &watcher::Error::InitialListFailed(error));
        line.strip_prefix("cannot watch ConfigMap: shop/demo-config: ")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_forbidden_watch_names_the_rule_to_grant() {
        let line = |key| {
            let error = watcher::Error::WatchStartFailed(api(403));
            watch_line(&target(key), &error)
        };
        let all = [
            WatchKey::Pod,
            WatchKey::EndpointSlices {
                service: "db".into(),
            },
            WatchKey::ConfigMap {
                name: "demo-config".into(),
            },
        ]
        .map(line);
        assert_eq!(
            all,
            [
                "cannot watch Pod: shop/web-0: 403 forbidden; \
                 grant list and watch on pods (manifests/base/rbac.yaml)",
                "cannot watch EndpointSlices: namespace shop, Service db: 403 forbidden; \
                 grant list and watch on discovery.k8s.io/endpointslices (manifests/base/rbac.yaml)",
                "cannot watch ConfigMap: shop/demo-config: 403 forbidden; \
                 grant list and watch on configmaps (manifests/base/rbac.yaml)",
            ]
        );
    }

    #[test]
    fn each_status_says_what_to_do() {
        for (code, expected) in [
            (400, "400 bad request; 10.96.0.1:443 says: no such thing"),
            (
                401,
                "401 unauthorized; check that the token is current and its service account exists",
            ),
            (
                404,
                "404 not found; check that 10.96.0.1:443 serves configmaps, as Kubernetes does from 1.21 on",
            ),
            (410, "410 gone; kubesup lists anew"),
            (429, "429 too many requests; kubesup tries again"),
            (503, "503 service unavailable; kubesup tries again"),
        ] {
            assert_eq!(after_cannot_watch(api(code)), expected);
        }
    }

    #[test]
    fn what_fails_below_http_says_what_to_do() {
        let no_answer = NoAnswer {
            after: Duration::from_secs(30),
        };
        let certificate = rustls::CertificateError::UnknownIssuer;
        let certificate = io::Error::other(rustls::Error::InvalidCertificate(certificate));
        let no_token = AuthError::ReadTokenFile(io::ErrorKind::NotFound.into(), "/t".into());
        for (error, expected) in [
            (
                io_error(io::ErrorKind::ConnectionRefused),
                "connection refused by 10.96.0.1:443; kubesup tries again, check that the API server runs",
            ),
            (
                io_error(io::ErrorKind::HostUnreachable),
                "10.96.0.1:443 cannot be reached: os text; kubesup tries again, check the network and its NetworkPolicies",
            ),
            (
                kube::Error::Service(Box::new(no_answer)),
                "no answer from 10.96.0.1:443 within 30 s; kubesup tries again, check the API server and the network to it",
            ),
            (
                kube::Error::Service(Box::new(certificate)),
                "the certificate of 10.96.0.1:443 is not accepted: UnknownIssuer; check that the CA is this cluster's",
            ),
            (
                kube::Error::ReadEvents(io::Error::other("keep-alive timed out")),
                "connection to 10.96.0.1:443 lost: keep-alive timed out; kubesup tries again",
            ),
            (
                kube::Error::SerdeError(serde_json::from_str::<u8>("<").unwrap_err()),
                "the answer of 10.96.0.1:443 is not understood: expected value at line 1 column 1; \
                 check that 10.96.0.1:443 is a Kubernetes API server",
            ),
            (
                kube::Error::Service(Box::new(no_token)),
                "no credentials: failed to read token file '\"/t\"': entity not found; \
                 check the service account's mount, or the kubeconfig",
            ),
        ] {
            assert_eq!(after_cannot_watch(error), expected);
        }
    }

    #[test]
    fn only_errors_after_which_the_watcher_would_go_wrong_ask_for_a_new_list() {
        use watcher::Error as E;
        let serde = || kube::Error::SerdeError(serde_json::from_str::<u8>("<").unwrap_err());
        let cut = kube::Error::ReadEvents(io::ErrorKind::ConnectionReset.into());
        let in_stream = |code| E::WatchError(Status::failure("", "").with_code(code).boxed());
        for (error, expected) in [
            (E::InitialListFailed(api(410)), false),
            (E::WatchStartFailed(api(403)), false),
            (E::WatchStartFailed(api(410)), true),
            (E::WatchFailed(cut), false),
            (E::WatchFailed(serde()), true),
            (in_stream(410), true),
            (in_stream(500), true),
            (E::NoResourceVersion, false),
        ] {
            assert_eq!(needs_new_list(&error), expected, "{error:?}");
        }
    }
}
