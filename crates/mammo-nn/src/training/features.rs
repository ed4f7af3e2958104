//! Computes the trunk's features of a batch: with its layers if the trunk is trained; with a compiled plan on the CPU
//! if it is frozen, that is in stages that train the top alone and in validation.
//!
//! A plan is compiled as for prediction: it keeps no activations for gradients, and batch norms are folded.

use burn::tensor::{Device, Tensor};

use crate::cpu;
use crate::inference::plan::Plan;
use crate::networks::precision::Precision;
use crate::networks::trunk::Trunk;
use crate::training::batches::Batch;

/// Computes the trunk's features.
pub struct Features {
    /// The compiled trunk; `None` to use its layers.
    plan: Option<Plan>,
    precision: Precision,
}

impl Features {
    /// For a trunk that is trained.
    pub fn of_trained(precision: Precision) -> Self {
        Self { plan: None, precision }
    }

    /// For a frozen trunk, whose weights and statistics do not change.
    pub fn of_frozen(trunk: &Trunk, channels: usize, precision: Precision, device: &Device) -> Self {
        let plan = cpu::supports(device).then(|| trunk.plan(channels).0.build(precision));
        Self { plan, precision }
    }

    /// The features of a batch, whose channels are copies of one grey plane.
    ///
    /// # Shapes
    /// `[n, channels, h, w]` to `[n, c_out, rows, cols]`, in the precision of training.
    pub fn of(&self, trunk: &Trunk, batch: Batch, device: &Device) -> Tensor<4> {
        let [n, _, h, w] = batch.shape;
        match &self.plan {
            Some(plan) => self.precision.cast(plan.feature_map(&batch.grey(), [n, h, w], device)),
            None => trunk.forward_in(batch.images(device), self.precision),
        }
    }
}

#[cfg(test)]
mod tests {
    use mammo_core::seed::stream;
    use rand::RngExt;

    use super::*;
    use crate::networks::exam::Views;
    use crate::networks::init::initialise;
    use crate::networks::trunk::{Family, TrunkConfig};

    #[test]
    fn the_compiled_trunk_gives_what_its_layers_give() {
        let device = Device::flex();
        let mut rng = stream(1, "planes", 0);
        for channels in [1, 3] {
            let config =
                TrunkConfig { width: 0.125, stages: Some(3), channels, ..TrunkConfig::new(Family::Yaroslav) };
            let trunk = initialise(Trunk::new(&config, &device).unwrap(), 1);
            let planes: Vec<Vec<f32>> =
                (0..2).map(|_| (0..48 * 32).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
            let pixels: Vec<f32> = planes.iter().flat_map(|plane| plane.repeat(channels)).collect();
            let batch = || {
                let shape = [2, channels, 48, 32];
                Batch { pixels: pixels.clone(), classes: vec![0, 1], views: Views::single(2), shape }
            };
            for (precision, bound) in [(Precision::F32, 1e-4), (Precision::Bf16, 5e-2)] {
                let features = Features::of_frozen(&trunk, channels, precision, &device);
                assert!(features.plan.is_some());
                let wanted = trunk.forward(batch().images(&device));
                let got = features.of(&trunk, batch(), &device).cast(burn::tensor::DType::F32);
                let scale: f32 = wanted.clone().abs().max().into_scalar();
                let difference: f32 = (got - wanted).abs().max().into_scalar();
                assert!(scale > 0.0 && difference < bound * scale, "{channels} {precision:?}: {difference}");
            }
        }
    }
}
