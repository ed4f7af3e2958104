//! Time model: the duration of a training and its evaluation from what it processes and the speed of the machine.

use super::pace::NetworkPace;

/// What a training and its evaluation process, in images and patches, counted each time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Patches on which the whole patch classifier is trained.
    pub patches: f64,
    /// Patches on which its trunk is frozen, or that are classified only.
    pub patch_passes: f64,
    /// Images on which the whole image classifier is trained.
    pub images: f64,
    /// Images on which its trunk is frozen, or that are classified only.
    pub image_passes: f64,
}

// The following was measured on 2026-11-30 on two cores of an AMD EPYC (Zen 5, bf16) as processor time,
// because other jobs ran at the same time: the difference of a job with many examples and one with few,
// divided by the number of examples.

/// A pass over a patch without training, relative to training on it: 1.4 and 3.8 ms.
const PATCH_PASS: f64 = 0.37;
/// Gallery, evaluations with their resamples, report, in seconds.
pub const REST_S: f64 = 5.0;
/// Wall time divided by the sum of all parts, each at its fastest, because of loading, ends of epochs and
/// idle cores. From two demos of 2026-11-29 on idle machines (docs/experiments.md): the full one on two
/// cores of a Zen 5, 964 patches/s, took 550 s for a sum of 470 s; that of 640 patients and 36,400
/// patches on two cores of a Zen 3 (AVX2), 255 patches/s, 564 s for 473 s. Those rates were means; the
/// fastest step is a few per cent faster.
pub const WAITING: f64 = 1.2;
/// Patches drawn from an image with the counts of a plan, in the mean.
pub const PATCHES_PER_IMAGE: f64 = 17.4;

impl Work {
    /// Seconds in networks, each part at its fastest.
    pub fn network_s(&self, pace: &NetworkPace) -> f64 {
        (self.patches + PATCH_PASS * self.patch_passes) * pace.patch_s
            + self.images * pace.image_s
            + self.image_passes * pace.top_s
    }
}

/// The largest amount within bounds whose duration is at most `target_s`, to a thousandth of the upper bound; the lower
/// bound if all take longer. The duration must increase with the amount.
pub fn amount_that_fills(target_s: f64, bounds: [f64; 2], seconds: impl Fn(f64) -> f64) -> f64 {
    let [mut low, mut high] = bounds;
    if seconds(low) >= target_s {
        return low;
    }
    if seconds(high) <= target_s {
        return high;
    }
    while high - low > 1e-3 {
        let middle = (low + high) / 2.0;
        match seconds(middle) > target_s {
            true => high = middle,
            false => low = middle,
        }
    }
    (low * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_fills_the_time_or_is_a_bound() {
        let amount = |target| amount_that_fills(target, [0.1, 2.0], |amount| 10.0 + 100.0 * amount);
        assert_eq!([amount(5.0), amount(20.0), amount(210.0), amount(1e6)], [0.1, 0.1, 2.0, 2.0]);
        assert!((amount(60.0) - 0.5).abs() < 2e-3, "{}", amount(60.0));
    }

    #[test]
    fn every_part_costs_its_own_seconds() {
        let pace = NetworkPace { patch_s: 1.0, top_s: 10.0, image_s: 100.0 };
        let work = Work { patches: 3.0, patch_passes: 100.0, images: 5.0, image_passes: 7.0 };
        assert_eq!(work.network_s(&pace), 3.0 + 37.0 + 500.0 + 70.0);
        assert_eq!(Work::default().network_s(&pace), 0.0);
    }
}
