//! The outline of a breast in one view: skin line, nipple, pectoral muscle.
//!
//! The CC view is half an ellipse against the chest wall; the MLO view reaches into the axilla
//! and shows the pectoral muscle as a triangle in the upper corner.

use std::f32::consts::FRAC_PI_2;

use rand::RngExt;

use super::breast::{Breast, normal};
use super::frame::{Frame, Point};
use mammo_core::record::View;
use mammo_core::seed::Rng;

/// A coordinate outside the image, where outlines are closed without a visible edge.
const FAR_MM: f32 = 60.0;

/// Radius of the fold between breast and abdomen.
const FOLD_MM: f32 = 9.0;

/// Outline of one breast in one view: signed distances to skin and to muscle.
#[derive(Clone, Debug)]
pub struct Projection {
    /// Which view.
    pub view: View,
    /// Position of the nipple on the skin line.
    pub nipple: Point,
    /// Signed distance from the skin line, positive inside.
    skin: DistanceGrid,
    /// Points where the pectoral muscle's edge meets the top and the chest wall, and its bulge.
    pectoral: Option<(Point, Point, f32)>,
}

impl Projection {
    /// The outline of `breast`, with a random positioning.
    pub fn draw(breast: &Breast, view: View, frame: Frame, rng: &mut Rng) -> Self {
        let centre = frame.height_mm() / 2.0;
        let (nipple, outline, pectoral) = match view {
            View::Cc => {
                let nipple = Point { x: breast.depth_mm, y: centre + 5.0 * normal(rng).clamp(-2.0, 2.0) };
                (nipple, cc_outline(breast, nipple, rng), None)
            }
            View::Mlo => {
                let nipple = Point { x: breast.depth_mm, y: centre + rng.random_range(12.0..32.0) };
                let (outline, axilla_mm) = mlo_outline(breast, nipple, frame, rng);
                let top = Point { x: axilla_mm * rng.random_range(0.62..0.92), y: 0.0 };
                let wall = Point { x: 0.0, y: nipple.y + rng.random_range(-42.0..4.0) };
                (nipple, outline, Some((top, wall, rng.random_range(-2.0..7.0))))
            }
        };
        Self { view, nipple, skin: DistanceGrid::new(frame, &outline), pectoral }
    }

    /// Distance from the skin line in millimetres, positive inside the breast.
    pub fn skin_mm(&self, p: Point) -> f32 {
        self.skin.at(p)
    }

    /// Distance from the edge of the pectoral muscle in millimetres, positive inside it.
    pub fn pectoral_mm(&self, p: Point) -> f32 {
        let Some((top, wall, bulge_mm)) = self.pectoral else { return f32::NEG_INFINITY };
        let (dx, dy) = (wall.x - top.x, wall.y - top.y);
        let length = dx.hypot(dy);
        let along = ((p.x - top.x) * dx + (p.y - top.y) * dy) / (length * length);
        let across = ((p.x - top.x) * dy - (p.y - top.y) * dx) / length;
        bulge_mm * (1.0 - (2.0 * along.clamp(0.0, 1.0) - 1.0).powi(2)) - across
    }

    /// The point at `distance_mm` from the nipple, `angle_rad` off the posterior nipple line (positive:
    /// lateral in the CC view, superior in the MLO view).
    pub fn at_nipple_distance(&self, distance_mm: f32, angle_rad: f32) -> Point {
        Point {
            x: self.nipple.x - distance_mm * angle_rad.cos(),
            y: self.nipple.y - distance_mm * angle_rad.sin(),
        }
    }
}

/// Half a super-ellipse against the chest wall.
fn cc_outline(breast: &Breast, nipple: Point, rng: &mut Rng) -> Vec<Point> {
    let roundness = rng.random_range(0.86..1.0);
    let skew = rng.random_range(-0.06..0.06);
    let mut outline = vec![Point { x: -FAR_MM, y: nipple.y - breast.half_height_mm }];
    outline.extend((-40..=40).map(|i| {
        let (sin, cos) = (FRAC_PI_2 * i as f32 / 40.0).sin_cos();
        let bulge = 1.0 + skew * sin * cos.abs();
        Point {
            x: breast.depth_mm * cos.max(0.0).powf(roundness) * bulge,
            y: nipple.y + breast.half_height_mm * sin.signum() * sin.abs().powf(roundness),
        }
    }));
    outline.push(Point { x: -FAR_MM, y: nipple.y + breast.half_height_mm });
    outline
}

/// The axilla above, the breast, and the fold and abdomen below; also the axilla's width.
fn mlo_outline(breast: &Breast, nipple: Point, frame: Frame, rng: &mut Rng) -> (Vec<Point>, f32) {
    let above_mm = breast.half_height_mm * rng.random_range(1.35..1.65);
    let below_mm = breast.half_height_mm * rng.random_range(0.72..0.86);
    let axilla_mm = breast.depth_mm * rng.random_range(0.46..0.62);
    let abdomen_mm = rng.random_range(-12.0..14.0_f32);
    let (slope, tail) = (rng.random_range(1.75..2.1), rng.random_range(1.0..1.25));
    let mut outline = vec![Point { x: -FAR_MM, y: -FAR_MM }, Point { x: axilla_mm, y: -FAR_MM }];
    outline.extend((0..=40).map(|i| {
        let up = (40 - i) as f32 / 40.0;
        let bulge = (1.0 - up.powf(slope)).powf(tail);
        Point { x: axilla_mm + (breast.depth_mm - axilla_mm) * bulge, y: nipple.y - above_mm * up }
    }));
    outline.extend((1..=40).map(|i| {
        let (sin, cos) = (FRAC_PI_2 * i as f32 / 40.0).sin_cos();
        let x = smooth_max(breast.depth_mm * cos.max(0.0).powf(0.95), abdomen_mm, FOLD_MM);
        Point { x, y: nipple.y + below_mm * sin }
    }));
    if abdomen_mm > 0.0 {
        outline.push(Point { x: abdomen_mm + 25.0, y: frame.height_mm() + FAR_MM });
    }
    outline.push(Point { x: -FAR_MM, y: nipple.y + below_mm + FAR_MM });
    (outline, axilla_mm)
}

/// The larger of two lengths, with the corner rounded over about `radius_mm`.
fn smooth_max(a: f32, b: f32, radius_mm: f32) -> f32 {
    0.5 * (a + b + (a - b).hypot(radius_mm))
}

/// Signed distance to a closed polygon, exact on a coarse grid and interpolated between: the
/// outline's curvature is small against the grid, so the error stays below 0.1 mm.
#[derive(Clone, Debug)]
struct DistanceGrid {
    columns: usize,
    rows: usize,
    values: Vec<f32>,
}

const GRID_MM: f32 = 3.0;

impl DistanceGrid {
    fn new(frame: Frame, polygon: &[Point]) -> Self {
        let cells = |length_mm: f32| (length_mm / GRID_MM).ceil() as usize + 2;
        let (columns, rows) = (cells(frame.width_mm()), cells(frame.height_mm()));
        let at = |i: usize| {
            let (column, row) = (i % columns, i / columns);
            signed_distance(polygon, Point { x: column as f32 * GRID_MM, y: row as f32 * GRID_MM })
        };
        Self { columns, rows, values: (0..columns * rows).map(at).collect() }
    }

    fn at(&self, p: Point) -> f32 {
        let x = (p.x / GRID_MM).clamp(0.0, (self.columns - 2) as f32);
        let y = (p.y / GRID_MM).clamp(0.0, (self.rows - 2) as f32);
        let (column, row) = (x as usize, y as usize);
        let (tx, ty) = (x - column as f32, y - row as f32);
        let corner = |dx: usize, dy: usize| self.values[(row + dy) * self.columns + column + dx];
        let top = corner(0, 0) + tx * (corner(1, 0) - corner(0, 0));
        let bottom = corner(0, 1) + tx * (corner(1, 1) - corner(0, 1));
        top + ty * (bottom - top)
    }
}

fn signed_distance(polygon: &[Point], p: Point) -> f32 {
    let mut distance = f32::MAX;
    let mut inside = false;
    for (i, &a) in polygon.iter().enumerate() {
        let b = polygon[(i + 1) % polygon.len()];
        distance = distance.min(p.distance_to_segment(a, b));
        if (a.y > p.y) != (b.y > p.y) && p.x < a.x + (p.y - a.y) / (b.y - a.y) * (b.x - a.x) {
            inside = !inside;
        }
    }
    if inside { distance } else { -distance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PhantomConfig;
    use mammo_core::seed::stream;

    #[test]
    fn the_distance_to_a_square_is_signed() {
        let corner = |x: f32, y: f32| Point { x, y };
        let square = [corner(0.0, 0.0), corner(10.0, 0.0), corner(10.0, 10.0), corner(0.0, 10.0)];
        assert!((signed_distance(&square, corner(5.0, 8.0)) - 2.0).abs() < 1e-5);
        assert!((signed_distance(&square, corner(13.0, 14.0)) + 5.0).abs() < 1e-5);
    }

    #[test]
    fn nipples_lie_on_the_skin_line_and_muscle_only_in_the_oblique_view() {
        let frame = Frame::new(&PhantomConfig::default());
        for index in 0..50 {
            let mut rng = stream(3, "outline", index);
            let breast = Breast::draw(&mut rng);
            for view in [View::Cc, View::Mlo] {
                let projection = Projection::draw(&breast, view, frame, &mut rng);
                let nipple = projection.nipple;
                assert!(projection.skin_mm(nipple).abs() < 1.0, "patient {index}, {view}");
                assert!(projection.skin_mm(Point { x: nipple.x - 20.0, ..nipple }) > 10.0);
                let muscle = projection.pectoral_mm(Point { x: 2.0, y: 2.0 }) > 0.0;
                assert_eq!(muscle, view == View::Mlo);
            }
        }
    }
}
