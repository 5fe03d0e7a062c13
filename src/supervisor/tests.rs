//! Owns what the unit tests of the supervisor's parts share.

use crate::config::{Key, Layer, Layers, Origin, Settings, load, resolve};

/// The settings of a service `db`, with these flags.
pub(super) fn settings(given: &[(Key, &str)]) -> Settings {
    let name = Layer::new(Origin::Flag).with(Key::Name, "db");
    let flags = given
        .iter()
        .fold(name, |layer, (key, value)| layer.with(*key, *value));
    let layers = Layers {
        below_pod: vec![load::defaults()],
        above_pod: vec![flags],
    };
    resolve(&layers, None).expect("settings")
}
