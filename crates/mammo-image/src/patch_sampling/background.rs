//! Random patches of breast tissue without lesions.

use rand::RngExt;

use super::frame::{Corner, PatchFrame};
use super::{ImageSampling, Patch, PatchClass, SamplingConfig, ShortfallReason};
use crate::cache::CachedInput;
use crate::preprocess::{MaskSums, Prepared};
use mammo_core::record::Mammogram;
use mammo_core::seed::stream;

/// Draws the random background patches of one image; `lesions` are sums over the union of all lesions.
pub(super) fn draw(
    image: &Mammogram,
    input: &CachedInput,
    lesions: &MaskSums,
    frame: &PatchFrame,
    config: &SamplingConfig,
    drawn: &mut ImageSampling,
) {
    let wanted = config.background_per_image;
    let rule = BackgroundRule::new(input, lesions, frame, config);
    let breast = input.breast();
    let mut rng = stream(config.seed, &format!("patch_sampling/{}", image.file), 0);
    let mut placed = 0;
    for _ in 0..wanted.saturating_mul(config.max_tries) {
        if placed == wanted {
            break;
        }
        let x = breast.x + breast.width * rng.random::<f64>();
        let y = breast.y + breast.height * rng.random::<f64>();
        if let Some(patch) = rule.patch(image, frame.corner(x, y)) {
            drawn.patches.push(patch);
            placed += 1;
        }
    }
    drawn.report(image, None, wanted, placed, ShortfallReason::NoFreeTissue);
}

/// The criteria of a background patch: outside lesions, on the breast.
pub(super) struct BackgroundRule<'a> {
    lesions: &'a MaskSums,
    tissue: MaskSums,
    frame: &'a PatchFrame,
    config: &'a SamplingConfig,
}

impl<'a> BackgroundRule<'a> {
    pub(super) fn new(
        input: &CachedInput,
        lesions: &'a MaskSums,
        frame: &'a PatchFrame,
        config: &'a SamplingConfig,
    ) -> Self {
        Self { lesions, tissue: MaskSums::new(input.breast_mask()), frame, config }
    }

    /// The background patch at this corner, if it meets the criteria.
    pub(super) fn patch(&self, image: &Mammogram, corner: Corner) -> Option<Patch> {
        let overlap = self.frame.share(self.lesions, corner);
        if overlap > self.config.max_background_overlap || self.tissue_share(corner) < self.config.min_tissue
        {
            return None;
        }
        let (center_x, center_y) = self.frame.centre(corner);
        let (file, class, lesion_index) = (image.file.clone(), PatchClass::Background, None);
        Some(Patch { file, class, center_x, center_y, lesion_index, overlap: overlap as f32 })
    }

    /// Share of the patch on the breast, in whole cells of the breast mask.
    fn tissue_share(&self, corner: Corner) -> f64 {
        let cell = |v: i64| v.div_euclid(Prepared::MASK_CELL_PX as i64);
        let n = cell(self.frame.side as i64).max(1);
        f64::from(self.tissue.inside(cell(corner.x), cell(corner.y), n, n)) / (n * n) as f64
    }
}
