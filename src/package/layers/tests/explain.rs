//! Which layer each value came from.

use serde_json::json;

use super::*;

fn secret<const N: usize>(name: &str, data: [(&str, &str); N]) -> Document {
    Document {
        object: format!("Secret shop/{name}"),
        sensitivity: Sensitivity::Secret,
        ..config_map(name, data)
    }
}

#[test]
fn config_maps_come_in_their_order_documents_first() {
    let layers = merge(
        &package("port = 1\nhost = 'a'\n[log]\nlevel = 'info'"),
        &[
            config_map("one", [("a.yaml", "port: 2\nhost: b"), ("port", "3")]),
            config_map(
                "two",
                [("x.json", r#"{"log": {"file": "f"}}"#), ("host", "c")],
            ),
        ],
    )
    .unwrap();
    assert_eq!(
        layers.cfg,
        json!({"port": 3, "host": "c", "log": {"level": "info", "file": "f"}})
    );
    let explained: Vec<_> = layers
        .explain()
        .into_iter()
        .map(|leaf| format!("{} <- {}", leaf.path, leaf.origin))
        .collect();
    assert_eq!(
        explained,
        [
            "port <- ConfigMap shop/one, key port",
            "host <- ConfigMap shop/two, key host",
            "log.level <- /package/default.toml",
            "log.file <- ConfigMap shop/two, key x.json",
        ]
    );
}

#[test]
fn the_layers_are_default_environment_user_config_maps_and_secrets() {
    let all = "a = 'default'\nb = 'default'\nc = 'default'\nd = 'default'\ne = 'default'";
    let named = |origin: &str, text: &str| Source {
        origin: origin.into(),
        text: text.into(),
    };
    let package = Package {
        variables: vec![
            named(
                "environment variable HAB_DEMO",
                "a = 'env'\nb = 'env'\nc = 'env'\nd = 'env'",
            ),
            named(
                "environment variable KUBESUP_CFG",
                r#"{"b": "cfg", "z": "cfg"}"#,
            ),
        ],
        user_toml: Some(named("/user/user.toml", "c = 'user'\nd = 'user'")),
        ..package(all)
    };
    let objects = [
        config_map("map", [("d", "map"), ("e", "map")]),
        secret("secret", [("e", "secret")]),
    ];
    let layers = merge(&package, &objects).unwrap();
    assert_eq!(
        layers.cfg.to_string(),
        r#"{"a":"env","b":"cfg","c":"user","d":"map","e":"secret","z":"cfg"}"#
    );
    let origins: Vec<_> = layers
        .explain()
        .into_iter()
        .map(|leaf| leaf.origin)
        .collect();
    assert_eq!(
        origins,
        [
            "environment variable HAB_DEMO",
            "environment variable KUBESUP_CFG",
            "/user/user.toml",
            "ConfigMap shop/map, key d",
            "Secret shop/secret, key e",
            "environment variable KUBESUP_CFG",
        ]
    );
}

#[test]
fn values_of_a_secret_are_tainted_where_they_won_and_nowhere_else() {
    let package = package("port = 1\n[db]\nhost = 'a'\npassword = 'x'\nhosts = [1]\n'a/b~c' = {}");
    assert!(merge(&package, &[]).unwrap().taint().is_empty());
    let objects = [secret(
        "s",
        [
            ("app.toml", "db.hosts = ['h']\n[db.'a/b~c']\nkey = 'k'"),
            ("db.password", "p"),
        ],
    )];
    let layers = merge(&package, &objects).unwrap();
    let taint = layers.taint();
    assert_eq!(
        taint.iter().collect::<Vec<_>>(),
        ["/db/a~1b~0c/key", "/db/hosts", "/db/password"]
    );
    assert_eq!(
        taint.redact(&layers.cfg),
        json!({
            "port": 1,
            "db": {"host": "a", "password": "<redacted>", "hosts": "<redacted>", "a/b~c": {"key": "<redacted>"}},
        })
    );
}

#[test]
fn odd_names_are_quoted_and_empty_tables_are_leaves() {
    let layers = merge(&package("'a.b' = {}\n[c]\n'' = 1"), &[]).unwrap();
    let paths: Vec<_> = layers.explain().into_iter().map(|leaf| leaf.path).collect();
    assert_eq!(paths, [r#""a.b""#, r#"c."""#]);
}

#[test]
fn a_table_that_came_back_does_not_belong_to_the_layer_that_was_replaced() {
    let layers = merge(
        &package("[a]\nb = 1"),
        &[config_map(
            "one",
            [("1.toml", "a = 5"), ("2.toml", "[a]\nc = 1")],
        )],
    )
    .unwrap();
    assert_eq!(layers.cfg, json!({"a": {"c": 1}}));
    assert_eq!(layers.explain()[0].origin, "ConfigMap shop/one, key 2.toml");
}
