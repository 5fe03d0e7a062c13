//! A real etcd and kube-apiserver, started once for all tests, or for one test that kills it. They never outlive the test
//! process: a shell reads from a pipe that only this process holds, and kills them when it closes.
#![expect(
    clippy::disallowed_methods,
    reason = "these are no children of kubesup: the test may wait for them"
)]

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use kube::Client;
use kubesup::cluster::client::{self, Connection};
use kubesup::cluster::patience::Patience;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::kubesup::http_post;
use super::{audit, block_on, wait_for};

/// A user of the API server, by its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// May do what a test's Role grants.
    Kubesup,
    /// Another kubesup, whose rights and requests a test wants to tell from the first one's.
    Second,
}

impl User {
    fn token(self) -> &'static str {
        match self {
            User::Admin => "admin-token",
            User::Kubesup => "kubesup-token",
            User::Second => "second-token",
        }
    }

    /// The name that Roles are bound to.
    pub fn name(self) -> &'static str {
        match self {
            User::Admin => "admin",
            User::Kubesup => "kubesup",
            User::Second => "kubesup-second",
        }
    }
}

/// One control plane: enough of it to create and watch objects.
pub struct ApiServer {
    folder: TempDir,
    assets: PathBuf,
    port: u16,
    etcd_port: u16,
    /// Held for as long as it lives.
    _etcd: Guarded,
    program: Mutex<Option<Guarded>>,
}

/// A program that ends with the test process.
struct Guarded {
    shell: Child,
    pid_file: PathBuf,
}

impl Guarded {
    fn start(program: &Path, arguments: &[String], log: &Path) -> Guarded {
        let pid_file = log.with_extension("pid");
        let log = File::create(log).expect("a log file");
        let shell = Command::new("/bin/sh")
            .args([
                "-c",
                r#""$@" & pid=$!; echo $pid >"$0"; cat >/dev/null; kill -9 $pid; wait"#,
            ])
            .arg(&pid_file)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("a shell");
        Guarded { shell, pid_file }
    }

    fn signal(&self, signal: Signal) {
        let pid = fs::read_to_string(&self.pid_file).expect("a pid file");
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), signal).expect("it runs");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The directory with `etcd` and `kube-apiserver`: what `make test` has built, or is built now.
fn assets() -> &'static Path {
    static ASSETS: OnceLock<PathBuf> = OnceLock::new();
    ASSETS.get_or_init(|| {
        if let Some(directory) = std::env::var_os("KUBESUP_TEST_ASSETS") {
            return directory.into();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes/build.sh");
        let built = Command::new(script)
            .stderr(Stdio::inherit())
            .output()
            .expect("bash");
        assert!(
            built.status.success(),
            "the control plane cannot be built; see above, and `make test`"
        );
        PathBuf::from(String::from_utf8(built.stdout).expect("a path").trim())
    })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

impl ApiServer {
    /// The one that tests share; each has a namespace of its own.
    pub fn shared() -> &'static ApiServer {
        static SHARED: OnceLock<ApiServer> = OnceLock::new();
        SHARED.get_or_init(ApiServer::start)
    }

    /// One for a test that kills it.
    pub fn start() -> ApiServer {
        let assets = assets().to_owned();
        let folder = tempfile::tempdir().expect("a folder");
        let line = |user: User, group: &str| {
            let name = user.name();
            format!("{},{name},{name}{group}\n", user.token())
        };
        let tokens = [
            line(User::Admin, ",system:masters"),
            line(User::Kubesup, ""),
            line(User::Second, ""),
        ]
        .concat();
        fs::write(folder.path().join("tokens.csv"), tokens).expect("a file");
        fs::write(folder.path().join("audit.yaml"), audit::policy()).expect("a file");
        let (etcd_port, peer_port) = (free_port(), free_port());
        let client_url = format!("http://127.0.0.1:{etcd_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let arguments = [
            format!("--data-dir={}", folder.path().join("etcd").display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=error".to_owned(),
        ];
        let etcd = Guarded::start(
            &assets.join("etcd"),
            &arguments,
            &folder.path().join("etcd.log"),
        );
        let server = ApiServer {
            folder,
            assets,
            port: free_port(),
            etcd_port,
            _etcd: etcd,
            program: Mutex::new(None),
        };
        server.resume();
        server
    }

    /// Kills the API server; its data stay.
    pub fn kill(&self) {
        drop(self.program.lock().expect("no panic").take());
    }

    /// Stops the API server where it is: connections stay, and nobody answers.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a paused one go on.
    pub fn unpause(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let program = self.program.lock().expect("no panic");
        program.as_ref().expect("an API server").signal(signal);
    }

    /// Has etcd forget everything but what is there now.
    pub fn compact(&self) {
        let ask = |path: &str, body: Value| -> Value {
            let address = format!("127.0.0.1:{}", self.etcd_port);
            let (code, text) = http_post(&address, path, &body.to_string()).expect("an answer");
            assert_eq!(code, 200, "{path}: {text}");
            serde_json::from_str(&text).expect("JSON")
        };
        // "AA==" is the key of one zero byte.
        let now = ask("/v3/kv/range", json!({"key": "AA=="}));
        let revision = &now["header"]["revision"];
        let compacted = json!({"revision": revision, "physical": true});
        ask("/v3/kv/compaction", compacted);
    }

    /// Starts it again, on the same port, and waits until it is ready.
    pub fn resume(&self) {
        let folder = self.folder.path();
        let certificates = folder.join("certificates");
        let key = certificates.join("apiserver.key").display().to_string();
        let arguments = [
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".to_owned(),
            // Nobody connects there; without it a machine with no route to anywhere has no API server.
            "--advertise-address=10.213.255.1".to_owned(),
            format!("--secure-port={}", self.port),
            format!("--cert-dir={}", certificates.display()),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-signing-key-file={key}"),
            format!("--service-account-key-file={key}"),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            format!("--token-auth-file={}", folder.join("tokens.csv").display()),
            // There is no controller that makes ServiceAccounts.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--shutdown-delay-duration=0s".to_owned(),
            format!(
                "--audit-policy-file={}",
                folder.join("audit.yaml").display()
            ),
            format!("--audit-log-path={}", self.audit_log().display()),
        ];
        let log = folder.join("kube-apiserver.log");
        let started = Guarded::start(&self.assets.join("kube-apiserver"), &arguments, &log);
        *self.program.lock().expect("no panic") = Some(started);
        wait_for("the API server is ready", Duration::from_secs(60), || {
            let tail = || {
                fs::read_to_string(&log)
                    .unwrap_or_default()
                    .lines()
                    .rev()
                    .take(15)
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            if !certificates.join("apiserver.crt").exists() {
                return Err(tail());
            }
            let version = block_on(async {
                let client = self.connection(User::Admin).await.client();
                client
                    .apiserver_version()
                    .await
                    .map_err(|error| error.to_string())
            });
            let ready = version.and_then(|_| self.is_ready());
            ready.map_err(|error| format!("{error}\n{}", tail()))
        });
    }

    /// What kubesups have asked for; see [`audit`].
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    fn is_ready(&self) -> Result<(), String> {
        let request = http::Request::get("/readyz")
            .body(Vec::new())
            .expect("a request");
        let text = block_on(async {
            self.connection(User::Admin)
                .await
                .client()
                .request_text(request)
                .await
        });
        text.map(|_| ()).map_err(|error| error.to_string())
    }

    /// The certificate that says who it is.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("certificates/apiserver.crt")
    }

    /// Where it listens, on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A kubeconfig file for a user.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        let credentials = format!("token: {}", user.token());
        self.write_kubeconfig(&format!("{user:?}"), &credentials)
    }

    /// One whose token is in a file, as in a Pod.
    pub fn kubeconfig_with_token_file(&self, name: &str, token: &Path) -> PathBuf {
        self.write_kubeconfig(name, &format!("tokenFile: '{}'", token.display()))
    }

    fn write_kubeconfig(&self, name: &str, credentials: &str) -> PathBuf {
        let path = self.folder.path().join(format!("kubeconfig-{name}"));
        let authority = self.authority();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: 'https://127.0.0.1:{}', certificate-authority: '{}'}}}}]\n\
             users: [{{name: test, user: {{{credentials}}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n",
            self.port,
            authority.display(),
        );
        // Tests run at the same time: whoever reads sees a whole file.
        let part = tempfile::NamedTempFile::new_in(self.folder.path()).expect("a file");
        fs::write(part.path(), text).expect("a file");
        part.persist(&path).expect("a file");
        path
    }

    async fn connection(&self, user: User) -> Connection {
        let access = client::kubeconfig(&self.kubeconfig(user)).expect("a kubeconfig");
        client::connect(access, Patience::default())
            .await
            .expect("a connection")
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        block_on(async { self.connection(User::Admin).await.client() })
    }
}
