mod explain;
mod laws;

use serde_json::json;

use super::*;

fn source(text: &str) -> Source {
    Source {
        origin: "/package/default.toml".into(),
        text: text.into(),
    }
}

fn package(text: &str) -> Package {
    Package {
        default_toml: Some(source(text)),
        ..Package::default()
    }
}

fn config_map<const N: usize>(name: &str, data: [(&str, &str); N]) -> Document {
    Document {
        object: format!("ConfigMap shop/{name}"),
        sensitivity: Sensitivity::Public,
        data: data
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
    }
}

/// Merges two TOML texts and prints the result, so that the order of keys counts.
fn toml(below: &str, above: &str) -> String {
    let mut layers = Layers::default();
    layers.lay_toml(&source(below)).unwrap();
    layers.lay_toml(&source(above)).unwrap();
    layers.cfg.to_string()
}

#[test]
fn an_empty_layer_changes_nothing_and_an_empty_base_takes_all() {
    assert_eq!(toml("", "fruit = 'apple'"), r#"{"fruit":"apple"}"#);
    assert_eq!(toml("fruit = 'apple'", ""), r#"{"fruit":"apple"}"#);
}

#[test]
fn scalars_replace_and_keys_stay_where_they_first_were() {
    assert_eq!(
        toml(
            "fruit = 'apple'\nveggie = 'carrot'\nn = 10",
            "n = 99\nfruit = 'orange'\nnew = 1"
        ),
        r#"{"fruit":"orange","veggie":"carrot","n":99,"new":1}"#
    );
}

#[test]
fn any_type_may_replace_any_other() {
    assert_eq!(toml("a = [1, 2]", "a = 'x'"), r#"{"a":"x"}"#);
    assert_eq!(toml("a = 1", "a = 'x'"), r#"{"a":"x"}"#);
    assert_eq!(toml("a = [1, 2]", "a = [3]"), r#"{"a":[3]}"#);
    assert_eq!(toml("[a]\nb = 1", "a = 1"), r#"{"a":1}"#);
    assert_eq!(toml("a = 1", "[a]\nb = 1"), r#"{"a":{"b":1}}"#);
    assert_eq!(toml("[[a]]\nb = 1", "[[a]]\nc = 1"), r#"{"a":[{"c":1}]}"#);
}

#[test]
fn tables_merge_key_by_key() {
    assert_eq!(
        toml(
            "[server]\nhost = 'a'\nport = 1\n[server.tls]\non = false",
            "[server]\nport = 2\n[server.tls]\nca = 'x'"
        ),
        r#"{"server":{"host":"a","port":2,"tls":{"on":false,"ca":"x"}}}"#
    );
}

#[test]
fn a_datetime_replaces_and_is_replaced_whole() {
    let date = r#"{"a":{"$__toml_private_datetime":"1980-01-01"}}"#;
    assert_eq!(toml("a = 1979-05-27", "a = 1980-01-01"), date);
    assert_eq!(toml("[a]\nb = 1", "a = 1980-01-01"), date);
    assert_eq!(toml("a = 1980-01-01", "[a]\nb = 1"), r#"{"a":{"b":1}}"#);
}

#[test]
fn thirty_levels_merge_and_thirty_two_do_not() {
    let nested =
        |levels: usize, leaf: &str| format!("[{}]\n{leaf} = 1", vec!["t"; levels].join("."));
    let mut layers = Layers::default();
    layers.lay_toml(&source(&nested(30, "a"))).unwrap();
    layers.lay_toml(&source(&nested(30, "b"))).unwrap();
    assert_eq!(layers.explain().len(), 2);

    let mut layers = Layers::default();
    layers.lay_toml(&source(&nested(32, "a"))).unwrap();
    let before = layers.clone();
    let error = layers.lay_toml(&source(&nested(32, "b"))).unwrap_err();
    assert!(
        error.reason.contains("maximum merge depth of 30 exceeded"),
        "{error}"
    );
    assert_eq!(layers, before, "a refused layer must leave no trace");
}

#[test]
fn a_variable_is_toml_then_json_and_else_an_error_that_tells_both() {
    let lay = |text: &str| {
        let mut layers = Layers::default();
        let source = Source {
            origin: "environment variable HAB_DEMO".into(),
            text: text.into(),
        };
        layers.lay_variable(&source).map(|()| layers.cfg)
    };
    assert_eq!(lay("port = 1234").unwrap(), json!({"port": 1234}));
    assert_eq!(lay(r#"{"port": 1234}"#).unwrap(), json!({"port": 1234}));
    assert_eq!(lay("").unwrap(), json!({}));
    let error = lay("{port").unwrap_err().to_string();
    assert!(
        error.starts_with(
            "cannot use configuration: environment variable HAB_DEMO: it is neither TOML (line 1"
        ) && error.contains("nor JSON (line 1"),
        "{error}"
    );
}

#[test]
fn problems_of_all_layers_come_at_once() {
    let errors = merge(
        &package("= broken"),
        &[
            config_map(
                "one",
                [("a.yaml", "- x"), ("good.toml", "port = 1"), ("port", "x")],
            ),
            config_map("two", [("a", "1"), ("a.b", "2")]),
        ],
    )
    .unwrap_err();
    let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(all.len(), 4, "{all:#?}");
    assert!(
        all[0].starts_with("cannot use configuration: /package/default.toml, line 1, column 1: ")
    );
    assert!(all[2].starts_with("cannot use configuration: ConfigMap shop/one, key port: "));
    assert!(all[3].starts_with("cannot use configuration: ConfigMap shop/two, key a.b: "));
}
