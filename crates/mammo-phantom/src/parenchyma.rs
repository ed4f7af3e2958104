//! Fibroglandular tissue: distribution, texture and fibrous strands.

use rand::RngExt;

use super::breast::{Breast, normal};
use super::canvas::Canvas;
use super::frame::{Frame, Point};
use super::noise::Noise;
use super::projection::Projection;
use super::tissue::smooth_step;
use mammo_core::seed::Rng;

/// Distribution and texture of parenchyma in one view.
pub struct Parenchyma<'a> {
    breast: &'a Breast,
    projection: &'a Projection,
    islands: Noise,
    mottle: Noise,
    lobes: Noise,
    trabeculae: Noise,
    ducts: Noise,
    /// Largest share of the ray inside parenchyma.
    fullness: f32,
    /// Width of a trabecula relative to its noise's unit, and its contrast, for this pixel size.
    trabecula: (f32, f32),
    tilt_rad: f32,
    reach: f32,
}

impl<'a> Parenchyma<'a> {
    /// Draws the fields of one view.
    pub fn new(breast: &'a Breast, projection: &'a Projection, frame: Frame, rng: &mut Rng) -> Self {
        let finest_mm = 2.0 * frame.spacing_mm;
        let (width, pixel) = (0.20_f32, 0.19 * frame.spacing_mm);
        Self {
            breast,
            projection,
            islands: Noise::power_law(rng, 64.0, finest_mm.max(2.0)),
            lobes: Noise::power_law(rng, 28.0, finest_mm.max(2.0)),
            mottle: Noise::power_law(rng, 12.0, finest_mm),
            trabeculae: Noise::single(rng, 17.0),
            ducts: Noise::single(rng, 9.0),
            fullness: 0.36 + 0.09 * f32::from(breast.density),
            trabecula: (width.hypot(pixel), width / width.hypot(pixel)),
            tilt_rad: 0.1 + 0.15 * normal(rng).clamp(-2.0, 2.0),
            reach: rng.random_range(0.38..0.55),
        }
    }

    /// Share of fibroglandular tissue along the ray through `p`.
    pub fn share(&self, p: Point, skin_mm: f32) -> f32 {
        let nipple = self.projection.nipple;
        let (dx, dy) = (nipple.x - p.x, nipple.y - p.y);
        let distance_mm = dx.hypot(dy);
        let angle = dy.atan2(dx.max(1.0)) - self.tilt_rad;
        let depth = distance_mm / self.breast.depth_mm;
        let off_centre = ((depth - 0.45) / self.reach).powi(2) + (angle / 0.85).powi(2);
        let mottle = self.mottle.at(p);
        // Coordinates stretched towards the nipple, where ducts and lobes converge.
        let polar = Point { x: 0.3 * distance_mm + 0.7 * mottle, y: 46.0 * angle };
        let islands = 0.44 * self.islands.at(p) + 0.35 * self.lobes.at(polar);
        let fat_mm = self.breast.subcutaneous_mm * (1.0 + 0.25 * islands);
        let under_skin = smooth_step(skin_mm, 0.5 * fat_mm, fat_mm + 9.0);
        let log_odds = self.breast.glandularity + 1.2 - 1.5 * off_centre + 1.5 * islands;
        let gland = self.fullness * under_skin / (1.0 + (-log_odds).exp());

        // Zero crossings of smooth noise are curved lines: septa between fat lobules, and, in
        // the stretched coordinates, ducts.
        let warped = Point { x: p.x + 1.2 * mottle, y: p.y + 2.0 * islands };
        let line = |n: f32| self.trabecula.1 * (-(n / self.trabecula.0).powi(2)).exp();
        let septa = line(self.trabeculae.at(warped)) * (0.05 + 0.08 * gland);
        let ducts = line(self.ducts.at(polar)) * (0.02 + 0.12 * gland) * (1.2 - depth).clamp(0.0, 1.0);
        let fine = (0.015 + 0.053 * gland) * mottle;
        gland + under_skin * (0.05 + 0.03 * islands + fine + septa + ducts)
    }
}

/// Fibrous strands: curved lines that radiate from the nipple or cross the breast, like Cooper's
/// ligaments and vessels.
pub fn draw_strands(breast: &Breast, projection: &Projection, frame: Frame, rng: &mut Rng) -> Canvas {
    let mut strands = Canvas::zeros(frame);
    for _ in 0..rng.random_range(45..90) {
        let start_mm = breast.depth_mm * rng.random_range(0.08..0.85);
        let mut at = projection.at_nipple_distance(start_mm, 0.55 * normal(rng));
        let towards_wall = std::f32::consts::PI + 0.8 * normal(rng);
        let (length_mm, bend) = (rng.random_range(12.0..55.0), 0.014 * normal(rng));
        let sigma = rng.random_range(0.18..0.55);
        let peak = rng.random_range(0.03..0.2);
        let mut path = vec![at];
        let mut heading = towards_wall;
        for _ in 0..(length_mm / 3.0) as usize {
            heading += 3.0 * bend + 0.08 * normal(rng);
            at = at.polar(3.0, heading);
            if projection.skin_mm(at) < 4.0 {
                break;
            }
            path.push(at);
        }
        strands.add_line(&path, (sigma, 0.6 * sigma), (peak, 0.3 * peak));
    }
    strands
}
