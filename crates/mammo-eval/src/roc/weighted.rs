//! The ROC curve for one set of case weights, and the statistics read off it.

/// Weighted counts of true and false positives at every distinct score.
///
/// Filled by [`RankedScores::curve`](crate::roc::ranked::RankedScores::curve). At point 0
/// nothing is positive; at point `i` the `i` highest distinct scores are, whatever the weights, so
/// that an index means the same threshold in every resample. Both classes have positive weight.
#[derive(Default)]
pub struct Roc {
    /// (true positives, false positives), non-decreasing.
    pub(crate) points: Vec<(u32, u32)>,
}

impl Roc {
    /// (true, false) positives at point `index`.
    pub fn counts(&self, index: usize) -> (u32, u32) {
        self.points[index]
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether no curve has been computed yet.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Weights of all malignant and of all benign cases.
    pub fn totals(&self) -> (f64, f64) {
        let (malignant, benign) = self.points[self.points.len() - 1];
        (f64::from(malignant), f64::from(benign))
    }

    /// Share of the malignant cases that is positive at point `index`.
    pub fn sensitivity(&self, index: usize) -> f64 {
        f64::from(self.points[index].0) / self.totals().0
    }

    /// Share of the benign cases that is negative at point `index`.
    pub fn specificity(&self, index: usize) -> f64 {
        let n_benign = self.totals().1;
        (n_benign - f64::from(self.points[index].1)) / n_benign
    }

    /// The area under the curve, exact: twice the number of ordered pairs is an integer.
    pub fn auc(&self) -> f64 {
        let pairs = self.points.windows(2).map(|ends| {
            let ((above, before), (here, now)) = (ends[0], ends[1]);
            u64::from(now - before) * (u64::from(above) + u64::from(here))
        });
        let (malignant, benign) = self.totals();
        pairs.sum::<u64>() as f64 / (2.0 * malignant * benign)
    }

    /// The area from specificity 1 down to `min_specificity`; the unit square has area 1.
    pub fn partial_auc(&self, min_specificity: f64) -> f64 {
        let (malignant, benign) = self.totals();
        let last = (1.0 - min_specificity) * benign;
        let mut doubled = 0.0;
        for ends in self.points.windows(2) {
            let (left, right) = (f64::from(ends[0].1), f64::from(ends[1].1));
            let (above, here) = (f64::from(ends[0].0), f64::from(ends[1].0));
            if right >= last {
                let share = if right > left { (last - left) / (right - left) } else { 0.0 };
                doubled += (last - left) * (2.0 * above + share * (here - above));
                break;
            }
            doubled += (right - left) * (above + here);
        }
        doubled / (2.0 * malignant * benign)
    }

    /// Average precision: the mean over the malignant cases of the precision at their score, which is
    /// the area under the step function of the precision–recall curve.
    pub fn average_precision(&self) -> f64 {
        let mut sum = 0.0;
        let mut before = 0;
        for &(true_positives, false_positives) in &self.points {
            if true_positives != before {
                let (found, positive) =
                    (f64::from(true_positives), f64::from(true_positives + false_positives));
                sum += f64::from(true_positives - before) * found / positive;
                before = true_positives;
            }
        }
        sum / self.totals().0
    }

    /// The point of highest sensitivity with at least this specificity.
    pub fn index_at_specificity(&self, least: f64) -> usize {
        let n_benign = self.totals().1;
        let allowed =
            |&(_, false_positives): &(u32, u32)| (n_benign - f64::from(false_positives)) / n_benign >= least;
        self.points.partition_point(allowed).saturating_sub(1)
    }

    /// The point of highest specificity with at least this sensitivity.
    pub fn index_at_sensitivity(&self, least: f64) -> usize {
        let n_malignant = self.totals().0;
        let missed = |&(true_positives, _): &(u32, u32)| f64::from(true_positives) / n_malignant < least;
        self.points.partition_point(missed).min(self.points.len() - 1)
    }

    /// The point with the most true positives and at most this weight of false positives.
    pub fn index_at_false_positives(&self, most: f64) -> usize {
        let allowed = |&(_, false_positives): &(u32, u32)| f64::from(false_positives) <= most;
        self.points.partition_point(allowed).saturating_sub(1)
    }

    /// Sensitivity at a false-positive rate, interpolated linearly; at a vertical step, its upper
    /// end.
    pub fn sensitivity_at_rate(&self, false_positive_rate: f64) -> f64 {
        let (malignant, benign) = self.totals();
        let wanted = false_positive_rate * benign;
        let after = self.points.partition_point(|&(_, false_positives)| f64::from(false_positives) <= wanted);
        let (above, left) = self.points[after.saturating_sub(1)];
        let Some(&(here, right)) = self.points.get(after) else { return f64::from(above) / malignant };
        let share = (wanted - f64::from(left)) / f64::from(right - left);
        (f64::from(above) + share * f64::from(here - above)) / malignant
    }
}
