//! Settings of an evaluation.

use serde::{Deserialize, Serialize};

use crate::intervals::bootstrap::BootstrapConfig;
use crate::localisation::froc::HitRule;
use crate::tables::aggregate::Pooling;
use crate::{Error, Result};

/// Settings of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// Resamples and confidence level.
    pub bootstrap: BootstrapConfig,
    /// How the scores of the views of a breast are combined; by default their mean.
    pub views: Pooling,
    /// How the scores of the two breasts become one score per patient: by default the higher one,
    /// because one suspicious breast is enough to recall the patient.
    pub breasts: Pooling,
    /// Prevalence in the intended population, for predictive values and net benefit; without one,
    /// the prevalence of the sample applies.
    pub prevalence: Option<f64>,
    /// Prevalence during training, 0.5 for balanced batches. If given, the calibration after
    /// correction for the prevalence is reported too.
    pub training_prevalence: Option<f64>,
    /// Lower end of the range of specificity of the partial area.
    pub min_specificity: f64,
    /// Sensitivity is reported at these specificities, and specificity at these sensitivities.
    pub fixed_at: Vec<f64>,
    /// Bins of the reliability curve and of the histograms.
    pub n_bins: usize,
    /// When a finding hits a lesion.
    pub hit_rule: HitRule,
    /// Columns whose values define subgroups; empty for every column with 2 to 12 values.
    pub subgroups: Vec<String>,
    /// Columns to test for a shortcut, where the table has them.
    pub shortcuts: Vec<String>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            bootstrap: BootstrapConfig::default(),
            views: Pooling::Mean,
            breasts: Pooling::Max,
            prevalence: None,
            training_prevalence: None,
            min_specificity: 0.8,
            fixed_at: vec![0.8, 0.9, 0.95],
            n_bins: 10,
            hit_rule: HitRule::CentreInBox,
            subgroups: vec![],
            shortcuts: ["site", "vendor", "scanner"].map(String::from).to_vec(),
        }
    }
}

impl EvalConfig {
    /// Checks the ranges of the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let share = |setting: &str, value: f64| {
            if value > 0.0 && value < 1.0 {
                return Ok(());
            }
            Err(Error::setting(setting, value.to_string(), "a share strictly between 0 and 1"))
        };
        self.prevalence.map_or(Ok(()), |prevalence| share("prevalence", prevalence))?;
        self.training_prevalence.map_or(Ok(()), |prevalence| share("training_prevalence", prevalence))?;
        share("min_specificity", self.min_specificity)?;
        self.fixed_at.iter().try_for_each(|&at| share("fixed_at", at))?;
        if !(2..=100).contains(&self.n_bins) {
            return Err(Error::setting("n_bins", self.n_bins.to_string(), "2 to 100 bins"));
        }
        Ok(())
    }
}
