//! Owns how figures are taken and shown: medians, a process's memory and time from `/proc`, a row of the table.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode};

/// One line of the table.
pub struct Row {
    pub what: &'static str,
    /// What was measured, and beside it what it is compared with.
    pub measured: f64,
    pub unit: &'static str,
    pub compared: Option<(f64, &'static str)>,
    pub budget: Budget,
}

/// What may not be exceeded.
pub enum Budget {
    AtMost(f64),
    /// Of what it is compared with.
    TimesCompared(f64),
    /// Of what it is compared with, where more is better.
    AtLeastPartOfCompared(f64),
    /// For the comparison alone.
    None,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.compared
            .map_or(f64::NAN, |(other, _)| self.measured / other)
    }

    pub fn is_kept(&self) -> bool {
        match self.budget {
            Budget::AtMost(most) => self.measured <= most,
            Budget::TimesCompared(most) => self.ratio() <= most,
            Budget::AtLeastPartOfCompared(least) => self.ratio() >= least,
            Budget::None => true,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.unit;
        write!(f, "| {} | {} {unit} | ", self.what, figure(self.measured))?;
        match self.compared {
            Some((other, name)) => write!(
                f,
                "{name}: {} {unit}, ratio {:.2} | ",
                figure(other),
                self.ratio()
            )?,
            None => write!(f, "– | ")?,
        }
        match self.budget {
            Budget::AtMost(most) => write!(f, "{} {unit}", figure(most))?,
            Budget::TimesCompared(most) => write!(f, "ratio {most} at most")?,
            Budget::AtLeastPartOfCompared(least) => write!(f, "ratio {least} at least")?,
            Budget::None => return write!(f, "– | |"),
        }
        write!(f, " | {} |", if self.is_kept() { "kept" } else { "MISSED" })
    }
}

fn figure(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A number from `/proc/<pid>/status`, such as `VmRSS` (kB) or `Threads`.
pub fn status(pid: u32, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process");
    let line = text.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.expect("the figure").parse().expect("a number")
}

/// Resident memory, in MiB.
pub fn resident(pid: u32) -> f64 {
    status(pid, "VmRSS:") / 1024.0
}

/// Time on a processor, all threads.
pub fn processor_time(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process");
    let times = tasks.flatten().map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let nanos = text.split(' ').next().and_then(|first| first.parse().ok());
        Duration::from_nanos(nanos.unwrap_or_default())
    });
    times.sum()
}

/// A bell: whatever writes to the FIFO rings it, and the moment is noted at once, on a thread of its own.
pub struct Bell {
    pub path: PathBuf,
    rings: std::sync::mpsc::Receiver<Instant>,
}

impl Bell {
    pub fn new(folder: &Path, name: &str) -> Bell {
        let path = folder.join(name);
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from(0o622), 0).expect("a FIFO");
        // Open for both, so that there is no end of file between two rings.
        let mut fifo: File = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .expect("a FIFO");
        let (ring, rings) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut byte = [0];
            while fifo.read_exact(&mut byte).is_ok() && ring.send(Instant::now()).is_ok() {}
        });
        Bell { path, rings }
    }

    /// The moment of the next ring.
    pub fn wait(&self) -> Instant {
        self.rings
            .recv_timeout(Duration::from_secs(30))
            .expect("the bell was not rung within 30 s")
    }

    /// A line of shell that rings it.
    pub fn ring(&self) -> String {
        format!("printf x > {}", self.path.display())
    }
}
