//! The list of bundled models.

use crate::Bundled;

/// The entries of a list of names: `NAME` is the file `weights/NAME.safetensors`.
#[cfg(feature = "bundled-model")]
macro_rules! bundled {
    ($($name:literal),* $(,)?) => {
        &[$(Bundled {
            name: $name,
            bytes: include_bytes!(concat!("../weights/", $name, ".safetensors")),
        }),*]
    };
}

/// No entry: the weights are not part of this build, and need not be there.
#[cfg(not(feature = "bundled-model"))]
macro_rules! bundled {
    ($($name:literal),* $(,)?) => {
        &[]
    };
}

/// The bundled models, one name a line. The first is the default.
pub(crate) const BUNDLED: &[Bundled] = bundled!["film-mass-1",];
