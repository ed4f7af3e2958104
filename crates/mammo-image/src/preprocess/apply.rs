//! Applies the steps of a [`Preprocessing`] to one image.

use std::path::Path;

use super::breast::{Breast, BreastDoubt, ChestWall, find_breast};
use super::mask::Mask;
use super::steps::PreprocessingStep;
use super::{Aspect, Crop, Orient, Preprocessing, Resample, Window};
use crate::{Error, Result};
use mammo_core::geometry::{Affine, Rect};
use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_core::resample::resample;
use mammo_dicom::image_file::read_grey_as;

/// One image ready for a network, except for [`Preprocessing::normalise`].
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// `height_px` x `width_px`, windowed to 0..=65535, dense tissue bright.
    pub image: GreyImage,
    /// Columns of the stored image.
    pub stored_width: usize,
    /// Rows of the stored image.
    pub stored_height: usize,
    /// Maps points of the stored image to points of the input.
    pub input_from_stored: Affine,
    /// Bounding box of the breast, in the input frame.
    pub breast: Rect,
    /// Breast tissue in cells of [`Prepared::MASK_CELL_PX`] input pixels.
    pub breast_mask: Mask,
    /// Set when the breast outline is unreliable.
    pub doubt: Option<BreastDoubt>,
}

impl Prepared {
    /// Input pixels per side of one cell of [`breast_mask`](Self::breast_mask).
    pub const MASK_CELL_PX: usize = 8;
}

/// The placement of the cropped image in the input.
#[derive(Clone, Copy)]
struct Placement {
    /// The crop, in stored pixels.
    crop: Rect,
    /// Its rectangle in whole input pixels.
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    mirrored: bool,
}

impl Preprocessing {
    /// Reads an image file and prepares it.
    ///
    /// # Errors
    /// As [`read_grey_as`] and [`apply`](Self::apply), naming the file.
    pub fn read(&self, path: &Path, polarity: Polarity) -> Result<Prepared> {
        self.apply_file(path, read_grey_as(path, self.voi)?, polarity)
    }

    /// Prepares the image of a file in memory; `path` is used in errors only.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), naming the file.
    pub fn apply_file(&self, path: &Path, image: GreyImage, polarity: Polarity) -> Result<Prepared> {
        self.apply(image, polarity).map_err(|error| match error {
            Error::Image { found, expected, .. } => Error::image(path, found, expected),
            other => other,
        })
    }

    /// Prepares an image in memory.
    ///
    /// # Errors
    /// [`Error::Setting`] as [`check`](Self::check); [`Error::Image`] when the image is empty or
    /// shows a single grey value.
    pub fn apply(&self, image: GreyImage, polarity: Polarity) -> Result<Prepared> {
        self.apply_watched(image, polarity, &mut |_, _| {})
    }

    /// [`apply`](Self::apply), which calls `watch` after each step with a function that draws the
    /// intermediate image.
    pub(super) fn apply_watched(
        &self,
        mut image: GreyImage,
        polarity: Polarity,
        watch: &mut dyn FnMut(PreprocessingStep, &dyn Fn() -> GreyImage),
    ) -> Result<Prepared> {
        self.check()?;
        let unusable = |found: &str| {
            Error::image("image in memory", found, "a mammogram; check the file, and copy it again")
        };
        if image.pixels.is_empty() || image.pixels.len() != image.width * image.height {
            return Err(unusable("no pixels, or a number that does not match the size"));
        }
        if polarity == Polarity::Inverted {
            image.pixels.iter_mut().for_each(|v| *v = u16::MAX - *v);
        }
        watch(PreprocessingStep::Polarity, &|| image.clone());
        let breast = find_breast(&image);
        watch(PreprocessingStep::Breast, &|| dimmed(&image, &breast.mask));
        let placement = self.place(&image, &breast);
        watch(PreprocessingStep::Crop, &|| {
            let side = |length: f64| (length.round() as usize).max(1);
            let Rect { width, height, .. } = placement.crop;
            resample(&image, &placement.crop, side(width), side(height), Resample::Area)
        });
        watch(PreprocessingStep::Resize, &|| {
            self.draw(&Placement { mirrored: false, ..placement }, &image, self.resample)
        });
        let mut input = self.draw(&placement, &image, self.resample);
        watch(PreprocessingStep::Orient, &|| input.clone());
        let tissue = self.draw_mask(&placement, &image, &breast);
        if self.remove_artifacts {
            let outside = input.pixels.iter_mut().zip(&tissue.cells).filter(|(_, inside)| !**inside);
            outside.for_each(|(v, _)| *v = 0);
        }
        watch(PreprocessingStep::Artifacts, &|| input.clone());
        let (low, high) = match self.window {
            Window::FullScale => (0, u16::MAX),
            Window::Percentiles { low_percent, high_percent } => {
                percentiles(&input, &tissue, low_percent, high_percent)
                    .ok_or_else(|| unusable("a single grey value inside the breast"))?
            }
        };
        apply_window(&mut input, low, high);
        watch(PreprocessingStep::Window, &|| input.clone());
        let frame = Rect::new(0.0, 0.0, self.width_px as f64, self.height_px as f64);
        let input_from_stored = placement.input_from_stored();
        Ok(Prepared {
            image: input,
            stored_width: image.width,
            stored_height: image.height,
            input_from_stored,
            breast: input_from_stored.apply_rect(&breast.bounds).intersection(&frame),
            breast_mask: thin_out(&tissue),
            doubt: breast.doubt,
        })
    }

    fn place(&self, image: &GreyImage, breast: &Breast) -> Placement {
        let all = Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
        let crop = match self.crop {
            Crop::None => all,
            Crop::Breast { margin_fraction } => {
                let (dx, dy) =
                    (breast.bounds.width * margin_fraction, breast.bounds.height * margin_fraction);
                let Rect { x, y, width, height } = breast.bounds;
                Rect::new(x - dx, y - dy, width + 2.0 * dx, height + 2.0 * dy).intersection(&all)
            }
        };
        let (width, height) = match self.aspect {
            Aspect::Stretch => (self.width_px, self.height_px),
            Aspect::Keep => {
                let scale = (self.width_px as f64 / crop.width).min(self.height_px as f64 / crop.height);
                let side = |length: f64, most: usize| ((length * scale).round() as usize).clamp(1, most);
                (side(crop.width, self.width_px), side(crop.height, self.height_px))
            }
        };
        let mirrored = self.orient == Orient::ChestWallLeft && breast.chest_wall == ChestWall::Right;
        let wall_left = (breast.chest_wall == ChestWall::Left) != mirrored;
        let x = if wall_left || mirrored { 0 } else { self.width_px - width };
        Placement { crop, x, y: (self.height_px - height) / 2, width, height, mirrored }
    }

    /// The placed part of `image` on a black input.
    fn draw(&self, placement: &Placement, image: &GreyImage, kernel: Resample) -> GreyImage {
        let part = resample(image, &placement.crop, placement.width, placement.height, kernel);
        let mut input = GreyImage::black(self.width_px, self.height_px);
        for y in 0..placement.height {
            let start = (placement.y + y) * self.width_px + placement.x;
            let line = &mut input.pixels[start..start + placement.width];
            line.copy_from_slice(part.row(y));
            if placement.mirrored {
                line.reverse();
            }
        }
        input
    }

    /// The breast outline, smoothly enlarged to the input.
    fn draw_mask(&self, placement: &Placement, image: &GreyImage, breast: &Breast) -> Mask {
        let Mask { width, height, cells } = &breast.mask;
        let pixels = cells.iter().map(|&inside| if inside { u16::MAX } else { 0 }).collect();
        let thumbnail = GreyImage { width: *width, height: *height, pixels };
        let (sx, sy) = (*width as f64 / image.width as f64, *height as f64 / image.height as f64);
        let Rect { x, y, width, height } = placement.crop;
        let crop = Rect::new(x * sx, y * sy, width * sx, height * sy);
        let drawn = self.draw(&Placement { crop, ..*placement }, &thumbnail, Resample::Bilinear);
        let cells = drawn.pixels.iter().map(|&v| v > u16::MAX / 2).collect();
        Mask { width: drawn.width, height: drawn.height, cells }
    }
}

impl Placement {
    fn input_from_stored(&self) -> Affine {
        let (sx, sy) = (self.width as f64 / self.crop.width, self.height as f64 / self.crop.height);
        let placed = Affine::translate(-self.crop.x, -self.crop.y).then(&Affine::scale(sx, sy));
        let oriented = if self.mirrored {
            placed.then(&Affine::scale(-1.0, 1.0)).then(&Affine::translate(self.width as f64, 0.0))
        } else {
            placed
        };
        oriented.then(&Affine::translate(self.x as f64, self.y as f64))
    }
}

/// The given percentiles of the pixels inside the mask; `None` when they are equal.
fn percentiles(image: &GreyImage, mask: &Mask, low: f64, high: f64) -> Option<(u16, u16)> {
    let mut histogram = vec![0_u32; 1 << 16];
    for (&v, _) in image.pixels.iter().zip(&mask.cells).filter(|(_, inside)| **inside) {
        histogram[usize::from(v)] += 1;
    }
    let total: u64 = histogram.iter().map(|&n| u64::from(n)).sum();
    let value = |percent: f64| {
        let rank = (total as f64 * percent / 100.0).min(total as f64 - 1.0) as u64;
        let mut below = 0;
        (0..=u16::MAX).zip(&histogram).find_map(|(v, &n)| {
            below += u64::from(n);
            (below > rank).then_some(v)
        })
    };
    let (low, high) = (value(low)?, value(high)?);
    (low < high).then_some((low, high))
}

/// Maps `low..=high` linearly to 0..=65535 and clips the rest.
fn apply_window(image: &mut GreyImage, low: u16, high: u16) {
    if (low, high) == (0, u16::MAX) {
        return;
    }
    let scale = 65535.0 / (f32::from(high) - f32::from(low));
    let window = |v: u16| (f32::from(v.saturating_sub(low)) * scale + 0.5) as u16;
    image.pixels.iter_mut().for_each(|v| *v = window(*v));
}

/// The image, with pixels outside the mask at a third of their brightness.
fn dimmed(image: &GreyImage, mask: &Mask) -> GreyImage {
    let mut dimmed = image.clone();
    for (i, v) in dimmed.pixels.iter_mut().enumerate() {
        let (x, y) =
            (i % image.width * mask.width / image.width, i / image.width * mask.height / image.height);
        if !mask.row(y)[x] {
            *v /= 3;
        }
    }
    dimmed
}

/// The mask at one cell per square of [`Prepared::MASK_CELL_PX`] pixels, sampled at its centre.
fn thin_out(mask: &Mask) -> Mask {
    let cell = Prepared::MASK_CELL_PX;
    let (width, height) = (mask.width.div_ceil(cell), mask.height.div_ceil(cell));
    let middle = |i: usize, length: usize| (i * cell + cell / 2).min(length - 1);
    let at = |i: usize| mask.row(middle(i / width, mask.height))[middle(i % width, mask.width)];
    Mask { width, height, cells: (0..width * height).map(at).collect() }
}
