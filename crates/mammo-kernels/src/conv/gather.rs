//! Inputs of few channels: all that an output pixel reads, copied side by side.
//!
//! A tap of one or three channels is too short a segment to be worth a pointer, and an odd number
//! of channels does not fill units of bf16. The windows of the first layer are therefore copied,
//! a kernel row at a time: in channels-last order its taps lie side by side. Where a kernel row is long enough for a
//! segment of its own, only windows that reach into the padding are copied.

use super::{ConvShape, pixels_from};
use crate::operand::{Operand, units};

/// Whether operands of `channels` per tap are gathered.
pub(super) fn needs_gather<T: Operand>(channels: usize) -> bool {
    channels < 16 || !channels.is_multiple_of(T::PER_UNIT)
}

/// Shortest segment that gains from being read in place: a row of a grey 7x7 kernel does, one of 3x3 does not.
const SHORTEST_SEGMENT: usize = 7;

/// Whether the taps of a kernel row, which lie side by side in the input, make a segment worth a pointer.
pub(super) fn row_is_segment<T: Operand>(shape: &ConvShape) -> bool {
    let row = shape.kernel * shape.c_in;
    row >= SHORTEST_SEGMENT && row.is_multiple_of(T::PER_UNIT)
}

/// Appends to `gathered` the windows of output pixels `first..first + count`, each
/// `[ky][kx][channel]` and padded to whole units.
pub(super) fn gather<T: Operand>(
    shape: &ConvShape,
    input: &[T],
    first: usize,
    count: usize,
    gathered: &mut Vec<T>,
) {
    let (k, c) = (shape.kernel, shape.c_in);
    let size = units::<T>(shape.taps() * c) * T::PER_UNIT;
    let filled = gathered.len();
    gathered.resize(filled + count * size, T::default());
    let pixels = pixels_from(first, shape.out_h(), shape.out_w());
    for ((n, oy, ox), window) in pixels.zip(gathered[filled..].chunks_exact_mut(size)) {
        let left = ox * shape.stride;
        let from = shape.pad.left.saturating_sub(left).min(k);
        let to = (shape.w + shape.pad.left).saturating_sub(left).min(k);
        for ky in 0..k {
            let y = (oy * shape.stride + ky).wrapping_sub(shape.pad.top);
            if y >= shape.h || from >= to {
                continue;
            }
            let source = ((n * shape.h + y) * shape.w + left + from - shape.pad.left) * c;
            let length = (to - from) * c;
            let (to, from) = (&mut window[(ky * k + from) * c..][..length], &input[source..source + length]);
            match length {
                // The usual length for grey images, known to the compiler.
                3 => to[..3].copy_from_slice(&from[..3]),
                _ => to.copy_from_slice(from),
            }
        }
    }
}
