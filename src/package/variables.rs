//! Owns which environment variables are a configuration layer: `HAB_<PACKAGE>`, as in Habitat, and `KUBESUP_CFG`. Never
//! reads the environment, and never parses a value.

use std::collections::BTreeMap;

use super::Source;

/// The variable that is a layer whatever the package is called.
pub const OWN: &str = "KUBESUP_CFG";

/// `HAB_MY_APP` for the package `my-app` (contract, section 4.1).
pub fn name(package: &str) -> String {
    format!("HAB_{}", package.to_ascii_uppercase().replace('-', "_"))
}

/// The layers that are there, lowest first.
pub fn layers(package: &str, environment: &BTreeMap<String, String>) -> Vec<Source> {
    [name(package), OWN.to_owned()]
        .into_iter()
        .filter_map(|name| {
            let text = environment.get(&name)?.clone();
            Some(Source {
                origin: format!("environment variable {name}"),
                text,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_named_after_the_package() {
        assert_eq!(name("my-app_2"), "HAB_MY_APP_2");
        let environment = ["HAB_MY_APP", "HAB_OTHER", "KUBESUP_CFG"]
            .map(|name| (name.to_owned(), name.to_owned()))
            .into();
        let origins: Vec<_> = layers("my-app", &environment)
            .into_iter()
            .map(|source| source.origin)
            .collect();
        assert_eq!(
            origins,
            [
                "environment variable HAB_MY_APP",
                "environment variable KUBESUP_CFG"
            ]
        );
    }
}
