//! What holds of the merge whatever is merged.

use proptest::prelude::*;
use serde_json::json;

use super::*;

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
