//! Scores of patches: written by `predict --patches`, read by `evaluate`.

use std::path::Path;

use mammo_core::table_text::TableText;
use mammo_data::split::Side;
use mammo_image::augment::Augmentation;
use mammo_image::patch_sampling::{PatchClass, read_patches};
use mammo_nn::device;
use mammo_nn::model_file::{ModelFile, Network};
use mammo_nn::training::examples::WindowExamples;
use mammo_nn::training::validation::assess;

use crate::data::Data;
use crate::error::refuse;
use crate::inputs::prepare;
use crate::{Observer, Result};

/// Column of the true class; image score tables have no column of that name.
const CLASS: &str = "class";

/// Patches in one batch of prediction.
const BATCH_SIZE: usize = 32;

/// Class probabilities of patches with known classes.
pub struct PatchScores {
    /// Class names in the order of the probabilities.
    pub classes: Vec<String>,
    /// True class of each patch.
    pub truth: Vec<usize>,
    /// `n * classes`, row-major.
    pub probabilities: Vec<f64>,
}

/// Scores the patches of one side, drawn before into a folder, with a patch model; also how many images could not be
/// prepared.
///
/// # Errors
/// A model of another kind; patches of other pixels; data that cannot be read.
pub fn score_patches(
    file: &ModelFile,
    data: &Data,
    side: Side,
    folder: &Path,
    device: &str,
    observer: &dyn Observer,
) -> Result<(PatchScores, usize)> {
    let Network::Patch(network) = &file.card.network else {
        refuse!("{}: a whole-image model; --patches needs one from `mammo train patch`", file.path.display());
    };
    let folder = folder.join(side.to_string());
    let (header, patches) = read_patches(&folder)?;
    if header.preprocessing_digest != file.card.preprocessing.pixel_digest() {
        refuse!(
            "{}: drawn on pixels {}, the model needs {}; draw them again with its configuration",
            folder.display(),
            header.preprocessing_digest,
            file.card.preprocessing.pixel_digest()
        );
    }
    let classes: Vec<PatchClass> =
        file.card.classes.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    let prepared = prepare(data, &file.card.preprocessing, data.side(side), observer)?;
    let examples = WindowExamples::patches(
        &prepared.cache,
        &prepared.patches_of(patches),
        &classes,
        header.config.patch_px,
        network.trunk.channels,
        Augmentation::none(),
    );
    let device = device::by_name(device)?;
    let model = file.patch_classifier(&device)?;
    let precision = file.card.precision.choice().on(&device)?;
    let assessment = assess(&model, &examples, BATCH_SIZE, &device, precision)?;

    let classes = file.card.classes.clone();
    let scores = PatchScores { classes, truth: assessment.truth, probabilities: assessment.probabilities };
    Ok((scores, prepared.n_failed))
}

impl PatchScores {
    /// The table as CSV: the true class and the probability of each.
    ///
    /// # Errors
    /// A table that cannot be encoded.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(std::iter::once(CLASS).chain(self.classes.iter().map(String::as_str)))?;
        for (&truth, row) in self.truth.iter().zip(self.probabilities.chunks_exact(self.classes.len())) {
            let values = row.iter().map(f64::to_string);
            table.write_record(std::iter::once(self.classes[truth].clone()).chain(values))?;
        }
        Ok(table.into_inner().map_err(csv::IntoInnerError::into_error)?)
    }
}

/// Whether a score table holds patches; decided by its header.
///
/// # Errors
/// A table that cannot be read.
pub fn is_patch_scores(path: &Path) -> Result<bool> {
    Ok(TableText::read(path)?.header(path)?.get(0) == Some(CLASS))
}

/// Reads a table of patch scores.
///
/// # Errors
/// A table that cannot be read, or has an unknown class or a value that is not a number.
pub fn read_patch_scores(path: &Path) -> Result<PatchScores> {
    let text = TableText::read(path)?;
    let header = text.header(path)?;
    let records = text.records(path, &header, |name| name != CLASS)?;
    let classes: Vec<String> = header.iter().skip(1).map(str::to_string).collect();
    let mut scores = PatchScores { classes, truth: Vec::new(), probabilities: Vec::new() };
    for (line, record) in records {
        let line = line.unwrap_or_default();
        let place = || {
            mammo_core::Error::table(
                path,
                Some(line),
                record.iter().collect::<Vec<_>>().join(","),
                "a class name and its probabilities",
            )
        };
        let name = record.get(0).unwrap_or_default();
        let class = scores.classes.iter().position(|class| class == name).ok_or_else(place)?;
        scores.truth.push(class);
        for value in record.iter().skip(1) {
            scores.probabilities.push(value.parse().map_err(|_| place())?);
        }
    }
    Ok(scores)
}
