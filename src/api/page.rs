//! Owns the page at `/`: one line for a probe, a small document for a browser. Pure; escapes everything it shows.

use std::fmt::Write as _;

use super::readiness;
use crate::snapshot::Snapshot;

/// One line, for probes and `curl`.
pub(super) fn line(snapshot: &Snapshot) -> String {
    let ready = readiness::is_ready(&readiness::checks(snapshot));
    let ready = if ready { "ready" } else { "not ready" };
    match &snapshot.service {
        Some(service) => format!("kubesup: {} is {ready}\n", service.settings.service_group()),
        None => format!("kubesup: {ready}\n"),
    }
}

/// The status page. Needs no script and nothing from elsewhere.
pub(super) fn html(snapshot: &Snapshot) -> String {
    let title = match &snapshot.service {
        Some(service) => service.settings.service_group(),
        None => "kubesup".to_owned(),
    };
    let title = escape(&title);
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title}</title>\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}}table{{border-collapse:collapse}}\
         td,th{{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}}</style><h1>{title}</h1><p>{:?}, health {:?}",
        snapshot.status.phase, snapshot.status.health
    );
    if let Some(pid) = snapshot.status.pid {
        let _ = write!(page, ", pid {pid}");
    }
    page.push_str("</p><h2>Checks</h2><table>");
    for check in readiness::checks(snapshot) {
        let outcome = if check.reasons.is_empty() {
            "ok".to_owned()
        } else {
            escape(&check.reasons.join("; "))
        };
        let _ = write!(page, "<tr><th>{}<td>{outcome}", check.name);
    }
    page.push_str("</table>");
    if let Some(service) = &snapshot.service {
        let members = &service.world.members;
        let _ = write!(
            page,
            "<h2>Members ({})</h2><table><tr><th>name<th>address<th>state",
            members.len()
        );
        for member in members.values().take(SHOWN) {
            let state = match (member.terminating, member.ready) {
                (true, _) => "terminating",
                (false, true) => "ready",
                (false, false) => "not ready",
            };
            let _ = write!(
                page,
                "<tr><td>{}<td>{}<td>{state}",
                escape(&member.hostname),
                escape(&member.ip)
            );
        }
        page.push_str("</table>");
    }
    page.push_str("<p><a href=/services>/services</a> <a href=\"/readyz?verbose\">/readyz?verbose</a></p></html>\n");
    page
}

/// More rows help nobody.
const SHOWN: usize = 100;

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
