//! The number type of feature maps: the precision a network computes in, and the setting that asks for one.

use burn::tensor::{DType, Device, Tensor};
use mammo_kernels::isa::Isa;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, cpu};

/// Number type of activations and products; sums and statistics are always `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats everywhere.
    #[default]
    F32,
    /// bf16 operands, on the CPU only: about twice as fast where the processor multiplies pairs of bf16
    /// (`AVX512_BF16`).
    Bf16,
}

impl Precision {
    /// bf16 where this processor multiplies it, else `f32`.
    pub fn fastest() -> Self {
        if Isa::best().multiplies_bf16() { Self::Bf16 } else { Self::F32 }
    }

    /// The precision of maps with this number type.
    pub fn of_dtype(numbers: DType) -> Self {
        if numbers == DType::BF16 { Self::Bf16 } else { Self::F32 }
    }

    /// Converts a tensor to this number type; all maps computed from it have the same type.
    pub fn cast(self, tensor: Tensor<4>) -> Tensor<4> {
        match self {
            Self::F32 => tensor,
            Self::Bf16 => tensor.cast(DType::BF16),
        }
    }
}

/// The precision that a configuration asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// 32-bit floats everywhere.
    #[default]
    F32,
    /// bf16 maps, on the CPU only; slower than `f32` where the processor does not multiply bf16.
    Bf16,
    /// The faster one: bf16 on a CPU that multiplies it, `f32` on others and on GPUs.
    Auto,
}

impl PrecisionChoice {
    /// The precision on a device.
    ///
    /// # Errors
    /// [`Error::Network`] for bf16 elsewhere than on the CPU.
    pub fn on(self, device: &Device) -> Result<Precision> {
        match (self, cpu::supports(device)) {
            (Self::Bf16, false) => {
                Err(Error::network("precision", "bf16 on a GPU", "auto, f32, or the device `cpu`"))
            }
            (Self::Auto, true) => Ok(Precision::fastest()),
            (Self::Bf16, true) => Ok(Precision::Bf16),
            (Self::F32, _) | (Self::Auto, false) => Ok(Precision::F32),
        }
    }
}

/// The precision in which a model file must be used for prediction: a field of its card.
///
/// A network of few channels per kernel, such as an EfficientNet-Lite, can lose too much in bf16 (docs/models.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequiredPrecision {
    /// bf16 on a CPU that multiplies it, else `f32`.
    #[default]
    Auto,
    /// `f32` on every processor.
    F32,
}

mammo_core::words!(RequiredPrecision, Auto: "auto", F32: "f32");

impl RequiredPrecision {
    /// True for the default, which cards leave out.
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }

    /// The precision to compute in where `wanted` would be used.
    pub fn of(self, wanted: Precision) -> Precision {
        match self {
            Self::Auto => wanted,
            Self::F32 => Precision::F32,
        }
    }

    /// The same as a choice.
    pub fn choice(self) -> PrecisionChoice {
        match self {
            Self::Auto => PrecisionChoice::Auto,
            Self::F32 => PrecisionChoice::F32,
        }
    }

    /// What it means, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Auto => "auto: bf16 on a processor that multiplies it, else f32",
            Self::F32 => "f32 on every processor",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_bf16_where_the_kernels_multiply_its_pairs_and_f32_elsewhere() {
        let here = Device::flex();
        let expected = match crate::device::cpu_instructions() {
            "avx512bf16" => Precision::Bf16,
            "portable" | "neon" | "avx2" | "avx512" => Precision::F32,
            other => panic!("{other}: which precision is fastest there?"),
        };
        assert_eq!(PrecisionChoice::Auto.on(&here).unwrap(), expected);
        assert_eq!(PrecisionChoice::Bf16.on(&here).unwrap(), Precision::Bf16);
        assert_eq!(PrecisionChoice::F32.on(&here).unwrap(), Precision::F32);
    }
}
