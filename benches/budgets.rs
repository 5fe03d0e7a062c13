//! `make bench`: measures kubesup against its budgets and prints the table of docs/performance.md. Everything is real: the
//! release binary, an API server, processes. Timings are medians, and ratios of things measured in turn in this run.
#![expect(
    unreachable_pub,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that measures: it reads clocks, prints, and fails loudly"
)]

mod budgets {
    pub mod bare;
    pub mod edits;
    pub mod endpoints;
    pub mod footprint;
    pub mod http;
    pub mod init;
    pub mod measure;
    pub mod start;
}
#[path = "../tests"]
#[expect(dead_code, reason = "the tests use the rest")]
mod tests {
    pub mod support;
}

use budgets::measure::Row;
use budgets::{bare, edits, endpoints, footprint, http, init, start};
use tests::support;

/// A part of the table: its name for the command line, and what measures it.
type Part = (&'static str, fn() -> Vec<Row>);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match words.as_slice() {
        // What kubesup is compared with runs in processes of its own, started from this program.
        ["bare-axum", body] => return bare::axum(body),
        ["bare-watch", rest @ ..] => return bare::watch(rest),
        _ => {}
    }
    // `cargo bench -- NAME` measures only the parts of that name.
    let wanted = words.iter().find(|word| !word.starts_with('-'));
    let parts: [Part; 7] = [
        ("footprint", footprint::measure),
        ("start", start::measure),
        ("edits", edits::measure),
        ("http", http::measure),
        ("endpoints", endpoints::measure),
        ("init", init::measure),
        ("idle", footprint::idle_requests),
    ];
    let chosen = parts
        .into_iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| name == wanted));
    println!("\n| what | measured | compared with | budget | |");
    println!("|---|---|---|---|---|");
    let mut missed = 0;
    for row in chosen.flat_map(|(_, measure)| measure()) {
        println!("{row}");
        missed += u32::from(!row.is_kept());
    }
    println!("\n{missed} budgets missed");
}
