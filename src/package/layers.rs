//! Owns the merge of the configuration layers into the one value that templates see as `cfg`, and which layer each
//! leaf came from. Never decides whether a configuration goes into force, and never reads a file.

use serde_json::{Map, Value};

use super::document::parse::ParseError;
use super::document::{Format, as_table, documents, parse, scalars};
pub use super::document::{Layer, LayerError, Origin};
use super::taint::{Taint, key, token};
use super::{Package, Source};
use crate::world::{Document, Sensitivity};

/// How deep tables are merged into tables, as in Habitat; the top counts as level 0.
pub const MAX_MERGE_DEPTH: usize = 30;

/// The merged configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers {
    /// The merged configuration, always an object; its keys are in the order of their first occurrence.
    pub cfg: Value,
    stack: Vec<Layer>,
}

/// One leaf of the configuration: a scalar, an array, a TOML datetime or an empty table.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf<'a> {
    /// Its dotted path; parts that are not plain are quoted as in TOML.
    pub path: String,
    /// The same as a JSON pointer.
    pub pointer: String,
    /// Its value.
    pub value: &'a Value,
    /// The layer that it came from: `/package/default.toml`, `ConfigMap shop/demo-config, key app.toml`.
    pub origin: String,
    /// Whether the value may be shown.
    pub sensitivity: Sensitivity,
}

/// Merges `default.toml`, the environment, `user.toml`, and the ConfigMaps and Secrets in their order. Returns every problem at once.
pub fn merge(package: &Package, world_config: &[Document]) -> Result<Layers, Vec<LayerError>> {
    let mut layers = Layers::default();
    let mut errors = Vec::new();
    if let Some(source) = &package.default_toml {
        errors.extend(layers.lay_toml(source).err());
    }
    for source in &package.variables {
        errors.extend(layers.lay_variable(source).err());
    }
    if let Some(source) = &package.user_toml {
        errors.extend(layers.lay_toml(source).err());
    }
    for document in world_config {
        errors.extend(layers.lay_object(document));
    }
    if errors.is_empty() {
        Ok(layers)
    } else {
        Err(errors)
    }
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            cfg: Value::Object(Map::new()),
            stack: Vec::new(),
        }
    }
}

impl Layers {
    /// Lays a TOML text over what is there.
    pub fn lay_toml(&mut self, source: &Source) -> Result<(), LayerError> {
        let table = parse(Format::Toml, &source.text).map_err(|error| LayerError {
            object: source.origin.clone(),
            key: None,
            position: error.position,
            reason: error.reason,
        })?;
        self.lay(Layer {
            origin: Origin::Named(source.origin.clone()),
            sensitivity: Sensitivity::Public,
            table,
        })
    }

    /// Lays the text of a variable over what is there: TOML, else JSON, as in Habitat.
    pub fn lay_variable(&mut self, source: &Source) -> Result<(), LayerError> {
        let table = parse(Format::Toml, &source.text).or_else(|as_toml| {
            parse(Format::Json, &source.text).map_err(|as_json| LayerError {
                object: source.origin.clone(),
                key: None,
                position: None,
                reason: format!(
                    "it is neither TOML ({}) nor JSON ({})",
                    placed(&as_toml),
                    placed(&as_json)
                ),
            })
        })?;
        self.lay(Layer {
            origin: Origin::Named(source.origin.clone()),
            sensitivity: Sensitivity::Public,
            table,
        })
    }

    /// Lays one ConfigMap over what is there: its documents, then its dotted keys. Returns its problems.
    pub fn lay_object(&mut self, document: &Document) -> Vec<LayerError> {
        let (layers, mut errors) = documents(document);
        errors.extend(layers.into_iter().filter_map(|layer| self.lay(layer).err()));
        let empty = Map::new();
        let (layer, problems) = scalars(document, self.cfg.as_object().unwrap_or(&empty));
        errors.extend(problems);
        errors.extend(layer.and_then(|layer| self.lay(layer).err()));
        errors
    }

    /// Lays one layer over what is there. A layer that nests too deep changes nothing.
    pub fn lay(&mut self, layer: Layer) -> Result<(), LayerError> {
        let mut merged = self.cfg.as_object().cloned().unwrap_or_default();
        if let Err(TooDeep { path }) = merge_tables(&mut merged, &layer.table) {
            let (object, key) = match layer.origin {
                Origin::Named(object) => (object, None),
                Origin::Document { object, key } => (object, Some(key)),
                Origin::Keys { object } => (object, Some(path)),
            };
            let reason = format!(
                "maximum merge depth of {MAX_MERGE_DEPTH} exceeded: tables that several layers have may nest no deeper; flatten them"
            );
            return Err(LayerError {
                object,
                key,
                position: None,
                reason,
            });
        }
        self.cfg = Value::Object(merged);
        self.stack.push(layer);
        Ok(())
    }

    /// Every leaf with the layer that it came from, in the order of `cfg`.
    pub fn explain(&self) -> Vec<Leaf<'_>> {
        let mut leaves = Vec::new();
        let tables: Vec<_> = self
            .stack
            .iter()
            .map(|layer| (layer, &layer.table))
            .collect();
        if let Some(cfg) = self.cfg.as_object() {
            explain(cfg, &tables, &Way::default(), &mut leaves);
        }
        leaves
    }

    /// The highest layer that has something at this pointer; `None` for the top, which all layers have, and for nothing.
    pub fn origin_of(&self, pointer: &str) -> Option<String> {
        let (first, rest) = split(pointer)?;
        let has = |layer: &&Layer| {
            let value = layer.table.get(&first);
            value.and_then(|value| value.pointer(rest)).is_some()
        };
        let layer = self.stack.iter().rev().find(has)?;
        Some(layer.origin.describe(&dotted(pointer)))
    }

    /// Where values of Secrets are.
    pub fn taint(&self) -> Taint {
        // Most have none: that is known without a walk.
        if self
            .stack
            .iter()
            .all(|layer| layer.sensitivity == Sensitivity::Public)
        {
            return Taint::default();
        }
        let leaves = self.explain().into_iter();
        leaves
            .filter(|leaf| leaf.sensitivity == Sensitivity::Secret)
            .map(|leaf| leaf.pointer)
            .collect()
    }
}

/// Tables nest deeper than the merge allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooDeep {
    /// The dotted path at which it is.
    pub path: String,
}

/// Habitat's merge: tables into tables, everything else of `from` replaces what `into` has. On an error `into` is
/// merged in part.
pub fn merge_tables(
    into: &mut Map<String, Value>,
    from: &Map<String, Value>,
) -> Result<(), TooDeep> {
    merge_at(into, from, 0).map_err(|mut path| {
        path.reverse();
        TooDeep {
            path: path.join("."),
        }
    })
}

/// The error is the path, innermost part first.
fn merge_at(
    into: &mut Map<String, Value>,
    from: &Map<String, Value>,
    depth: usize,
) -> Result<(), Vec<String>> {
    if depth > MAX_MERGE_DEPTH {
        return Err(Vec::new());
    }
    for (key, value) in from {
        let theirs = as_table(value);
        let ours = into
            .get_mut(key)
            .filter(|ours| as_table(ours).is_some())
            .and_then(Value::as_object_mut);
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            merge_at(ours, theirs, depth + 1).map_err(|mut path| {
                path.push(key.clone());
                path
            })?;
        } else {
            into.insert(key.clone(), value.clone());
        }
    }
    Ok(())
}

/// A leaf came from the highest layer that has its path: a layer above that replaced a part of the path would have
/// removed the leaf.
fn explain<'a>(
    table: &'a Map<String, Value>,
    layers: &[(&'a Layer, &'a Map<String, Value>)],
    way: &Way,
    leaves: &mut Vec<Leaf<'a>>,
) {
    for (key, value) in table {
        let way = way.down(key);
        match as_table(value) {
            Some(inner) if !inner.is_empty() => {
                let below: Vec<_> = layers
                    .iter()
                    .filter_map(|(layer, table)| Some((*layer, as_table(table.get(key)?)?)))
                    .collect();
                explain(inner, &below, &way, leaves);
            }
            _ => {
                let layer = layers
                    .iter()
                    .rev()
                    .find(|(_, table)| table.contains_key(key));
                let layer = layer.map(|(layer, _)| layer);
                leaves.push(Leaf {
                    origin: layer
                        .map(|layer| layer.origin.describe(&way.path))
                        .unwrap_or_default(),
                    sensitivity: layer.map(|layer| layer.sensitivity).unwrap_or_default(),
                    path: way.path,
                    pointer: way.pointer,
                    value,
                });
            }
        }
    }
}

/// The place of a value, in both spellings.
#[derive(Debug, Clone, Default)]
struct Way {
    path: String,
    pointer: String,
}

impl Way {
    fn down(&self, key: &str) -> Way {
        let part = if is_plain(key) {
            key.to_owned()
        } else {
            format!("{key:?}")
        };
        Way {
            path: if self.path.is_empty() {
                part
            } else {
                format!("{}.{part}", self.path)
            },
            pointer: format!("{}/{}", self.pointer, token(key)),
        }
    }
}

/// The first token of a pointer, decoded, and the rest.
fn split(pointer: &str) -> Option<(String, &str)> {
    let path = pointer.strip_prefix('/')?;
    let (first, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    Some((key(first), rest))
}

/// A JSON pointer as a dotted path.
pub fn dotted(pointer: &str) -> String {
    let mut way = Way::default();
    let mut rest = pointer;
    while let Some((key, below)) = split(rest) {
        way = way.down(&key);
        rest = below;
    }
    way.path
}

/// A parser's reason with its place.
fn placed(error: &ParseError) -> String {
    match error.position {
        Some(position) => format!("{position}: {}", error.reason),
        None => error.reason.clone(),
    }
}

/// A part of a path that TOML writes without quotes.
fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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

    fn secret<const N: usize>(name: &str, data: [(&str, &str); N]) -> Document {
        Document {
            object: format!("Secret shop/{name}"),
            sensitivity: Sensitivity::Secret,
            ..config_map(name, data)
        }
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
    fn values_of_a_secret_are_tainted_where_they_won_and_nowhere_else() {
        let package =
            package("port = 1\n[db]\nhost = 'a'\npassword = 'x'\nhosts = [1]\n'a/b~c' = {}");
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
            all[0]
                .starts_with("cannot use configuration: /package/default.toml, line 1, column 1: ")
        );
        assert!(all[2].starts_with("cannot use configuration: ConfigMap shop/one, key port: "));
        assert!(all[3].starts_with("cannot use configuration: ConfigMap shop/two, key a.b: "));
    }

    /// Tables under `t*` and anything else under `s*`, so that no path is a table in one and not in another.
    fn tables() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[a-z]{0,3}".prop_map(Value::from),
            Just(json!([1, {"x": 2}])),
            Just(Value::Null),
        ];
        let flat = proptest::collection::vec(("s[0-3]", scalar.clone()), 0..4);
        let leaf = flat.prop_map(|pairs| Value::Object(pairs.into_iter().collect()));
        leaf.prop_recursive(4, 40, 4, move |inner| {
            (
                proptest::collection::vec(("s[0-3]", scalar.clone()), 0..4),
                proptest::collection::vec(("t[0-3]", inner), 0..4),
            )
                .prop_map(|(scalars, tables)| {
                    Value::Object(scalars.into_iter().chain(tables).collect())
                })
        })
    }

    fn merged(below: &Value, above: &Value) -> Value {
        let mut into = below.as_object().unwrap().clone();
        merge_tables(&mut into, above.as_object().unwrap()).unwrap();
        Value::Object(into)
    }

    proptest! {
        #[test]
        fn the_merge_is_associative_while_tables_stay_tables(a in tables(), b in tables(), c in tables()) {
            let left = merged(&merged(&a, &b), &c).to_string();
            let right = merged(&a, &merged(&b, &c)).to_string();
            prop_assert_eq!(left, right);
        }

        #[test]
        fn the_merge_has_an_identity_and_is_idempotent(a in tables()) {
            prop_assert_eq!(merged(&a, &json!({})).to_string(), a.to_string());
            prop_assert_eq!(merged(&json!({}), &a).to_string(), a.to_string());
            prop_assert_eq!(merged(&a, &a).to_string(), a.to_string());
        }

        #[test]
        fn every_leaf_has_the_value_of_the_layer_that_it_came_from(a in tables(), b in tables()) {
            let mut layers = Layers::default();
            for (name, value) in [("a", &a), ("b", &b)] {
                let table = value.as_object().unwrap().clone();
                layers.lay(Layer { origin: Origin::Named(name.into()), sensitivity: Sensitivity::Public, table }).unwrap();
            }
            for leaf in layers.explain() {
                let from = if leaf.origin == "a" { &a } else { &b };
                prop_assert_eq!(from.pointer(&leaf.pointer), Some(leaf.value), "{}", leaf.path);
                prop_assert_eq!(layers.cfg.pointer(&leaf.pointer), Some(leaf.value), "{}", leaf.path);
            }
        }

        #[test]
        fn merging_never_panics(keys in proptest::collection::btree_map("[a-c.]{0,4}(toml|yaml|json)?", "[a-c=:{}\\[\\] 0-9\n]{0,20}", 0..6)) {
            let document = Document {
                object: "ConfigMap x/y".into(),
                sensitivity: Sensitivity::Public,
                data: keys.into_iter().map(|(key, value)| (key, value.into_bytes())).collect(),
            };
            let _ = merge(&package("a = 1\n[b]\nc = 2"), &[document]);
        }
    }
}
