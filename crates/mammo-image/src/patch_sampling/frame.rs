//! Possible positions of patches in an input.

use crate::preprocess::MaskSums;

/// Sizes of an input and of the patches in it.
pub(super) struct PatchFrame {
    /// Columns of the input.
    pub(super) width: usize,
    /// Rows of the input.
    pub(super) height: usize,
    /// Side of the patch in input pixels.
    pub(super) side: usize,
}

/// Upper left corner of a patch, in whole input pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Corner {
    pub(super) x: i64,
    pub(super) y: i64,
}

impl PatchFrame {
    /// The corner of the patch inside the input that is nearest to this centre. If the input is shorter than
    /// the patch along an axis, the patch is centred and padded on both sides.
    pub(super) fn corner(&self, center_x: f64, center_y: f64) -> Corner {
        let place = |centre: f64, length: usize| {
            let most = length as i64 - self.side as i64;
            let wanted = (centre - self.side as f64 / 2.0).round() as i64;
            if most >= 0 { wanted.clamp(0, most) } else { most.div_euclid(2) }
        };
        Corner { x: place(center_x, self.width), y: place(center_y, self.height) }
    }

    /// The centre of the patch at this corner, as `(x, y)`.
    pub(super) fn centre(&self, corner: Corner) -> (f64, f64) {
        let half = self.side as f64 / 2.0;
        (corner.x as f64 + half, corner.y as f64 + half)
    }

    /// Share of the patch inside a mask of the input's size.
    pub(super) fn share(&self, sums: &MaskSums, corner: Corner) -> f64 {
        f64::from(self.inside(sums, corner)) / (self.side * self.side) as f64
    }

    /// Number of cells of such a mask inside the patch.
    pub(super) fn inside(&self, sums: &MaskSums, corner: Corner) -> u32 {
        sums.inside(corner.x, corner.y, self.side as i64, self.side as i64)
    }
}
