//! What a demo takes: a model of time, from its size and the pace of the machine.

use super::pace::Pace;
use super::plan::{DIGITAL_SHARES, FILM_SHARES, N_DIGITAL};
use super::size::Size;

/// Images with a truth of each patient of the first and of the second site.
const IMAGES_PER_PATIENT: [f64; 2] = [2.3, 1.96];
/// Patches drawn from an image.
const PATCHES_PER_IMAGE: f64 = 17.4;
/// Epochs of the transfer, each followed by a look at its validation side.
const TRANSFER_EPOCHS: f64 = 8.0;
/// Whole-image classifiers that the demo trains before the transfer.
const CLASSIFIERS: f64 = 3.0;
/// Times that a test image is scored at the first site: (a), (b), and (c) by two models in four mirror images.
const SCORES_PER_TEST_IMAGE: f64 = 1.0 + 1.0 + 2.0 * 4.0;

// What follows was measured on 2026-11-30 on two cores of an AMD EPYC (Zen 5, bf16) as processor time, because
// other jobs ran beside it: one job with few examples, one with many, and the difference divided.

/// An image on a frozen trunk, relative to one that trains all layers: 22.3 and 78 ms.
const FROZEN_TRUNK: f64 = 0.285;
/// An image that is only looked at, in validation, scores and heat maps: 23.4 ms.
const IMAGE_PASS: f64 = 0.3;
/// A patch that is only looked at, relative to one that is trained on: 1.4 and 3.8 ms.
const PATCH_PASS: f64 = 0.37;
/// Split and sampling of a patient, with what is drawn, imported and prepared: 89 to 85 ms.
const PREPARATION: f64 = 1.05;
/// Reading and preparing an image to score it, relative to a patient: 9 ms.
const READING: f64 = 0.1;
/// Drawing and writing the heat map of an image, relative to a patient: 36 ms.
const DRAWING: f64 = 0.4;
/// Gallery, evaluations with their resamples, report, in seconds.
const REST_S: f64 = 5.0;
/// Real time over the sum of all parts, each at its fastest: loading of batches, ends of epochs, moments in which a
/// core waits. Two whole demos of 2026-11-29 tell (docs/experiments.md), with nothing beside them: the full one on
/// two cores of a Zen 5, 964 patches/s, took 550 s for a sum of 470 s; that of 640 patients and 36,400 patches
/// on two cores of a Zen 3 (AVX2), 255 patches/s, 564 s for 473 s. Those rates were means; the fastest
/// step is a few hundredths faster.
const WAITING: f64 = 1.2;

/// Seconds that a demo of this size takes at this pace: patients, patches and images, each as many times as
/// the demo handles them, times the seconds for one.
pub fn expected_s(size: &Size, pace: &Pace) -> f64 {
    let patients = [size.film_patients as f64, N_DIGITAL as f64];
    let images = [patients[0] * IMAGES_PER_PATIENT[0], patients[1] * IMAGES_PER_PATIENT[1]];
    let [film_validation, film_test] = FILM_SHARES.map(|share| share * images[0]);
    let [digital_validation, digital_test] = DIGITAL_SHARES.map(|share| share * images[1]);

    let patch_epochs = size.patch_epochs as f64;
    let scored_patches = (patch_epochs * film_validation + film_test) * PATCHES_PER_IMAGE;
    let patches = size.patches() as f64 + PATCH_PASS * scored_patches;

    let [top_epochs, per_epoch] = [size.top_epochs as f64, size.images_per_epoch as f64];
    let epochs = top_epochs + 1.0;
    // Two classifiers learn end to end for one epoch, the one from scratch for all of them.
    let end_to_end = per_epoch * (2.0 + epochs) + TRANSFER_EPOCHS * size.transfer_per_epoch as f64;
    let on_frozen_trunk = per_epoch * 2.0 * top_epochs;
    let validated = CLASSIFIERS * epochs * film_validation + TRANSFER_EPOCHS * digital_validation;
    let scored = SCORES_PER_TEST_IMAGE * film_test + 2.0 * digital_test;
    let looked_at = validated + scored + film_test; // once more for its heat map
    let images = end_to_end + FROZEN_TRUNK * on_frozen_trunk + IMAGE_PASS * looked_at;

    // (a), (b) and (c) read each test image; (d) reads its own before and after transfer.
    let read = 3.0 * film_test + 2.0 * digital_test;
    let patients = PREPARATION * (patients[0] + patients[1]) + READING * read + DRAWING * film_test;
    WAITING * (patients * pace.patient_s + patches * pace.patch_s + images * pace.image_s) + REST_S
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The demos of 2026-11-29 that were timed with nothing beside them; the seconds for images and patients
    /// follow from those for patches by the ratios of processor time.
    #[test]
    fn two_demos_that_were_timed_take_what_the_model_says() {
        let pace = |patch_s| Pace { patch_s, image_s: 20.6 * patch_s, patient_s: 0.0232 };
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
