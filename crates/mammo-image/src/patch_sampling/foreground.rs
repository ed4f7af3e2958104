//! Patches that show a lesion.

use rand::RngExt;

use super::frame::PatchFrame;
use super::{ImageSampling, LesionPlacement, Patch, PatchClass, SamplingConfig, ShortfallReason};
use crate::preprocess::{Mask, MaskSums};
use mammo_core::geometry::Rect;
use mammo_core::record::Mammogram;
use mammo_core::seed::stream;

/// Draws the patches of one lesion, given as a mask of the input's size.
pub(super) fn draw(
    image: &Mammogram,
    index: usize,
    mask: &Mask,
    frame: &PatchFrame,
    config: &SamplingConfig,
    drawn: &mut ImageSampling,
) {
    let wanted = config.per_lesion;
    let lesion = &image.lesions[index];
    let Some(class) = PatchClass::of(lesion.kind, lesion.pathology) else {
        return drawn.report(image, Some(index), wanted, 0, ShortfallReason::UnknownPathology);
    };
    let Some(bounds) = mask.bounds() else {
        return drawn.report(image, Some(index), wanted, 0, ShortfallReason::LesionOutsideInput);
    };
    let sums = MaskSums::new(mask);
    let (center_x, center_y) = bounds.centre();
    let (reach_x, reach_y) = match config.placement {
        LesionPlacement::Centered => (0.0, 0.0),
        LesionPlacement::Overlapping => reach(&bounds, frame.side as f64, config.min_overlap),
    };
    let mut rng = stream(config.seed, &format!("patch_sampling/{}", image.file), index as u64 + 1);
    let mut placed = 0;
    for _ in 0..wanted.saturating_mul(config.max_tries) {
        if placed == wanted {
            break;
        }
        let mut around = |centre: f64, reach: f64| centre + reach * (2.0 * rng.random::<f64>() - 1.0);
        let corner = frame.corner(around(center_x, reach_x), around(center_y, reach_y));
        let inside = f64::from(frame.inside(&sums, corner));
        let overlap = (inside / f64::from(sums.total())).max(inside / (frame.side * frame.side) as f64);
        if config.placement == LesionPlacement::Centered || overlap >= config.min_overlap {
            let (center_x, center_y) = frame.centre(corner);
            let file = image.file.clone();
            let (lesion_index, overlap) = (Some(index), overlap as f32);
            drawn.patches.push(Patch { file, class, center_x, center_y, lesion_index, overlap });
            placed += 1;
        }
    }
    drawn.report(image, Some(index), wanted, placed, ShortfallReason::OverlapNotReached);
}

/// Largest distance of a patch's centre from the lesion's, per axis, at which the overlap rule can be
/// satisfied: half the difference of their lengths plus the part that may be outside. An ellipse has
/// little area at its ends, so that part counts twice; the rule itself is checked afterwards.
fn reach(lesion: &Rect, side: f64, min_overlap: f64) -> (f64, f64) {
    let axis = |length: f64| (side - length).abs() / 2.0 + 2.0 * (1.0 - min_overlap) * length.min(side);
    (axis(lesion.width), axis(lesion.height))
}
