//! Convolution of channels-last images with square kernels.
//!
//! All three products use the same tile kernel (see [`crate::micro`]):
//!
//! | product | rows | segments | depth | columns |
//! |---|---|---|---|---|
//! | [`forward()`] | output pixels | taps | input channels | output channels |
//! | [`backward_input()`] | input pixels | taps that reach them | output channels | input channels |
//! | [`backward_weight()`] | taps x input channels | rows of output pixels | pixels of a row | output channels |
//!
//! Convolutions with 3x3 kernels can use Winograd's minimal filtering (`winograd`), with a quarter of the
//! multiplications: 36 products whose rows are tiles of 4x4 output pixels. Prediction uses it when weights are packed
//! once for many images ([`pack_prediction()`]), training when the batch has enough tiles ([`pack_training()`]).
//! A depthwise convolution ([`depthwise()`]) multiplies vectors of channels instead of tiles.
//! Feature maps may be bf16; values in the Winograd domain are `f32`.

mod backward_input;
mod backward_weight;
mod depthwise;
mod forward;
mod gather;
mod interleave;
mod packed;
mod pooled;
mod winograd;

pub use backward_input::backward_input;
pub use backward_weight::backward_weight;
pub use depthwise::{
    DepthwiseEpilogue, DepthwiseWeights, depthwise, depthwise_backward_input, depthwise_backward_weight,
};
pub use forward::forward;
pub use packed::{Packed, pack_forward, pack_prediction, pack_training, predicts_by_winograd};
pub use pooled::{PooledShape, forward_pooled};

/// Zero padding of an image. Frameworks differ in which side gets the extra row or column of an odd total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pad {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns left.
    pub left: usize,
    /// Columns right.
    pub right: usize,
}

impl Pad {
    /// Equal padding on all sides.
    pub fn all(n: usize) -> Self {
        Self { top: n, bottom: n, left: n, right: n }
    }
}

/// Shape of a convolution; of a pooling or a depthwise convolution if `c_in == c_out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images in the batch.
    pub n: usize,
    /// Input rows.
    pub h: usize,
    /// Input columns.
    pub w: usize,
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Zeros above, below, left and right of the input.
    pub pad: Pad,
}

impl ConvShape {
    /// Output rows.
    pub fn out_h(&self) -> usize {
        (self.h + self.pad.top + self.pad.bottom - self.kernel) / self.stride + 1
    }

    /// Output columns.
    pub fn out_w(&self) -> usize {
        (self.w + self.pad.left + self.pad.right - self.kernel) / self.stride + 1
    }

    /// Positions in the kernel (taps).
    pub fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Length of the input.
    pub fn input_len(&self) -> usize {
        self.n * self.h * self.w * self.c_in
    }

    /// Length of the output.
    pub fn output_len(&self) -> usize {
        self.n * self.out_h() * self.out_w() * self.c_out
    }

    /// Length of the weights.
    pub fn weight_len(&self) -> usize {
        self.c_out * self.c_in * self.taps()
    }

    /// Multiply-adds of one pass.
    pub fn multiply_adds(&self) -> usize {
        self.n * self.out_h() * self.out_w() * self.weight_len()
    }

    /// Start of the input pixel under tap `(ky, kx)` of output `(oy, ox)` of image `n`; `None` in the padding.
    #[inline(always)]
    pub(crate) fn input_at(&self, n: usize, oy: usize, ox: usize, ky: usize, kx: usize) -> Option<usize> {
        let y = (oy * self.stride + ky).wrapping_sub(self.pad.top);
        let x = (ox * self.stride + kx).wrapping_sub(self.pad.left);
        (y < self.h && x < self.w).then(|| ((n * self.h + y) * self.w + x) * self.c_in)
    }
}

impl ConvShape {
    /// The taps, row by row.
    fn each_tap(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let kernel = self.kernel;
        (0..kernel).flat_map(move |ky| (0..kernel).map(move |kx| (ky, kx)))
    }

    /// Start of the window of output `(oy, ox)` of image `n`, if the whole window lies in the image.
    #[inline(always)]
    fn whole_window_at(&self, n: usize, oy: usize, ox: usize) -> Option<usize> {
        let y = (oy * self.stride).wrapping_sub(self.pad.top);
        let x = (ox * self.stride).wrapping_sub(self.pad.left);
        let inside = y < self.h && x < self.w && y + self.kernel <= self.h && x + self.kernel <= self.w;
        inside.then(|| ((n * self.h + y) * self.w + x) * self.c_in)
    }
}

/// Iterates over pixels `(image, row, column)` of images of `h` rows and `w` columns, from pixel `first` on, without
/// a division per pixel.
fn pixels_from(first: usize, h: usize, w: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut at = (first / (h * w), first / w % h, first % w);
    std::iter::repeat_with(move || {
        let now = at;
        at.2 += 1;
        if at.2 == w {
            at = (at.0, at.1 + 1, 0);
            if at.1 == h {
                at = (at.0 + 1, 0, 0);
            }
        }
        now
    })
}

#[cfg(test)]
mod tests;
