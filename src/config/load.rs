//! Owns the reading of settings: the embedded defaults, a settings file, the environment. The only place in `config` that
//! touches a file; never resolves a value.

use std::collections::BTreeMap;
use std::path::Path;

use super::keys::{self, ENVIRONMENT_PREFIX, Key, Reach};
use super::resolve::{Layer, Origin, Problem, Value};

/// `config/kubesup.yaml`, which documents every key with a default.
pub const DEFAULTS: &str = include_str!("../../config/kubesup.yaml");

/// The embedded defaults. A test keeps them free of problems.
pub fn defaults() -> Layer {
    parse(DEFAULTS, Origin::Defaults).unwrap_or_else(|_| Layer::new(Origin::Defaults))
}

/// Reads the file given with `--config`.
pub fn file(path: &Path) -> Result<Layer, Vec<Problem>> {
    let origin = Origin::File(path.to_owned());
    let text = std::fs::read_to_string(path).map_err(|error| {
        vec![Problem {
            place: origin.to_string(),
            reason: format!("cannot be read: {error}; check --config"),
        }]
    })?;
    parse(&text, origin)
}

/// The keys of a settings file: one flat mapping of scalars.
fn parse(text: &str, origin: Origin) -> Result<Layer, Vec<Problem>> {
    let place = origin.to_string();
    let document: BTreeMap<String, serde_yaml::Value> = if text.trim().is_empty() {
        BTreeMap::new()
    } else {
        serde_yaml::from_str(text).map_err(|error| {
            vec![Problem {
                place: place.clone(),
                reason: error.to_string(),
            }]
        })?
    };
    let mut layer = Layer::new(origin);
    let mut problems = Vec::new();
    for (name, value) in document {
        let line = line_of(text, &name);
        let place = line.map_or_else(|| place.clone(), |line| format!("{place}, line {line}"));
        let Some(key) = Key::from_name(&name) else {
            let hint = keys::hint(&name, Key::ALL.iter().map(|key| key.name()));
            problems.push(Problem {
                place,
                reason: format!("unknown key {name}{hint}"),
            });
            continue;
        };
        match scalar(&value) {
            Some(text) => {
                let field = None;
                layer.values.insert(key, Value { text, line, field });
            }
            None => problems.push(Problem {
                place,
                reason: format!("{name} must be one value, not a list or a mapping"),
            }),
        }
    }
    if problems.is_empty() {
        Ok(layer)
    } else {
        Err(problems)
    }
}

fn scalar(value: &serde_yaml::Value) -> Option<String> {
    match value {
        serde_yaml::Value::String(text) => Some(text.clone()),
        serde_yaml::Value::Number(number) => Some(number.to_string()),
        serde_yaml::Value::Bool(bool) => Some(bool.to_string()),
        serde_yaml::Value::Null => Some(String::new()),
        _ => None,
    }
}

fn line_of(text: &str, name: &str) -> Option<usize> {
    let at_key = |line: &str| {
        line.trim_matches('"')
            .strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    text.lines().position(at_key).map(|index| index + 1)
}

/// The `KUBESUP_` variables: their layer, and warnings for names that are no setting.
///
/// Names shaped like Kubernetes service links are passed over: a Service called `kubesup` injects them into every Pod.
pub fn environment(variables: &BTreeMap<String, String>) -> (Layer, Vec<String>) {
    // Live settings belong to the Pod; KUBESUP_CONFIG is the settings file, as --config is.
    let known = || Key::ALL.iter().filter(|key| key.reach() != Reach::Live);
    let mut layer = Layer::new(Origin::Environment);
    let mut warnings = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        match known().find(|key| key.environment_name() == *name) {
            Some(key) => layer = layer.with(*key, value.clone()),
            None if NOT_SETTINGS.contains(&rest) || is_service_link(rest) => {}
            None => {
                let known: Vec<String> = known().map(|key| key.environment_name()).collect();
                let hint = keys::hint(name, known.iter().map(String::as_str));
                warnings.push(format!("unknown environment variable {name}{hint}"));
            }
        }
    }
    (layer, warnings)
}

/// `KUBESUP_` names that other parts read: the settings file, a layer of the program's configuration, the own container,
/// the log filter, and what the tests use.
const NOT_SETTINGS: [&str; 7] = [
    "CONFIG",
    "CFG",
    "CONTAINER",
    "LOG",
    "CACHE",
    "TEST_ASSETS",
    "BINARY",
];

/// The variables of Habitat's supervisor that are settings here. An empty one counts as unset, as there.
pub fn habitat_environment(variables: &BTreeMap<String, String>) -> Layer {
    let given = [Key::ListenHttp].into_iter().filter_map(|key| {
        let value = variables.get(&key.habitat_environment_name())?;
        (!value.is_empty()).then_some((key, value))
    });
    given.fold(
        Layer::new(Origin::HabitatEnvironment),
        |layer, (key, value)| layer.with(key, value.clone()),
    )
}

fn is_service_link(rest: &str) -> bool {
    let is_port_number = |text: &str| {
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        digits > 0
            && matches!(text.get(digits..), Some(tail) if ["_TCP", "_UDP", "_SCTP"].iter().any(|p| tail.starts_with(p)))
    };
    rest == "PORT"
        || rest.ends_with("_PORT")
        || rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || rest.split("PORT_").skip(1).any(is_port_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_defaults_are_well_formed() {
        assert_eq!(
            parse(DEFAULTS, Origin::Defaults).map(|layer| layer.values.is_empty()),
            Ok(false)
        );
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line_and_a_suggestion() {
        let problems = parse(
            "group: a\nlisten-htp: x\nroot: [1]\n",
            Origin::File("k.yaml".into()),
        )
        .expect_err("problems");
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "settings file k.yaml, line 2: unknown key listen-htp; did you mean listen-http?",
                "settings file k.yaml, line 3: root must be one value, not a list or a mapping",
            ]
        );
    }

    #[test]
    fn service_links_are_no_typos() {
        let names = [
            "KUBESUP_SERVICE_HOST",
            "KUBESUP_SERVICE_PORT",
            "KUBESUP_SERVICE_PORT_HTTP",
            "KUBESUP_PORT",
            "KUBESUP_PORT_9631_TCP",
            "KUBESUP_PORT_9631_TCP_ADDR",
            "KUBESUP_HTTP_PORT_80_TCP_PROTO",
        ];
        let variables = names
            .iter()
            .map(|name| ((*name).to_owned(), "x".to_owned()))
            .collect();
        assert_eq!(environment(&variables).1, Vec::<String>::new());
        for key in Key::ALL {
            let name = key.environment_name();
            let rest = name.strip_prefix(ENVIRONMENT_PREFIX).expect("the prefix");
            assert!(!is_service_link(rest), "a Service could set {name}");
        }
        let typo = BTreeMap::from([("KUBESUP_GRUOP".to_owned(), "x".to_owned())]);
        assert_eq!(
            environment(&typo).1,
            ["unknown environment variable KUBESUP_GRUOP; did you mean KUBESUP_GROUP?"]
        );
    }
}
