//! The plan of a training: what is done with a data set in the time given, and why.
//!
//! A pure function of the fingerprint, the start, the hours and the measured speed.

use std::collections::BTreeMap;

use mammo_core::text::{count, duration};
use mammo_image::patch_sampling::SamplingConfig;

use super::config_text::config_text;
use super::fingerprint::{Fingerprint, LesionFacts};
use super::reasons::{reasons, size_reason};
use super::recipe::Recipe;
use super::situation::{PLANNED, Situation, Step};
use super::size::{SizeRule, Sizes, candidates, lesions_visible, preprocessing};
use super::start::{Start, Weights, start_needed};
use super::time::amount_that_fills;
use crate::Result;
use crate::config::RunConfig;
use crate::error::refuse;

/// Smallest and largest amount of training, relative to the recipe.
const AMOUNTS: [f64; 2] = [0.02, 2.0];

/// With a smaller amount the plan warns.
const LITTLE: f64 = 0.25;

/// Fewest lesions of the training side with which patches are trained.
const LEAST_LESIONS: usize = 8;

/// Fewest patients with cancer, and without.
const LEAST_PATIENTS: usize = 5;

/// What is done, how long it takes, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// All settings.
    pub config: RunConfig,
    /// The reason of each choice, by the path of its key.
    pub reasons: BTreeMap<&'static str, String>,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Training relative to the recipe.
    pub amount: f64,
    /// Sizes of inputs and patches.
    pub sizes: Sizes,
    /// By which rule they were chosen.
    pub rule: SizeRule,
    /// The network and its start, in words.
    pub network: String,
    /// Seconds that had passed before the steps.
    pub elapsed_s: f64,
    /// What the user should know before the start.
    pub warnings: Vec<String>,
}

impl Fingerprint {
    /// Lesions, if there are enough to train on their patches.
    pub fn patch_lesions(&self) -> Option<&LesionFacts> {
        let enough = self.train.lesions >= LEAST_LESIONS && self.validation.lesions > 0;
        self.lesions.as_ref().filter(|_| enough)
    }
}

/// Refuses a data set with too few patients to train, choose and test on.
///
/// # Errors
/// One class only, or fewer than five patients of a class, with the numbers.
pub fn check_patients(patients: usize, with_cancer: usize) -> Result<()> {
    let without = patients - with_cancer;
    if with_cancer < LEAST_PATIENTS || without < LEAST_PATIENTS {
        refuse!(
            "{} with a known truth: {with_cancer} with cancer, {without} without; expected at least \
             {LEAST_PATIENTS} of each, and some hundred for a useful model",
            count(patients, "patient")
        );
    }
    Ok(())
}

impl Plan {
    /// Chooses sizes and amount: the largest size that the images have and for which the whole recipe fits into the time;
    /// else the smallest in which lesions are visible. The rest of the time goes into more training.
    ///
    /// # Errors
    /// No lesions and no start; less time than reading the images and the shortest training take.
    pub fn choose(situation: &Situation) -> Result<Self> {
        let Situation { fingerprint, start, .. } = situation;
        if start.is_none() && fingerprint.patch_lesions().is_none() {
            return Err(start_needed());
        }
        let recipe = Recipe::of(fingerprint, *start);
        let all = candidates(fingerprint, *start, &recipe.trunk);
        let fits = |sizes: &&Sizes| situation.expected_s(&recipe, sizes, 1.0) <= situation.budget_s();
        let visible = |sizes: &&Sizes| lesions_visible(fingerprint, sizes);
        let in_time = all.iter().rev().find(fits);
        let rule = match in_time {
            Some(_) if in_time == all.last() => SizeRule::Largest,
            Some(_) => SizeRule::LargestInTime,
            None => SizeRule::SmallestVisible,
        };
        match in_time.or_else(|| all.iter().find(visible)).or(all.last()) {
            Some(sizes) => Self::of_sizes(situation, *sizes, rule),
            None => refuse!("no size of inputs fits the images"),
        }
    }

    /// The plan with given sizes.
    ///
    /// # Errors
    /// As [`choose`](Self::choose).
    pub fn of_sizes(situation: &Situation, sizes: Sizes, rule: SizeRule) -> Result<Self> {
        let Situation { fingerprint, start, .. } = situation;
        let recipe = Recipe::of(fingerprint, *start);
        let expected = |amount| situation.expected_s(&recipe, &sizes, amount);
        let budget_s = situation.budget_s();
        let least_s = expected(AMOUNTS[0]);
        if least_s > budget_s {
            let needed = (expected(LITTLE) + situation.elapsed_s) / PLANNED / 3600.0;
            refuse!(
                "--hours {}: reading {} and the shortest training take about {:.2} h on this machine; expected at \
                 least {:.2}, and {:.1} for the whole recipe",
                situation.hours,
                count(fingerprint.used_images(), "image"),
                (least_s + situation.elapsed_s) / 3600.0,
                needed,
                (expected(1.0) + situation.elapsed_s) / PLANNED / 3600.0
            );
        }
        let mut amount = amount_that_fills(budget_s, AMOUNTS, expected);
        // Epochs are whole, so that a smaller amount may take longer than the next larger one.
        while expected(amount) > budget_s && amount > AMOUNTS[0] {
            amount = (0.99 * amount).max(AMOUNTS[0]);
        }
        let (patch, image) = situation.counts(&recipe, amount);
        let sampling = sizes.patch_px.map(|patch_px| SamplingConfig {
            patch_px,
            per_lesion: 10,
            background_per_image: 5,
            hard_negatives_per_image: 3,
            seed: situation.seed,
            ..SamplingConfig::default()
        });
        let config = RunConfig::new(
            situation.seed,
            preprocessing(fingerprint, *start, &sizes),
            sampling,
            recipe.patch_section(*start, patch),
            recipe.image_section(*start, image, situation.image_batch, sizes.patch_px),
        )?;
        let mut plan = Self {
            config,
            reasons: reasons(situation, &recipe, (&sizes, rule), amount),
            steps: situation.steps(&recipe, &sizes, amount),
            amount,
            sizes,
            rule,
            network: network(*start, &recipe),
            elapsed_s: situation.elapsed_s,
            warnings: Vec::new(),
        };
        plan.warnings = plan.warnings(situation, expected(1.0));
        Ok(plan)
    }

    /// The configuration as a file, with its reasons as comments.
    ///
    /// # Errors
    /// Settings that TOML cannot hold.
    pub fn config_text(&self, data: &str, fingerprint: &Fingerprint, hours: f64) -> Result<String> {
        let mut header = vec![
            format!("Chosen by `mammo fit` for {data}, to be done within {hours} h."),
            format!(
                "{} to train on, {} of them with cancer; {} to choose the epoch, {} to test.",
                count(fingerprint.train.images, "image"),
                fingerprint.train.images_with_cancer,
                fingerprint.validation.images,
                fingerprint.test.images
            ),
            String::new(),
        ];
        header.extend(self.table().lines().map(str::to_string));
        config_text(&self.config, &self.reasons, &header)
    }

    /// The steps as a table: what, how much, expected time.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let widest = self.steps.iter().map(|step| step.how_much.len()).max().unwrap_or(0);
        for step in &self.steps {
            text += &format!("{:<17} {:<widest$} {:>12}\n", step.what, step.how_much, duration(step.seconds));
        }
        text + &format!("{:<17} {:<widest$} {:>12}\n", "in all", "", duration(self.seconds()))
    }

    /// Expected seconds of all steps.
    pub fn seconds(&self) -> f64 {
        self.steps.iter().map(|step| step.seconds).sum()
    }

    fn warnings(&self, situation: &Situation, whole_s: f64) -> Vec<String> {
        let Situation { fingerprint, start, .. } = situation;
        let mut warnings = Vec::new();
        if self.amount < LITTLE {
            let hours = (whole_s + situation.elapsed_s) / PLANNED / 3600.0;
            warnings.push(format!(
                "the time allows {:.0} % of the training that the recipe needs; expect little, or give --hours {hours:.1}",
                100.0 * self.amount
            ));
        }
        if self.amount >= AMOUNTS[1] {
            warnings.push(format!(
                "the time is not used up: more training on {} would overfit",
                count(fingerprint.train.images, "image")
            ));
        }
        if start.is_none() {
            warnings.push(
                "no --start: a small network is trained from random weights; ImageNet weights give better results \
                 (docs/models.md, Weights in)"
                    .to_string(),
            );
        }
        if start.is_some_and(|start| start.weights == Weights::Mammograms) {
            warnings.push(
                "the model to start from was trained on mammograms: figures of the test side are too good if it shows \
                 patients that the model has seen (docs/models.md names the data of bundled models); then give another \
                 --start, or none"
                    .to_string(),
            );
        }
        if fingerprint.lesions.is_some() && fingerprint.patch_lesions().is_none() {
            warnings.push(format!(
                "{} of the training side have an outline, too few for patches: only image labels are used",
                count(fingerprint.train.lesions, "lesion")
            ));
        }
        if !lesions_visible(fingerprint, &self.sizes) {
            let why = size_reason(fingerprint, &self.sizes);
            warnings.push(format!("small lesions are hardly visible in inputs of this size ({why})"));
        }
        warnings
    }
}

/// The network and its start, in words.
fn network(start: Option<&Start>, recipe: &Recipe) -> String {
    let family = serde_json::to_value(recipe.trunk.family).unwrap_or_default();
    let family = family.as_str().unwrap_or_default();
    match start {
        Some(Start { path, weights: Weights::Mammograms, .. }) => {
            format!("{family} from the mammogram model {}", path.display())
        }
        Some(Start { path, .. }) => format!("{family} from the imported weights {}", path.display()),
        None => format!("{family} of {} width from random weights", recipe.trunk.width),
    }
}
