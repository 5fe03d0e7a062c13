//! Owns the floors: the least program that does one thing with the same crates, on one thread, in a process of its own.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use futures::StreamExt as _;
use handlebars::Handlebars;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Config, config::KubeConfigOptions, config::Kubeconfig};

/// A floor that runs; it ends with this value.
pub struct Bare(Child);

impl Bare {
    pub fn start(arguments: &[&str]) -> Bare {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        Bare(child.expect("a process"))
    }

    /// The first line that it prints: that it is ready, and where.
    pub fn first_line(&mut self) -> String {
        use std::io::BufRead as _;
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(self.0.stdout.as_mut().expect("a pipe"));
        stdout.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}

/// Serves the bytes of a file, as `/services` would be.
pub fn axum(body: &str) {
    let body = axum::body::Bytes::from(fs::read(body).expect("a body"));
    let answer = move || {
        let body = body.clone();
        async move { ([(http::header::CONTENT_TYPE, "application/json")], body) }
    };
    block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        std::io::stdout().flush().expect("stdout");
        let router = axum::Router::new().route("/services", axum::routing::get(answer));
        axum::serve(listener, router).await.expect("to serve");
    });
}

/// Watches one ConfigMap, renders it and writes the file: `KUBECONFIG NAMESPACE NAME FILE BELL`.
pub fn watch(arguments: &[&str]) {
    let [kubeconfig, namespace, name, file, bell] = arguments else {
        panic!("five arguments");
    };
    block_on(async {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.expect("a configuration")).expect("a client");
        let selected = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let stream = watcher(Api::<ConfigMap>::namespaced(client, namespace), selected);
        let mut objects = Box::pin(stream.applied_objects());
        let handlebars = Handlebars::new();
        let mut bell = fs::OpenOptions::new()
            .write(true)
            .open(bell)
            .expect("the bell");
        println!("watching");
        std::io::stdout().flush().expect("stdout");
        while let Some(object) = objects.next().await {
            let object = object.expect("an object");
            let context = serde_json::json!({"cfg": object.data});
            let text = handlebars.render_template("{{{cfg.number}}}", &context);
            let part = format!("{file}.part");
            fs::write(&part, text.expect("a text")).expect("a file");
            fs::rename(&part, file).expect("a file");
            bell.write_all(b"x").expect("the bell");
        }
    });
}
