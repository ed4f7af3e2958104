//! Normal anatomy as X-ray attenuation: fat, parenchyma, ducts and ligaments, skin, nipple,
//! muscle and lymph nodes.
//!
//! Normal structures resemble lesions on purpose: parenchymal islands resemble masses, crossing strands
//! spicules, and nodes circumscribed masses.

use rand::RngExt;

use super::breast::{Breast, normal};
use super::canvas::Canvas;
use super::frame::{Frame, Point};
use super::noise::Noise;
use super::parenchyma::{Parenchyma, draw_strands};
use super::projection::Projection;
use mammo_core::record::View;
use mammo_core::seed::Rng;

/// Linear attenuation of adipose tissue per millimetre, near 20 keV.
pub const FAT_PER_MM: f32 = 0.046;

/// Additional linear attenuation of fibroglandular tissue relative to fat, per millimetre.
pub const GLAND_EXCESS_PER_MM: f32 = 0.030;

/// Depth over which skin is seen tangentially.
const SKIN_MM: f32 = 1.6;

/// One projection without lesions.
pub struct Tissue {
    /// Natural logarithm of incident over transmitted intensity.
    pub attenuation: Canvas,
    /// Share of fibroglandular tissue along the ray, 0 to 1.
    pub gland: Canvas,
    /// Length of the ray inside the breast in millimetres.
    pub thickness: Canvas,
}

impl Tissue {
    /// Draws the normal anatomy of one view.
    pub fn draw(breast: &Breast, projection: &Projection, frame: Frame, rng: &mut Rng) -> Self {
        let parenchyma = Parenchyma::new(breast, projection, frame, rng);
        let rim_mm = breast.thickness_mm * rng.random_range(0.32..0.5);
        let muscle = Noise::power_law(rng, 30.0, 2.0 * frame.spacing_mm);
        let muscle_mm = rng.random_range(11.0..20.0);
        let strands = draw_strands(breast, projection, frame, rng);

        let mut tissue = Self {
            attenuation: Canvas::zeros(frame),
            gland: Canvas::zeros(frame),
            thickness: Canvas::zeros(frame),
        };
        for row in 0..frame.height_px {
            let y = frame.centre_mm(row);
            for column in 0..frame.width_px {
                let p = Point { x: frame.centre_mm(column), y };
                let skin_mm = projection.skin_mm(p);
                // Share of the pixel that the breast covers, so that the skin line has no steps.
                let cover = (0.5 + skin_mm / frame.spacing_mm).clamp(0.0, 1.0);
                if cover == 0.0 {
                    continue;
                }
                let skin_mm = skin_mm.max(0.0);
                let i = row * frame.width_px + column;
                let roll_off = (1.0 - skin_mm / rim_mm).max(0.0);
                let thickness = breast.thickness_mm * (1.0 - roll_off * roll_off).sqrt();
                let depth_in_muscle = projection.pectoral_mm(p);
                let outside_muscle = smooth_step(-depth_in_muscle, -3.0, 6.0);
                let gland =
                    (parenchyma.share(p, skin_mm) * outside_muscle + strands.values[i]).clamp(0.0, 1.0);
                let skin = 0.22 * (-skin_mm / SKIN_MM).exp();
                let mut attenuation = thickness * (FAT_PER_MM + GLAND_EXCESS_PER_MM * gland) + skin;
                if depth_in_muscle > -2.0 {
                    let share = smooth_step(depth_in_muscle, -1.5, 1.5)
                        * (0.72 + 0.28 * smooth_step(depth_in_muscle, 0.0, 30.0));
                    // Muscle fibres run along its edge: the noise is stretched that way.
                    let along = Point { x: depth_in_muscle, y: 0.35 * (p.y - p.x) };
                    attenuation += GLAND_EXCESS_PER_MM * share * (muscle_mm + 0.9 * muscle.at(along));
                }
                tissue.attenuation.values[i] = cover * attenuation;
                tissue.gland.values[i] = gland;
                tissue.thickness.values[i] = cover * thickness;
            }
        }
        tissue.add_nipple(projection, rng);
        if projection.view == View::Mlo {
            tissue.add_lymph_nodes(projection, rng);
        }
        tissue.add_specks(projection, rng);
        tissue
    }

    /// Mean attenuation where the breast is fully compressed, as measured by automatic exposure control.
    pub fn reference_attenuation(&self) -> f32 {
        let full_mm = self.thickness.values.iter().copied().fold(0.0, f32::max);
        let (mut sum, mut n) = (0.0_f64, 0_usize);
        for (&value, &thickness) in self.attenuation.values.iter().zip(&self.thickness.values) {
            if thickness > 0.95 * full_mm && thickness > 0.0 {
                sum += f64::from(value);
                n += 1;
            }
        }
        (sum / n.max(1) as f64) as f32
    }

    /// Mirrors the view, for a right breast.
    pub fn mirror(&mut self) {
        [&mut self.attenuation, &mut self.gland, &mut self.thickness].into_iter().for_each(Canvas::mirror);
    }

    /// The nipple on the skin line; one in five is not in profile and is inside the breast, where it
    /// resembles a small mass.
    fn add_nipple(&mut self, projection: &Projection, rng: &mut Rng) {
        let radius_mm = rng.random_range(3.5..5.5);
        let inward_mm = if rng.random_bool(0.2) { rng.random_range(4.0..12.0) } else { 0.5 };
        let centre = Point { x: projection.nipple.x - inward_mm, y: projection.nipple.y + normal(rng) };
        self.attenuation.add_ellipsoid(centre, (radius_mm, radius_mm), 0.0, rng.random_range(0.15..0.32));
        // The areola thickens the skin behind it.
        self.attenuation.add_spot(Point { x: centre.x - 3.0, ..centre }, 6.0, 0.08, 0.0);
    }

    /// Oval nodes with a fatty hilum, over or beside the muscle of the axilla.
    fn add_lymph_nodes(&mut self, projection: &Projection, rng: &mut Rng) {
        let n_nodes = [0, 0, 0, 1, 1, 2][rng.random_range(0..6_usize)];
        for _ in 0..n_nodes {
            let long_mm = rng.random_range(4.0..8.5);
            let radii = (long_mm, long_mm * rng.random_range(0.5..0.7));
            let centre = Point { x: rng.random_range(6.0..50.0), y: rng.random_range(6.0..60.0) };
            if projection.skin_mm(centre) < long_mm + 6.0 {
                continue;
            }
            let (angle, height) = (rng.random_range(0.0..3.1), rng.random_range(0.12..0.28));
            self.attenuation.add_ellipsoid(centre, radii, angle, height);
            let hilum = centre.polar(0.35 * radii.1, angle + 1.57);
            self.attenuation.add_spot(hilum, 0.35 * radii.1, -0.6 * height, 0.0);
        }
    }

    /// A few single bright specks: vascular or skin calcifications, which are not annotated.
    fn add_specks(&mut self, projection: &Projection, rng: &mut Rng) {
        let n_specks = rng.random_range(1..7);
        for _ in 0..n_specks {
            let centre = projection.at_nipple_distance(rng.random_range(10.0..90.0), 0.5 * normal(rng));
            let (sigma, peak) = (rng.random_range(0.18..0.45), rng.random_range(0.15..1.5));
            if projection.skin_mm(centre) > 5.0 {
                self.attenuation.add_spot(centre, sigma, peak, 0.3);
            }
        }
    }
}

/// Rises smoothly from 0 at `from` to 1 at `to`.
pub fn smooth_step(x: f32, from: f32, to: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
