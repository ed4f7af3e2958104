//! Initial weights, determined by the run's seed.
//!
//! Each tensor draws from a random stream named by its path, so its initial values do not depend on the device, on
//! other tensors or on the order of construction.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use mammo_core::seed;
use rand_distr::{Distribution, Normal, Uniform};

use crate::networks::state::PathStack;

/// Initialises the weights of a newly built network.
///
/// Convolution kernels: normal with variance `2 / fan_in` (He et al. 2015, arXiv 1502.01852);
/// linear layers: uniform within `1 / sqrt(fan_in)`, scaled down on the last layer (`head`) so
/// that the first loss is `ln(classes)`; biases zero; batch norm as built (scale 1, shift 0).
pub fn initialise<M: Module>(module: M, run_seed: u64) -> M {
    module.map(&mut Initialiser { run_seed, path: PathStack::default() })
}

struct Initialiser {
    run_seed: u64,
    path: PathStack,
}

impl ModuleMapper for Initialiser {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.to_string();
        let (device, dims) = (param.val().device(), param.dims());
        let mut rng = seed::stream(self.run_seed, &format!("init {path}"), 0);
        let n: usize = dims.iter().product();
        let values: Option<Vec<f32>> = if path.ends_with("bias") {
            Some(vec![0.0; n])
        } else if D == 4 {
            let fan_in = (dims[1] * dims[2] * dims[3]) as f32;
            // A positive, finite standard deviation is always a valid normal distribution.
            Normal::new(0.0, (2.0 / fan_in).sqrt()).ok().map(|d| (0..n).map(|_| d.sample(&mut rng)).collect())
        } else if D == 2 {
            let scale = if path.starts_with("head") { 0.1 } else { 1.0 };
            let bound = scale / (dims[0] as f32).sqrt();
            Uniform::new(-bound, bound).ok().map(|d| (0..n).map(|_| d.sample(&mut rng)).collect())
        } else {
            None
        };
        match values {
            Some(values) => {
                let learns = param.val().is_require_grad();
                param.map(|_| {
                    Tensor::from_data(TensorData::new(values, dims), &device).set_require_grad(learns)
                })
            }
            None => param,
        }
    }
}
