//! Time model: the duration of a demo from its size and the speed of the machine.

use mammo_pipeline::fit::time::{PATCHES_PER_IMAGE, REST_S, WAITING, Work};

use super::pace::Pace;
use super::plan::{DIGITAL_SHARES, FILM_SHARES, N_DIGITAL};
use super::size::Size;

/// Images with a truth of each patient of the first and of the second site.
const IMAGES_PER_PATIENT: [f64; 2] = [2.3, 1.96];
/// Epochs of the transfer, each followed by a validation.
const TRANSFER_EPOCHS: f64 = 8.0;
/// Whole-image classifiers that the demo trains before the transfer.
const CLASSIFIERS: f64 = 3.0;
/// Number of scores per test image at the first site: (a), (b), and (c) with two models and four flips.
const SCORES_PER_TEST_IMAGE: f64 = 1.0 + 1.0 + 2.0 * 4.0;

// The following was measured on 2026-11-30 on two cores of an AMD EPYC (Zen 5, bf16) as processor time,
// because other jobs ran at the same time: the difference of a job with many examples and one with few,
// divided by the number of examples.

/// Drawing, import, preparation, split and sampling of a patient, relative to the first three: 89 to 85 ms.
const PREPARATION: f64 = 1.05;
/// Reading and preparing an image to score it, relative to a patient: 9 ms.
const READING: f64 = 0.1;
/// Drawing and writing the heat map of an image, relative to a patient: 36 ms.
const DRAWING: f64 = 0.4;
/// Expected seconds of a demo: the number of times that the demo processes patients, patches and images,
/// times the seconds of each.
pub fn expected_s(size: &Size, pace: &Pace) -> f64 {
    let patients = [size.film_patients as f64, N_DIGITAL as f64];
    let images = [patients[0] * IMAGES_PER_PATIENT[0], patients[1] * IMAGES_PER_PATIENT[1]];
    let [film_validation, film_test] = FILM_SHARES.map(|share| share * images[0]);
    let [digital_validation, digital_test] = DIGITAL_SHARES.map(|share| share * images[1]);

    let patch_epochs = size.patch_epochs as f64;
    let scored_patches = (patch_epochs * film_validation + film_test) * PATCHES_PER_IMAGE;

    let [top_epochs, per_epoch] = [size.top_epochs as f64, size.images_per_epoch as f64];
    let epochs = top_epochs + 1.0;
    // Two classifiers are trained end to end for one epoch, the one from scratch for all epochs.
    let end_to_end = per_epoch * (2.0 + epochs) + TRANSFER_EPOCHS * size.transfer_per_epoch as f64;
    let on_frozen_trunk = per_epoch * 2.0 * top_epochs;
    let validated = CLASSIFIERS * epochs * film_validation + TRANSFER_EPOCHS * digital_validation;
    let scored = SCORES_PER_TEST_IMAGE * film_test + 2.0 * digital_test;
    let looked_at = validated + scored + film_test; // once more for its heat map
    let work = Work {
        patches: size.patches() as f64,
        patch_passes: scored_patches,
        images: end_to_end,
        image_passes: on_frozen_trunk + looked_at,
    };

    // (a), (b) and (c) read each test image; (d) reads its own before and after transfer.
    let read = 3.0 * film_test + 2.0 * digital_test;
    let patients = PREPARATION * (patients[0] + patients[1]) + READING * read + DRAWING * film_test;
    WAITING * (patients * pace.patient_s + work.network_s(&pace.network)) + REST_S
}

#[cfg(test)]
mod tests {
    use mammo_pipeline::fit::pace::NetworkPace;

    use super::*;

    /// The demos of 2026-11-29 that were timed with nothing beside them; the seconds for images and patients
    /// follow from those for patches by the ratios of processor time.
    #[test]
    fn two_demos_that_were_timed_take_what_the_model_says() {
        let pace = |patch_s| {
            let network = NetworkPace { patch_s, top_s: 0.295 * 20.6 * patch_s, image_s: 20.6 * patch_s };
            Pace { network, patient_s: 0.0232 }
        };
        let full = expected_s(&Size::of(1.0), &pace(1.0 / 964.0));
        assert!((550.0..590.0).contains(&full), "{full}");
        let small = Size {
            film_patients: 640,
            patch_epochs: 7,
            patches_per_epoch: 5200,
            top_epochs: 3,
            images_per_epoch: 192,
            transfer_per_epoch: 32,
        };
        let small = expected_s(&small, &pace(1.0 / 255.0));
        assert!((540.0..590.0).contains(&small), "{small}");
    }
}
