//! Checks of a configuration before any work.

use mammo_nn::networks::exam::ExamHeadsConfig;
use mammo_nn::{Error, Result};

use super::{ExamSection, ImageSection, PatchSection, RunConfig, TransferSection};

impl RunConfig {
    /// Refuses what cannot be run, naming the full key path.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(preprocessing) = &self.preprocessing {
            preprocessing.check()?;
        }
        if let Some(sampling) = &self.sampling {
            sampling.check()?;
        }
        if let Some(patch) = &self.patch {
            patch.check().map_err(|e| e.within("patch"))?;
        }
        if let Some(image) = &self.image {
            image.check().map_err(|e| e.within("image"))?;
        }
        if let Some(transfer) = &self.transfer {
            transfer.check().map_err(|e| e.within("transfer"))?;
        }
        if let Some(exam) = &self.exam {
            exam.check().map_err(|e| e.within("exam"))?;
        }
        Ok(())
    }
}

impl PatchSection {
    fn check(&self) -> Result<()> {
        self.trunk.check()?;
        share("dropout", self.dropout)?;
        self.augmentation.check()?;
        self.training.check().map_err(|e| e.within("training"))
    }
}

impl ImageSection {
    fn check(&self) -> Result<()> {
        self.top.check(self.pooling)?;
        share("dropout", self.dropout)?;
        self.augmentation.check()?;
        self.training.check().map_err(|e| e.within("training"))
    }
}

impl TransferSection {
    fn check(&self) -> Result<()> {
        share("start_share", self.start_share)?;
        self.augmentation.check()?;
        self.training.check().map_err(|e| e.within("training"))
    }
}

impl ExamSection {
    fn check(&self) -> Result<()> {
        ExamHeadsConfig { units: self.units }.check()?;
        self.augmentation.check()?;
        self.training.check().map_err(|e| e.within("training"))
    }
}

/// Refuses a value that is not a share below one.
fn share(setting: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::network(setting, value.to_string(), "at least 0 and below 1"))
}
