//! Owns which part of a configuration a package exports to other members, as Habitat evaluates it (contract, section 4.4).

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::as_table;

/// The exported values by name; what the configuration has not is left out.
pub fn evaluate(exports: &BTreeMap<String, String>, cfg: &Value) -> BTreeMap<String, Value> {
    exports
        .iter()
        .filter_map(|(name, path)| Some((name.clone(), find(cfg, path)?.clone())))
        .collect()
}

/// The walk goes on from where it was when a part of the way is missing; only the last part has to be there. So `a.b`
/// finds a `b` at the top where there is no `a`.
fn find<'a>(cfg: &'a Value, path: &str) -> Option<&'a Value> {
    let mut here = cfg;
    let mut found = false;
    for part in path.split('.') {
        let below = as_table(here).and_then(|table| table.get(part));
        found = below.is_some();
        here = below.unwrap_or(here);
    }
    found.then_some(here)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_any_type_are_exported_and_missing_ones_left_out() {
        let cfg = json!({"server": {"port": 80, "tls": {"on": true}}, "hosts": ["a"], "b": 1});
        let exports = [
            ("port", "server.port"),
            ("tls", "server.tls"),
            ("hosts", "hosts"),
            ("missing", "server.host"),
            ("below-a-value", "b.c"),
            ("oddity", "a.b"),
        ]
        .map(|(name, path)| (name.to_owned(), path.to_owned()))
        .into();
        assert_eq!(
            serde_json::to_value(evaluate(&exports, &cfg)).unwrap(),
            json!({"hosts": ["a"], "oddity": 1, "port": 80, "tls": {"on": true}})
        );
    }
}
