//! Differences between frameworks in networks of the same name, as data.
//!
//! ResNet50 of torchvision and of Keras have the same layers but cannot share weights: the stride is in another
//! convolution, windows are padded on another side, batch norms use another epsilon. A model file states which
//! convention applies; nothing is assumed.
//!
//! | | torchvision | Keras applications | Keras 2.0 (the paper's) |
//! |---|---|---|---|
//! | stride of a bottleneck in | 3x3 | first 1x1 | first 1x1 |
//! | padding of strided convolutions | half the kernel | same | same |
//! | padding of the first pool | half | half | none |
//! | epsilon of batch norms | 1e-5 | 1.001e-5 | 1e-3 |
//! | momentum of batch norms | 0.1 | 0.01 | 0.01 |
//! | bias before a batch norm | no | yes | yes |
//!
//! EfficientNet-Lite has the padding of Keras and norms of its own ([`Conventions::efficientnet_lite`]).

use mammo_kernels::conv::{ConvShape, Pad};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Padding of the border: with zeros for convolutions, with minus infinity for max pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Half the kernel on each side (PyTorch, Caffe).
    #[default]
    Half,
    /// As much as `ceil(n / stride)` outputs need; an odd row is added at the bottom and an odd column on the right
    /// (TensorFlow, `SAME_UPPER` in ONNX). Equal to `Half` at stride 1.
    Same,
    /// None.
    Valid,
}

impl Padding {
    /// Number of outputs along an axis of `n` inputs; zero when the window does not fit.
    pub fn n_out(self, n: usize, kernel: usize, stride: usize) -> usize {
        let fits = |n: usize| if n < kernel { 0 } else { (n - kernel) / stride + 1 };
        match self {
            Self::Half => fits(n + 2 * (kernel / 2)),
            Self::Same => n.div_ceil(stride),
            Self::Valid => fits(n),
        }
    }

    /// `Half` where a convolution's padding makes no difference, so that equivalent layers compare equal.
    pub fn simplest(self, kernel: usize, stride: usize) -> Self {
        match self {
            _ if kernel == 1 => Self::Half,
            Self::Same if stride == 1 => Self::Half,
            other => other,
        }
    }

    /// Padding of a map of `[rows, columns]` under a square window.
    pub fn of_map(self, [rows, columns]: [usize; 2], kernel: usize, stride: usize) -> Pad {
        let of_axis = |n: usize| match self {
            Self::Half => (kernel / 2, kernel / 2),
            Self::Same => {
                let total = ((n.div_ceil(stride) - 1) * stride + kernel).saturating_sub(n);
                (total / 2, total - total / 2)
            }
            Self::Valid => (0, 0),
        };
        let ((top, bottom), (left, right)) = (of_axis(rows), of_axis(columns));
        Pad { top, bottom, left, right }
    }
}

/// Kernel size, stride and padding of a convolution or a pooling layer, whatever the size of its input.
#[derive(Clone, Copy, Debug)]
pub struct KernelGeometry {
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// How the border is filled.
    pub padding: Padding,
}

impl KernelGeometry {
    /// The shape of the layer on a feature map `[n, h, w, c_in]`, with `c_out` output channels.
    pub(crate) fn on_map(self, [n, h, w, c_in]: [usize; 4], c_out: usize) -> ConvShape {
        let Self { kernel, stride, padding } = self;
        ConvShape { n, h, w, c_in, c_out, kernel, stride, pad: padding.of_map([h, w], kernel, stride) }
    }
}

/// The convolution of a bottleneck block that has the stride of 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrideOn {
    /// The 3x3 in the middle (torchvision).
    #[default]
    Middle,
    /// The first 1x1 (He et al. 2016, Keras); skips three quarters of its input.
    First,
}

/// The conventions of one part of a network; by default those of torchvision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conventions {
    /// The convolution of a bottleneck that has the stride.
    pub stride_on: StrideOn,
    /// Padding of the first, 7x7 convolution of a ResNet.
    pub stem_padding: Padding,
    /// Padding of the 3x3 pool after it.
    pub stem_pool_padding: Padding,
    /// Padding of all other convolutions; it matters at stride 2.
    pub padding: Padding,
    /// Added to the variance by batch norms.
    pub norm_epsilon: f64,
    /// Weight of a new batch in the running statistics (1 minus Keras' `momentum`).
    pub norm_momentum: f64,
    /// Whether convolutions before a batch norm have a bias.
    pub bias_before_norm: bool,
}

impl Default for Conventions {
    fn default() -> Self {
        Self {
            stride_on: StrideOn::Middle,
            stem_padding: Padding::Half,
            stem_pool_padding: Padding::Half,
            padding: Padding::Half,
            norm_epsilon: 1e-5,
            norm_momentum: 0.1,
            bias_before_norm: false,
        }
    }
}

impl Conventions {
    /// The conventions of `keras.applications`.
    pub fn keras() -> Self {
        Self {
            stride_on: StrideOn::First,
            padding: Padding::Same,
            norm_epsilon: 1.001e-5,
            norm_momentum: 0.01,
            bias_before_norm: true,
            ..Self::default()
        }
    }

    /// The conventions of Keras 2.0, with which the paper's networks were made: its defaults in batch norms, and a
    /// first pool without padding.
    pub fn keras_2_0() -> Self {
        Self { stem_pool_padding: Padding::Valid, norm_epsilon: 1e-3, ..Self::keras() }
    }

    /// The conventions of EfficientNet-Lite as Google trained it.
    pub fn efficientnet_lite() -> Self {
        Self {
            stem_padding: Padding::Same,
            padding: Padding::Same,
            norm_epsilon: 1e-3,
            norm_momentum: 0.01,
            ..Self::default()
        }
    }

    /// Checks that batch norms accept the numbers.
    ///
    /// # Errors
    /// [`Error::Network`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let (epsilon, momentum) = (self.norm_epsilon, self.norm_momentum);
        if !(epsilon.is_finite() && epsilon > 0.0 && epsilon < 1.0) {
            return Err(Error::network("conventions.norm_epsilon", epsilon.to_string(), "between 0 and 1"));
        }
        if !(momentum.is_finite() && (0.0..=1.0).contains(&momentum)) {
            return Err(Error::network("conventions.norm_momentum", momentum.to_string(), "0 to 1"));
        }
        Ok(())
    }
}

/// Channel means and standard deviations that weights were trained with, in the unit of the network's input. The
/// network applies them before its first layer: `(x - mean) / std`.
///
/// ImageNet weights expect another mean in each colour channel; a grey image copied three times is normalised with
/// them here, in the channel order of the weights (BGR for Caffe's).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelNorm {
    /// Subtracted from each channel.
    pub mean: [f64; 3],
    /// Divisor of each channel.
    pub std: [f64; 3],
}

impl ChannelNorm {
    /// Those of torchvision and timm: RGB in 0..1, converted to grey levels of 0 to 255.
    pub fn torchvision() -> Self {
        Self { mean: [0.485, 0.456, 0.406].map(|m| m * 255.0), std: [0.229, 0.224, 0.225].map(|s| s * 255.0) }
    }

    /// Those of Caffe, used by Keras for ResNet50 and VGG: BGR grey levels minus their means.
    pub fn caffe() -> Self {
        Self { mean: [103.939, 116.779, 123.68], std: [1.0; 3] }
    }

    /// Those of Keras' `tf` mode: grey levels scaled to -1 to 1.
    pub fn symmetric() -> Self {
        Self { mean: [127.5; 3], std: [127.5; 3] }
    }

    /// Those of EfficientNet-Lite: grey levels of about -1 to 1.
    pub fn efficientnet_lite() -> Self {
        Self { mean: [127.0; 3], std: [128.0; 3] }
    }

    /// Checks that normalised pixels are finite.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub fn check(&self) -> Result<()> {
        let usable =
            self.mean.iter().all(|m| m.is_finite()) && self.std.iter().all(|s| s.is_finite() && *s > 0.0);
        if usable {
            return Ok(());
        }
        Err(Error::network("trunk.channel_norm", format!("{self:?}"), "finite means and positive deviations"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_counted_as_the_frameworks_count_them() {
        // torch.nn.functional.max_pool2d(kernel 3, stride 2) of 112: padding 1 gives 56, none 55;
        // tf.nn.max_pool2d SAME gives 56 and, of 55, 28.
        assert_eq!(Padding::Half.n_out(112, 3, 2), 56);
        assert_eq!(Padding::Valid.n_out(112, 3, 2), 55);
        assert_eq!(Padding::Same.n_out(112, 3, 2), 56);
        assert_eq!(Padding::Same.n_out(55, 3, 2), 28);
        assert_eq!(Padding::Half.n_out(55, 1, 2), 28);
        assert_eq!(Padding::Valid.n_out(2, 3, 1), 0);
    }
}
