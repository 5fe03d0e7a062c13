//! Owns what readers may see of the configuration: everything but what came from a Secret. Pure.

use std::borrow::Cow;

use serde_json::Value;

use crate::snapshot::Service;

/// What stands where a secret is.
const HIDDEN: &str = "<redacted>";

/// The merged configuration as it may be shown.
pub(super) fn visible(service: &Service) -> Cow<'_, Value> {
    without(&service.cfg, secret_paths(service))
}

/// The places in `cfg` whose values came from a Secret, each as the keys on the way there.
// Secrets are no configuration yet; when they are, the snapshot has these.
fn secret_paths(_service: &Service) -> &[Vec<String>] {
    &[]
}

/// `cfg` with something else at these places. A place that does not exist hides nothing.
fn without<'a>(cfg: &'a Value, paths: &[Vec<String>]) -> Cow<'a, Value> {
    if paths.is_empty() {
        return Cow::Borrowed(cfg);
    }
    let mut shown = cfg.clone();
    for path in paths {
        let found = path
            .iter()
            .try_fold(&mut shown, |value, key| value.get_mut(key.as_str()));
        if let Some(value) = found {
            *value = HIDDEN.into();
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_hidden_wherever_they_are_and_nothing_else_is() {
        let cfg = json!({"db": {"password": "geheim", "user": "demo", "tls": {"key": "x"}}, "a.b": 1, "list": [1, 2]});
        let paths = [
            vec!["db".to_owned(), "password".to_owned()],
            vec!["db".to_owned(), "tls".to_owned()],
            vec!["a.b".to_owned()],
            vec!["nowhere".to_owned(), "x".to_owned()],
        ];
        assert_eq!(
            *without(&cfg, &paths),
            json!({"db": {"password": HIDDEN, "user": "demo", "tls": HIDDEN}, "a.b": HIDDEN, "list": [1, 2]})
        );
        assert!(matches!(without(&cfg, &[]), Cow::Borrowed(_)));
    }
}
