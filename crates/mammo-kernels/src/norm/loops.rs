//! The inner loops of batch norm: one pass over some pixels each, vectorised by the compiler.

use crate::activation::Bounds;
use crate::isa::Job;
use crate::operand::Operand;

/// Backward pass of an activation, with the sum of the gradients per channel.
pub(super) struct ActivationBackward<'a, T> {
    pub bounds: Bounds,
    pub out: &'a [T],
    pub d_out: &'a [T],
    pub d_x: &'a mut [T],
    pub sums: &'a mut [f32],
}

impl<T: Operand> Job for ActivationBackward<'_, T> {
    #[inline(always)]
    fn run(self) {
        let channels = self.sums.len();
        let pixels = self.out.chunks_exact(channels).zip(self.d_out.chunks_exact(channels));
        for ((out, d_out), d_x) in pixels.zip(self.d_x.chunks_exact_mut(channels)) {
            for (((out, d_out), d_x), sum) in out.iter().zip(d_out).zip(d_x).zip(&mut *self.sums) {
                let g = if self.bounds.pass(out.to_f32()) { *d_out } else { T::default() };
                *d_x = g;
                *sum += g.to_f32();
            }
        }
    }
}

pub(super) struct Moments<'a, T> {
    pub x: &'a [T],
    pub origin: &'a [f32],
    pub first: &'a mut [f32],
    pub second: &'a mut [f32],
}

impl<T: Operand> Job for Moments<'_, T> {
    #[inline(always)]
    fn run(self) {
        for pixel in self.x.chunks_exact(self.origin.len()) {
            for (((x, o), s), q) in pixel.iter().zip(self.origin).zip(&mut *self.first).zip(&mut *self.second)
            {
                let d = x.to_f32() - o;
                *s += d;
                *q += d * d;
            }
        }
    }
}

pub(super) struct Apply<'a, T, const RESIDUAL: bool> {
    pub x: &'a [T],
    pub residual: &'a [T],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub bounds: Bounds,
    pub out: &'a mut [T],
}

impl<T: Operand, const RESIDUAL: bool> Job for Apply<'_, T, RESIDUAL> {
    #[inline(always)]
    fn run(self) {
        let channels = self.scale.len();
        let pixels = self.x.chunks_exact(channels).zip(self.residual.chunks_exact(channels));
        for ((x, residual), out) in pixels.zip(self.out.chunks_exact_mut(channels)) {
            for c in 0..channels.min(x.len()).min(residual.len()).min(out.len()).min(self.shift.len()) {
                let mut y = x[c].to_f32() * self.scale[c] + self.shift[c];
                if RESIDUAL {
                    y += residual[c].to_f32();
                }
                out[c] = T::from_f32(self.bounds.clamp(y));
            }
        }
    }
}

/// Variants of [`Passed`](super::Passed) as constants: the compiler generates one loop for each.
pub(super) const EVERYWHERE: u8 = 0;
pub(super) const RECOMPUTED: u8 = 1;
pub(super) const BY_OUTPUT: u8 = 2;

/// True if the activation passes the gradient of this value.
#[inline(always)]
fn passes<T: Operand, const PASSED: u8>(bounds: Bounds, x: T, out: T, [scale, shift]: [f32; 2]) -> bool {
    match PASSED {
        RECOMPUTED => bounds.pass(x.to_f32() * scale + shift),
        BY_OUTPUT => bounds.pass(out.to_f32()),
        _ => true,
    }
}

pub(super) struct GradientSums<'a, T, const PASSED: u8> {
    pub x: &'a [T],
    pub out: &'a [T],
    pub d_out: &'a [T],
    pub mean: &'a [f32],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub bounds: Bounds,
    pub first: &'a mut [f32],
    pub second: &'a mut [f32],
}

impl<'a, T, const PASSED: u8> GradientSums<'a, T, PASSED> {
    /// The same operands with another [`Passed`](super::Passed).
    pub fn with<const OTHER: u8>(self, out: &'a [T]) -> GradientSums<'a, T, OTHER> {
        let Self { x, d_out, mean, scale, shift, bounds, first, second, .. } = self;
        GradientSums { x, out, d_out, mean, scale, shift, bounds, first, second }
    }
}

impl<T: Operand, const PASSED: u8> Job for GradientSums<'_, T, PASSED> {
    #[inline(always)]
    fn run(self) {
        let channels = self.mean.len();
        // Slices of equal length: the loop below needs no bounds checks and is vectorised.
        let (mean, scale, shift) = (&self.mean[..channels], &self.scale[..channels], &self.shift[..channels]);
        let bounds = self.bounds;
        let (first, second) = (&mut self.first[..channels], &mut self.second[..channels]);
        let pixels = self.x.chunks_exact(channels).zip(self.out.chunks_exact(channels));
        for ((x, out), d_out) in pixels.zip(self.d_out.chunks_exact(channels)) {
            let (x, out, d_out) = (&x[..channels], &out[..channels], &d_out[..channels]);
            for c in 0..channels {
                let live = passes::<T, PASSED>(bounds, x[c], out[c], [scale[c], shift[c]]);
                let g = if live { d_out[c].to_f32() } else { 0.0 };
                first[c] += g;
                second[c] += g * (x[c].to_f32() - mean[c]);
            }
        }
    }
}

pub(super) struct InputGradient<'a, T, const PASSED: u8, const RESIDUAL: bool> {
    pub x: &'a [T],
    pub out: &'a [T],
    pub d_out: &'a [T],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub bounds: Bounds,
    pub a: &'a [f32],
    pub p: &'a [f32],
    pub q: &'a [f32],
    pub d_x: &'a mut [T],
    pub d_residual: &'a mut [T],
}

impl<'a, T, const PASSED: u8, const RESIDUAL: bool> InputGradient<'a, T, PASSED, RESIDUAL> {
    /// The same operands with another [`Passed`](super::Passed) and another residual.
    pub fn with<const OTHER: u8, const OTHER_RESIDUAL: bool>(
        self,
        out: &'a [T],
    ) -> InputGradient<'a, T, OTHER, OTHER_RESIDUAL> {
        let Self { x, d_out, scale, shift, bounds, a, p, q, d_x, d_residual, .. } = self;
        InputGradient { x, out, d_out, scale, shift, bounds, a, p, q, d_x, d_residual }
    }
}

impl<T: Operand, const PASSED: u8, const RESIDUAL: bool> Job for InputGradient<'_, T, PASSED, RESIDUAL> {
    #[inline(always)]
    fn run(self) {
        let channels = self.a.len();
        let (scale, shift) = (&self.scale[..channels], &self.shift[..channels]);
        let (a, p, q) = (&self.a[..channels], &self.p[..channels], &self.q[..channels]);
        let bounds = self.bounds;
        let mut d_residual = self.d_residual.chunks_exact_mut(channels);
        let pixels = self.x.chunks_exact(channels).zip(self.out.chunks_exact(channels));
        let pixels = pixels.zip(self.d_out.chunks_exact(channels)).zip(self.d_x.chunks_exact_mut(channels));
        for (((x, out), d_out), d_x) in pixels {
            let (x, out, d_out, d_x) =
                (&x[..channels], &out[..channels], &d_out[..channels], &mut d_x[..channels]);
            let residual = if RESIDUAL { d_residual.next().unwrap_or_default() } else { &mut [] };
            let residual = &mut residual[..if RESIDUAL { channels } else { 0 }];
            for c in 0..channels {
                let live = passes::<T, PASSED>(bounds, x[c], out[c], [scale[c], shift[c]]);
                let g = if live { d_out[c].to_f32() } else { 0.0 };
                d_x[c] = T::from_f32(a[c] * g - p[c] - q[c] * x[c].to_f32());
                if RESIDUAL {
                    residual[c] = T::from_f32(g);
                }
            }
        }
    }
}
