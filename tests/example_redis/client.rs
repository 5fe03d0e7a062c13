//! A client of Redis, and one that writes without a pause and knows what was acknowledged and what was replicated.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::group::{Finder, Group, address};
use crate::support::wait_for;

pub const PORT: u16 = 6379;

/// A connection.
pub struct Redis {
    stream: BufReader<TcpStream>,
}

impl Redis {
    pub fn connect(number: u8) -> Result<Redis, String> {
        Redis::at(&address(number)).map_err(|error| error.to_string())
    }

    fn at(host: &str) -> std::io::Result<Redis> {
        let stream = TcpStream::connect((host, PORT))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let stream = BufReader::new(stream);
        Ok(Redis { stream })
    }

    /// One question on a connection of its own.
    pub fn once(number: u8, words: &[&str]) -> Result<String, String> {
        Redis::connect(number)?.ask(words)
    }

    /// A write, if it is acknowledged at once.
    pub fn writes_now(number: u8) -> bool {
        Redis::connect(number).is_ok_and(|mut redis| {
            let patience = Some(Duration::from_millis(100));
            let stream = redis.stream.get_ref();
            stream.set_read_timeout(patience).expect("a time");
            redis.ask(&["SET", "now", "1"]).as_deref() == Ok("OK")
        })
    }

    /// The answer; of several values with a space between.
    pub fn ask(&mut self, words: &[&str]) -> Result<String, String> {
        let words = words
            .iter()
            .map(|word| format!("${}\r\n{word}\r\n", word.len()));
        let request = format!("*{}\r\n{}", words.len(), words.collect::<String>());
        let stream = self.stream.get_mut();
        stream
            .write_all(request.as_bytes())
            .map_err(|error| error.to_string())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        read.map_err(|error| error.to_string())?;
        let line = line.trim_end();
        let rest = line.get(1..).unwrap_or_default();
        let count = || rest.parse::<i64>().unwrap_or(-1);
        match line.chars().next() {
            Some('+' | ':') => Ok(rest.to_owned()),
            Some('$') => {
                let Ok(length) = usize::try_from(count()) else {
                    return Ok(String::new());
                };
                let mut body = vec![0; length + 2];
                self.stream
                    .read_exact(&mut body)
                    .map_err(|error| error.to_string())?;
                body.truncate(length);
                String::from_utf8(body).map_err(|error| error.to_string())
            }
            Some('*') => {
                let answers: Result<Vec<_>, _> = (0..count()).map(|_| self.answer()).collect();
                Ok(answers?.join(" "))
            }
            _ => Err(format!("answer {line:?}")),
        }
    }
}

/// The keys of writes.
#[derive(Debug, Default, Clone)]
pub struct Written {
    /// Redis said OK.
    pub acknowledged: Vec<u64>,
    /// And that another member has it.
    pub replicated: Vec<u64>,
}

/// Writes increasing keys to whoever leads, one after the other.
pub struct Writer {
    go_on: Arc<AtomicBool>,
    written: Arc<Mutex<Written>>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub fn start(group: &Group) -> Writer {
        let go_on = Arc::new(AtomicBool::new(true));
        let written = Arc::new(Mutex::new(Written::default()));
        let (run, note, finder) = (Arc::clone(&go_on), Arc::clone(&written), group.finder());
        let thread = std::thread::spawn(move || {
            let mut key = 0;
            while run.load(Ordering::SeqCst) {
                // Refused, cut off, or nobody leads: the Service is asked again.
                let _tried_again = write_on(&finder, &run, &note, &mut key);
            }
        });
        Writer {
            go_on,
            written,
            thread,
        }
    }

    fn replicated(&self) -> usize {
        self.written.lock().expect("no panic").replicated.len()
    }

    /// Waits until this many more writes are replicated.
    pub fn wait_for_more(&self, more: usize, time: Duration) {
        let before = self.replicated();
        wait_for("writes are replicated", time, || {
            let now = self.replicated();
            if now >= before + more {
                Ok(())
            } else {
                Err(now - before)
            }
        });
    }

    pub fn stop(self) -> Written {
        self.go_on.store(false, Ordering::SeqCst);
        self.thread.join().expect("no panic");
        self.written.lock().expect("no panic").clone()
    }
}

/// Until something goes wrong. A key is never used again: whether the write of the last one was made is not known.
fn write_on(
    finder: &Finder,
    go_on: &AtomicBool,
    written: &Mutex<Written>,
    key: &mut u64,
) -> Result<(), String> {
    // Several for a moment after a death: any of them may be meant.
    let mut redis = None;
    for host in finder.leaders() {
        redis = Redis::at(&host).ok().or(redis);
    }
    let mut redis = redis.ok_or("nobody leads")?;
    while go_on.load(Ordering::SeqCst) {
        *key += 1;
        let name = key.to_string();
        if redis.ask(&["SET", &name, &name])? != "OK" {
            return Err("not acknowledged".to_owned());
        }
        written.lock().expect("no panic").acknowledged.push(*key);
        if redis.ask(&["WAIT", "1", "200"])? != "0" {
            written.lock().expect("no panic").replicated.push(*key);
        }
    }
    Ok(())
}
