//! Plans for sets and machines of many kinds.

mod of_phantoms;

use std::collections::BTreeMap;
use std::path::PathBuf;

use mammo_image::preprocess::{Aspect, Preprocessing};
use mammo_nn::networks::Scope;
use mammo_nn::networks::conventions::{ChannelNorm, Conventions, Padding};
use mammo_nn::networks::top::{HeatmapActivation, HeatmapRule, TopConfig};
use mammo_nn::networks::trunk::{Family, TrunkConfig};

use crate::config::RunConfig;
use crate::fit::fingerprint::{Fingerprint, LesionFacts, Quantiles, SideCounts};
use crate::fit::pace::NetworkPace;
use crate::fit::plan::{Plan, check_patients};
use crate::fit::recipe::Recipe;
use crate::fit::situation::Situation;
use crate::fit::size::{SizeRule, candidates};
use crate::fit::start::{Start, Weights};

fn spread(middle: f64) -> Quantiles {
    let [least, lower_fifth, median, upper_fifth, most] = [0.3, 0.75, 1.0, 1.4, 3.0].map(|f| f * middle);
    Quantiles { least, lower_fifth, median, upper_fifth, most }
}

/// A set with one lesion in each image; breasts have `rows` rows.
fn set(images: usize, rows: f64, lesions: bool) -> Fingerprint {
    let side = |share: f64| {
        let n = (images as f64 * share) as usize;
        let lesions = if lesions { n } else { 0 };
        SideCounts {
            patients: n / 2,
            patients_with_cancer: n / 4,
            images: n,
            images_with_cancer: n / 2,
            images_with_lesion: lesions,
            lesions,
        }
    };
    Fingerprint {
        manifest_digest: String::new(),
        images,
        images_of_unknown_truth: 0,
        train: side(0.65),
        validation: side(0.15),
        test: side(0.2),
        views: BTreeMap::new(),
        sites: BTreeMap::new(),
        scanners: BTreeMap::new(),
        stored_height_px: spread(rows * 1.2),
        stored_width_px: spread(rows),
        measured: 160,
        breast_height_px: spread(rows),
        breast_aspect: Quantiles { lower_fifth: 1.7, median: 1.95, ..spread(1.95) },
        aspect_lost: false,
        spacing_mm: None,
        lesions: lesions.then(|| LesionFacts {
            classes: BTreeMap::from([("mass_benign".to_string(), 9), ("mass_malignant".to_string(), 8)]),
            share_of_breast_height: spread(0.08),
            stored_px: spread(0.08 * rows),
            mm: None,
        }),
    }
}

/// ImageNet weights of an EfficientNet-Lite0.
fn imagenet() -> Start {
    let conventions = Conventions {
        stem_padding: Padding::Same,
        padding: Padding::Same,
        norm_epsilon: 1e-3,
        norm_momentum: 0.01,
        ..Conventions::default()
    };
    Start {
        path: PathBuf::from("/weights/lite0.safetensors"),
        trunk: TrunkConfig {
            channels: 3,
            conventions,
            channel_norm: Some(ChannelNorm::efficientnet_lite()),
            ..TrunkConfig::new(Family::EfficientNetLite0)
        },
        weights: Weights::Imported,
        preprocessing: Preprocessing { mean: 0.0, std: 1.0, ..Preprocessing::default() },
        of_images: false,
    }
}

/// A machine `speed` times as fast as two cores of a Zen 4 with bf16, on which that network trains on 200 patches of
/// 96 x 96 and 16 images of 544 x 320 a second.
fn situation<'a>(
    fingerprint: &'a Fingerprint,
    start: Option<&'a Start>,
    hours: f64,
    speed: f64,
) -> Situation<'a> {
    let image_s = 1.0 / (16.0 * 544.0 * 320.0 * speed);
    Situation {
        fingerprint,
        start,
        hours,
        elapsed_s: 20.0,
        prepare_s: 0.05 / speed,
        pace_per_pixel: NetworkPace {
            patch_s: 1.0 / (200.0 * 96.0 * 96.0 * speed),
            top_s: 0.28 * image_s,
            image_s,
        },
        image_batch: 8,
        seed: 1,
    }
}

/// Everything that holds of any plan.
fn check(plan: &Plan, situation: &Situation) {
    let planned = plan.seconds() + situation.elapsed_s;
    assert!(planned <= 0.85 * 3600.0 * situation.hours + 1.0, "{planned} s for {} h", situation.hours);
    let of = |key: &str| plan.reasons.contains_key(key);
    assert!(of("preprocessing.height_px") && of("image.training.stages"), "{:?}", plan.reasons);
    let preprocessing = plan.config.preprocessing().unwrap();
    let sides = [preprocessing.height_px, preprocessing.width_px];
    assert!(sides.iter().all(|side| side.is_multiple_of(32)), "{preprocessing:?}");
    let text = plan.config_text("a set", situation.fingerprint, situation.hours).unwrap();
    assert_eq!(RunConfig::parse(&text, &[]).unwrap(), plan.config, "{text}");
    assert!(text.lines().all(|line| line.len() <= 150), "{text}");
    // Every reason stands above its key.
    let reasons = plan.reasons.values().map(|reason| reason.split(' ').next().unwrap());
    assert!(reasons.clone().all(|word| text.contains(&format!("# {word}"))), "{text}");
}

#[test]
fn three_hours_on_two_cores_for_the_mass_films_hold_the_recipe_that_was_tried() {
    let (films, start) = (set(1231, 800.0, true), imagenet());
    let at = situation(&films, Some(&start), 3.0, 1.0);
    let plan = Plan::choose(&at).unwrap();
    check(&plan, &at);
    assert!(plan.amount >= 1.0, "{plan:?}");
    let image = plan.config.image().unwrap();
    let learning_rates = image.training.stages.iter().map(|stage| (stage.train, stage.learning_rate));
    assert_eq!(learning_rates.collect::<Vec<_>>(), [(Scope::Top, 2e-2)]);
    let sizes = plan.sizes;
    let window = sizes.patch_px.unwrap() / 32;
    let heatmap = HeatmapRule { window, activation: HeatmapActivation::LogOdds };
    assert_eq!((&image.top, image.lesion_free_share), (&TopConfig::Heatmap { heatmap }, 0.25));
    let patch = plan.config.patch().unwrap();
    assert_eq!(patch.training.stages.iter().map(|s| s.learning_rate).collect::<Vec<_>>(), [1e-3, 3e-4]);
    assert_eq!(patch.start.as_ref().unwrap(), &start.path);
    // At an amount of 1 these are the numbers of configs/cbis_mass_lite.toml, for 770 lesions and 740 images.
    let recipe = Recipe::of(&set(1184, 800.0, true), Some(&start));
    let (patches, images) = (recipe.patch.unwrap().counts(1.0, 32), recipe.image.counts(1.0, 8));
    assert_eq!([patches.frozen_epochs, patches.epochs], [1, 6]);
    assert_eq!([images.frozen_epochs, images.epochs], [1, 0]);
    assert!(
        patches.per_epoch.abs_diff(6144) < 100 && images.per_epoch.abs_diff(768) <= 8,
        "{patches:?} {images:?}"
    );
}

#[test]
fn plans_keep_the_time_for_many_sets_and_machines_or_say_how_much_they_need() {
    let start = imagenet();
    let mut refused = 0;
    for (images, rows) in [(60, 300.0), (60, 3000.0), (1231, 800.0), (20_000, 3500.0)] {
        for lesions in [true, false] {
            let set = set(images, rows, lesions);
            for speed in [0.2, 1.0, 20.0] {
                let mut before: Option<Plan> = None;
                for hours in [1.0 / 6.0, 3.0, 24.0] {
                    let at = situation(&set, Some(&start), hours, speed);
                    match Plan::choose(&at) {
                        Ok(plan) => {
                            check(&plan, &at);
                            assert_eq!(plan.config.sampling().is_ok(), lesions);
                            if let Some(before) = &before {
                                let (less, more) = (before.sizes.height_px, plan.sizes.height_px);
                                assert!(more >= less, "{before:?} {plan:?}");
                                assert!(more > less || plan.amount >= before.amount, "{before:?} {plan:?}");
                            }
                            before = Some(plan);
                        }
                        Err(error) => {
                            assert!(before.is_none(), "more hours are refused: {error}");
                            let text = error.to_string();
                            assert!(text.contains("--hours") && text.contains("expected at least"), "{text}");
                            refused += 1;
                        }
                    }
                }
                assert!(before.is_some(), "{images} images at {speed} in a day");
            }
        }
    }
    assert!((1..12).contains(&refused), "{refused}");
}

#[test]
fn time_that_is_short_or_long_is_said() {
    let (films, start) = (set(1231, 800.0, true), imagenet());
    let warnings = |hours, speed| {
        let at = situation(&films, Some(&start), hours, speed);
        let plan = Plan::choose(&at).unwrap();
        (plan.warnings.join("; "), plan)
    };
    let (text, plan) = warnings(24.0, 1.0);
    assert!(plan.amount == 2.0 && text.contains("would overfit"), "{text}");
    let (text, plan) = warnings(0.06, 1.0);
    assert!(plan.amount < 0.25 && text.contains("% of the training") && text.contains("--hours"), "{text}");
    assert_eq!(plan.rule, SizeRule::SmallestVisible);
    assert_eq!(warnings(1.0, 0.3).0, "");
}

#[test]
fn sizes_follow_breasts_lesions_and_the_start() {
    let start = imagenet();
    let heights = |rows: f64| {
        let set = set(1231, rows, true);
        candidates(&set, Some(&start), &start.trunk).iter().map(|s| s.height_px).collect::<Vec<_>>()
    };
    assert_eq!(heights(4000.0), [384, 544, 800, 1152]);
    assert_eq!(heights(780.0), [384, 544, 800], "hardly enlarged");
    assert_eq!(heights(600.0), [384, 544]);
    assert_eq!([heights(250.0), heights(130.0), heights(20.0)], [[256], [128], [64]], "small images");
    let films = set(1231, 800.0, true);
    let sizes = candidates(&films, Some(&start), &start.trunk);
    assert_eq!(sizes[2].width_px, 480, "as in configs/cbis_mass_lite.toml");
    assert_eq!([1, 2].map(|i| sizes[i].patch_px), [Some(96), Some(128)]);
    // Images that were squeezed to squares are stretched again.
    let squeezed = Fingerprint { aspect_lost: true, breast_aspect: spread(1.2), ..films.clone() };
    let plan = Plan::choose(&situation(&squeezed, Some(&start), 3.0, 1.0)).unwrap();
    assert_eq!(plan.config.preprocessing().unwrap().aspect, Aspect::Stretch);
    assert!(plan.reasons["preprocessing.aspect"].contains("lost its aspect"), "{:?}", plan.reasons);
    // A model of whole mammograms keeps its images, unless it gives its trunk to patches.
    let own =
        Preprocessing { height_px: 640, width_px: 416, mean: 55.5, std: 61.0, ..Preprocessing::default() };
    let mammograms =
        Start { weights: Weights::Mammograms, preprocessing: own.clone(), of_images: true, ..start };
    let squeezed_without = Fingerprint { lesions: None, ..squeezed.clone() };
    let plan = Plan::choose(&situation(&squeezed_without, Some(&mammograms), 3.0, 1.0)).unwrap();
    assert_eq!(plan.config.preprocessing().unwrap(), &own);
    let plan = Plan::choose(&situation(&squeezed, Some(&mammograms), 3.0, 1.0)).unwrap();
    assert_eq!(plan.config.preprocessing().unwrap(), &Preprocessing { height_px: 800, width_px: 480, ..own });
}

#[test]
fn without_outlines_a_start_is_needed_and_goes_straight_to_image_labels() {
    let (set_without, start) = (set(1231, 800.0, false), imagenet());
    let refusal = Plan::choose(&situation(&set_without, None, 3.0, 1.0)).unwrap_err().to_string();
    assert!(refusal.contains("--start MODEL"), "{refusal}");
    let at = situation(&set_without, Some(&start), 3.0, 1.0);
    let plan = Plan::choose(&at).unwrap();
    check(&plan, &at);
    assert!(plan.steps.iter().all(|step| step.what != "train on patches"), "{:?}", plan.steps);
    assert_eq!(plan.config.image().unwrap().start.as_ref(), Some(&start.path));
    assert_eq!(plan.config.patch().unwrap().start, None);
    // A handful of outlines is not enough for patches, and that is said.
    let mut few = set(1231, 800.0, true);
    few.train.lesions = 3;
    let plan = Plan::choose(&situation(&few, Some(&start), 3.0, 1.0)).unwrap();
    assert!(plan.config.sampling().is_err() && plan.warnings.join(" ").contains("too few for patches"));
    // With outlines a small network is trained from random weights, and that is said.
    let set_with = set(1231, 800.0, true);
    let at = situation(&set_with, None, 3.0, 1.0);
    let plan = Plan::choose(&at).unwrap();
    check(&plan, &at);
    assert_eq!(plan.config.patch().unwrap().trunk.width, 0.25);
    assert!(plan.warnings.join(" ").contains("no --start"), "{:?}", plan.warnings);
}

#[test]
fn less_memory_means_smaller_batches() {
    let (films, start) = (set(1231, 800.0, true), imagenet());
    let at = Situation { image_batch: 2, ..situation(&films, Some(&start), 3.0, 1.0) };
    let plan = Plan::choose(&at).unwrap();
    check(&plan, &at);
    assert_eq!(plan.config.image().unwrap().training.batch_size, 2);
    assert!(plan.reasons["image.training.batch_size"].contains("memory"), "{:?}", plan.reasons);
}

#[test]
fn few_patients_and_one_class_are_refused_with_the_numbers() {
    check_patients(10, 5).unwrap();
    for (patients, cancer, words) in
        [(9, 5, "5 with cancer, 4 without"), (300, 0, "0 with cancer, 300 without"), (0, 0, "0 patients")]
    {
        let refusal = check_patients(patients, cancer).unwrap_err().to_string();
        assert!(refusal.contains(words) && refusal.contains("at least 5"), "{refusal}");
    }
}
