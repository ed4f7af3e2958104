//! What a plan depends on, and the time that its steps take.

use mammo_core::text::count;

use super::fingerprint::Fingerprint;
use super::pace::NetworkPace;
use super::recipe::{Counts, PATCH_BATCH, Recipe};
use super::size::Sizes;
use super::start::Start;
use super::time::{PATCHES_PER_IMAGE, REST_S, WAITING, Work};

/// Share of the hours that is planned; the rest is for what the time model does not foresee.
pub const PLANNED: f64 = 0.85;

/// Largest number of images that the report explains with a heat map.
const EXPLAINED: f64 = 20.0;

/// Seconds to explain an image, relative to training on it.
const EXPLAINING: f64 = 2.0;

/// Seconds to draw the patches of an image, relative to preparing it.
const SAMPLING: f64 = 0.3;

/// What a plan depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The data set.
    pub fingerprint: &'a Fingerprint,
    /// The model to start from; random weights without one.
    pub start: Option<&'a Start>,
    /// Hours for everything, from the start of the program.
    pub hours: f64,
    /// Seconds of them that have passed.
    pub elapsed_s: f64,
    /// Seconds to read and prepare an image.
    pub prepare_s: f64,
    /// Seconds for each pixel of an image and of a patch.
    pub pace_per_pixel: NetworkPace,
    /// Images of a step; fewer where the memory does not suffice.
    pub image_batch: usize,
    /// Seed of all randomness.
    pub seed: u64,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub what: &'static str,
    /// How much.
    pub how_much: String,
    /// Expected seconds.
    pub seconds: f64,
}

impl Situation<'_> {
    /// Seconds that may be planned.
    pub fn budget_s(&self) -> f64 {
        PLANNED * 3600.0 * self.hours - self.elapsed_s
    }

    /// Epochs and examples of the patch classifier and of the whole-image classifier.
    pub fn counts(&self, recipe: &Recipe, amount: f64) -> (Option<Counts>, Counts) {
        let patch = recipe.patch.map(|part| part.counts(amount, PATCH_BATCH));
        (patch, recipe.image.counts(amount, self.image_batch))
    }

    /// Expected seconds of the steps for an amount of training.
    pub fn expected_s(&self, recipe: &Recipe, sizes: &Sizes, amount: f64) -> f64 {
        self.steps(recipe, sizes, amount).iter().map(|step| step.seconds).sum()
    }

    /// The steps with their expected seconds.
    pub fn steps(&self, recipe: &Recipe, sizes: &Sizes, amount: f64) -> Vec<Step> {
        let Self { fingerprint, .. } = self;
        let pace = self.pace_per_pixel.scaled(sizes.image_pixels(), sizes.patch_pixels());
        let (patch, image) = self.counts(recipe, amount);
        let step = |what, how_much: String, seconds: f64| Step { what, how_much, seconds: WAITING * seconds };
        let cached = (fingerprint.train.images + fingerprint.validation.images) as f64;
        let mut steps = vec![step(
            "prepare",
            format!("{cached} images to {} x {} pixels", sizes.height_px, sizes.width_px),
            cached * self.prepare_s,
        )];
        if let Some(counts) = patch {
            let total = (counts.epochs * counts.per_epoch) as f64;
            let frozen = (counts.frozen_epochs * counts.per_epoch) as f64;
            let validated = (counts.epochs + counts.frozen_epochs) as f64
                * fingerprint.validation.images as f64
                * PATCHES_PER_IMAGE;
            let work = Work { patches: total, patch_passes: frozen + validated, ..Work::default() };
            let seconds = work.network_s(&pace) + SAMPLING * cached * self.prepare_s;
            steps.push(step("train on patches", in_words(counts, "patches"), seconds));
        }
        let total = (image.epochs * image.per_epoch) as f64;
        let frozen = (image.frozen_epochs * image.per_epoch) as f64;
        let validated = ((image.epochs + image.frozen_epochs) * fingerprint.validation.images) as f64;
        let work = Work { images: total, image_passes: frozen + validated, ..Work::default() };
        steps.push(step("train on images", in_words(image, "images"), work.network_s(&pace)));
        let test = fingerprint.test.images as f64;
        steps.push(step(
            "score",
            format!("{} of the test side", count(fingerprint.test.images, "image")),
            test * (self.prepare_s + pace.top_s),
        ));
        let explained = EXPLAINED.min(test) * (self.prepare_s + EXPLAINING * pace.image_s);
        steps.push(step("evaluate, report", "figures with intervals, one page".into(), explained));
        // Constant seconds are not multiplied.
        if let Some(last) = steps.last_mut() {
            last.seconds += REST_S;
        }
        steps
    }
}

/// `1 + 6 epochs of 6,144 patches`.
fn in_words(counts: Counts, examples: &str) -> String {
    let frozen =
        if counts.frozen_epochs > 0 { format!("{} + ", counts.frozen_epochs) } else { String::new() };
    let plural = if counts.frozen_epochs + counts.epochs == 1 { "" } else { "s" };
    format!("{frozen}{} epoch{plural} of {} {examples}", counts.epochs, counts.per_epoch)
}
