//! Checks the shape of a lesion against the frame of its image.

use std::path::Path;

use super::opening::without_path;
use super::{RejectionReason, RowError, row_error};
use mammo_core::geometry::{Affine, Rect};
use mammo_core::record::{Lesion, LesionShape, Mammogram, mask_fits};
use mammo_dicom::mask_file::read_mask;

/// How a lesion fits its image.
#[derive(PartialEq)]
pub(super) enum Fit {
    Inside,
    Clipped,
    Protruding,
    Stretched,
}

/// Whether a mask may have another size than its image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MaskSize {
    /// No: a mask of another size may belong to another image.
    Exact,
    /// Yes, with nearly the same aspect ratio: a known defect of the archive.
    Stretched,
}

/// A lesion that lies at least partly in its image.
pub(super) struct Placed {
    pub lesion: Lesion,
    pub fit: Fit,
}

/// Checks a lesion against its image: measures a mask, clips a box, rejects a lesion outside.
///
/// A circle or contour that extends beyond the edge is kept unchanged, because a clipped circle is
/// no longer a circle.
pub(super) fn place(
    root: &Path,
    image: &Mammogram,
    masks: MaskSize,
    mut lesion: Lesion,
) -> Result<Placed, RowError> {
    let frame = Rect::new(0.0, 0.0, f64::from(image.width_px), f64::from(image.height_px));
    let holds = |shape: &Rect| shape.union(&frame) == frame;
    let outside = |what: String| {
        let problem = format!("{what}; the image has {}x{} pixels", image.width_px, image.height_px);
        row_error(RejectionReason::LesionOutside, problem)
    };
    let fit = match &mut lesion.shape {
        LesionShape::Mask { file, bounds } => {
            let (measured, fit) = measure_mask(root, file, image, masks)?;
            *bounds = measured;
            fit
        }
        LesionShape::Box(stated) => {
            let inside = stated.intersection(&frame);
            if inside.area() <= 0.0 {
                let (right, bottom) = (stated.right(), stated.bottom());
                return outside(format!("box ({}, {}) to ({right}, {bottom})", stated.x, stated.y));
            }
            if holds(stated) {
                Fit::Inside
            } else {
                *stated = inside;
                Fit::Clipped
            }
        }
        LesionShape::Circle { cx, cy, radius } => {
            let (dx, dy) = (*cx - cx.clamp(0.0, frame.width), *cy - cy.clamp(0.0, frame.height));
            if dx.hypot(dy) >= *radius {
                return outside(format!("circle of radius {radius} about ({cx}, {cy})"));
            }
            let bounds = Rect::new(*cx - *radius, *cy - *radius, 2.0 * *radius, 2.0 * *radius);
            if holds(&bounds) { Fit::Inside } else { Fit::Protruding }
        }
        LesionShape::Polygon { points } => {
            if points.len() < 3 {
                let problem = format!("a contour of {} points; expected at least three", points.len());
                return row_error(RejectionReason::NoShape, problem);
            }
            let bounds = lesion.shape.bounds();
            if bounds.intersection(&frame).area() <= 0.0 {
                let (right, bottom) = (bounds.right(), bounds.bottom());
                return outside(format!("contour from ({}, {}) to ({right}, {bottom})", bounds.x, bounds.y));
            }
            if holds(&bounds) { Fit::Inside } else { Fit::Protruding }
        }
    };
    Ok(Placed { lesion, fit })
}

/// The bounding box of a mask's non-zero pixels, in pixels of the image.
fn measure_mask(
    root: &Path,
    file: &str,
    image: &Mammogram,
    masks: MaskSize,
) -> Result<(Rect, Fit), RowError> {
    let path = root.join(file);
    if !path.is_file() {
        return row_error(RejectionReason::MissingFile, format!("no mask {file}"));
    }
    let mask = read_mask(&path).or_else(|e| {
        row_error(RejectionReason::UnreadableImage, format!("mask {file}: {}", without_path(e)))
    })?;
    let (size, of_image) = ((mask.width as u32, mask.height as u32), (image.width_px, image.height_px));
    let stretches = masks == MaskSize::Stretched && mask_fits(size, of_image);
    if size != of_image && !stretches {
        let problem = format!(
            "mask {file} has {}x{} pixels; expected {}x{} as its image",
            mask.width, mask.height, image.width_px, image.height_px
        );
        return row_error(RejectionReason::MaskSize, problem);
    }
    let (mut left, mut right, mut top, mut bottom) = (mask.width, 0, mask.height, 0);
    for y in 0..mask.height {
        let row = mask.row(y);
        let ends = (row.iter().position(|v| *v != 0), row.iter().rposition(|v| *v != 0));
        if let (Some(first), Some(last)) = ends {
            (left, right) = (left.min(first), right.max(last + 1));
            (top, bottom) = (top.min(y), y + 1);
        }
    }
    if right == 0 {
        return row_error(RejectionReason::MaskEmpty, format!("mask {file} has no non-zero pixel"));
    }
    let in_mask = Rect::new(left as f64, top as f64, (right - left) as f64, (bottom - top) as f64);
    let (sx, sy) = (f64::from(of_image.0) / f64::from(size.0), f64::from(of_image.1) / f64::from(size.1));
    let fit = if size == of_image { Fit::Inside } else { Fit::Stretched };
    Ok((Affine::scale(sx, sy).apply_rect(&in_mask), fit))
}
