//! Peaks of a patch map as findings: where, how large, what, how sure.

use mammo::geometry::Rect;
use mammo::patch_sampling::PatchClass;
use mammo::preprocess::{Mask, Prepared};
use mammo::record::LesionKind;
use serde::{Deserialize, Serialize};

use super::patch_map::ClassMap;

/// What counts as a finding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRule {
    /// Least malignant probability of a peak.
    pub min_score: f64,
    /// Most findings of one image.
    pub max_findings: usize,
    /// Cells joined to a peak have at least this share of its probability.
    pub region_share: f64,
    /// Distance, in input pixels, within which a peak swallows lesser ones of its kind.
    pub min_distance_px: f64,
}

impl FindingRule {
    /// Half the peak's probability bounds a finding, and two peaks less than half a patch apart
    /// are one: such windows show the same tissue.
    pub fn new(min_score: f64, patch_px: usize) -> Self {
        Self { min_score, max_findings: 20, region_share: 0.5, min_distance_px: patch_px as f64 / 2.0 }
    }
}

/// Where the breast lies in the input.
#[derive(Clone, Debug)]
pub struct BreastFrame {
    /// Its bounding box, in input pixels.
    pub bounds: Rect,
    /// Its tissue, in cells of [`Prepared::MASK_CELL_PX`] input pixels.
    pub mask: Mask,
    /// Whether the chest wall is on the left in the input.
    pub wall_left: bool,
}

impl BreastFrame {
    /// The breast of a prepared image. The chest wall is the side on which more tissue touches
    /// the outer eighth of the breast's box: the left one after the default preprocessing, which
    /// turns it there.
    pub fn of(prepared: &Prepared) -> Self {
        let mask = prepared.breast_mask.clone();
        let cell = Prepared::MASK_CELL_PX as f64;
        let bounds = prepared.breast;
        let columns = |from: f64, to: f64| -> usize {
            let column = |x: f64| ((x / cell).round().max(0.0) as usize).min(mask.width);
            let range = column(from)..column(to).max(column(from));
            (0..mask.height)
                .map(|y| mask.row(y)[range.clone()].iter().filter(|&&inside| inside).count())
                .sum()
        };
        let eighth = (bounds.width / 8.0).max(cell);
        let left = columns(bounds.x, bounds.x + eighth);
        let right = columns(bounds.right() - eighth, bounds.right());
        Self { bounds, wall_left: left >= right, mask }
    }

    /// Whether a point of the input lies on tissue.
    pub fn holds(&self, x: f64, y: f64) -> bool {
        let cell = Prepared::MASK_CELL_PX as f64;
        let (column, row) = ((x / cell) as usize, (y / cell) as usize);
        x >= 0.0
            && y >= 0.0
            && column < self.mask.width
            && row < self.mask.height
            && self.mask.row(row)[column]
    }

    /// A point of the input relative to the breast's box: depth from the chest wall (0) to the
    /// front (1), height from the top (0) to the bottom (1).
    pub fn relative(&self, x: f64, y: f64) -> [f64; 2] {
        let across = (x - self.bounds.x) / self.bounds.width.max(1.0);
        let depth = if self.wall_left { across } else { 1.0 - across };
        [depth.clamp(0.0, 1.0), ((y - self.bounds.y) / self.bounds.height.max(1.0)).clamp(0.0, 1.0)]
    }
}

/// One suspicious place of one image, in input pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Mass or calcification.
    pub kind: LesionKind,
    /// Probability of the malignant class of that kind at the peak.
    pub probability_malignant: f64,
    /// Probability of the benign class of that kind at the peak.
    pub probability_benign: f64,
    /// Centre of the window at the peak, as `(x, y)`.
    pub peak: (f64, f64),
    /// Box of the cells around the peak with at least
    /// [`region_share`](FindingRule::region_share) of its probability.
    pub bounds: Rect,
}

/// The findings of one image, the surest first.
///
/// For each kind of lesion, peaks of its malignant class are taken from the highest down; each
/// takes the cells joined to it. Windows whose centre lies outside the breast are not looked at.
pub fn find(map: &ClassMap, breast: &BreastFrame, rule: &FindingRule) -> Vec<Finding> {
    let kinds = [
        (LesionKind::Mass, PatchClass::MassMalignant, PatchClass::MassBenign),
        (LesionKind::Calcification, PatchClass::CalcMalignant, PatchClass::CalcBenign),
    ];
    let mut findings = Vec::new();
    for (kind, malignant, benign) in kinds {
        let (scores, benign) = (map.of(malignant).values, map.of(benign).values);
        findings.extend(peaks(&scores, map, breast, rule).into_iter().map(|(cell, bounds)| Finding {
            kind,
            probability_malignant: f64::from(scores[cell]),
            probability_benign: f64::from(benign[cell]),
            peak: map.grid.input_center(cell / map.grid.cols, cell % map.grid.cols),
            bounds,
        }));
    }
    findings.sort_by(|a, b| b.probability_malignant.total_cmp(&a.probability_malignant));
    findings.truncate(rule.max_findings);
    findings
}

/// Peak cells with the box of their region, in input pixels.
fn peaks(scores: &[f32], map: &ClassMap, breast: &BreastFrame, rule: &FindingRule) -> Vec<(usize, Rect)> {
    let grid = &map.grid;
    let center = |cell: usize| grid.input_center(cell / grid.cols, cell % grid.cols);
    let mut order: Vec<usize> = (0..scores.len())
        .filter(|&cell| f64::from(scores[cell]) >= rule.min_score && f64::from(scores[cell]) > 0.0)
        .filter(|&cell| breast.holds(center(cell).0, center(cell).1))
        .collect();
    // Cells of equal score are taken in reading order.
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut taken = vec![false; scores.len()];
    let mut peaks: Vec<(usize, Rect)> = Vec::new();
    for cell in order {
        let (x, y) = center(cell);
        let near = |&(peak, _): &(usize, Rect)| {
            let (px, py) = center(peak);
            (px - x).hypot(py - y) < rule.min_distance_px
        };
        let on_a_slope = neighbours(cell, grid.cols, grid.rows).any(|other| scores[other] > scores[cell]);
        if taken[cell] || on_a_slope || peaks.iter().any(near) {
            continue;
        }
        let region = flood(scores, grid.cols, cell, rule.region_share * f64::from(scores[cell]));
        let bounds = region.iter().fold(None, |bounds: Option<Rect>, &cell| {
            let square = Rect::new((cell % grid.cols) as f64, (cell / grid.cols) as f64, 1.0, 1.0);
            Some(bounds.map_or(square, |b| b.union(&square)))
        });
        region.iter().for_each(|&cell| taken[cell] = true);
        peaks.push((cell, grid.input_from_cell.apply_rect(&bounds.unwrap_or_default())));
    }
    peaks
}

/// The cells joined to `start`, corners included, with at least `least`.
fn flood(scores: &[f32], cols: usize, start: usize, least: f64) -> Vec<usize> {
    let rows = scores.len() / cols;
    let mut seen = vec![false; scores.len()];
    seen[start] = true;
    let (mut region, mut next) = (vec![start], vec![start]);
    while let Some(cell) = next.pop() {
        for neighbour in neighbours(cell, cols, rows) {
            if !seen[neighbour] && f64::from(scores[neighbour]) >= least {
                seen[neighbour] = true;
                region.push(neighbour);
                next.push(neighbour);
            }
        }
    }
    region
}

/// A cell and those that touch it, corners included.
fn neighbours(cell: usize, cols: usize, rows: usize) -> impl Iterator<Item = usize> {
    let (row, col) = (cell / cols, cell % cols);
    let columns = move || col.saturating_sub(1)..(col + 2).min(cols);
    (row.saturating_sub(1)..(row + 2).min(rows)).flat_map(move |r| columns().map(move |c| r * cols + c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heatmap::grid::MapGrid;
    use mammo::geometry::Affine;

    /// 6 x 8 windows, 10 pixels apart; mass scores as drawn, nothing else.
    fn map(scores: [[f32; 8]; 6]) -> ClassMap {
        let grid = MapGrid::on_input(6, 8, Affine::scale(10.0, 10.0));
        let mass: Vec<f32> = scores.concat();
        let rest: Vec<f32> = mass.iter().map(|p| 1.0 - p).collect();
        let classes = vec![PatchClass::Background, PatchClass::MassMalignant];
        ClassMap { grid, classes, probabilities: [rest, mass].concat() }
    }

    fn breast(inside: bool) -> BreastFrame {
        let bounds = Rect::new(0.0, 0.0, 80.0, 60.0);
        BreastFrame { bounds, mask: Mask::filled(10, 8, inside), wall_left: true }
    }

    const TWO: [[f32; 8]; 6] = [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.5, 0.9, 0.2, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.3, 0.6, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.7, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ];

    #[test]
    fn two_peaks_are_two_findings_with_the_boxes_of_their_half_height() {
        let found = find(&map(TWO), &breast(true), &FindingRule::new(0.1, 20));
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].peak, found[0].bounds), ((25.0, 15.0), Rect::new(10.0, 10.0, 20.0, 20.0)));
        assert!((found[0].probability_malignant - 0.9).abs() < 1e-6);
        assert_eq!((found[1].peak, found[1].bounds), ((65.0, 45.0), Rect::new(60.0, 40.0, 10.0, 10.0)));
        assert!(found.iter().all(|f| f.kind == LesionKind::Mass));
    }

    #[test]
    fn what_lies_outside_the_breast_or_below_the_least_score_is_no_finding() {
        assert!(find(&map(TWO), &breast(false), &FindingRule::new(0.1, 20)).is_empty());
        assert_eq!(find(&map(TWO), &breast(true), &FindingRule::new(0.8, 20)).len(), 1);
        let wide = FindingRule { min_distance_px: 100.0, ..FindingRule::new(0.1, 20) };
        assert_eq!(find(&map(TWO), &breast(true), &wide).len(), 1);
    }

    #[test]
    fn depth_is_counted_from_the_chest_wall_on_either_side() {
        let left = breast(true);
        assert_eq!(left.relative(20.0, 15.0), [0.25, 0.25]);
        let right = BreastFrame { wall_left: false, ..left };
        assert_eq!(right.relative(20.0, 15.0), [0.75, 0.25]);
    }
}
