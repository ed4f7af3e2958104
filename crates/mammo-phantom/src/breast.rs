//! The breast: properties common to both projections.
//!
//! Drawn from a separate random stream, independent of lesions, so that size, thickness and density
//! carry no information about malignancy.

use rand::RngExt;
use rand_distr::StandardNormal;

use mammo_core::seed::Rng;

/// Share of patients in ACR density classes 1 to 4.
const DENSITY_SHARES: [f32; 4] = [0.15, 0.40, 0.32, 0.13];

/// Properties common to the projections of one breast. Lengths are of the compressed breast.
#[derive(Clone, Debug)]
pub struct Breast {
    /// ACR density class, 1 (fatty) to 4 (dense).
    pub density: u8,
    /// Chest wall to nipple.
    pub depth_mm: f32,
    /// Half of its extent along the chest wall in the CC view.
    pub half_height_mm: f32,
    /// Between the compression plates.
    pub thickness_mm: f32,
    /// Fat between skin and parenchyma.
    pub subcutaneous_mm: f32,
    /// Log-odds of parenchyma at the centre of the glandular cone; follows the density class.
    pub glandularity: f32,
}

impl Breast {
    /// The first breast of a patient.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut share = rng.random::<f32>();
        let mut density = 1;
        for class_share in &DENSITY_SHARES[..3] {
            share -= class_share;
            density += u8::from(share >= 0.0);
        }
        let size = normal(rng).clamp(-2.0, 2.0);
        Self {
            density,
            depth_mm: (106.0 + 16.0 * size + 5.0 * normal(rng)).clamp(72.0, 148.0),
            half_height_mm: (92.0 + 8.0 * size + 4.0 * normal(rng)).clamp(70.0, 110.0),
            thickness_mm: (52.0 + 8.0 * size - 2.5 * f32::from(density) + 4.0 * normal(rng))
                .clamp(28.0, 75.0),
            subcutaneous_mm: rng.random_range(5.0..12.0) - f32::from(density),
            glandularity: -3.3 + 1.2 * f32::from(density) + 0.25 * normal(rng).clamp(-2.0, 2.0),
        }
    }

    /// The other breast of the patient, similar to this one.
    pub fn contralateral(&self, rng: &mut Rng) -> Self {
        Self {
            depth_mm: self.depth_mm * (1.0 + 0.03 * normal(rng).clamp(-2.0, 2.0)),
            half_height_mm: self.half_height_mm * (1.0 + 0.03 * normal(rng).clamp(-2.0, 2.0)),
            glandularity: self.glandularity + 0.15 * normal(rng).clamp(-2.0, 2.0),
            ..self.clone()
        }
    }
}

/// A standard normal deviate.
pub fn normal(rng: &mut Rng) -> f32 {
    rng.sample(StandardNormal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mammo_core::seed::stream;

    #[test]
    fn all_four_density_classes_occur_and_dense_breasts_hold_more_parenchyma() {
        let breasts: Vec<_> = (0..400).map(|i| Breast::draw(&mut stream(4, "breast", i))).collect();
        let mean = |density: u8| {
            let of_class: Vec<_> = breasts.iter().filter(|b| b.density == density).collect();
            assert!(of_class.len() > 20, "class {density}: {}", of_class.len());
            of_class.iter().map(|b| b.glandularity).sum::<f32>() / of_class.len() as f32
        };
        assert!(mean(1) < mean(2) && mean(2) < mean(3) && mean(3) < mean(4));
    }
}
