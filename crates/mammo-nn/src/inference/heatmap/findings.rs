//! Findings: suspicious windows of a patch map with position, size, kind and probability.

use mammo_core::geometry::Rect;
use mammo_core::record::LesionKind;
use mammo_image::patch_sampling::PatchClass;
use mammo_image::preprocess::{Mask, Prepared};
use serde::{Deserialize, Serialize};

use super::grid::HeatMap;
use super::patch_map::PatchMap;

/// Thresholds for findings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRule {
    /// Minimum malignant probability of a window.
    pub min_score: f64,
    /// Maximum number of findings per image.
    pub max_findings: usize,
    /// Radius of non-maximum suppression in input pixels: within it, only the finding with the highest probability of
    /// each kind is kept.
    pub nms_radius_px: f64,
    /// Half the side of a finding's box, in standard deviations of the evidence around its centre.
    pub half_side_deviations: f64,
}

impl FindingRule {
    /// Findings less than two thirds of a patch apart are one, and a box reaches 1.25 standard deviations to each
    /// side: chosen on 62 validation images of CBIS-DDSM masses with a malignant lesion (docs/heatmaps.md).
    pub fn new(min_score: f64, patch_px: usize) -> Self {
        let nms_radius_px = patch_px as f64 * 2.0 / 3.0;
        Self { min_score, max_findings: 20, nms_radius_px, half_side_deviations: 1.25 }
    }
}

/// Position of the breast in the network input.
#[derive(Clone, Debug)]
pub struct BreastFrame {
    /// Its bounding box, in input pixels.
    pub bounds: Rect,
    /// Tissue mask, in cells of [`Prepared::MASK_CELL_PX`] input pixels.
    pub mask: Mask,
    /// Whether the chest wall is on the left in the input.
    pub wall_left: bool,
}

impl BreastFrame {
    /// The breast of a prepared image. The chest wall is the side on which more tissue touches the outer eighth of
    /// the breast's bounding box: the left side after the default preprocessing, which mirrors images accordingly.
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

    /// True if a point of the input lies on tissue.
    pub fn holds(&self, x: f64, y: f64) -> bool {
        let cell = Prepared::MASK_CELL_PX as f64;
        let (column, row) = ((x / cell) as usize, (y / cell) as usize);
        x >= 0.0
            && y >= 0.0
            && column < self.mask.width
            && row < self.mask.height
            && self.mask.row(row)[column]
    }

    /// Position of an input point relative to the breast's bounding box: depth from the chest wall (0) to the front
    /// (1), height from the top (0) to the bottom (1).
    pub fn relative(&self, x: f64, y: f64) -> [f64; 2] {
        let across = (x - self.bounds.x) / self.bounds.width.max(1.0);
        let depth = if self.wall_left { across } else { 1.0 - across };
        [depth.clamp(0.0, 1.0), ((y - self.bounds.y) / self.bounds.height.max(1.0)).clamp(0.0, 1.0)]
    }
}

/// A suspicious region of one image, in input pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Mass or calcification.
    pub kind: LesionKind,
    /// Probability of the malignant class of that kind in the window.
    pub probability_malignant: f64,
    /// Probability of the benign class of that kind in the window.
    pub probability_benign: f64,
    /// Centre of gravity of the lesion evidence in the window, as `(x, y)`.
    pub centre: (f64, f64),
    /// Bounding box, in proportion to the spread of the evidence.
    pub bounds: Rect,
}

/// The findings of one image, highest probability first.
///
/// For each kind of lesion, windows are taken in order of decreasing malignant probability, with non-maximum
/// suppression among findings of the same kind; findings outside the breast are dropped. The window gives the
/// probability of a lesion, its cells the position: the centre of gravity of the cells, each weighted by the square
/// of its lesion log odds above the window's minimum. A window is a mean over its cells, so neighbouring windows that
/// contain a lesion look alike, whereas their cells do not.
pub fn find(map: &PatchMap, breast: &BreastFrame, rule: &FindingRule) -> Vec<Finding> {
    let kinds = [
        (LesionKind::Mass, PatchClass::MassMalignant, PatchClass::MassBenign),
        (LesionKind::Calcification, PatchClass::CalcMalignant, PatchClass::CalcBenign),
    ];
    let mut findings = Vec::new();
    for (kind, malignant, benign) in kinds {
        findings.extend(findings_of(kind, malignant, benign, map, breast, rule));
    }
    findings.sort_by(|a, b| b.probability_malignant.total_cmp(&a.probability_malignant));
    findings.truncate(rule.max_findings);
    findings
}

fn findings_of(
    kind: LesionKind,
    malignant: PatchClass,
    benign: PatchClass,
    map: &PatchMap,
    breast: &BreastFrame,
    rule: &FindingRule,
) -> Vec<Finding> {
    let (scores, benign_scores) = (map.windows.of(malignant).values, map.windows.of(benign).values);
    let evidence = log_odds(map.cells.of(malignant), map.cells.of(benign));
    let sure = |&window: &usize| f64::from(scores[window]) >= rule.min_score && scores[window] > 0.0;
    let mut order: Vec<usize> = (0..scores.len()).filter(sure).collect();
    // Windows of equal score are taken in row-major order.
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut found: Vec<Finding> = Vec::new();
    for window in order {
        let (centre, deviations) = centre_of_gravity(map, &evidence, window);
        let near = |other: &Finding| {
            (other.centre.0 - centre.0).hypot(other.centre.1 - centre.1) < rule.nms_radius_px
        };
        if !breast.holds(centre.0, centre.1) || found.iter().any(near) {
            continue;
        }
        let [half_width, half_height] = deviations.map(|deviation| rule.half_side_deviations * deviation);
        found.push(Finding {
            kind,
            probability_malignant: f64::from(scores[window]),
            probability_benign: f64::from(benign_scores[window]),
            centre,
            bounds: Rect::new(
                centre.0 - half_width,
                centre.1 - half_height,
                2.0 * half_width,
                2.0 * half_height,
            ),
        });
    }
    found
}

/// Log odds in each cell of a lesion of this kind, malignant or benign.
fn log_odds(malignant: HeatMap, benign: HeatMap) -> HeatMap {
    let odds = |p: f32| (p.max(f32::MIN_POSITIVE) / (1.0 - p).max(f32::MIN_POSITIVE)).ln();
    let values = malignant.values.iter().zip(&benign.values).map(|(a, b)| odds((a + b).min(1.0))).collect();
    HeatMap { values, ..malignant }
}

/// Centre of gravity of the evidence in a window, and its standard deviation along x and y, in input pixels,
/// including the extent of a cell.
fn centre_of_gravity(map: &PatchMap, evidence: &HeatMap, window: usize) -> ((f64, f64), [f64; 2]) {
    let (row, col) = (window / map.windows.grid.cols * map.step, window % map.windows.grid.cols * map.step);
    let places = || (0..map.side * map.side).map(|i| (row + i / map.side, col + i % map.side));
    let value = |(row, col): (usize, usize)| f64::from(evidence.values[row * evidence.grid.cols + col]);
    let lowest = places().map(value).fold(f64::INFINITY, f64::min);
    // Uniform evidence has its centre in the middle.
    let weight = |place| (value(place) - lowest).powi(2) + 1e-9;
    let total: f64 = places().map(weight).sum();
    let mean = |of: &dyn Fn((usize, usize)) -> f64| {
        places().map(|place| weight(place) * of(place)).sum::<f64>() / total
    };
    let (x, y) = (mean(&|(_, col)| col as f64 + 0.5), mean(&|(row, _)| row as f64 + 0.5));
    let spread =
        [mean(&|(_, col)| (col as f64 + 0.5 - x).powi(2)), mean(&|(row, _)| (row as f64 + 0.5 - y).powi(2))];
    let input_from_cell = &evidence.grid.input_from_cell;
    let [wide, high] = spread.map(|variance| (variance + 1.0 / 12.0).sqrt());
    (input_from_cell.apply(x, y), [wide * input_from_cell.xx.abs(), high * input_from_cell.yy.abs()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::heatmap::grid::MapGrid;
    use crate::inference::heatmap::patch_map::ClassMap;
    use mammo_core::geometry::Affine;

    /// 6 x 8 cells of ten pixels, with windows of 2 x 2 cells and a step of one cell; `log_odds` are those of a
    /// malignant mass, 0 for background.
    fn map(log_odds: [[f32; 8]; 6]) -> PatchMap {
        let classes = vec![PatchClass::Background, PatchClass::MassMalignant];
        let class_map = |rows: usize, cols: usize, offset: f64, log_odds: Vec<f32>| {
            let place = Affine::scale(10.0, 10.0).then(&Affine::translate(offset, offset));
            let mass: Vec<f32> = log_odds.iter().map(|odds| 1.0 / (1.0 + (-odds).exp())).collect();
            let rest: Vec<f32> = mass.iter().map(|p| 1.0 - p).collect();
            let grid = MapGrid::on_input(rows, cols, place);
            ClassMap { grid, classes: classes.clone(), probabilities: [rest, mass].concat() }
        };
        let mean = |i: usize| {
            let (row, col) = (i / 7, i % 7);
            let four = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(r, c)| log_odds[row + r][col + c]);
            four.iter().sum::<f32>() / 4.0
        };
        PatchMap {
            windows: class_map(5, 7, 5.0, (0..35).map(mean).collect()),
            cells: class_map(6, 8, 0.0, log_odds.concat()),
            side: 2,
            step: 1,
        }
    }

    fn breast(inside: bool) -> BreastFrame {
        let bounds = Rect::new(0.0, 0.0, 80.0, 60.0);
        BreastFrame { bounds, mask: Mask::filled(10, 8, inside), wall_left: true }
    }

    const LOW: f32 = -6.0;
    /// One lesion in a single cell, one between two cells.
    const TWO: [[f32; 8]; 6] = [
        [LOW; 8],
        [LOW, LOW, 20.0, LOW, LOW, LOW, LOW, LOW],
        [LOW; 8],
        [LOW; 8],
        [LOW, LOW, LOW, LOW, LOW, 8.0, 8.0, LOW],
        [LOW; 8],
    ];

    #[test]
    fn a_finding_lies_where_its_evidence_is_and_not_where_its_window_is() {
        let found = find(&map(TWO), &breast(true), &FindingRule::new(0.1, 20));
        assert_eq!(found.len(), 2, "{found:?}");
        let near = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).hypot(a.1 - b.1) < 1e-3;
        // Both windows of the second hold the same evidence as the first one's: (8 + 8 - 12) / 4.
        assert!(near(found[0].centre, (60.0, 45.0)) || near(found[1].centre, (60.0, 45.0)), "{found:?}");
        assert!(near(found[0].centre, (25.0, 15.0)) || near(found[1].centre, (25.0, 15.0)), "{found:?}");
        let of = |centre| found.iter().find(|f| near(f.centre, centre)).unwrap();
        // 1.25 standard deviations to each side: of one cell, and of two side by side.
        let side = |variance: f64| 2.0 * 1.25 * 10.0 * variance.sqrt();
        let (one, two) = (of((25.0, 15.0)).bounds, of((60.0, 45.0)).bounds);
        assert!((one.width - side(1.0 / 12.0)).abs() < 1e-2 && (one.height - one.width).abs() < 1e-2);
        assert!((two.width - side(1.0 / 12.0 + 0.25)).abs() < 1e-2, "{two:?}");
        assert!((two.height - side(1.0 / 12.0)).abs() < 1e-2, "{two:?}");
        assert!(found.iter().all(|f| f.kind == LesionKind::Mass));
    }

    #[test]
    fn what_lies_outside_the_breast_or_below_the_least_score_is_no_finding() {
        assert!(find(&map(TWO), &breast(false), &FindingRule::new(0.1, 20)).is_empty());
        assert!(find(&map(TWO), &breast(true), &FindingRule::new(0.99, 20)).is_empty());
        let one = FindingRule { max_findings: 1, ..FindingRule::new(0.1, 20) };
        assert_eq!(find(&map(TWO), &breast(true), &one).len(), 1);
    }

    #[test]
    fn depth_is_counted_from_the_chest_wall_on_either_side() {
        let left = breast(true);
        assert_eq!(left.relative(20.0, 15.0), [0.25, 0.25]);
        let right = BreastFrame { wall_left: false, ..left };
        assert_eq!(right.relative(20.0, 15.0), [0.75, 0.25]);
    }
}
