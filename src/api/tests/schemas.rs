//! The JSON Schemas of the answers and of the render context: generated from the types, kept in `config/schemas`, and
//! what is served fits them.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::Asked;
use super::contract::{self, ITEM, MEMBER, PKG_ITEM, SYS};
use super::fixture::demo;
use crate::api::butterfly::Butterfly;
use crate::api::census::{self, Census};
use crate::api::services::Item;
use crate::config::Key;
use crate::lifecycle::status::{LastProcess, TerminationReason};
use crate::template::{Reach, context};

/// The render context as a whole.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is of interest")]
struct RenderContext {
    sys: context::Sys,
    pkg: context::Pkg,
    cfg: Map<String, Value>,
    svc: context::Svc,
    bind: BTreeMap<String, context::BindGroup>,
    /// What is ours beside Habitat's: docs/reference has its keys.
    kube: Map<String, Value>,
}

/// Draft 7, as Habitat's own are; objects with known keys have no others.
fn schema_of<T: JsonSchema>() -> Value {
    let close = |schema: &mut Schema| {
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
    };
    let settings = SchemaSettings::draft07()
        .for_serialize()
        .with_transform(RecursiveTransform(close));
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

fn all() -> [(&'static str, Value); 4] {
    [
        ("services", schema_of::<Vec<Item<'static>>>()),
        ("census", schema_of::<Census<'static>>()),
        ("butterfly", schema_of::<Butterfly>()),
        ("render-context", schema_of::<RenderContext>()),
    ]
}

fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).expect("a schema");
    let errors = validator.iter_errors(value);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[track_caller]
fn assert_fits(schema: &Value, value: &Value) {
    assert_eq!(problems(schema, value), Vec::<String>::new(), "{value:#}");
}

/// Written anew by `INSTA_UPDATE=always`, as the other golden files.
#[test]
fn the_schemas_are_the_golden_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemas");
    let update = std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always");
    for (name, schema) in all() {
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        if update {
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(&path, &text).expect("a file");
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == text,
            "{name}.json differs; read the difference after INSTA_UPDATE=always"
        );
    }
}

/// The schema of a type by its name, in whatever document.
fn definition<'a>(schema: &'a Value, name: &str) -> &'a Value {
    &schema["definitions"][name]
}

fn required(schema: &Value) -> Vec<&str> {
    let required = schema["required"].as_array().expect("required keys");
    required
        .iter()
        .map(|key| key.as_str().expect("a key"))
        .collect()
}

#[test]
fn they_ask_for_every_key_of_the_contract_and_allow_no_other() {
    let [(_, services), (_, census), (_, butterfly), (_, context)] = all();
    let item: Vec<&str> = ITEM.into_iter().filter(|key| *key != "cfg").collect();
    for (schema, name, keys) in [
        (&services, "Item", &item[..]),
        (&services, "PkgItem", &PKG_ITEM),
        (&services, "Sys", &SYS),
        (&services, "Hooks", &contract::HOOKS),
        (&services, "ManagerFsCfg", &contract::MANAGER_FS_CFG),
        (&services, "SpecIdent", &contract::IDENT),
        (&services, "Ident", &contract::IDENT),
        (&census, "Group", &contract::GROUP),
        (&census, "Member", &MEMBER),
        (&census, "MemberSys", &contract::MEMBER_SYS),
        (&context, "Member", &MEMBER),
        (&context, "MemberSys", &contract::MEMBER_SYS),
        (&context, "Ident", &contract::IDENT),
        (&context, "Sys", &SYS),
        (&context, "Pkg", &contract::PKG),
        (&context, "Svc", &contract::SVC),
        (&context, "BindGroup", &contract::BIND),
    ] {
        let schema = definition(schema, name);
        assert_eq!(required(schema), keys, "{name}");
        assert_eq!(schema["additionalProperties"], false, "{name}");
    }
    assert_eq!(
        required(&context),
        ["sys", "pkg", "cfg", "svc", "bind", "kube"]
    );
    assert_eq!(required(&butterfly), contract::BUTTERFLY);
    assert_eq!(required(&census), contract::CENSUS);
    for schema in [&butterfly, &census, &context] {
        assert_eq!(schema["additionalProperties"], false);
    }
}

#[tokio::test]
async fn what_is_served_fits() {
    let [(_, services), (_, census), (_, butterfly), _] = all();
    let restarted = |status: &mut crate::lifecycle::status::Status| {
        status.pid = None;
        status.next_restart_at = Some(1);
        status.last_process = Some(LastProcess {
            pid: Some(1),
            reason: TerminationReason::InitHookFailed,
            terminated_at: 1,
        });
    };
    for snapshot in [
        demo().snapshot(),
        demo().status(restarted).snapshot(),
        demo()
            .with(Key::Org, "acme")
            .with(Key::Bind, "db:postgres")
            .bound("10.0.1.1", json!({"ready": false}))
            .with(Key::BindingMode, "relaxed")
            .member("demo-1", "10.0.0.2", json!({"ready": false}))
            .member("demo-2", "10.0.0.3", json!({"terminating": true}))
            .snapshot(),
    ] {
        let asked = Asked::new(snapshot);
        assert_fits(&services, &asked.get("/services").await.json());
        assert_fits(&census, &asked.get("/census").await.json());
        assert_fits(&butterfly, &asked.get("/butterfly").await.json());
    }
    let redacted = Asked::with(demo().snapshot(), None, super::Redaction::Redacted);
    assert_fits(&services, &redacted.get("/services").await.json());
}

#[test]
fn the_render_context_fits() {
    let [.., (_, schema)] = all();
    let snapshot = demo()
        .member("demo-1", "10.0.0.2", json!({}))
        .with(Key::Bind, "db:postgres")
        .bound("10.0.1.1", json!({}))
        .snapshot();
    let service = snapshot.service.expect("a service");
    let reach = Reach {
        svc: true,
        kube: true,
        bind: true,
        bound_leaders: true,
    };
    let context = context::build(&census::input(&service), reach);
    assert!(context["bind"]["db"]["first"].is_object(), "{context:#}");
    assert_fits(&schema, &context);
}

#[tokio::test]
async fn what_differs_does_not_fit() {
    let [(_, services), (_, census), (_, butterfly), _] = all();
    let asked = Asked::new(demo().snapshot());
    // The contract's own three (section 1.10).
    let mut wrong = asked.get("/census").await.json();
    wrong["last_election_counter"] = json!("a string");
    assert_ne!(problems(&census, &wrong), Vec::<String>::new());
    let mut wrong = asked.get("/butterfly").await.json();
    wrong["service"] = json!(false);
    assert_ne!(problems(&butterfly, &wrong), Vec::<String>::new());
    assert_ne!(
        problems(&services, &json!([{"lulz": true}])),
        Vec::<String>::new()
    );
    // And ours: a key too many or too few, anywhere, or another spelling.
    let good = asked.get("/services").await.json();
    for place in [
        "",
        "/pkg",
        "/sys",
        "/hooks",
        "/hooks/run",
        "/process",
        "/restart_config",
        "/manager_fs_cfg",
        "/spec_ident",
    ] {
        let object = |value: &mut Value| -> Map<String, Value> {
            let found = value.pointer_mut(&format!("/0{place}")).expect("an object");
            found.as_object_mut().expect("an object").clone()
        };
        let mut more = good.clone();
        let mut changed = object(&mut more);
        changed.insert("lulz".to_owned(), true.into());
        *more.pointer_mut(&format!("/0{place}")).expect("it") = changed.into();
        assert_ne!(
            problems(&services, &more),
            Vec::<String>::new(),
            "more in {place}"
        );
        let mut less = good.clone();
        let mut changed = object(&mut less);
        let first = changed.keys().next().expect("a key").clone();
        changed.remove(&first);
        *less.pointer_mut(&format!("/0{place}")).expect("it") = changed.into();
        assert_ne!(
            problems(&services, &less),
            Vec::<String>::new(),
            "less in {place}"
        );
    }
    for (key, value) in [
        ("binding_mode", json!("Strict")),
        ("desired_state", json!("up")),
        ("health_check", json!("OK")),
        ("topology", json!("Leader")),
        ("restart_count", json!("0")),
        ("cfg", json!(null)),
        ("last_election_status", json!("Finished")),
    ] {
        let mut wrong = good.clone();
        wrong[0][key] = value;
        assert_ne!(problems(&services, &wrong), Vec::<String>::new(), "{key}");
    }
}
