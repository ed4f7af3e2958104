//! The model that a command uses: a file, a bundled model by name, or the bundled default.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Result, bail};
use mammo_models::{Bundled, Registry};
use mammo_nn::model_file::{self, ModelFile};

/// What a build without a bundled model says.
pub const NONE_BUNDLED: &str = "this build bundles no model";

/// What a training says of a model that cannot be read.
pub const NO_START: &str = "cannot start from this model";

/// The argument of most commands, for messages.
pub const MODEL_FLAG: &str = "--model <MODEL>";

/// Reads the model given with the argument `argument`, or the default of the registry.
///
/// # Errors
/// A file that is not a model; no model given, and none in the registry.
pub fn chosen(registry: &Registry, given: Option<&Path>, argument: &str) -> Result<ModelFile> {
    match (given, registry.default_model()) {
        (Some(path), _) => named(registry, path),
        (None, Some(default)) => announced(default),
        (None, None) => bail!(
            "the following required arguments were not provided: {argument}\n{NONE_BUNDLED}; give a model \
             file, such as one from `mammo train image`"
        ),
    }
}

/// Reads several models, or the default of the registry when none is given.
///
/// # Errors
/// As [`chosen`].
pub fn all_chosen<P: AsRef<Path>>(registry: &Registry, given: &[P]) -> Result<Vec<ModelFile>> {
    match given {
        [] => Ok(vec![chosen(registry, None, MODEL_FLAG)?]),
        given => given.iter().map(|path| named(registry, path.as_ref())).collect(),
    }
}

/// Reads a model file, or the bundled model of that name if there is no such file.
///
/// # Errors
/// A name that is neither; a file that is not a model.
pub fn named(registry: &Registry, path: &Path) -> Result<ModelFile> {
    Ok(match Place::of(registry, path)? {
        Place::File(path) => model_file::load(path)?,
        Place::Bundled(bundled) => bundled.read()?,
    })
}

/// The bytes of a model file, or of the bundled model of that name if there is no such file.
///
/// # Errors
/// As [`named`].
pub fn bytes<'r>(registry: &Registry<'r>, path: &Path) -> Result<Cow<'r, [u8]>> {
    Ok(match Place::of(registry, path)? {
        Place::File(path) => {
            let bytes = std::fs::read(path).map_err(|e| mammo_core::Error::io(path, "read the model", e))?;
            Cow::Owned(bytes)
        }
        Place::Bundled(bundled) => Cow::Borrowed(bundled.bytes),
    })
}

/// Where a model is.
enum Place<'p, 'r> {
    File(&'p Path),
    Bundled(&'r Bundled<'r>),
}

impl<'p, 'r> Place<'p, 'r> {
    /// A file takes precedence over a bundled model.
    fn of(registry: &Registry<'r>, path: &'p Path) -> Result<Self> {
        if path.exists() {
            return Ok(Self::File(path));
        }
        let bundled = path.to_str().and_then(|name| registry.find(name));
        Ok(Self::Bundled(bundled.ok_or_else(|| missing(path, registry))?))
    }
}

/// The error of a file that is not there, with the names of the bundled models.
pub fn missing(path: &Path, registry: &Registry) -> mammo_nn::Error {
    let names: Vec<&str> = registry.models().iter().map(|model| model.name).collect();
    let bundled = match names.is_empty() {
        true => NONE_BUNDLED.to_string(),
        false => format!("a bundled model: {}", names.join(", ")),
    };
    let error = std::io::Error::new(std::io::ErrorKind::NotFound, format!("no such file ({bundled})"));
    mammo_nn::Error::Data(mammo_core::Error::io(path, "read the model", error))
}

/// Reads the default model and prints in one line which one it is.
fn announced(default: &Bundled) -> Result<ModelFile> {
    let file = default.read()?;
    let limit = file.card.limits.first().map_or(String::new(), |limit| format!(": {limit}"));
    tracing::warn!(label = "model", "{}, bundled with the program{limit}", default.name);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use mammo_nn::device;
    use mammo_nn::model_file::{ModelCard, Network, TrainingRecord};
    use mammo_nn::networks::init::initialise;
    use mammo_nn::networks::state::state_dict;
    use mammo_nn::networks::trunk::{Family, Trunk, TrunkConfig};

    use super::*;

    /// The bytes of a small model file.
    fn model(dir: &Path, name: &str) -> Vec<u8> {
        let config = TrunkConfig { width: 0.125, stages: Some(1), ..TrunkConfig::new(Family::Resnet18) };
        let trunk = initialise(Trunk::new(&config, &device::by_name("cpu").unwrap()).unwrap(), 1);
        let card = ModelCard::new(
            Network::Trunk(config),
            vec![],
            mammo_image::preprocess::Preprocessing::default(),
            TrainingRecord::default(),
        );
        let card = ModelCard { name: Some(name.into()), ..card };
        let tensors = state_dict(&trunk).into_iter().map(|(key, value)| (format!("trunk.{key}"), value));
        let path = dir.join(format!("{name}.safetensors"));
        model_file::save(&path, &card, &tensors.collect()).unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn a_model_is_a_file_a_bundled_name_or_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = ["a", "b", "c"].map(|name| model(dir.path(), name));
        let models = [Bundled { name: "a", bytes: &bytes[0] }, Bundled { name: "b", bytes: &bytes[1] }];
        let registry = Registry::new(&models);
        let name = |given: Option<&Path>| chosen(&registry, given, MODEL_FLAG).unwrap().card.name.unwrap();
        assert_eq!(name(None), "a");
        assert_eq!(name(Some(Path::new("b"))), "b");
        let file = dir.path().join("c.safetensors");
        assert_eq!(name(Some(&file)), "c");
        let several = all_chosen(&registry, &[file.as_path(), Path::new("a")]).unwrap();
        assert_eq!(
            several.iter().map(|file| file.card.name.as_deref().unwrap()).collect::<Vec<_>>(),
            ["c", "a"]
        );
        assert_eq!(all_chosen::<&Path>(&registry, &[]).unwrap().len(), 1);
        let error = chosen(&registry, Some(Path::new("d")), MODEL_FLAG).unwrap_err().to_string();
        assert!(error.contains("d:") && error.contains("a bundled model: a, b"), "{error}");
        let error = chosen(&Registry::default(), None, MODEL_FLAG).unwrap_err().to_string();
        assert!(error.contains("--model <MODEL>") && error.contains(NONE_BUNDLED), "{error}");
    }
}
