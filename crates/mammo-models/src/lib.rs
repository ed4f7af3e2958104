//! Models that ship inside the program.
//!
//! ```
//! let registry = mammo_models::Registry::bundled();
//! for bundled in registry.models() {
//!     println!("{}: {}", bundled.name, bundled.read()?);
//! }
//! # Ok::<(), mammo_nn::Error>(())
//! ```
//!
//! A bundled model is a model file like any other, card included; its bytes are part of the program with the feature
//! `bundled-model`, which is on by default. To add one, put its file into `weights/` and its name into the list in
//! `bundled.rs`.

mod bundled;

use std::path::Path;

use mammo_nn::model_file::{self, ModelFile};

/// A model file inside the program.
#[derive(Clone, Copy, Debug)]
pub struct Bundled<'a> {
    /// Its name, which its card has too.
    pub name: &'a str,
    /// The bytes of the model file.
    pub bytes: &'a [u8],
}

impl Bundled<'_> {
    /// Reads the model file; its name takes the place of the path in messages.
    ///
    /// # Errors
    /// As [`model_file::parse`].
    pub fn read(&self) -> mammo_nn::Result<ModelFile> {
        model_file::parse(Path::new(self.name), self.bytes)
    }
}

/// Models by name. The first is the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registry<'a>(&'a [Bundled<'a>]);

impl Registry<'static> {
    /// The models inside this build.
    pub const fn bundled() -> Self {
        Self(bundled::BUNDLED)
    }
}

impl<'a> Registry<'a> {
    /// Models from elsewhere.
    pub const fn new(models: &'a [Bundled<'a>]) -> Self {
        Self(models)
    }

    /// All models.
    pub fn models(&self) -> &'a [Bundled<'a>] {
        self.0
    }

    /// The model to use when none is named.
    pub fn default_model(&self) -> Option<&'a Bundled<'a>> {
        self.0.first()
    }

    /// The model of a name.
    pub fn find(&self, name: &str) -> Option<&'a Bundled<'a>> {
        self.0.iter().find(|model| model.name == name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use mammo_nn::model_file::{NO_LICENCE, Network};

    use super::*;

    #[test]
    fn models_are_found_by_name_and_the_first_is_the_default() {
        let models = [Bundled { name: "a", bytes: b"1" }, Bundled { name: "b", bytes: b"2" }];
        let registry = Registry::new(&models);
        assert_eq!(registry.default_model().unwrap().name, "a");
        assert_eq!(registry.find("b").unwrap().bytes, b"2");
        assert!(registry.find("c").is_none());
        assert!(Registry::default().default_model().is_none());
        let error = models[1].read().unwrap_err().to_string();
        assert!(error.starts_with("b: damaged"), "{error}");
    }

    #[test]
    fn every_bundled_model_is_a_whole_image_model_with_a_complete_card() {
        let models = Registry::bundled().models();
        let names: BTreeSet<&str> = models.iter().map(|model| model.name).collect();
        assert_eq!(names.len(), models.len(), "{names:?}");
        for model in models {
            let card = model.read().unwrap().card;
            assert!(matches!(card.network, Network::Image(_)), "{}", model.name);
            assert_eq!(card.name.as_deref(), Some(model.name));
            assert_ne!(card.licence, NO_LICENCE, "{}", model.name);
            let is_complete =
                !card.limits.is_empty() && !card.evidence.is_empty() && !card.figures.is_empty();
            assert!(is_complete, "{}: limits, evidence or figures are missing", model.name);
        }
    }
}
