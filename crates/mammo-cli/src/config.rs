//! The run configuration: one TOML file, one section per stage, no unknown keys.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use mammo::augment::Augmentation;
use mammo::patch_sampling::SamplingConfig;
use mammo::preprocess::Preprocessing;
use mammo_nn::model_file::CalibrationMethod;
use mammo_nn::schedule::TrainingConfig;
use mammo_nn::top::{MapPooling, TopConfig};
use mammo_nn::trunk::TrunkConfig;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Everything that a run can be told, apart from where its files are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Seed of all randomness.
    #[serde(default)]
    pub seed: u64,
    /// From stored pixels to network input.
    pub preprocessing: Preprocessing,
    /// Which patches to draw.
    pub sampling: SamplingConfig,
    /// The patch classifier.
    pub patch: PatchSection,
    /// The whole-image classifier.
    pub image: ImageSection,
    /// Moving a whole-image classifier to another data set.
    pub transfer: TransferSection,
}

/// `[patch]`: the patch classifier and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchSection {
    /// Model file whose trunk training starts from, such as imported ImageNet weights; random
    /// weights by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// The trunk, shared with the whole-image classifier.
    pub trunk: TrunkConfig,
    /// Share of pooled features dropped while training.
    #[serde(default)]
    pub dropout: f64,
    /// Random changes of each training patch.
    pub augmentation: Augmentation,
    /// Stages, rates, batches.
    pub training: TrainingConfig,
}

/// `[image]`: the whole-image classifier and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSection {
    /// What stands on the trunk.
    pub top: TopConfig,
    /// What is kept of the last map of a convolutional top; the mean by default.
    #[serde(default)]
    pub pooling: MapPooling,
    /// Share of pooled features dropped while training.
    #[serde(default)]
    pub dropout: f64,
    /// Which map to calibrated probabilities is fitted to the validation side.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// Random changes of each training image.
    pub augmentation: Augmentation,
    /// Stages, rates, batches.
    pub training: TrainingConfig,
}

/// `[transfer]`: fine-tuning on another data set from image labels alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferSection {
    /// Share of the weights before transfer in the model after it: 0.5 lies halfway between the two, which is
    /// steadier with few patients than training alone: 0, the default and the paper's.
    #[serde(default)]
    pub start_share: f64,
    /// Which map to calibrated probabilities is fitted to the validation side.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// Random changes of each training image.
    pub augmentation: Augmentation,
    /// Stages, rates, batches.
    pub training: TrainingConfig,
}

impl RunConfig {
    /// Reads a configuration file and applies `section.key=value` overrides.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{}: cannot read the configuration", path.display()))?;
        Self::parse(&text, overrides).with_context(|| format!("{}", path.display()))
    }

    /// Reads a configuration from text and applies overrides.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| anyhow!("not TOML: {e}"))?;
        for setting in overrides {
            override_key(&mut table, setting)?;
        }
        // Parsed from text again, so that errors show the line.
        let text = match overrides {
            [] => text.to_string(),
            _ => toml::to_string(&table)?,
        };
        let mut config: Self =
            toml::from_str(&text).map_err(|e| anyhow!("{}", with_nearest_key(&e.to_string())))?;
        let sampling = table.get("sampling").and_then(toml::Value::as_table);
        if !sampling.is_some_and(|sampling| sampling.contains_key("seed")) {
            config.sampling.seed = config.seed;
        }
        config.check()?;
        Ok(config)
    }

    /// Refuses what cannot be run, before any work.
    fn check(&self) -> Result<()> {
        self.preprocessing.check()?;
        self.sampling.check()?;
        self.patch.trunk.check()?;
        for augmentation in [&self.patch.augmentation, &self.image.augmentation, &self.transfer.augmentation]
        {
            augmentation.check()?;
        }
        for (section, dropout) in [("patch", self.patch.dropout), ("image", self.image.dropout)] {
            if !(0.0..1.0).contains(&dropout) {
                bail!("{section}.dropout: {dropout}; expected at least 0 and below 1");
            }
        }
        if !(0.0..1.0).contains(&self.transfer.start_share) {
            bail!("transfer.start_share: {}; expected at least 0 and below 1", self.transfer.start_share);
        }
        for training in [&self.patch.training, &self.image.training, &self.transfer.training] {
            training.check()?;
        }
        Ok(())
    }

    /// Takes the counts of a patch set named as in the paper (`S1`, `S10`, ...).
    pub fn use_patch_set(&mut self, name: Option<&str>) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        let named: SamplingConfig = name.parse().context("--patch-set")?;
        self.sampling.placement = named.placement;
        self.sampling.per_lesion = named.per_lesion;
        self.sampling.background_per_image = named.background_per_image;
        Ok(())
    }
}

/// Settings with `key=value` or `section.key=value` changes.
pub fn with_settings<T: Serialize + DeserializeOwned>(settings: &T, overrides: &[String]) -> Result<T> {
    let mut table = toml::Table::try_from(settings)?;
    for setting in overrides {
        override_key(&mut table, setting)?;
    }
    table.try_into().map_err(|e: toml::de::Error| anyhow!("--set: {}", with_nearest_key(&e.to_string())))
}

/// Sets `a.b.c=value` in a table; the value is TOML, or a bare word.
fn override_key(table: &mut toml::Table, setting: &str) -> Result<()> {
    let Some((path, value)) = setting.split_once('=') else {
        bail!("--set {setting}: expected section.key=value, such as patch.training.batch_size=16");
    };
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_string()));
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().unwrap_or_default();
    let mut section = table;
    for key in keys {
        let entry = section.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let Some(inner) = entry.as_table_mut() else {
            bail!("--set {setting}: '{key}' is a value, not a section");
        };
        section = inner;
    }
    section.insert(last.to_string(), value);
    Ok(())
}

/// Adds "did you mean" to serde's report of an unknown key or word.
pub fn with_nearest_key(message: &str) -> String {
    let Some(start) = message.find("unknown field `").or_else(|| message.find("unknown variant `")) else {
        return message.to_string();
    };
    let mut quoted = message[start..].split('`').skip(1).step_by(2);
    let Some(found) = quoted.next() else {
        return message.to_string();
    };
    let nearest =
        quoted.max_by(|a, b| strsim::jaro_winkler(a, found).total_cmp(&strsim::jaro_winkler(b, found)));
    match nearest {
        Some(nearest) => format!("{}\ndid you mean `{nearest}`?", message.trim_end()),
        None => message.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: &str = include_str!("../../../configs/demo.toml");

    #[test]
    fn every_configuration_in_the_repository_parses() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            RunConfig::read(&file, &[]).unwrap();
        }
    }

    #[test]
    fn a_misspelt_key_is_refused_with_the_nearest_one() {
        let text = DEMO.replacen("batch_size", "batchsize", 1);
        let message = format!("{:#}", RunConfig::parse(&text, &[]).unwrap_err());
        assert!(message.contains("did you mean `batch_size`?"), "{message}");
    }

    #[test]
    fn an_override_reaches_its_key_and_a_wrong_one_is_refused() {
        let config = RunConfig::parse(DEMO, &["patch.training.batch_size=7".into()]).unwrap();
        assert_eq!(config.patch.training.batch_size, 7);
        let wrong = RunConfig::parse(DEMO, &["patch.training.batch_sise=7".into()]);
        assert!(format!("{:#}", wrong.unwrap_err()).contains("did you mean `batch_size`?"));
        assert!(RunConfig::parse(DEMO, &["seed".into()]).is_err());
    }
}
