//! The transforms along one axis: linear combinations of vectors of channels, without terms between channels.
//!
//! **Points.** Polynomials are multiplied by their values at 0, 5/8, -5/8, 3/2, -3/2 and infinity. Pairs of opposite
//! sign share half of their sums, and all constants are exact in `f32`. The usual points 0, 1, -1, 2, -2 and infinity
//! have 2.4 times the error. Among pairs of simple fractions these points had the smallest root mean square error of
//! a product over 256 channels against `f64`, twice that of direct convolution. Barabasz et al. 2020 (arXiv
//! 1803.10986) show that the points determine the error.

use crate::micro::{Lanes, Simd};

/// Channels in the Winograd domain are padded to a multiple of this: whole vectors of every instruction set.
pub(super) const LANES: usize = 16;

/// The first pair of points is `±A`, the second `±B`.
const A: f32 = 0.625;
const B: f32 = 1.5;

/// Neighbouring pixels that are transformed to the six points.
pub(super) trait Axis<S: Simd> {
    /// Their values at the six points.
    fn transform(&self) -> [Lanes<S>; 6];
}

/// Input pixels.
impl<S: Simd> Axis<S> for [Lanes<S>; 6] {
    #[inline(always)]
    fn transform(&self) -> [Lanes<S>; 6] {
        const A2: f32 = A * A;
        const B2: f32 = B * B;
        let [x0, x1, x2, x3, x4, x5] = *self;
        let (even_a, odd_a) = (x4.plus(x2, -B2), x3.plus(x1, -B2));
        let (even_b, odd_b) = (x4.plus(x2, -A2), x3.plus(x1, -A2));
        [
            x4.plus(x2, -(A2 + B2)).plus(x0, A2 * B2),
            even_a.plus(odd_a, A),
            even_a.plus(odd_a, -A),
            even_b.plus(odd_b, B),
            even_b.plus(odd_b, -B),
            x5.plus(x3, -(A2 + B2)).plus(x1, A2 * B2),
        ]
    }
}

/// Gradients of output pixels, by the transpose of [`output_transform`].
impl<S: Simd> Axis<S> for [Lanes<S>; 4] {
    #[inline(always)]
    fn transform(&self) -> [Lanes<S>; 6] {
        let [y0, y1, y2, y3] = *self;
        let (even_a, odd_a) = (y0.plus(y2, A * A), y1.plus(y3, A * A));
        let (even_b, odd_b) = (y0.plus(y2, B * B), y1.plus(y3, B * B));
        [y0, even_a.plus(odd_a, A), even_a.plus(odd_a, -A), even_b.plus(odd_b, B), even_b.plus(odd_b, -B), y3]
    }
}

/// Transforms the values of a product at the six points to four neighbouring output pixels.
#[inline(always)]
pub(super) fn output_transform<S: Simd>(&[m0, m1, m2, m3, m4, m5]: &[Lanes<S>; 6]) -> [Lanes<S>; 4] {
    let (even_a, odd_a) = (m1 + m2, m1 - m2);
    let (even_b, odd_b) = (m3 + m4, m3 - m4);
    [
        m0 + (even_a + even_b),
        (odd_a * A).plus(odd_b, B),
        (even_a * (A * A)).plus(even_b, B * B),
        m5.plus(odd_a, A * A * A).plus(odd_b, B * B * B),
    ]
}

/// The matrix that transforms three weights along an axis to the six points; results are rounded only after both
/// axes.
pub(super) fn weight_transform() -> [[f64; 3]; 6] {
    let (a, b) = (f64::from(A), f64::from(B));
    // The product of the distances from a point to all others, which the input transform leaves out.
    let (at_0, at_a, at_b) = (a * a * b * b, 2.0 * a * a * (a * a - b * b), 2.0 * b * b * (b * b - a * a));
    let at = |point: f64, distances: f64| [1.0, point, point * point].map(|power| power / distances);
    [at(0.0, at_0), at(a, at_a), at(-a, at_a), at(b, at_b), at(-b, at_b), [0.0, 0.0, 1.0]]
}
