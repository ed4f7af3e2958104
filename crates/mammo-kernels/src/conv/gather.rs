//! Copies of input windows (im2col) for inputs with few channels.
//!
//! A tap of one or three channels is too short to be worth a pointer, and an odd number of channels does not fill the
//! units of bf16. The windows of a first layer are therefore copied, one kernel row at a time: in channels-last order
//! its taps are adjacent. If a kernel row is long enough to be a segment itself, only windows that reach into the
//! padding are copied.

use super::{ConvShape, pixels_from};
use crate::operand::{Operand, units};

/// True if windows of `channels` channels are copied.
pub(super) fn needs_gather<T: Operand>(channels: usize) -> bool {
    channels < 16 || !channels.is_multiple_of(T::PER_UNIT)
}

/// Shortest segment for which reading in place is faster: a row of a 7x7 kernel on one grey channel, not one of 3x3.
const SHORTEST_SEGMENT: usize = 7;

/// True if a kernel row, whose taps are adjacent in the input, is long enough for a segment of its own.
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
                // The common length for grey images, a constant for the compiler.
                3 => to[..3].copy_from_slice(&from[..3]),
                _ => to.copy_from_slice(from),
            }
        }
    }
}
