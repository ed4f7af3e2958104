//! Masses: an outline in polar coordinates, a thickness profile, and spicules.

use std::f32::consts::TAU;

use rand::RngExt;

use super::breast::normal;
use super::canvas::Canvas;
use super::frame::{Frame, Point};
use super::lesion::{Form, PlannedLesion};
use super::noise::Noise;
use mammo_core::seed::Rng;

const N_ANGLES: usize = 256;

/// A mass in one view.
pub struct Mass {
    centre: Point,
    /// Distance of the outline from the centre, by angle.
    outline_mm: Vec<f32>,
    /// Distance over which it fades at its margin.
    margin_mm: f32,
    contrast: f32,
    mottle: Noise,
    spicules: Vec<Spicule>,
}

struct Spicule {
    path: Vec<Point>,
    sigma_mm: f32,
    peak: f32,
}

impl Mass {
    /// The projection of `lesion` around `centre`.
    pub fn draw(lesion: &PlannedLesion, centre: Point, rng: &mut Rng) -> Self {
        let radius_mm = lesion.radius_mm * rng.random_range(0.93..1.07);
        let outline_mm = outline(lesion.form, radius_mm, rng);
        let margin_mm = match lesion.form {
            Form::Circumscribed => lesion.scale * rng.random_range(0.3..0.9),
            Form::Spiculated => radius_mm * rng.random_range(0.09..0.16),
            _ => radius_mm * rng.random_range(0.16..0.26),
        };
        let mut mass = Self {
            centre,
            outline_mm,
            margin_mm,
            contrast: lesion.contrast,
            mottle: Noise::power_law(rng, radius_mm, 1.0),
            spicules: Vec::new(),
        };
        if lesion.form == Form::Spiculated {
            mass.add_spicules(radius_mm, lesion.scale, rng);
        }
        mass
    }

    fn add_spicules(&mut self, radius_mm: f32, scale: f32, rng: &mut Rng) {
        let step_mm = 1.5 * scale;
        let n_spicules = rng.random_range(8..20);
        for _ in 0..n_spicules {
            let angle = rng.random_range(0.0..TAU);
            let rim_mm = self.rim_mm(angle);
            let length_mm = radius_mm * rng.random_range(0.5..1.2_f32).powi(2) + 2.0 * scale;
            let bend = 0.02 / scale * normal(rng);
            let (mut at, mut heading) = (self.centre.polar(0.8 * rim_mm, angle), angle);
            let mut path = vec![at];
            for _ in 0..((0.2 * rim_mm + length_mm) / step_mm) as usize {
                heading += step_mm * bend;
                at = at.polar(step_mm, heading);
                path.push(at);
            }
            let (sigma_mm, strength) = (scale * rng.random_range(0.3..0.75), rng.random_range(0.4..0.9));
            self.spicules.push(Spicule { path, sigma_mm, peak: strength * self.contrast });
        }
    }

    fn rim_mm(&self, angle_rad: f32) -> f32 {
        let turn = (angle_rad / TAU).rem_euclid(1.0) * N_ANGLES as f32;
        let (low, t) = (turn as usize % N_ANGLES, turn.fract());
        self.outline_mm[low] + t * (self.outline_mm[(low + 1) % N_ANGLES] - self.outline_mm[low])
    }

    /// Calls `visit(pixel index, distance from centre, distance of the rim)` around the mass.
    fn scan(&self, frame: Frame, mut visit: impl FnMut(usize, Point, f32, f32)) {
        let reach_mm = self.outline_mm.iter().copied().fold(0.0, f32::max) + 4.0 * self.margin_mm;
        let (columns, rows) = frame.around(self.centre, reach_mm);
        for row in rows {
            for column in columns.clone() {
                let p = Point { x: frame.centre_mm(column), y: frame.centre_mm(row) };
                let angle = (p.y - self.centre.y).atan2(p.x - self.centre.x);
                visit(row * frame.width_px + column, p, p.distance(self.centre), self.rim_mm(angle));
            }
        }
    }

    /// Adds its attenuation; the mean inside its outline is the lesion's contrast for every form, so that
    /// forms differ only in shape.
    pub fn paint(&self, canvas: &mut Canvas) {
        let (mut profile, mut sum, mut n_inside) = (Vec::new(), 0.0, 0);
        self.scan(canvas.frame, |i, p, distance_mm, rim_mm| {
            let dome = (1.0 - (distance_mm / (rim_mm + self.margin_mm)).powi(2)).max(0.0).sqrt();
            let edge = 1.0 / (1.0 + ((distance_mm - rim_mm) / (0.5 * self.margin_mm)).exp());
            let height = edge * (0.4 + 0.6 * dome) * (1.0 + 0.07 * self.mottle.at(p));
            profile.push((i, height));
            if distance_mm <= rim_mm {
                sum += height;
                n_inside += 1;
            }
        });
        let scale = self.contrast * n_inside as f32 / sum.max(1e-6);
        profile.iter().for_each(|&(i, height)| canvas.values[i] += scale * height);
        for spicule in &self.spicules {
            let sigma = (spicule.sigma_mm, 0.4 * spicule.sigma_mm);
            canvas.add_line(&spicule.path, sigma, (spicule.peak, 0.35 * spicule.peak));
        }
    }

    /// Pixels inside its outline. Spicules beyond it are left out, as annotators do.
    pub fn mask(&self, frame: Frame) -> Vec<usize> {
        let mut inside = Vec::new();
        self.scan(frame, |i, _, distance_mm, rim_mm| {
            if distance_mm <= rim_mm {
                inside.push(i);
            }
        });
        inside
    }
}

/// An ellipse with harmonics added, scaled to the area of a disc of `radius_mm`.
fn outline(form: Form, radius_mm: f32, rng: &mut Rng) -> Vec<f32> {
    let (stretch, harmonics, strength) = match form {
        Form::Circumscribed => (rng.random_range(1.0..1.6_f32), 2..5, rng.random_range(0.01..0.08)),
        _ => (rng.random_range(1.0..1.45_f32), 2..11, 0.11),
    };
    let waves: Vec<(f32, f32, f32)> = harmonics
        .map(|k| (k as f32, strength * normal(rng) / (k as f32 / 2.0).powf(0.6), rng.random_range(0.0..TAU)))
        .collect();
    let turn = rng.random_range(0.0..TAU);
    let mut outline: Vec<f32> = (0..N_ANGLES)
        .map(|i| {
            let angle = TAU * i as f32 / N_ANGLES as f32;
            let (sin, cos) = (angle - turn).sin_cos();
            let ellipse = 1.0 / (cos * cos / stretch + sin * sin * stretch).sqrt();
            let wave: f32 = waves.iter().map(|(k, size, phase)| size * (k * angle + phase).cos()).sum();
            ellipse * (1.0 + wave).max(0.35)
        })
        .collect();
    let mean_square = outline.iter().map(|r| r * r).sum::<f32>() / N_ANGLES as f32;
    outline.iter_mut().for_each(|r| *r *= radius_mm / mean_square.sqrt());
    outline
}
