//! The steps of a run in one folder. A step that was stopped continues, one that is done is repeated at no cost.

use std::path::{Path, PathBuf};

use mammo_core::write::write_atomically;
use mammo_data::split::Side;
use mammo_dicom::UnknownObjects;
use mammo_nn::device;
use mammo_nn::inference::predict::Tta;
use mammo_nn::training::run::Outcome;

use crate::config::RunConfig;
use crate::data::Data;
use crate::scoring::{Request, Scored, load_models, score, select};
use crate::training::{ImageStart, RunPlace, TrainImage, TrainPatch, Trained, train_image, train_patch};
use crate::{Error, Observer, Result};

/// The folder of a run, the device, and who watches.
pub struct Workplace<'a> {
    /// The folder.
    pub out: &'a Path,
    /// Device name.
    pub device: &'a str,
    /// The command as typed, for run records.
    pub command: Vec<String>,
    /// Receives progress.
    pub observer: &'a dyn Observer,
}

impl Workplace<'_> {
    /// The folder of a training, which is continued if it exists.
    pub fn place(&self, name: &str) -> RunPlace {
        let out = self.out.join(name);
        let resume = out.exists();
        RunPlace { out, device: self.device.to_string(), resume, command: self.command.clone() }
    }

    /// Trains a patch classifier in the folder `name`; `patches` holds those drawn before, if any.
    ///
    /// # Errors
    /// As [`train_patch`], and [`Error::Stopped`].
    pub fn train_patch(
        &self,
        name: &str,
        config: &RunConfig,
        data: &Data,
        patches: Option<&Path>,
    ) -> Result<Trained> {
        let place = self.place(name);
        self.finished(train_patch(&TrainPatch { config, data, patches, place: &place }, self.observer)?)
    }

    /// Trains a whole-image classifier in the folder `name`.
    ///
    /// # Errors
    /// As [`train_image`], and [`Error::Stopped`].
    pub fn train_image(
        &self,
        name: &str,
        config: &RunConfig,
        data: &Data,
        start: ImageStart,
    ) -> Result<Trained> {
        let place = self.place(name);
        self.finished(train_image(&TrainImage { config, data, start, place: &place }, self.observer)?)
    }

    /// Notes how a training ended.
    ///
    /// # Errors
    /// [`Error::Stopped`] for one that was interrupted.
    pub fn finished(&self, trained: Trained) -> Result<Trained> {
        let Outcome::Finished { best_metric } = trained.outcome else { return Err(Error::Stopped) };
        let (model, metric) = (trained.model.display(), trained.metric);
        self.observer.note(&format!("{model}: {metric} {best_metric:.3} on the validation side"));
        Ok(trained)
    }

    /// Scores the test side of a manifest and writes the table.
    ///
    /// # Errors
    /// Models and images that cannot be read; [`Error::Stopped`].
    pub fn score(&self, table: &Path, manifest: &Path, models: &[PathBuf], tta: Tta) -> Result<Scored> {
        let models = load_models(models, &device::by_name(self.device)?)?;
        let selected = select(&[manifest.to_path_buf()], Some(Side::Test), None, self.observer)?;
        let request = Request { models: &models, tta, unknown: UnknownObjects::Refused };
        let scored = score(&request, &selected, self.observer);
        if self.observer.stop_requested() {
            return Err(Error::Stopped);
        }
        write_atomically(table, &scored.table()?)?;
        self.observer.note(&format!("{}: {} images scored", table.display(), scored.rows.len()));
        Ok(scored)
    }
}
