//! The loop nest around the micro-kernel.
//!
//! A *block* is some tiles of rows (output pixels) that are multiplied with all panels. Panels are the outer loop: a
//! panel stays in the second-level cache while the tiles of the block are computed, and so do the left operands of
//! the block from panel to panel. Threads take blocks; each writes its own part of the output.

use crate::micro::{Epilogue, Kernel, Offsets, Panel, Rows};
use crate::operand::Operand;

/// Limit of a block's left operands in bytes, within a second-level cache of 1 MiB or more.
const LEFT_BYTES: usize = 384 << 10;
/// Panels of together at most this many bytes stay in the second-level cache, whatever the block.
const RIGHT_BYTES: usize = 384 << 10;

/// Tiles per block.
///
/// With few panels small blocks suffice: their left operands stay in the first-level cache. With many, a block must
/// be large enough to amortise streaming all panels through the cache, yet leave every thread several blocks.
pub(crate) fn tiles_per_block(
    kernel: &Kernel,
    points: usize,
    point_bytes: usize,
    panel_bytes: usize,
) -> usize {
    if panel_bytes <= RIGHT_BYTES {
        return 4;
    }
    let fitting = LEFT_BYTES / (kernel.rows() * point_bytes).max(1);
    let fair = points.div_ceil(kernel.rows()) / (4 * rayon::current_num_threads());
    fitting.min(fair).clamp(2, 32)
}

/// Multiplies the tiles in `rows` with `panels`; row `i`, counted over all tiles, goes to `out[offsets[i]..]`.
/// `epilogue.bias` covers all columns, padded to whole panels.
pub(crate) fn block<'p, T: Operand, O: Operand>(
    kernel: &Kernel,
    rows: &Rows<'_, T>,
    panels: impl Iterator<Item = Panel<'p, T>>,
    offsets: &[usize],
    out: &mut [O],
    epilogue: &Epilogue<'_, O>,
) {
    let offsets = Offsets::new(offsets);
    for panel in panels {
        let first = panel.first;
        let epilogue = Epilogue {
            bias: epilogue.bias.map(|b| &b[first..]),
            residual: epilogue.residual.map(|r| &r[first..]),
            ..*epilogue
        };
        kernel.multiply(rows, &panel, &offsets, &mut out[first..], &epilogue);
    }
}
