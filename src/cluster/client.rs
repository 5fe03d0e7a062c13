//! Owns how the API server is reached: address, credentials and certificates, from the cluster's environment or from a
//! kubeconfig file, and the clients made from them. Never infers where to look: an application's `KUBECONFIG` or proxy
//! variables are not ours.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use http::Uri;
use http::uri::Scheme;
use kube::client::ConfigExt as _;
use kube::client::middleware::{AuthLayer, ExtraHeadersLayer};
use kube::config::{Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tower::{ServiceBuilder, service_fn};

use super::freshness::Contact;
use super::gate::Gate;
use super::patience::Patience;
use super::transport::Transport;

/// The API server cannot be spoken to; nothing was sent yet.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not in a cluster, or an odd one.
    #[error(
        "cannot find the API server: environment: {variable} {problem}; run kubesup in a Pod, or give it \
         --kubeconfig FILE, or -f DIR to work without a cluster"
    )]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The service account's files are not there.
    #[error(
        "cannot use the service account: {}: {source}; mount it (automountServiceAccountToken: true) where the \
         container's user can read it", file.display()
    )]
    ServiceAccount {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kubeconfig cannot be read or does not fit together.
    #[error(
        "cannot use the kubeconfig: {}: {}; see what kubectl config view --minify makes of it",
        file.display(), reason(source)
    )]
    Kubeconfig {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: Box<KubeconfigError>,
    },
    /// The cluster is behind a proxy.
    #[error(
        "cannot use the kubeconfig: {}: cluster {cluster} has a proxy-url, and kubesup speaks to no proxies; remove it, \
         or run kubectl proxy and name its address as the server", file.display()
    )]
    Proxy {
        /// Which file.
        file: PathBuf,
        /// The cluster's name in it.
        cluster: String,
    },
    /// Certificates, keys or the name to verify are not usable.
    #[error(
        "cannot set up TLS to {server}: {origin}: {problem}; check its certificates and keys{hint}"
    )]
    Tls {
        /// The API server.
        server: String,
        /// Where the certificates come from.
        origin: String,
        /// Why.
        problem: String,
        /// What else may help.
        hint: &'static str,
    },
    /// The credentials are not usable.
    #[error("cannot authenticate to {server}: {origin}: {problem}; check the token or user there")]
    Credentials {
        /// The API server.
        server: String,
        /// Where they come from.
        origin: String,
        /// Why.
        problem: String,
    },
}

/// kube's text names the file once more; ours has it already.
fn reason(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(source, _) => source.to_string(),
        other => other.to_string(),
    }
}

/// Where the API server is, and as whom to speak to it.
#[derive(Debug, Clone)]
pub struct Access {
    config: Config,
    origin: String,
}

impl Access {
    /// The namespace that is meant when none is named: the context's; `default` in a cluster.
    pub fn namespace(&self) -> &str {
        &self.config.default_namespace
    }
}

/// Access from inside a Pod: the address from the environment (`KUBERNETES_SERVICE_HOST`, `KUBERNETES_SERVICE_PORT`),
/// token and CA from `service_account` (see [`super::identity::SERVICE_ACCOUNT`]). Both files are read anew about once
/// a minute, so that a rotated token or CA is used without a restart.
pub fn in_cluster(
    env: &BTreeMap<String, String>,
    service_account: &Path,
) -> Result<Access, ClientError> {
    let variable = |variable: &'static str| match env.get(variable) {
        Some(value) if !value.is_empty() => Ok(value.as_str()),
        _ => Err(ClientError::Environment {
            variable,
            problem: "is not set".into(),
        }),
    };
    let host = variable("KUBERNETES_SERVICE_HOST")?;
    let port = variable("KUBERNETES_SERVICE_PORT")?;
    let problem = format!("is '{port}', which is no port");
    let port = port
        .parse::<u16>()
        .map_err(|_not_a_number| ClientError::Environment {
            variable: "KUBERNETES_SERVICE_PORT",
            problem,
        })?;
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_owned(),
    };
    let url = format!("https://{host}:{port}")
        .parse::<Uri>()
        .map_err(|source| ClientError::Environment {
            variable: "KUBERNETES_SERVICE_HOST",
            problem: format!("is '{host}', which is no host: {source}"),
        })?;
    let files = [
        service_account.join("token"),
        service_account.join("ca.crt"),
    ];
    for file in &files {
        // Only to say which file it is: kube reads them again, and its error would come at the first request.
        std::fs::read(file).map_err(|source| ClientError::ServiceAccount {
            file: file.clone(),
            source,
        })?;
    }
    let [token, authority] = files;
    let mut config = Config::new(url);
    config.auth_info.token_file = Some(token.display().to_string());
    config.root_cert_file = Some(authority);
    // Not even the system's: they would be loaded only to be replaced by the file's.
    config.root_cert = Some(Vec::new());
    Ok(Access {
        config,
        origin: service_account.display().to_string(),
    })
}

/// Access by the current context of a kubeconfig file.
///
/// Its credentials may be a token, a token file (read anew about once a minute), a client certificate, or a command.
/// A command blocks for its first answer; later ones kube waits for on another thread, where the reaper may take the
/// exit status first and the refresh fails once.
pub fn kubeconfig(file: &Path) -> Result<Access, ClientError> {
    let failed = |source| ClientError::Kubeconfig {
        file: file.to_owned(),
        source: Box::new(source),
    };
    let kubeconfig = Kubeconfig::read_from(file).map_err(failed)?;
    if let Some(cluster) = proxied(&kubeconfig) {
        return Err(ClientError::Proxy {
            file: file.to_owned(),
            cluster,
        });
    }
    let config = Config::try_from(kubeconfig).map_err(failed)?;
    Ok(Access {
        config,
        origin: file.display().to_string(),
    })
}

/// The current cluster's name, if it is behind a proxy. Asked of the file and not of kube's `Config`, which also takes
/// `HTTPS_PROXY` for one.
fn proxied(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| &named.name == current)?;
    let name = &context.context.as_ref()?.cluster;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| &named.name == name)?;
    let proxy = cluster.cluster.as_ref()?.proxy_url.as_ref()?;
    (!proxy.is_empty()).then(|| name.clone())
}

/// A way to the API server that all clients made from it share.
#[derive(Clone)]
pub struct Connection {
    config: Config,
    auth: Option<std::sync::Arc<AuthLayer>>,
    headers: ExtraHeadersLayer,
    transport: Transport,
    patience: Patience,
}

/// Prepares a connection; nothing is sent before the first request.
///
/// Reads the credentials. An `https` server without a CA in the kubeconfig is verified by the system's roots, as
/// kubectl does; reading those takes some 26 ms, and is done on a thread of its own that ends with it. An image
/// without any (`scratch`) gives an error that says to name a CA.
pub async fn connect(access: Access, patience: Patience) -> Result<Connection, ClientError> {
    let Access { mut config, origin } = access;
    let server = authority(&config);
    // The only error is that one is installed already, and there is no other than ring in this program.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    if config.cluster_url.scheme() != Some(&Scheme::HTTPS) || config.accept_invalid_certs {
        // Nothing is verified; no roots are needed.
        config.root_cert.get_or_insert_default();
    }
    let hint = if config.root_cert.is_none() {
        ", or name the cluster's CA (certificate-authority-data)"
    } else {
        ""
    };
    let tls_error = |problem: String| ClientError::Tls {
        server: server.clone(),
        origin: origin.clone(),
        problem,
        hint,
    };
    let tls = tls_config(&config)
        .await
        .map_err(|error| tls_error(error.to_string()))?;
    let name = config
        .tls_server_name
        .clone()
        .map(ServerName::try_from)
        .transpose();
    let name = name.map_err(|error| tls_error(format!("tls-server-name: {error}")))?;
    let credentials = |error: kube::Error| ClientError::Credentials {
        server: server.clone(),
        origin: origin.clone(),
        problem: error.to_string(),
    };
    Ok(Connection {
        auth: config
            .auth_layer()
            .map_err(credentials)?
            .map(std::sync::Arc::new),
        headers: config.extra_headers_layer().map_err(credentials)?,
        transport: Transport::new(tls, name, patience.clone()),
        config,
        patience,
    })
}

async fn tls_config(config: &Config) -> Result<ClientConfig, kube::Error> {
    // A credential command must stay on this thread: the reaper would take its exit status.
    if config.root_cert.is_some() || config.auth_info.exec.is_some() {
        return config.rustls_client_config();
    }
    let (sender, loaded) = tokio::sync::oneshot::channel();
    let own = config.clone();
    let thread = std::thread::Builder::new().name("system-roots".into());
    let started = thread.spawn(move || {
        let _nobody_waits = sender.send(own.rustls_client_config());
    });
    match (started, loaded.await) {
        (Ok(_), Ok(result)) => result,
        // No thread to be had: then it blocks.
        _ => config.rustls_client_config(),
    }
}

fn authority(config: &Config) -> String {
    let authority = config.cluster_url.authority();
    authority.map_or_else(|| config.cluster_url.to_string(), ToString::to_string)
}

impl Connection {
    /// `host:port` of the API server, for messages.
    pub fn server(&self) -> String {
        authority(&self.config)
    }

    /// How long what may take.
    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Whether the server is known to be there.
    pub(super) fn gate(&self) -> Gate {
        self.transport.gate()
    }

    /// A client for plain calls.
    pub fn client(&self) -> Client {
        self.build(None)
    }

    /// A client for one watch, whose answers are stamped in `contact`.
    pub(super) fn watching(&self, contact: Contact) -> Client {
        self.build(Some(contact))
    }

    /// kube's own stack without its retries and its tracing, on our transport. Each client has a small task of its own
    /// (tower's buffer, which kube brings along) that ends with it; the connection is shared.
    fn build(&self, contact: Option<Contact>) -> Client {
        let transport = self.transport.clone();
        let service = ServiceBuilder::new()
            .layer(self.config.base_uri_layer())
            .option_layer(self.auth.as_deref())
            .layer(&self.headers)
            .service(service_fn(move |request| {
                transport.clone().send(request, contact.clone())
            }));
        Client::new(service, self.config.default_namespace.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(host: &str, port: &str) -> BTreeMap<String, String> {
        let pairs = [
            ("KUBERNETES_SERVICE_HOST", host),
            ("KUBERNETES_SERVICE_PORT", port),
        ];
        pairs
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    fn service_account(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(directory.path().join(file), "x").unwrap();
        }
        directory
    }

    fn write(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config");
        std::fs::write(&file, text).unwrap();
        (directory, file)
    }

    const CONTEXT: &str =
        "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], ";

    #[test]
    fn the_address_comes_from_the_environment() {
        let directory = service_account(&["token", "ca.crt"]);
        for (host, expected) in [
            ("10.96.0.1", "https://10.96.0.1:6443/"),
            ("fd00::1", "https://[fd00::1]:6443/"),
            ("api.example", "https://api.example:6443/"),
        ] {
            let access = in_cluster(&env(host, "6443"), directory.path()).unwrap();
            assert_eq!(access.config.cluster_url.to_string(), expected);
        }
    }

    #[test]
    fn what_is_missing_in_a_pod_is_named() {
        let directory = service_account(&["token"]);
        let error = |env, directory| in_cluster(&env, directory).unwrap_err().to_string();
        let unset = error(BTreeMap::new(), directory.path());
        assert!(
            unset.contains("KUBERNETES_SERVICE_HOST is not set; run kubesup in a Pod"),
            "{unset}"
        );
        let port = error(env("h", "tcp"), directory.path());
        assert!(
            port.contains("KUBERNETES_SERVICE_PORT is 'tcp', which is no port"),
            "{port}"
        );
        let file = error(env("h", "1"), directory.path());
        assert!(
            file.contains("/ca.crt: No such file or directory"),
            "{file}"
        );
    }

    #[tokio::test]
    async fn a_ca_file_without_a_certificate_is_an_error_that_names_it() {
        let directory = service_account(&["token", "ca.crt"]);
        let access = in_cluster(&env("10.0.0.1", "443"), directory.path()).unwrap();
        let error = connect(access, Patience::default())
            .await
            .err()
            .unwrap()
            .to_string();
        let expected = format!(
            "cannot set up TLS to 10.0.0.1:443: {}: ",
            directory.path().display()
        );
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn a_kubeconfig_that_does_not_fit_together_is_an_error_that_names_the_file() {
        for (text, why) in [
            ("{}", "failed to determine current context"),
            ("{current-context: a}", "failed to load current context: a"),
            ("clusters: 7", "failed to parse kubeconfig YAML"),
        ] {
            let (_directory, file) = write(text);
            let error = kubeconfig(&file).unwrap_err().to_string();
            let expected = format!("cannot use the kubeconfig: {}: {why}", file.display());
            assert!(error.starts_with(&expected), "{error}");
        }
        let error = kubeconfig(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot use the kubeconfig: /nowhere: No such file"),
            "{error}"
        );
    }

    #[test]
    fn a_proxy_is_refused() {
        let (_directory, file) = write(&format!(
            "{CONTEXT} clusters: [{{name: c, cluster: {{server: 'https://h', proxy-url: 'http://p'}}}}]}}"
        ));
        let error = kubeconfig(&file).unwrap_err().to_string();
        assert!(error.contains("cluster c has a proxy-url"), "{error}");
    }

    #[tokio::test]
    async fn plain_http_needs_no_roots_and_a_missing_token_file_is_named() {
        let (_directory, file) = write(&format!(
            "{CONTEXT} clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}], \
             users: [{{name: u, user: {{tokenFile: gone}}}}]}}"
        ));
        let access = kubeconfig(&file).unwrap();
        let error = connect(access, Patience::default())
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.starts_with("cannot authenticate to 127.0.0.1:1: "),
            "{error}"
        );
        assert!(
            error.contains("gone") && error.contains("No such file"),
            "{error}"
        );
    }
}
