//! Gradient noise summed over octaves: the texture of parenchyma.
//!
//! Mammographic parenchyma has a power spectrum close to `1 / f^3` (Burgess, Jacobson and
//! Judy 2001, Medical Physics 28:419). In two dimensions an octave of such a spectrum holds
//! half the variance of the octave before it. Octaves are defined in millimetres and limited by the
//! Nyquist frequency of the pixels: a coarser image of the same seed lacks only the finest octaves.

use rand::RngExt;

use super::frame::Point;
use mammo_core::seed::Rng;

/// Standard deviation of [`Octave`]'s raw sum; the test below measures it.
const RAW_SD: f32 = 0.1762;

/// Enough to reach 0.1 mm from 100 mm.
const MAX_OCTAVES: usize = 10;

/// Smooth noise of one wavelength.
struct Octave {
    seed: u32,
    amplitude: f32,
    /// Lattice cells per millimetre along the turned axes; the turn hides the lattice.
    cos: f32,
    sin: f32,
}

impl Octave {
    fn at(&self, p: Point) -> f32 {
        let (x, y) = (self.cos * p.x - self.sin * p.y, self.sin * p.x + self.cos * p.y);
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = (x - x0, y - y0);
        let (ix, iy) = (x0 as i32, y0 as i32);
        let corner = |dx: i32, dy: i32| {
            let hash = scramble(ix.wrapping_add(dx), iy.wrapping_add(dy), self.seed);
            let component = |bits: u32| (bits & 0xffff) as f32 * (1.0 / 32768.0) - 1.0;
            component(hash) * (fx - dx as f32) + component(hash >> 16) * (fy - dy as f32)
        };
        let fade = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
        let (wx, wy) = (fade(fx), fade(fy));
        let top = corner(0, 0) + wx * (corner(1, 0) - corner(0, 0));
        let bottom = corner(0, 1) + wx * (corner(1, 1) - corner(0, 1));
        (top + wy * (bottom - top)) * self.amplitude
    }
}

/// Hash of lattice coordinates.
fn scramble(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed;
    h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
    h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// A random field of zero mean and, summed to infinitely fine octaves, unit variance.
pub struct Noise {
    octaves: Vec<Octave>,
}

impl Noise {
    /// At most [`MAX_OCTAVES`] octaves from `longest_mm` down to `shortest_mm`, each with half the variance of the one
    /// before it.
    pub fn power_law(rng: &mut Rng, longest_mm: f32, shortest_mm: f32) -> Self {
        let mut octaves = Vec::new();
        let (mut wavelength_mm, mut variance) = (longest_mm, 0.5_f32);
        for _ in 0..MAX_OCTAVES {
            // Drawn even when left out, so that the random stream is the same at every resolution.
            let finer = octave(rng, wavelength_mm, variance);
            if wavelength_mm >= shortest_mm {
                octaves.push(finer);
            }
            wavelength_mm /= 2.0;
            variance /= 2.0;
        }
        Self { octaves }
    }

    /// One wavelength only, unit variance.
    pub fn single(rng: &mut Rng, wavelength_mm: f32) -> Self {
        Self { octaves: vec![octave(rng, wavelength_mm, 1.0)] }
    }

    /// Its value at a point.
    pub fn at(&self, p: Point) -> f32 {
        self.octaves.iter().map(|octave| octave.at(p)).sum()
    }
}

fn octave(rng: &mut Rng, wavelength_mm: f32, variance: f32) -> Octave {
    let (sin, cos) = rng.random_range(0.0..std::f32::consts::TAU).sin_cos();
    Octave {
        seed: rng.random(),
        amplitude: variance.sqrt() / RAW_SD,
        // A wavelength spans about two lattice cells.
        cos: 2.0 * cos / wavelength_mm,
        sin: 2.0 * sin / wavelength_mm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mammo_core::seed::stream;

    fn variance(noise: &Noise, side: usize, step_mm: f32) -> f32 {
        let at =
            |i: usize| noise.at(Point { x: (i % side) as f32 * step_mm, y: (i / side) as f32 * step_mm });
        let n = (side * side) as f32;
        let mean = (0..side * side).map(at).sum::<f32>() / n;
        (0..side * side).map(|i| (at(i) - mean).powi(2)).sum::<f32>() / n
    }

    #[test]
    fn one_wavelength_has_unit_variance() {
        let found = variance(&Noise::single(&mut stream(1, "noise", 0), 10.0), 300, 3.3);
        assert!((found - 1.0).abs() < 0.05, "variance {found}");
    }

    #[test]
    fn the_structure_function_is_that_of_a_cubed_spectrum() {
        // For a power spectrum 1 / f^3 the mean squared difference of two points grows
        // linearly with their distance.
        let noise = Noise::power_law(&mut stream(2, "noise", 0), 100.0, 0.1);
        let difference = |lag_mm: f32| {
            let at = |i: usize| Point { x: (i % 200) as f32 * 5.3, y: (i / 200) as f32 * 5.3 };
            let square = |p: Point| (noise.at(Point { x: p.x + lag_mm, ..p }) - noise.at(p)).powi(2);
            (0..40_000).map(|i| square(at(i))).sum::<f32>() / 40_000.0
        };
        let slope = (difference(8.0) / difference(1.0)).ln() / 8.0_f32.ln();
        assert!((slope - 1.0).abs() < 0.15, "exponent {slope}");
    }
}
