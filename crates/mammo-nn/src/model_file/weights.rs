//! The number types in which a model file stores weights.

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::networks::state::NamedTensor;
use crate::stored_number::StoredNumber;

/// The number type in which a model file stores weights. All of them are read back as `f32`.
///
/// Two kinds of tensors are stored in `f32` under every choice. Those of one axis are the parameters and running
/// statistics of batch norms and the biases: a rounded variance would change every value of its channel. Small ones, with
/// less than a two-hundredth of the network's weights, are the first convolution, depthwise kernels and narrow layers:
/// each of their values has a part in many products. In an EfficientNet-Lite0 they are a twentieth of the weights, and
/// rounding them to F16 made nine tenths of the change of the scores (docs/models.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// 32 bits: what training computes. The default.
    #[default]
    F32,
    /// 16 bits with 11 significant ones; the largest value is 65504.
    F16,
    /// 16 bits with 8 significant ones, and the range of `f32`.
    Bf16,
}

/// Tensors with less than this part of the network's values are stored in `f32`.
const SMALL: usize = 200;

mammo_core::words!(Weights, F32: "f32", F16: "f16", Bf16: "bf16");

impl Weights {
    /// The narrowest type among the tensors of a file.
    pub(super) fn of_file(file: &SafeTensors) -> Self {
        let has = |dtype| file.iter().any(|(_, view)| view.dtype() == dtype);
        match (has(Dtype::BF16), has(Dtype::F16)) {
            (true, _) => Self::Bf16,
            (false, true) => Self::F16,
            (false, false) => Self::F32,
        }
    }

    /// The type of one tensor in the file of a network with `n_values` values.
    pub(super) fn of_tensor(self, tensor: &NamedTensor, n_values: usize) -> Dtype {
        match self {
            _ if tensor.shape.len() < 2 || tensor.values.len() < n_values / SMALL => Dtype::F32,
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
        }
    }

    /// The bytes of one tensor, rounded to the nearest value.
    ///
    /// # Errors
    /// A message that names the tensor, when a value is beyond the largest one of the type.
    pub(super) fn bytes(self, name: &str, tensor: &NamedTensor, n_values: usize) -> Result<Vec<u8>, String> {
        let values = tensor.values.iter();
        let (bytes, largest): (Vec<u8>, f64) = match self.of_tensor(tensor, n_values) {
            Dtype::F16 => {
                (values.flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(), f64::from(f16::MAX))
            }
            Dtype::BF16 => {
                (values.flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect(), f64::from(bf16::MAX))
            }
            _ => return Ok(values.flat_map(|v| v.to_le_bytes()).collect()),
        };
        let overflows = |v: &&f32| match self {
            Self::F16 => !f16::from_f32(**v).is_finite(),
            _ => !bf16::from_f32(**v).is_finite(),
        };
        match tensor.values.iter().find(overflows) {
            None => Ok(bytes),
            Some(value) => Err(format!(
                "tensor '{name}' holds {value:e}, and the largest value of {self} is {largest:e}"
            )),
        }
    }
}

/// A tensor of a model file as `f32`; its values must be finite.
pub(super) fn finite_f32(name: &str, view: &TensorView) -> Result<NamedTensor, String> {
    let values = match (view.dtype(), StoredNumber::of(view.dtype())) {
        (Dtype::F32 | Dtype::F16 | Dtype::BF16, Some(number)) => number.values(view.data()),
        (other, _) => return Err(format!("tensor '{name}' is {other:?}, not F32, F16 or BF16")),
    };
    match values.iter().all(|v| v.is_finite()) {
        true => Ok(NamedTensor { shape: view.shape().to_vec(), values }),
        false => Err(format!("tensor '{name}' holds a value that is not finite")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], values: &[f32]) -> NamedTensor {
        NamedTensor { shape: shape.to_vec(), values: values.to_vec() }
    }

    fn there_and_back(weights: Weights, tensor: &NamedTensor) -> Result<NamedTensor, String> {
        let n_values = tensor.values.len();
        let bytes = weights.bytes("t", tensor, n_values)?;
        let view =
            TensorView::new(weights.of_tensor(tensor, n_values), tensor.shape.clone(), &bytes).unwrap();
        finite_f32("t", &view)
    }

    #[test]
    fn kernels_are_rounded_to_the_nearest_value_and_vectors_are_kept() {
        let values = [1.0 + 1.0 / 1024.0, 0.1, -3.0, 1e-30];
        let kernel = tensor(&[2, 2], &values);
        assert_eq!(there_and_back(Weights::F32, &kernel).unwrap(), kernel);
        let half = there_and_back(Weights::F16, &kernel).unwrap();
        assert_eq!(half, tensor(&[2, 2], &[values[0], 0.099_975_586, -3.0, 0.0]));
        let brain = there_and_back(Weights::Bf16, &kernel).unwrap();
        assert_eq!(brain.values[..3], [1.0, 0.100_097_656, -3.0]);
        assert!((brain.values[3] / 1e-30 - 1.0).abs() < 0.004);
        // Small beside a network of a thousand values.
        for weights in Weights::ALL {
            assert_eq!(weights.of_tensor(&kernel, 1000), Dtype::F32);
        }
        let vector = tensor(&[4], &values);
        for weights in Weights::ALL {
            assert_eq!(there_and_back(weights, &vector).unwrap(), vector);
        }
    }

    #[test]
    fn a_value_beyond_the_largest_one_is_refused_by_the_name_of_its_tensor() {
        let kernel = |value| tensor(&[1, 1], &[value]);
        assert!(there_and_back(Weights::F16, &kernel(65_504.0)).is_ok());
        let error = there_and_back(Weights::F16, &kernel(-70_000.0)).unwrap_err();
        assert_eq!(error, "tensor 't' holds -7e4, and the largest value of f16 is 6.5504e4");
        assert!(there_and_back(Weights::Bf16, &kernel(70_000.0)).is_ok());
        let error = there_and_back(Weights::Bf16, &kernel(f32::MAX)).unwrap_err();
        assert!(error.contains("the largest value of bf16"), "{error}");
        assert!(there_and_back(Weights::F16, &tensor(&[1], &[70_000.0])).is_ok());
    }
}
