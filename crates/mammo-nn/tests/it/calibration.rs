//! Calibration on the validation set, and calibrated prediction.

use std::path::Path;

use burn::tensor::Device;
use mammo_core::record::Laterality;
use mammo_core::seed::{Rng, stream};
use mammo_eval::{BootstrapConfig, Calibrator, OperatingPoint, OperatingRule, Patients, Sample};
use mammo_image::preprocess::Preprocessing;
use mammo_nn::Result;
use mammo_nn::inference::predict::{ImageModel, Score, Tta};
use mammo_nn::model_file::{self, Calibration, CalibrationMethod, ModelCard, Network, TrainingRecord};
use mammo_nn::networks::Scope;
use mammo_nn::networks::exam::ExamHeadsConfig;
use mammo_nn::networks::image_classifier::{ImageClassifier, ImageClassifierConfig};
use mammo_nn::networks::init::initialise;
use mammo_nn::networks::precision::Precision;
use mammo_nn::networks::state::state_dict;
use mammo_nn::networks::top::{MapPooling, TopConfig};
use mammo_nn::networks::trunk::{Family, TrunkConfig};
use mammo_nn::training::batches::Examples;
use mammo_nn::training::run::TrainingRun;
use mammo_nn::training::train::train;
use mammo_nn::training::validation::{Metric, assess};
use rand::RngExt;

use crate::toy::{Recorder, Stripes, network, run, stage, training};

/// Stripes with every fifth label wrong, four images per patient.
struct Mislabelled {
    stripes: Stripes,
    patients: Vec<String>,
}

impl Mislabelled {
    fn new(n: usize) -> Self {
        let patients = (0..n).map(|i| format!("p{:02}", i / 4)).collect();
        Self { stripes: Stripes { n, seed: 9 }, patients }
    }
}

impl Examples for Mislabelled {
    fn len(&self) -> usize {
        self.stripes.len()
    }
    fn n_classes(&self) -> usize {
        2
    }
    fn class(&self, index: usize) -> usize {
        self.stripes.class(index) ^ usize::from(index.is_multiple_of(5))
    }
    fn patient(&self, index: usize) -> Option<&str> {
        Some(&self.patients[index])
    }
    fn shape(&self) -> [usize; 3] {
        self.stripes.shape()
    }
    fn write(&self, index: usize, augment: Option<&mut Rng>, out: &mut [f32]) -> Result<()> {
        self.stripes.write(index, augment, out)
    }
}

/// The card of a training that chooses its epoch by validation AUC.
fn trained_card(
    learned: &Stripes,
    validation: &dyn Examples,
    epochs: usize,
    method: CalibrationMethod,
    dir: &Path,
) -> ModelCard {
    let (device, config) = (Device::flex(), training(vec![stage(Scope::All, epochs, 3e-3)]));
    let run = TrainingRun {
        metric: Metric::Auc,
        calibration: method,
        ..run(Family::Resnet18, &config, &device, dir)
    };
    train(network(Family::Resnet18, 1), learned, validation, &run, &mut Recorder::default()).unwrap();
    model_file::load(&dir.join("model.safetensors")).unwrap().card
}

#[test]
fn calibration_threshold_and_interval_are_those_of_the_kept_models_validation_scores() {
    let dir = tempfile::tempdir().unwrap();
    let validation = Mislabelled::new(80);
    let learned = Stripes { n: 96, seed: 3 };
    let card = trained_card(&learned, &validation, 5, CalibrationMethod::Platt, dir.path());

    // The same again, from the stored weights alone.
    let path = dir.path().join("model.safetensors");
    let file = model_file::load(&path).unwrap();
    let device = Device::flex();
    let network = file.patch_classifier(&device).unwrap();
    let again = assess(&network, &validation, 8, &device, Precision::F32).unwrap();
    let side = Sample {
        scores: again.probabilities.chunks_exact(2).map(|p| p[1]).collect(),
        malignant: again.truth.iter().map(|&class| class == 1).collect(),
        patients: Patients::from_ids(validation.patients.iter().map(String::as_str)),
    };
    let point = OperatingPoint::choose(OperatingRule::MaxYouden, &side.scores, &side.malignant).unwrap();
    assert_eq!(card.operating_point, Some(point));
    let calibration = card.calibration.unwrap();
    assert_eq!(calibration.calibrator, Calibrator::platt(&side).unwrap());
    assert_eq!((calibration.n_images, calibration.n_patients), (80, 20));
    assert_eq!(calibration.n_malignant, side.n_malignant());
    let area = side.auc(&BootstrapConfig::default()).unwrap();
    assert_eq!(card.training.validation_metric, Some(area.estimate));
    assert_eq!(card.training.validation_interval, Some([area.low, area.high]));
    // Resampling images instead of patients gives another interval.
    let alone: Vec<String> = (0..80).map(|i| format!("{i:03}")).collect();
    let alone = Sample { patients: Patients::from_ids(alone.iter().map(String::as_str)), ..side };
    assert_ne!(alone.auc(&BootstrapConfig::default()).unwrap().low, area.low);
}

#[test]
fn a_side_that_defines_no_calibration_leaves_the_reason_in_the_card() {
    let dir = tempfile::tempdir().unwrap();
    let by_heart = Stripes { n: 8, seed: 2 };
    let card = trained_card(&by_heart, &by_heart, 40, CalibrationMethod::Platt, dir.path());
    assert_eq!((card.training.validation_metric, &card.calibration), (Some(1.0), &None));
    assert!(card.no_calibration.unwrap().contains("separates the classes"));
    let other = tempfile::tempdir().unwrap();
    let none = trained_card(&by_heart, &Mislabelled::new(40), 1, CalibrationMethod::None, other.path());
    assert_eq!((none.calibration, none.no_calibration), (None, None));
}

/// A small whole-image model with a steep calibration, and an image for it.
fn image_model(dir: &Path) -> (ImageModel, Vec<u16>, Calibrator) {
    let (rows, columns) = (96, 64);
    let config = ImageClassifierConfig {
        trunk: TrunkConfig { width: 0.125, stages: Some(3), ..TrunkConfig::new(Family::Yaroslav) },
        top: TopConfig::Average,
        pooling: MapPooling::Average,
        top_conventions: Default::default(),
        n_patch_classes: 5,
        input_px: [rows, columns],
        dropout: 0.0,
        exam: Some(ExamHeadsConfig { units: 4 }),
    };
    let network = initialise(ImageClassifier::new(&config, &Device::flex()).unwrap(), 4);
    let preprocessing = Preprocessing { height_px: rows, width_px: columns, ..Preprocessing::default() };
    let classes = vec!["benign".into(), "malignant".into()];
    let mut card = ModelCard::new(Network::Image(config), classes, preprocessing, TrainingRecord::default());
    let calibrator = Calibrator::Platt { intercept: -1.5, slope: 6.0 };
    card.calibration =
        Some(Calibration { calibrator: calibrator.clone(), n_images: 9, n_malignant: 4, n_patients: 5 });
    let path = dir.join("image.safetensors");
    model_file::save(&path, &card, &state_dict(&network)).unwrap();
    assert_eq!(model_file::load(&path).unwrap().card, card);
    let mut rng = stream(3, "image", 0);
    let pixels = (0..rows * columns).map(|i| rng.random_range(0..=(i * 10) as u16)).collect();
    (ImageModel::load(&path, &Device::flex()).unwrap(), pixels, calibrator)
}

#[test]
fn every_mirror_image_is_calibrated_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (model, pixels, calibrator) = image_model(dir.path());
    let (rows, columns) = (96, 64);
    let flipped = |left_right: bool, up_down: bool| -> Vec<u16> {
        let at = |i: usize, n: usize, flip: bool| if flip { n - 1 - i } else { i };
        let place =
            |i: usize| at(i / columns, rows, up_down) * columns + at(i % columns, columns, left_right);
        (0..rows * columns).map(|i| pixels[place(i)]).collect()
    };
    let each: Vec<f64> = [(false, false), (true, false), (false, true), (true, true)]
        .map(|(left_right, up_down)| model.score(&flipped(left_right, up_down), Tta::None).probability)
        .to_vec();
    let spread = each.iter().fold(0.0f64, |a, p| a.max((p - each[0]).abs()));
    assert!(spread > 1e-6, "mirror images score alike: {each:?}");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / 4.0;
    let calibrated: Vec<f64> = each.iter().map(|&p| calibrator.apply(p)).collect();
    let found = model.score(&pixels, Tta::Flips);
    assert!((found.probability - mean(&each)).abs() < 1e-12);
    assert!((found.calibrated.unwrap() - mean(&calibrated)).abs() < 1e-12);
    let single = model.score(&pixels, Tta::None);
    assert_eq!(single.calibrated, Some(calibrator.apply(single.probability)));
}

#[test]
fn a_mean_of_models_is_calibrated_when_all_of_them_are() {
    let score = |probability, calibrated| Score { probability, calibrated };
    let both = Score::mean(&[score(0.2, Some(0.1)), score(0.4, Some(0.3))]);
    assert!((both.probability - 0.3).abs() < 1e-15);
    assert!((both.calibrated.unwrap() - 0.2).abs() < 1e-15);
    assert_eq!(Score::mean(&[score(0.2, Some(0.1)), score(0.4, None)]).calibrated, None);
}

#[test]
fn an_exam_of_one_image_scores_as_it_and_more_views_never_score_less() {
    let dir = tempfile::tempdir().unwrap();
    let (model, pixels, _) = image_model(dir.path());
    let other: Vec<u16> = pixels.iter().rev().copied().collect();
    let (left, right) = (Some(Laterality::Left), Some(Laterality::Right));
    for tta in [Tta::None, Tta::Flips] {
        let readings = [model.read(&pixels, tta), model.read(&other, tta)];
        let images = readings.each_ref().map(|reading| model.score_of(reading));
        assert_eq!(images[0], model.score(&pixels, tta));
        let alone = model.score_exam(&[(&readings[0], left)]);
        assert!((alone.exam.probability - images[0].probability).abs() < 1e-6);
        assert_eq!(alone.breasts, [(left, alone.exam)]);
        for sides in [[left, left], [left, right], [None, None], [left, None]] {
            let exam = model.score_exam(&[(&readings[0], sides[0]), (&readings[1], sides[1])]);
            let n_breasts = if sides == [left, left] { 1 } else { 2 };
            assert_eq!(exam.breasts.len(), n_breasts, "{sides:?}");
            let largest = exam.breasts.iter().map(|(_, score)| score.probability).fold(0.0, f64::max);
            let of_images = images.iter().map(|score| score.probability).fold(0.0, f64::max);
            // Views and breasts add something where there is another one to compare with.
            let compares = [sides == [left, left], sides == [left, right]];
            assert!(largest >= of_images - 1e-6 && exam.exam.probability >= largest - 1e-6, "{sides:?}");
            assert_eq!(largest > of_images + 1e-6, compares[0], "{sides:?}");
            // The mean over flips of the larger breast may exceed the larger of the means.
            if tta == Tta::None {
                assert_eq!(exam.exam.probability > largest + 1e-6, compares[1], "{sides:?}");
            }
        }
    }
}
