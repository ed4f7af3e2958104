//! Area under the ROC curve and its points, exact for the given scores. A higher score means more
//! likely cancer.

pub use crate::roc::weighted::Roc;
use crate::{Error, Result};

/// Area under the ROC curve: the probability that a malignant case scores higher than a benign one.
///
/// Counts every malignant–benign pair, half for a tie: the Mann–Whitney form of the area
/// (Hanley & McNeil 1982, Radiology 143:29–36). It takes one sort, `O(n log n)`, and uses no grid
/// of thresholds, so the result is exact.
///
/// # Inputs
/// - `scores`: one per case, on any monotone scale, finite.
/// - `malignant`: the truth of the same cases, in the same order.
///
/// # Errors
/// [`Error::Undefined`] when a score is not finite or a class is missing. A placeholder such as 0.5
/// would go unnoticed into averages and intervals.
///
/// # Panics
/// When the slices differ in length.
///
/// # Example
/// Four cases, one wrongly ordered pair out of four:
/// ```
/// use mammo_eval::roc_auc;
///
/// let scores = [0.9, 0.4, 0.6, 0.1];
/// let malignant = [true, true, false, false];
/// assert_eq!(roc_auc(&scores, &malignant)?, 0.75);
/// # Ok::<(), mammo_core::Error>(())
/// ```
pub fn roc_auc(scores: &[f64], malignant: &[bool]) -> Result<f64> {
    RankedScores::by_case(scores, malignant)?.auc(|_| 1.0)
}

/// [`roc_auc`] with a weight for each case; weights need not be integers.
///
/// # Errors
/// As [`roc_auc`], also when a class has no weight or a weight is negative or not finite.
///
/// # Panics
/// When the slices differ in length.
pub fn roc_auc_weighted(scores: &[f64], malignant: &[bool], weights: &[f64]) -> Result<f64> {
    assert_eq!(scores.len(), weights.len(), "one weight per score");
    if let Some(weight) = weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
        return Err(undefined(format!(
            "a case has weight {weight}; weights must be finite and not negative"
        )));
    }
    RankedScores::by_case(scores, malignant)?.auc(|case| weights[case as usize])
}

/// Cases sorted by score, so that a curve or an area under any weights takes a single pass.
///
/// A bootstrap resample only changes how often a patient counts, never the order of the scores, so
/// one sort serves thousands of resamples.
pub struct RankedScores {
    /// By descending score.
    ranked: Vec<RankedCase>,
    /// The distinct scores, descending.
    thresholds: Vec<f64>,
}

/// One case, packed into 32 bits because every resample reads all cases. From the high bits to the
/// low ones: the unit whose weight applies (a patient, or the case itself); whether the case is
/// malignant; whether it is the last case with its score.
#[derive(Clone, Copy)]
struct RankedCase(u32);

impl RankedCase {
    fn unit(self) -> u32 {
        self.0 >> 2
    }

    fn malignant(self) -> u32 {
        self.0 >> 1 & 1
    }

    fn ends_tie(self) -> bool {
        self.0 & 1 == 1
    }
}

impl RankedScores {
    /// Sorts the cases; `units[case]` is the unit whose weight a case takes, usually its patient.
    ///
    /// # Errors
    /// [`Error::Undefined`] when a score is not finite.
    ///
    /// # Panics
    /// When the slices differ in length, or a unit is 2³⁰ or more.
    pub fn new(scores: &[f64], malignant: &[bool], units: &[u32]) -> Result<Self> {
        assert_eq!(scores.len(), malignant.len(), "one truth per score");
        assert_eq!(scores.len(), units.len(), "one unit per score");
        check_finite(scores)?;
        let mut order = ascending(scores);
        order.reverse();
        let (mut ranked, mut thresholds) = (Vec::with_capacity(order.len()), vec![]);
        for tie in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
            thresholds.push(scores[tie[0]]);
            for (place, &case) in tie.iter().enumerate() {
                assert!(units[case] < 1 << 30, "unit {} of case {case}", units[case]);
                let (malignant, ends_tie) = (u32::from(malignant[case]), u32::from(place + 1 == tie.len()));
                ranked.push(RankedCase(units[case] << 2 | malignant << 1 | ends_tie));
            }
        }
        Ok(Self { ranked, thresholds })
    }

    /// Sorts the cases; each case is its own unit.
    fn by_case(scores: &[f64], malignant: &[bool]) -> Result<Self> {
        Self::new(scores, malignant, &(0..scores.len() as u32).collect::<Vec<_>>())
    }

    /// The distinct scores, descending: the thresholds of all points of a [`Roc`] but the first.
    pub fn thresholds(&self) -> &[f64] {
        &self.thresholds
    }

    /// Number of units with a malignant case, and with a benign one.
    pub fn units_by_class(&self) -> [usize; 2] {
        units_by_class(self.ranked.iter().map(|case| (case.unit(), case.malignant() == 1)))
    }

    /// The area when unit `u` has weight `weight(u)`. Exact for integer weights: all partial sums
    /// are then multiples of one half, which `f64` represents exactly up to 2⁵².
    ///
    /// # Errors
    /// [`Error::Undefined`] when either class has no weight.
    pub fn auc(&self, weight: impl Fn(u32) -> f64) -> Result<f64> {
        let (mut malignant, mut benign, mut ordered_pairs) = (0.0, 0.0, 0.0);
        let (mut tied_malignant, mut tied_benign) = (0.0, 0.0);
        for case in &self.ranked {
            let weight = weight(case.unit());
            let as_malignant = weight * f64::from(case.malignant());
            tied_malignant += as_malignant;
            tied_benign += weight - as_malignant;
            if case.ends_tie() {
                ordered_pairs += tied_benign * (malignant + 0.5 * tied_malignant);
                malignant += tied_malignant;
                benign += tied_benign;
                (tied_malignant, tied_benign) = (0.0, 0.0);
            }
        }
        self.check_classes([malignant, benign])?;
        Ok(ordered_pairs / (malignant * benign))
    }

    /// Writes the curve when unit `u` counts `times[u]` times into `roc`, whose memory is reused.
    ///
    /// # Errors
    /// [`Error::Undefined`] when either class has no weight.
    ///
    /// # Panics
    /// When a unit has no entry in `times`.
    pub fn curve(&self, times: &[u8], roc: &mut Roc) -> Result<()> {
        self.fill(times, roc);
        let (malignant, benign) = roc.totals();
        self.check_classes([malignant, benign])
    }

    /// [`RankedScores::curve`] without the check that both classes are present.
    pub(crate) fn fill(&self, times: &[u8], roc: &mut Roc) {
        roc.points.clear();
        roc.points.push((0, 0));
        self.walk(times, |point| roc.points.push(point));
    }

    /// The area when unit `u` counts `times[u]` times: [`RankedScores::auc`] in integer arithmetic,
    /// for resamples.
    ///
    /// # Errors
    /// [`Error::Undefined`] when either class has no weight.
    ///
    /// # Panics
    /// When a unit has no entry in `times`.
    pub fn resampled_auc(&self, times: &[u8]) -> Result<f64> {
        let ((mut above, mut before), mut doubled_pairs) = ((0, 0), 0_u64);
        self.walk(times, |(malignant, benign)| {
            doubled_pairs += u64::from(benign - before) * (u64::from(above) + u64::from(malignant));
            (above, before) = (malignant, benign);
        });
        self.check_classes([above, before].map(f64::from))?;
        Ok(doubled_pairs as f64 / (2.0 * f64::from(above) * f64::from(before)))
    }

    /// Goes through the scores in descending order; after each distinct score, calls `at` with the
    /// cumulative weights of malignant and benign cases.
    fn walk(&self, times: &[u8], mut at: impl FnMut((u32, u32))) {
        // Malignant in the upper half, benign in the lower: one sum per case instead of two.
        let mut sums = 0_u64;
        for case in &self.ranked {
            sums += u64::from(times[case.unit() as usize]) << (32 * case.malignant());
            if case.ends_tie() {
                at(((sums >> 32) as u32, sums as u32));
            }
        }
    }

    /// Refuses weights of malignant and benign cases of which one is zero.
    fn check_classes(&self, [malignant, benign]: [f64; 2]) -> Result<()> {
        if malignant > 0.0 && benign > 0.0 {
            return Ok(());
        }
        let present = if malignant > 0.0 { "only malignant" } else { "no malignant" };
        Err(undefined(format!("{present} cases among {}; both classes are needed", self.ranked.len())))
    }
}

/// A point of the ROC curve: scores of at least `threshold` are positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    /// An observed score; infinite for the first point, at which nothing is positive.
    pub threshold: f64,
    /// Malignant cases at or above the threshold.
    pub true_positives: usize,
    /// Benign cases at or above the threshold.
    pub false_positives: usize,
    /// `true_positives / n_malignant`.
    pub sensitivity: f64,
    /// `1 - false_positives / n_benign`.
    pub specificity: f64,
}

/// The ROC curve: the point at which nothing is positive, then one point per distinct score in
/// descending order. The trapezoidal area under it is [`roc_auc`].
///
/// # Errors
/// As [`roc_auc`].
///
/// # Panics
/// When the slices differ in length.
pub fn roc_curve(scores: &[f64], malignant: &[bool]) -> Result<Vec<RocPoint>> {
    let ranked = RankedScores::by_case(scores, malignant)?;
    let mut roc = Roc::default();
    ranked.curve(&vec![1; scores.len()], &mut roc)?;
    let thresholds = std::iter::once(f64::INFINITY).chain(ranked.thresholds.iter().copied());
    let point = |(index, threshold)| {
        let (true_positives, false_positives) = roc.points[index];
        RocPoint {
            threshold,
            true_positives: true_positives as usize,
            false_positives: false_positives as usize,
            sensitivity: roc.sensitivity(index),
            specificity: roc.specificity(index),
        }
    };
    Ok(thresholds.enumerate().map(point).collect())
}

/// Number of units with a malignant case, and with a benign one; a case is (unit, malignant).
pub(crate) fn units_by_class(cases: impl Iterator<Item = (u32, bool)>) -> [usize; 2] {
    let mut seen: Vec<[bool; 2]> = vec![];
    for (unit, malignant) in cases {
        let unit = unit as usize;
        if seen.len() <= unit {
            seen.resize(unit + 1, [false; 2]);
        }
        seen[unit][usize::from(!malignant)] = true;
    }
    [0, 1].map(|class| seen.iter().filter(|classes| classes[class]).count())
}

/// Case indices in ascending order of score; the scores are finite.
pub(crate) fn ascending(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    order
}

/// Checks that all scores are finite.
pub(crate) fn check_finite(scores: &[f64]) -> Result<()> {
    match scores.iter().position(|s| !s.is_finite()) {
        Some(case) => Err(undefined(format!("score {} of case {case} is not finite", scores[case]))),
        None => Ok(()),
    }
}

fn undefined(reason: String) -> Error {
    Error::Undefined { statistic: "area under the ROC curve", reason }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use mammo_core::seed::stream;

    /// Coarse scores, so that ties abound, loosely tied to the truth.
    fn sample(item: u64, n: usize) -> (Vec<f64>, Vec<bool>) {
        let mut rng = stream(1, "test roc", item);
        let malignant: Vec<bool> =
            (0..n).map(|i| i < 2 && i == 0 || i >= 2 && rng.random_bool(0.3)).collect();
        let scores = malignant.iter().map(|&m| f64::from(rng.random_range(0..12) + 4 * i32::from(m)) / 16.0);
        (scores.collect(), malignant)
    }

    /// The definition, pair by pair.
    fn auc_by_pairs(scores: &[f64], malignant: &[bool]) -> f64 {
        let (mut ordered, mut pairs) = (0.0, 0.0);
        for (a, _) in scores.iter().zip(malignant).filter(|(_, m)| **m) {
            for (b, _) in scores.iter().zip(malignant).filter(|(_, m)| !**m) {
                ordered += if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                };
                pairs += 1.0;
            }
        }
        ordered / pairs
    }

    #[test]
    fn the_area_is_the_share_of_ordered_pairs() {
        for item in 0..50 {
            let (scores, malignant) = sample(item, 2 + item as usize * 3);
            assert_eq!(roc_auc(&scores, &malignant).unwrap(), auc_by_pairs(&scores, &malignant));
        }
    }

    #[test]
    fn negated_scores_turn_the_area_around() {
        let (scores, malignant) = sample(3, 200);
        let negated: Vec<f64> = scores.iter().map(|s| -s).collect();
        let sum = roc_auc(&scores, &malignant).unwrap() + roc_auc(&negated, &malignant).unwrap();
        assert!((sum - 1.0).abs() < 1e-15, "{sum}");
    }

    #[test]
    fn a_monotone_map_leaves_the_area_alone() {
        let (scores, malignant) = sample(4, 200);
        let mapped: Vec<f64> = scores.iter().map(|s| (3.0 * s).exp() - 7.0).collect();
        assert_eq!(roc_auc(&scores, &malignant).unwrap(), roc_auc(&mapped, &malignant).unwrap());
    }

    #[test]
    fn a_whole_weight_is_a_repeated_case() {
        let (scores, malignant) = sample(5, 60);
        let mut rng = stream(1, "test weights", 0);
        let weights: Vec<usize> = (0..60).map(|_| rng.random_range(0..4)).collect();
        let repeated = |case: usize| std::iter::repeat_n(case, weights[case]);
        let cases: Vec<usize> = (0..60).flat_map(repeated).collect();
        let expected = auc_by_pairs(
            &cases.iter().map(|&c| scores[c]).collect::<Vec<_>>(),
            &cases.iter().map(|&c| malignant[c]).collect::<Vec<_>>(),
        );
        let weights: Vec<f64> = weights.iter().map(|&w| w as f64).collect();
        assert_eq!(roc_auc_weighted(&scores, &malignant, &weights).unwrap(), expected);
    }

    #[test]
    fn the_trapezoids_under_the_curve_add_up_to_the_area() {
        let (scores, malignant) = sample(6, 300);
        let curve = roc_curve(&scores, &malignant).unwrap();
        let area: f64 = curve
            .windows(2)
            .map(|w| (w[0].specificity - w[1].specificity) * (w[0].sensitivity + w[1].sensitivity) / 2.0)
            .sum();
        assert!((area - roc_auc(&scores, &malignant).unwrap()).abs() < 1e-12);
        let last = curve.last().unwrap();
        assert_eq!((last.sensitivity, last.specificity), (1.0, 0.0));
    }

    #[test]
    fn zeros_of_either_sign_are_a_tie() {
        assert_eq!(roc_auc(&[0.0, -0.0], &[true, false]).unwrap(), 0.5);
        assert_eq!(roc_curve(&[0.0, -0.0], &[true, false]).unwrap().len(), 2);
    }

    #[test]
    fn one_class_is_an_error_not_a_number() {
        for malignant in [[true, true], [false, false]] {
            let error = roc_auc(&[0.1, 0.2], &malignant).unwrap_err();
            assert!(matches!(error, Error::Undefined { .. }), "{error}");
            assert!(roc_curve(&[0.1, 0.2], &malignant).is_err());
        }
        assert!(roc_auc(&[], &[]).is_err());
        assert!(roc_auc_weighted(&[0.1, 0.2], &[true, false], &[0.0, 1.0]).is_err());
    }

    #[test]
    fn a_score_that_is_no_number_is_an_error() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(roc_auc(&[bad, 0.2], &[true, false]), Err(Error::Undefined { .. })));
            assert!(matches!(roc_curve(&[0.2, bad], &[true, false]), Err(Error::Undefined { .. })));
            assert!(roc_auc_weighted(&[0.1, 0.2], &[true, false], &[1.0, bad]).is_err());
        }
        assert!(roc_auc_weighted(&[0.1, 0.2], &[true, false], &[1.0, -1.0]).is_err());
    }
}
