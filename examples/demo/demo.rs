//! The demo's program: a small HTTP server with nothing of kubesup in it, such as any program that kubesup runs.
//!
//! ```text
//! demo serve CONFIG_FILE       serves / and /health, and reads its configuration again when it is asked to
//! demo get ADDRESS PATH        prints an answer; ends with 0 when it is a 200 (what hooks have instead of curl)
//! ```
//!
//! The standard library is all it needs, so that `rustc` alone builds it, and an image of it is one file.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_macros,
    reason = "a program of its own, which speaks to a terminal"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Neither a client nor a server that says nothing holds anybody up for longer.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["serve", file] => serve(file),
        ["get", address, path] => get(address, path),
        _ => Err("usage: demo serve CONFIG_FILE | demo get ADDRESS PATH".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("demo: {problem}");
            ExitCode::FAILURE
        }
    }
}

type Config = BTreeMap<String, String>;

/// Lines of `name = value`; what begins with `#` is a remark.
fn read(file: &str) -> Result<Config, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.split_once('=') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(format!("{file}: {line:?} is not `name = value`")),
        })
        .collect()
}

fn serve(file: &str) -> Result<(), String> {
    let config = read(file)?;
    let address = config.get("listen").ok_or(format!("{file}: no `listen`"))?;
    let listener = TcpListener::bind(address.as_str())
        .map_err(|error| format!("cannot listen at {address}: {error}"))?;
    println!("demo: serving http://{address}/");
    let config = Arc::new(Mutex::new(config));
    for stream in listener.incoming().flatten() {
        let (file, config) = (file.to_owned(), Arc::clone(&config));
        // A thread each: one client that is slow does not keep the health check waiting.
        std::thread::spawn(move || {
            // A client that goes away is its own matter.
            let _ = answer(stream, &file, &config);
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream, file: &str, config: &Mutex<Config>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&stream).take(8192).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // The rest of the head, so that closing does not reset the connection under the client.
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let mut words = first.split(' ').skip(1);
    let (status, body) = match words.next() {
        Some("/health") => ("200 OK", "ok\n".to_owned()),
        Some("/reload") => match read(file) {
            Ok(new) => {
                let text = page(&new);
                *config.lock().unwrap_or_else(PoisonError::into_inner) = new;
                println!("demo: configuration read again");
                ("200 OK", text)
            }
            Err(problem) => ("500 Internal Server Error", format!("{problem}\n")),
        },
        Some("/") => (
            "200 OK",
            page(&config.lock().unwrap_or_else(PoisonError::into_inner)),
        ),
        _ => ("404 Not Found", "not found\n".to_owned()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn page(config: &Config) -> String {
    let value = |name: &str| config.get(name).map_or("", String::as_str);
    format!(
        "{} from {}\npeers: {}\n",
        value("greeting"),
        value("pod"),
        value("peers")
    )
}

fn get(address: &str, path: &str) -> Result<(), String> {
    let answered = || -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = answered().map_err(|error| format!("http://{address}{path}: {error}"))?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    print!("{body}");
    if head.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(format!(
            "http://{address}{path}: {}",
            head.lines().next().unwrap_or("no answer")
        ))
    }
}
