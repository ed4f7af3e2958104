//! The reasons of a plan's choices, for the comments of its configuration.

use std::collections::BTreeMap;

use super::fingerprint::Fingerprint;
use super::recipe::{IMAGE_BATCH, Recipe};
use super::situation::Situation;
use super::size::{SizeRule, Sizes, size_is_kept};
use super::start::{Start, Weights};

/// Why the inputs have their size, in words.
pub fn size_reason(fingerprint: &Fingerprint, sizes: &Sizes) -> String {
    let rows = fingerprint.breast_height_px.median;
    let mut text = format!("breasts have {rows:.0} rows in the files");
    if let Some(lesions) = fingerprint.patch_lesions() {
        let px = |share: f64| share * sizes.height_px as f64;
        let of = lesions.share_of_breast_height;
        text += &format!(
            ", and four of five lesions are longer than {:.0} px here, one of five longer than {:.0}",
            px(of.lower_fifth),
            px(of.upper_fifth)
        );
    }
    text
}

/// The reason of each choice, by the path of its key in the configuration.
pub fn reasons(
    situation: &Situation,
    recipe: &Recipe,
    (sizes, rule): (&Sizes, SizeRule),
    amount: f64,
) -> BTreeMap<&'static str, String> {
    let Situation { fingerprint, start, .. } = situation;
    let mut reasons = BTreeMap::new();
    let of_images = start.is_some_and(|start| size_is_kept(fingerprint, start));
    let kept = start.is_some_and(|start| start.weights == Weights::Mammograms);
    reasons.insert(
        "preprocessing.height_px",
        match of_images {
            true => "the size with which the model to start from was trained".to_string(),
            false => format!("{}; {}", size_reason(fingerprint, sizes), rule.in_words()),
        },
    );
    if !of_images {
        reasons.insert("preprocessing.width_px", width_reason(fingerprint));
    }
    reasons.insert("preprocessing.aspect", aspect_reason(fingerprint, kept));
    reasons.insert(
        "preprocessing.mean",
        match start {
            Some(_) => "mean and deviation that the model to start from expects".to_string(),
            None => "near the mean and deviation of grey levels inside breasts".to_string(),
        },
    );
    patch_reasons(&mut reasons, situation, recipe, amount);
    image_reasons(&mut reasons, recipe);
    reasons.insert(
        "image.pooling",
        "the largest value of each channel: one lesion is enough for a cancer".into(),
    );
    reasons.insert("image.calibration", "two parameters, fitted to the validation side".into());
    reasons.insert(
        "image.training.batch_size",
        match situation.image_batch {
            IMAGE_BATCH => "images of a step; batch statistics are not used, so few suffice".to_string(),
            fewer => format!("{fewer} in place of {IMAGE_BATCH}: more do not fit into the memory"),
        },
    );
    reasons.insert("image.training.examples_per_epoch", amount_reason(amount, situation.hours));
    reasons
}

fn image_reasons(reasons: &mut BTreeMap<&'static str, String>, recipe: &Recipe) {
    let (top, stages) = match recipe.heatmap {
        true => (
            "the heatmap of the patch classifier: on CBIS-DDSM masses as good as new layers, and it shows where \
             (docs/experiments.md)",
            "only the weights of the classes of the heatmap: training all layers did not better it",
        ),
        false => (
            "the top that was best without a heatmap on CBIS-DDSM masses (docs/experiments.md)",
            "first the new top on a frozen trunk, then all layers at a rate that keeps what they have learned",
        ),
    };
    reasons.insert("image.top", top.to_string());
    reasons.insert("image.training.stages", stages.to_string());
    if recipe.lesion_free_share > 0.0 {
        let why = "nearly every image shows a lesion; these benign examples show tissue above or below one";
        reasons.insert("image.lesion_free_share", why.to_string());
    }
}

fn patch_reasons(
    reasons: &mut BTreeMap<&'static str, String>,
    situation: &Situation,
    recipe: &Recipe,
    amount: f64,
) {
    let Situation { fingerprint, start, .. } = situation;
    let lesions = fingerprint.patch_lesions();
    reasons.insert(
        "patch.trunk",
        match start {
            Some(_) => "the network of the model to start from".to_string(),
            None => "small, because it starts from random weights".to_string(),
        },
    );
    if let Some(Start { weights, .. }) = start {
        let section = if recipe.patch.is_some() { "patch.start" } else { "image.start" };
        let what = match weights {
            Weights::Imported => "imported weights",
            Weights::Mammograms => "a model of mammograms",
        };
        reasons.insert(section, what.to_string());
    }
    if recipe.patch.is_none() {
        let reason =
            "Of this section only the trunk is used: without outlines of lesions there are no patches.";
        reasons.insert("patch", reason.to_string());
        return;
    }
    if let Some(lesions) = lesions {
        let classes: Vec<String> = lesions.classes.iter().map(|(class, n)| format!("{n} {class}")).collect();
        reasons.insert(
            "sampling.patch_px",
            format!(
                "four of five lesions fit with a margin of 15 %; to train on there \
                        are {}",
                classes.join(", ")
            ),
        );
    }
    reasons.insert(
        "sampling.per_lesion",
        "and from each image backgrounds, some of which resemble a lesion".into(),
    );
    reasons.insert(
        "patch.augmentation",
        "the paper's, and changes of tone and sharpness, in which scanners differ".to_string(),
    );
    reasons.insert("patch.training.examples_per_epoch", amount_reason(amount, situation.hours));
    reasons.insert(
        "patch.training.stages",
        match start {
            Some(_) => "first the new head on a frozen trunk, then all layers".to_string(),
            None => "all layers at once: a head on random features learns nothing".to_string(),
        },
    );
}

fn width_reason(fingerprint: &Fingerprint) -> String {
    match fingerprint.aspect_lost {
        true => "breasts are usually about 1.7 times as high as wide".to_string(),
        false => format!(
            "four of five breasts are more than {:.2} times as high as wide",
            fingerprint.breast_aspect.lower_fifth
        ),
    }
}

fn aspect_reason(fingerprint: &Fingerprint, kept: bool) -> String {
    let aspect = fingerprint.breast_aspect.median;
    match (kept, fingerprint.aspect_lost) {
        (true, _) => "as for the model to start from".to_string(),
        (false, true) => format!(
            "every image is a square and breasts are only {aspect:.2} times as high as wide: the set lost its aspect \
             ratio; this about restores it"
        ),
        (false, false) => "circles stay circles".to_string(),
    }
}

fn amount_reason(amount: f64, hours: f64) -> String {
    format!("{amount:.2} times as much as the recipe in docs/experiments.md has, chosen for --hours {hours}")
}
