//! A field of `f32` values over the image plane, with drawing functions in millimetres.

use super::frame::{Frame, Point};

/// One value per pixel.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// Its raster.
    pub frame: Frame,
    /// Row-major values.
    pub values: Vec<f32>,
}

impl Canvas {
    /// All zero.
    pub fn zeros(frame: Frame) -> Self {
        Self { frame, values: vec![0.0; frame.width_px * frame.height_px] }
    }

    /// Adds a Gaussian spot whose peak is `peak`.
    ///
    /// A spot finer than a pixel is widened to the pixel size and its peak is reduced so that the
    /// integral is unchanged, but not below `min_share` of the peak: at 0.8 mm per pixel a real
    /// microcalcification would be invisible in the noise.
    pub fn add_spot(&mut self, centre: Point, sigma_mm: f32, peak: f32, min_share: f32) {
        let finest = 0.45 * self.frame.spacing_mm;
        let sigma = sigma_mm.hypot(finest);
        let share = (sigma_mm / sigma).powi(2).max(min_share);
        self.add_gaussian(centre, sigma, peak * share);
    }

    /// Adds a line with a Gaussian cross-section, swelling or tapering from `sigma_mm.0` to
    /// `sigma_mm.1` and from `peak.0` to `peak.1`. Finer than a pixel it keeps its integral.
    pub fn add_line(&mut self, path: &[Point], sigma_mm: (f32, f32), peak: (f32, f32)) {
        let finest = 0.45 * self.frame.spacing_mm;
        let total: f32 = path.windows(2).map(|s| s[0].distance(s[1])).sum();
        let mut before = 0.0;
        for segment in path.windows(2) {
            let (a, b) = (segment[0], segment[1]);
            let length = a.distance(b);
            let step = 0.8 * sigma_mm.0.min(sigma_mm.1).hypot(finest);
            let n_spots = (length / step).ceil().max(1.0) as usize;
            for i in 0..n_spots {
                let t = (i as f32 + 0.5) / n_spots as f32;
                let along = (before + t * length) / total.max(1e-6);
                let thin = sigma_mm.0 + along * (sigma_mm.1 - sigma_mm.0);
                let sigma = thin.hypot(finest);
                let height = (peak.0 + along * (peak.1 - peak.0)) * thin / sigma;
                // Spots at this spacing add up to a smooth line of the wanted height.
                let share = length / n_spots as f32 / (sigma * (2.0 * std::f32::consts::PI).sqrt());
                let centre = Point { x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y) };
                self.add_gaussian(centre, sigma, height * share);
            }
            before += length;
        }
    }

    /// Adds the projection of an ellipsoid: `peak` at the centre, zero from the rim on. Finer
    /// than a pixel it keeps half of its peak at least, as [`add_spot`](Self::add_spot) would.
    pub fn add_ellipsoid(&mut self, centre: Point, radii_mm: (f32, f32), angle_rad: f32, peak: f32) {
        let finest = 0.6 * self.frame.spacing_mm;
        let (long, short) = (radii_mm.0.max(finest), radii_mm.1.max(finest));
        let share = (radii_mm.0 * radii_mm.1 / (long * short)).max(0.5);
        let (sin, cos) = angle_rad.sin_cos();
        let (columns, rows) = self.frame.around(centre, long.max(short));
        for row in rows {
            for column in columns.clone() {
                let (dx, dy) =
                    (self.frame.centre_mm(column) - centre.x, self.frame.centre_mm(row) - centre.y);
                let along = (cos * dx + sin * dy) / long;
                let across = (cos * dy - sin * dx) / short;
                let inside = 1.0 - along * along - across * across;
                if inside > 0.0 {
                    self.values[row * self.frame.width_px + column] += peak * share * inside.sqrt();
                }
            }
        }
    }

    fn add_gaussian(&mut self, centre: Point, sigma_mm: f32, peak: f32) {
        let (columns, rows) = self.frame.around(centre, 3.0 * sigma_mm);
        let bell = |i: usize, at: f32| (-0.5 * ((self.frame.centre_mm(i) - at) / sigma_mm).powi(2)).exp();
        let across: Vec<f32> = columns.clone().map(|x| bell(x, centre.x)).collect();
        for y in rows {
            let height = peak * bell(y, centre.y);
            let start = y * self.frame.width_px + columns.start;
            for (value, bell) in self.values[start..].iter_mut().zip(&across) {
                *value += height * bell;
            }
        }
    }

    /// Smooths with a Gaussian, edges repeated. Below a third of a pixel nothing is done.
    pub fn blurred(&self, sigma_mm: f32) -> Self {
        let sigma = sigma_mm / self.frame.spacing_mm;
        if sigma < 0.3 {
            return self.clone();
        }
        let radius = (3.0 * sigma).ceil() as usize;
        let mut taps: Vec<f32> =
            (0..=2 * radius).map(|i| (-0.5 * ((i as f32 - radius as f32) / sigma).powi(2)).exp()).collect();
        let sum: f32 = taps.iter().sum();
        taps.iter_mut().for_each(|tap| *tap /= sum);

        let (width, height) = (self.frame.width_px, self.frame.height_px);
        let mut across = vec![0.0; self.values.len()];
        let mut padded = vec![0.0; width + 2 * radius];
        for (from, to) in self.values.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
            padded[..radius].fill(from[0]);
            padded[radius..radius + width].copy_from_slice(from);
            padded[radius + width..].fill(from[width - 1]);
            for (tap, k) in taps.iter().zip(0..) {
                to.iter_mut().zip(&padded[k..]).for_each(|(to, from)| *to += tap * from);
            }
        }
        let mut values = vec![0.0; self.values.len()];
        for (y, to) in values.chunks_exact_mut(width).enumerate() {
            for (tap, k) in taps.iter().zip(0..) {
                let from = (y + k).saturating_sub(radius).min(height - 1) * width;
                to.iter_mut().zip(&across[from..]).for_each(|(to, from)| *to += tap * from);
            }
        }
        Self { frame: self.frame, values }
    }

    /// Mirrors left and right.
    pub fn mirror(&mut self) {
        self.values.chunks_exact_mut(self.frame.width_px).for_each(<[f32]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas(spacing_mm: f32) -> Canvas {
        let side = (40.0 / spacing_mm) as usize;
        Canvas::zeros(Frame { width_px: side, height_px: side, spacing_mm })
    }

    fn integral(canvas: &Canvas) -> f32 {
        canvas.values.iter().sum::<f32>() * canvas.frame.spacing_mm.powi(2)
    }

    #[test]
    fn a_fine_spot_and_a_fine_line_keep_their_integral_at_any_resolution() {
        let path = [Point { x: 8.0, y: 10.0 }, Point { x: 20.0, y: 26.0 }, Point { x: 30.0, y: 26.0 }];
        for spacing_mm in [0.2, 0.4, 0.8] {
            let mut spot = canvas(spacing_mm);
            spot.add_spot(Point { x: 20.1, y: 19.7 }, 0.2, 1.0, 0.0);
            let expected = 2.0 * std::f32::consts::PI * 0.2 * 0.2;
            assert!((integral(&spot) / expected - 1.0).abs() < 0.05, "{} mm", spacing_mm);

            let mut line = canvas(spacing_mm);
            line.add_line(&path, (0.3, 0.3), (1.0, 1.0));
            let expected = 30.0 * 0.3 * (2.0 * std::f32::consts::PI).sqrt();
            assert!((integral(&line) / expected - 1.0).abs() < 0.05, "{} mm", spacing_mm);
        }
    }

    #[test]
    fn a_share_keeps_a_fine_spot_visible() {
        let mut spot = canvas(0.8);
        spot.add_spot(Point { x: 20.4, y: 20.4 }, 0.1, 1.0, 0.5);
        let peak = spot.values.iter().copied().fold(0.0, f32::max);
        assert!((0.45..=0.5).contains(&peak), "peak {peak}");
    }

    #[test]
    fn smoothing_keeps_the_mean_of_a_flat_field_and_the_sum_of_a_spot() {
        let mut flat = canvas(0.5);
        flat.values.fill(3.0);
        assert!(flat.blurred(2.0).values.iter().all(|v| (v - 3.0).abs() < 1e-4));
        let mut spot = canvas(0.5);
        spot.add_spot(Point { x: 20.0, y: 20.0 }, 1.0, 1.0, 0.0);
        assert!((integral(&spot.blurred(2.0)) / integral(&spot) - 1.0).abs() < 0.02);
    }
}
