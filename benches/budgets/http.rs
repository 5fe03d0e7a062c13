//! Owns the figure of `GET /services`: requests a second over kept-alive connections, in turn with bare axum.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::bare::Bare;
use super::measure::{Budget, Row, median};
use crate::support::kubesup::Kubesup;
use crate::support::package::{Folder, demo_package};

const CONNECTIONS: usize = 8;
const ROUNDS: u32 = 7;
const ROUND: Duration = Duration::from_millis(700);

pub fn measure() -> Vec<Row> {
    let (package, local) = (demo_package(), Folder::new());
    let kubesup = Kubesup::builder()
        .manifests(local.path())
        .package(package.path())
        .flag("--name", "demo")
        .start();
    kubesup.wait_ready();
    let body = kubesup.get("/services").1;
    let file = package.path().join("body");
    std::fs::write(&file, body).expect("a file");
    let mut bare = Bare::start(&["bare-axum", &file.display().to_string()]);
    let bare_address = bare.first_line();
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(rate(kubesup.address()));
        floor.push(rate(&bare_address));
    }
    vec![Row {
        what: "`GET /services`",
        measured: median(ours) / 1000.0,
        unit: "k/s",
        compared: Some((median(floor) / 1000.0, "the same bytes from bare axum")),
        budget: Budget::AtLeastPartOfCompared(0.9),
    }]
}

/// Requests a second.
fn rate(address: &str) -> f64 {
    let (over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| ask_until(address, &over, &answered));
        }
        std::thread::sleep(ROUND);
        over.store(true, Ordering::Relaxed);
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let answered = answered.load(Ordering::Relaxed) as f64;
    answered / begun.elapsed().as_secs_f64()
}

fn ask_until(address: &str, over: &AtomicBool, answered: &AtomicU64) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let mut buffer = vec![0; 64 * 1024];
    while !over.load(Ordering::Relaxed) {
        stream
            .write_all(b"GET /services HTTP/1.1\r\nHost: bench\r\n\r\n")
            .expect("to ask");
        let mut length = 0;
        loop {
            let read = stream.read(&mut buffer[length..]).expect("an answer");
            assert!(read > 0, "the server has closed");
            length += read;
            if is_whole(&buffer[..length]) {
                break;
            }
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200"), "{text}");
    let length = text.split("content-length: ").nth(1).expect("a length");
    let length: usize = length
        .lines()
        .next()
        .expect("a line")
        .trim()
        .parse()
        .expect("a number");
    answer.len() >= head + 4 + length
}
