//! `examples/nginx` with the real nginx: it balances over the ready members of a bound Service, and is reloaded without
//! dropping a request.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::kubesup::Kubesup;
use crate::support::namespace::{Namespace, POD};
use crate::support::network::{in_own_network, path};
use crate::support::wait_until;

/// Backends that exist; some of them are ready.
const BACKENDS: u8 = 6;
const BACKEND_PORT: u16 = 8081;
const PORT: u16 = 8080;

fn address(backend: u8) -> String {
    format!("10.213.0.{}", backend + 1)
}

/// Answers every request with its own number, until it is closed.
fn backend(number: u8) -> Arc<AtomicBool> {
    let listener = TcpListener::bind((address(number), BACKEND_PORT)).expect("an address");
    let open = Arc::new(AtomicBool::new(true));
    let serving = Arc::clone(&open);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if !serving.load(Ordering::SeqCst) {
                return;
            }
            let Ok(mut stream) = stream else { continue };
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let body = number.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    open
}

fn ask() -> Result<String, String> {
    let mut stream = TcpStream::connect(("127.0.0.1", PORT)).map_err(|error| error.to_string())?;
    let timeout = Some(Duration::from_secs(10));
    stream
        .set_read_timeout(timeout)
        .map_err(|error| error.to_string())?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
    )
    .map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .map_err(|error| error.to_string())?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(answer),
    }
}

/// Asks without a pause until it is told to stop; every answer that is not 200 is kept.
struct Load {
    go_on: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<String>>>,
    clients: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    fn start(clients: usize) -> Load {
        let mut load = Load {
            go_on: Arc::new(AtomicBool::new(true)),
            asked: Arc::default(),
            failed: Arc::default(),
            clients: Vec::new(),
        };
        for _ in 0..clients {
            let (go_on, asked, failed) = (
                Arc::clone(&load.go_on),
                Arc::clone(&load.asked),
                Arc::clone(&load.failed),
            );
            load.clients.push(std::thread::spawn(move || {
                while go_on.load(Ordering::SeqCst) {
                    if let Err(failure) = ask() {
                        failed.lock().expect("no panic").push(failure);
                    }
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            }));
        }
        load
    }

    fn stop(self) -> (u64, Vec<String>) {
        self.go_on.store(false, Ordering::SeqCst);
        for client in self.clients {
            client.join().expect("no panic");
        }
        let failed = self.failed.lock().expect("no panic").clone();
        (self.asked.load(Ordering::SeqCst), failed)
    }
}

fn put_backends(namespace: &Namespace<'_>, ready: &BTreeSet<u8>) {
    let endpoints: Vec<Value> = ready
        .iter()
        .map(|number| json!({"addresses": [address(*number)], "conditions": {"ready": true}}))
        .collect();
    namespace.put::<EndpointSlice>(json!({
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "http", "port": BACKEND_PORT, "protocol": "TCP"}],
    }));
}

fn start(namespace: &Namespace<'_>, annotations: Value) -> Kubesup {
    // Exactly what the example grants.
    let rbac = include_str!("../examples/nginx/rbac.yaml");
    let role = serde_yaml::Deserializer::from_str(rbac)
        .map(|document| Value::deserialize(document).expect("an object"))
        .find(|object| object["kind"] == "Role")
        .expect("a Role");
    namespace.role(role["rules"].clone());
    namespace.config_map("nginx-config", json!({"worker_connections": "1024"}));
    namespace.put::<Pod>(json!({
        "metadata": {"name": POD, "labels": {"app.kubernetes.io/name": "nginx"}, "annotations": annotations},
        "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
    }));
    namespace.address(POD, "10.213.1.1");
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/nginx");
    namespace
        .kubesup()
        .package(&package)
        .env("PATH", &path())
        .start()
}

/// nginx's master.
fn pid_of(kubesup: &Kubesup) -> Value {
    let services: Value = serde_json::from_str(&kubesup.get("/services").1).expect("json");
    services[0]["process"]["pid"].clone()
}

/// The backends that the rendered file lists.
fn listed(kubesup: &Kubesup) -> BTreeSet<u8> {
    let directory = kubesup.file("").with_file_name("nginx");
    let text = std::fs::read_to_string(directory.join("config/nginx.conf")).unwrap_or_default();
    (0..BACKENDS)
        .filter(|number| text.contains(&format!("server {}:{BACKEND_PORT} ", address(*number))))
        .collect()
}

#[test]
fn endpoints_come_and_go_under_load_and_no_request_fails() {
    in_own_network(
        "example_nginx::endpoints_come_and_go_under_load_and_no_request_fails",
        || {
            let changes = if std::env::var_os("KUBESUP_SOAK").is_some() {
                100
            } else {
                20
            };
            let backends: Vec<_> = (0..BACKENDS).map(backend).collect();
            let namespace = Namespace::new(ApiServer::shared());
            namespace.put::<Service>(json!({
                "metadata": {"name": "web"},
                "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]},
            }));
            put_backends(&namespace, &BTreeSet::from([0]));
            let annotations =
                json!({"kubesup.dev/config": "nginx-config", "kubesup.dev/bind": "backend:web"});
            let mut kubesup = start(&namespace, annotations);
            kubesup.wait_ready();
            let pid = pid_of(&kubesup);
            let answers = |answer: &Result<String, String>| *answer == Ok("0".to_owned());
            let _first = wait_until("nginx answers", ask, answers);

            let load = Load::start(4);
            let mut ready = BTreeSet::from([0]);
            let mut answered = BTreeSet::new();
            for change in 0..changes {
                // Another one comes or goes; one at least stays.
                let number = u8::try_from(change % usize::from(BACKENDS)).expect("small");
                if ready.len() == 1 || !ready.remove(&number) {
                    ready.insert(number);
                }
                put_backends(&namespace, &ready);
                wait_until(
                    "the upstream has the change",
                    || listed(&kubesup),
                    |now| *now == ready,
                );
                // The reloaded nginx asks whoever came, and after somebody went a member that is still there.
                let came = ready.contains(&number);
                let number = wait_until(
                    "a member that is ready has answered, and whoever came",
                    || ask().expect("an answer").parse().expect("a number"),
                    |answer: &u8| *answer == number || !came && ready.contains(answer),
                );
                answered.insert(number);
            }
            let (asked, failed) = load.stop();

            assert_eq!(failed, Vec::<String>::new(), "of {asked} requests");
            assert!(asked > 100, "only {asked} requests: that is no load");
            assert!(pid.is_number(), "{pid}");
            assert_eq!(pid_of(&kubesup), pid, "reloaded, never restarted");
            assert_eq!(
                answered.len(),
                usize::from(BACKENDS),
                "all have answered: {answered:?}"
            );
            for open in backends {
                open.store(false, Ordering::SeqCst);
            }
            kubesup.signal(15);
            assert_eq!(
                kubesup.wait_exit(),
                0,
                "QUIT ends nginx in order: {}",
                kubesup.log()
            );
        },
    );
}

#[test]
fn a_file_that_nginx_refuses_is_never_loaded_and_the_old_one_goes_on() {
    in_own_network(
        "example_nginx::a_file_that_nginx_refuses_is_never_loaded_and_the_old_one_goes_on",
        || {
            let _backend = backend(0);
            let namespace = Namespace::new(ApiServer::shared());
            put_backends(&namespace, &BTreeSet::from([0]));
            let annotations =
                json!({"kubesup.dev/config": "nginx-config", "kubesup.dev/bind": "backend:web"});
            let kubesup = start(&namespace, annotations);
            kubesup.wait_ready();

            namespace.config_map(
                "nginx-config",
                json!({"worker_connections": "1024", "fail_timeout": "nonsense"}),
            );

            wait_until(
                "the failure shows",
                || kubesup.get("/v1/status").1,
                |status| status.contains("reconfigure hook failed"),
            );
            assert_eq!(ask(), Ok("0".to_owned()));

            namespace.config_map("nginx-config", json!({"worker_connections": "512"}));
            wait_until(
                "it is reconfigured again",
                || kubesup.log(),
                |log| log.contains("reconfigured"),
            );
            assert_eq!(ask(), Ok("0".to_owned()));
        },
    );
}
