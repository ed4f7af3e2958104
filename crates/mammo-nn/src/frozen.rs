//! A trunk that does not learn: while the top alone trains, and in validation.
//!
//! On the CPU it is compiled to a plan, as for prediction: nothing is kept for gradients, and norms
//! are folded away. Elsewhere, and where it learns, its layers compute.

use burn::tensor::{Device, Tensor};

use crate::batches::Batch;
use crate::cpu;
use crate::plan::{Plan, Precision};
use crate::trunk::Trunk;

/// How a trunk that does not learn is computed.
pub struct FrozenTrunk {
    plan: Option<Plan>,
    precision: Precision,
}

impl FrozenTrunk {
    /// Of a trunk with these weights and statistics.
    pub fn new(trunk: &Trunk, channels: usize, precision: Precision, device: &Device) -> Self {
        let plan = cpu::is_here(device).then(|| trunk.plan(channels).0.build(precision));
        Self { plan, precision }
    }

    /// The features of a batch, whose channels are copies of one grey plane.
    ///
    /// # Shapes
    /// `[n, channels, h, w]` to `[n, c_out, rows, cols]`, in the precision of training.
    pub fn features(&self, trunk: &Trunk, batch: &Batch, device: &Device) -> Tensor<4> {
        let [n, _, h, w] = batch.shape;
        match &self.plan {
            Some(plan) => self.precision.of(plan.feature_map(&batch.grey(), [n, h, w], device)),
            None => trunk.forward(self.precision.of(batch.images(device))),
        }
    }
}
