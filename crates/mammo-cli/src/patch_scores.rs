//! Scores of patches: written by `predict --patches`, read by `evaluate`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use mammo_core::table_text::TableText;
use mammo_core::write::write_atomically;
use mammo_image::augment::Augmentation;
use mammo_image::patch_sampling::{PatchClass, read_patches};
use mammo_nn::device;
use mammo_nn::model_file::{self, Network};
use mammo_nn::networks::precision::PrecisionChoice;
use mammo_nn::training::batches::Examples;
use mammo_nn::training::examples::WindowExamples;
use mammo_nn::training::validation::assess;

use crate::inputs::prepare;
use crate::predict::Args;
use crate::training::Data;
use crate::{Done, output};

/// Column that holds the true class; image score tables have none of that name.
const CLASS: &str = "class";

/// Patches a prediction looks at at once.
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

/// Scores the patches of one side with a patch model.
pub fn run(args: &Args, folder: &Path) -> Result<Done> {
    let ([manifest_path], [model_path], Some(side)) = (&args.images[..], &args.model[..], args.side) else {
        bail!("--patches needs one manifest, one --model and --side");
    };
    let data = Data::read(manifest_path, args.split.as_deref())?;
    let file = model_file::load(model_path)?;
    let Network::Patch(network) = &file.card.network else {
        bail!("{}: a whole-image model; --patches needs one from `mammo train patch`", model_path.display());
    };
    let folder = folder.join(side.to_string());
    let (header, patches) = read_patches(&folder)?;
    if header.preprocessing_digest != file.card.preprocessing.pixel_digest() {
        bail!(
            "{}: drawn on pixels {}, the model needs {}; draw them again with its configuration",
            folder.display(),
            header.preprocessing_digest,
            file.card.preprocessing.pixel_digest()
        );
    }
    let classes: Vec<PatchClass> =
        file.card.classes.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    let prepared = prepare(&data.cache_dir, &file.card.preprocessing, &data.manifest.root, data.side(side))?;
    let examples = WindowExamples::patches(
        &prepared.cache,
        &prepared.patches_of(patches),
        &classes,
        header.config.patch_px,
        network.trunk.channels,
        Augmentation::none(),
    );
    let device = device::by_name(&args.device)?;
    let model = file.patch_classifier(&device)?;
    let assessment = assess(&model, &examples, BATCH_SIZE, &device, PrecisionChoice::Auto.on(&device)?)?;

    let mut table = format!("{CLASS},{}\n", file.card.classes.join(","));
    for (&truth, row) in assessment.truth.iter().zip(assessment.probabilities.chunks_exact(classes.len())) {
        let row: Vec<String> = row.iter().map(f64::to_string).collect();
        table.push_str(&format!("{},{}\n", file.card.classes[truth], row.join(",")));
    }
    match &args.out {
        Some(path) => {
            write_atomically(path, table.as_bytes())?;
            output::summary(path, &format!("{}: {} patches scored\n", path.display(), examples.len()));
        }
        None => output::results(&table),
    }
    Ok(if prepared.n_failed == 0 { Done::All } else { Done::WithRejections })
}

/// Whether a score table holds patches; decided by its header.
pub fn is_patch_scores(path: &Path) -> Result<bool> {
    Ok(TableText::read(path)?.header(path)?.get(0) == Some(CLASS))
}

/// Reads a table written by [`run`].
pub fn read(path: &Path) -> Result<PatchScores> {
    let text = TableText::read(path)?;
    let header = text.header(path)?;
    let records = text.records(path, &header, |name| name != CLASS)?;
    let classes: Vec<String> = header.iter().skip(1).map(str::to_string).collect();
    let mut scores = PatchScores { classes, truth: Vec::new(), probabilities: Vec::new() };
    for (line, record) in records {
        let line = line.unwrap_or_default();
        let place =
            || format!("{}, line {line}: expected a class name and its probabilities", path.display());
        let name = record.get(0).unwrap_or_default();
        let class = scores.classes.iter().position(|class| class == name).with_context(place)?;
        scores.truth.push(class);
        for value in record.iter().skip(1) {
            scores.probabilities.push(value.parse().with_context(place)?);
        }
    }
    Ok(scores)
}
