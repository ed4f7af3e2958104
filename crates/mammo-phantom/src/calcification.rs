//! Groups of calcifications: grains, and the annotated outline around them.

use std::f32::consts::TAU;

use rand::RngExt;

use super::breast::normal;
use super::canvas::Canvas;
use super::frame::{Frame, Point};
use super::lesion::{Form, PlannedLesion};
use mammo_core::seed::Rng;

/// Share of its peak that a grain finer than a pixel keeps; see [`Canvas::add_spot`].
const MIN_SHARE: f32 = 0.5;

/// Distance between the outermost grains and the annotated outline.
const OUTLINE_MARGIN_MM: f32 = 1.5;

/// A group of calcifications in one view.
pub struct Calcifications {
    grains: Vec<Grain>,
    hull: Vec<Point>,
    outline_margin_mm: f32,
}

struct Grain {
    centre: Point,
    radii_mm: (f32, f32),
    angle_rad: f32,
    peak: f32,
    /// Whether its centre is lucent, as in a calcified rim.
    hollow: bool,
}

impl Calcifications {
    /// The projection of `lesion` around `centre`.
    pub fn draw(lesion: &PlannedLesion, centre: Point, rng: &mut Rng) -> Self {
        let outline_margin_mm = lesion.scale * OUTLINE_MARGIN_MM;
        let radius_mm = (lesion.radius_mm - outline_margin_mm).max(2.0 * lesion.scale);
        let mut places = match lesion.form {
            Form::Coarse => scattered(centre, radius_mm, rng.random_range(3..9), rng),
            Form::Punctate => scattered(centre, radius_mm, rng.random_range(6..15), rng),
            Form::Linear => along_duct(centre, radius_mm, rng.random_range(16..34), rng),
            _ => clustered(centre, radius_mm, rng.random_range(16..40), rng),
        };
        // The farthest grain marks the extent, whatever the form.
        let reach_mm = places.iter().map(|place| place.distance(centre)).fold(0.1, f32::max);
        for place in &mut places {
            place.x = centre.x + (place.x - centre.x) * radius_mm / reach_mm;
            place.y = centre.y + (place.y - centre.y) * radius_mm / reach_mm;
        }
        let grains: Vec<Grain> = places.into_iter().map(|place| Grain::draw(lesion, place, rng)).collect();
        let hull = convex_hull(grains.iter().map(|grain| grain.centre).collect());
        Self { grains, hull, outline_margin_mm }
    }

    /// Adds its attenuation.
    pub fn paint(&self, canvas: &mut Canvas) {
        for grain in &self.grains {
            let (long, short) = grain.radii_mm;
            if long < 0.45 {
                canvas.add_spot(grain.centre, 0.6 * (long * short).sqrt(), grain.peak, MIN_SHARE);
                continue;
            }
            canvas.add_ellipsoid(grain.centre, grain.radii_mm, grain.angle_rad, grain.peak);
            if grain.hollow {
                let lumen_mm = (0.62 * long, 0.62 * short);
                canvas.add_ellipsoid(grain.centre, lumen_mm, grain.angle_rad, -0.75 * grain.peak);
            }
        }
    }

    /// Pixels inside the convex hull of the grains, with a margin as in annotations.
    pub fn mask(&self, frame: Frame) -> Vec<usize> {
        let Some(&first) = self.hull.first() else { return Vec::new() };
        let reach_mm =
            self.hull.iter().map(|p| p.distance(first)).fold(0.0, f32::max) + self.outline_margin_mm;
        let (columns, rows) = frame.around(first, reach_mm);
        let mut inside = Vec::new();
        for row in rows {
            for column in columns.clone() {
                let p = Point { x: frame.centre_mm(column), y: frame.centre_mm(row) };
                if near_hull(&self.hull, self.outline_margin_mm, p) {
                    inside.push(row * frame.width_px + column);
                }
            }
        }
        inside
    }
}

impl Grain {
    fn draw(lesion: &PlannedLesion, centre: Point, rng: &mut Rng) -> Self {
        let form = lesion.form;
        let angle_rad = rng.random_range(0.0..TAU);
        let (long, aspect, strength) = match form {
            Form::Coarse => {
                (rng.random_range(0.7..1.8), rng.random_range(0.75..1.0), rng.random_range(0.6..1.0))
            }
            Form::Punctate => (rng.random_range(0.38..0.6), 1.0, rng.random_range(0.7..1.0)),
            _ => (rng.random_range(0.16..0.45), rng.random_range(0.4..1.0), rng.random_range(0.45..1.15)),
        };
        let hollow = form == Form::Coarse && long > 1.1 && rng.random_bool(0.4);
        let long = lesion.scale * long;
        Self { centre, radii_mm: (long, long * aspect), angle_rad, peak: strength * lesion.contrast, hollow }
    }
}

/// Uniform in a disc.
fn scattered(centre: Point, radius_mm: f32, n: usize, rng: &mut Rng) -> Vec<Point> {
    (0..n)
        .map(|_| centre.polar(radius_mm * rng.random_range(0.0_f32..1.0).sqrt(), rng.random_range(0.0..TAU)))
        .collect()
}

/// Density decreasing from the centre of an ellipse.
fn clustered(centre: Point, radius_mm: f32, n: usize, rng: &mut Rng) -> Vec<Point> {
    let (angle, flat) = (rng.random_range(0.0..TAU), rng.random_range(0.55..1.0));
    (0..n)
        .map(|_| {
            let (along, across) = (0.45 * normal(rng).clamp(-2.2, 2.2), 0.45 * normal(rng).clamp(-2.2, 2.2));
            centre.polar(radius_mm * along, angle).polar(radius_mm * flat * across, angle + TAU / 4.0)
        })
        .collect()
}

/// Along a curved line with one or two branches.
fn along_duct(centre: Point, radius_mm: f32, n: usize, rng: &mut Rng) -> Vec<Point> {
    let heading = rng.random_range(0.0..TAU);
    let (bow, fork) = (
        rng.random_range(-0.35..0.35),
        rng.random_range(0.35..0.7) * [-1.0, 1.0][rng.random_range(0..2_usize)],
    );
    (0..n)
        .map(|_| {
            let t = rng.random_range(-1.0..1.0_f32);
            let on_branch = t > 0.0 && rng.random_bool(0.5);
            let side = bow * t * t + if on_branch { fork * t } else { 0.0 };
            let jitter = 0.25 * normal(rng);
            centre.polar(radius_mm * t, heading).polar(radius_mm * side + jitter, heading + TAU / 4.0)
        })
        .collect()
}

/// Corners of the convex hull, by Andrew's monotone chain (1979).
fn convex_hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let half = |points: &mut dyn Iterator<Item = Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for p in points {
            while let [.., a, b] = chain[..] {
                if turn(a, b, p) > 0.0 {
                    break;
                }
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}

/// Twice the signed area of the triangle `a`, `b`, `c`.
fn turn(a: Point, b: Point, c: Point) -> f32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

fn near_hull(hull: &[Point], margin_mm: f32, p: Point) -> bool {
    let mut inside = hull.len() > 2;
    for (i, &a) in hull.iter().enumerate() {
        let b = hull[(i + 1) % hull.len()];
        if p.distance_to_segment(a, b) <= margin_mm {
            return true;
        }
        inside &= turn(a, b, p) >= 0.0;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hull_of_a_square_with_a_point_inside_is_the_square() {
        let p = |x: f32, y: f32| Point { x, y };
        let hull = convex_hull(vec![p(0.0, 0.0), p(8.0, 8.0), p(4.0, 5.0), p(8.0, 0.0), p(0.0, 8.0)]);
        assert_eq!(hull, [p(0.0, 0.0), p(8.0, 0.0), p(8.0, 8.0), p(0.0, 8.0)]);
        assert!(
            near_hull(&hull, OUTLINE_MARGIN_MM, p(4.0, 4.0))
                && near_hull(&hull, OUTLINE_MARGIN_MM, p(9.0, 4.0))
        );
        assert!(!near_hull(&hull, OUTLINE_MARGIN_MM, p(10.0, 4.0)));
    }
}
