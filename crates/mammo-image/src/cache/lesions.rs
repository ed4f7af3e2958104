//! Masks of annotated lesions in the frame of a network input.

use std::path::Path;

use super::InputFrame;
use crate::preprocess::Mask;
use crate::{Error, Result};
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::record::{Lesion, LesionShape, mask_fits};
use mammo_dicom::mask_file::read_mask;

/// The part of a box that counts as lesion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LesionFill {
    /// The inscribed ellipse, which approximates a mass better than the box.
    Ellipse,
    /// The whole box, for comparison with detectors that use boxes.
    Rectangle,
}

/// A lesion as a [`Mask`] of the input's size: all pixels whose centres, mapped to the stored image,
/// are inside the lesion.
///
/// `fill` applies to boxes only. A lesion smaller than a pixel is the pixel that contains its centre.
/// Empty when the lesion is outside the input.
///
/// # Errors
/// [`Error::Setting`] when the frame cannot be inverted; for mask files [`Error::Io`] or
/// [`Error::Image`], the latter also when the mask cannot be scaled to its mammogram
/// ([`mask_fits`]), because such a mask marks the wrong tissue.
pub fn lesion_mask(lesion: &Lesion, fill: LesionFill, frame: &InputFrame, root: &Path) -> Result<Mask> {
    let marks = match &lesion.shape {
        LesionShape::Mask { file, .. } => Some(read_marks(&root.join(file), frame)?),
        LesionShape::Box(_) | LesionShape::Circle { .. } | LesionShape::Polygon { .. } => None,
    };
    let inside = |x: f64, y: f64| match (&lesion.shape, &marks) {
        (LesionShape::Box(rect), _) if fill == LesionFill::Ellipse => in_ellipse(rect, x, y),
        (LesionShape::Box(rect), _) => in_rectangle(rect, x, y),
        (LesionShape::Circle { .. }, _) => in_ellipse(&lesion.shape.bounds(), x, y),
        (LesionShape::Polygon { points }, _) => in_polygon(points, x, y),
        (LesionShape::Mask { .. }, Some(marks)) => is_marked(marks, frame, x, y),
        (LesionShape::Mask { .. }, None) => false,
    };
    let stored_from_input = frame.input_from_stored.inverse().ok_or_else(|| {
        Error::setting("input_from_stored", "a map that cannot be inverted", "a cache entry; build it again")
    })?;
    let bounds = frame.input_from_stored.apply_rect(&lesion.shape.bounds());
    let span = |low: f64, high: f64, length: usize| {
        // The casts saturate, so a lesion outside gives an empty range.
        (low.floor().max(0.0) as usize).min(length)..(high.ceil().max(0.0) as usize).min(length)
    };
    let mut mask = Mask::filled(frame.width, frame.height, false);
    for row in span(bounds.y, bounds.bottom(), frame.height) {
        for column in span(bounds.x, bounds.right(), frame.width) {
            let (x, y) = stored_from_input.apply(column as f64 + 0.5, row as f64 + 0.5);
            mask.cells[row * frame.width + column] = inside(x, y);
        }
    }
    let (x, y) = bounds.centre();
    let contains_centre = x >= 0.0 && y >= 0.0 && x < frame.width as f64 && y < frame.height as f64;
    if contains_centre && bounds.area() < 4.0 {
        mask.cells[y as usize * frame.width + x as usize] = true;
    }
    Ok(mask)
}

fn in_rectangle(rect: &Rect, x: f64, y: f64) -> bool {
    x >= rect.x && x < rect.right() && y >= rect.y && y < rect.bottom()
}

fn in_ellipse(rect: &Rect, x: f64, y: f64) -> bool {
    let (cx, cy) = rect.centre();
    let (dx, dy) = (2.0 * (x - cx) / rect.width, 2.0 * (y - cy) / rect.height);
    dx * dx + dy * dy <= 1.0
}

/// Even-odd rule: a ray to the right crosses the contour an odd number of times.
fn in_polygon(points: &[[f64; 2]], x: f64, y: f64) -> bool {
    let next = points.iter().cycle().skip(1);
    let crosses = |(&[ax, ay], &[bx, by]): (&[f64; 2], &[f64; 2])| {
        (ay > y) != (by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax)
    };
    points.iter().zip(next).filter(|&edge| crosses(edge)).count() % 2 == 1
}

/// Whether the mask, scaled to the mammogram, is set at this point.
fn is_marked(marks: &GreyImage, frame: &InputFrame, x: f64, y: f64) -> bool {
    let all = Rect::new(0.0, 0.0, marks.width as f64, marks.height as f64);
    let (x, y) = (x * all.width / frame.stored_width as f64, y * all.height / frame.stored_height as f64);
    in_rectangle(&all, x, y) && marks.row(y as usize)[x as usize] > 0
}

fn read_marks(path: &Path, frame: &InputFrame) -> Result<GreyImage> {
    let marks = read_mask(path)?;
    let mammogram = (frame.stored_width as u32, frame.stored_height as u32);
    if mask_fits((marks.width as u32, marks.height as u32), mammogram) {
        return Ok(marks);
    }
    let found = format!("a lesion mask of {}x{} pixels", marks.width, marks.height);
    let expected = format!("the shape of its mammogram, {}x{}", frame.stored_width, frame.stored_height);
    Err(Error::image(path, found, expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mammo_core::geometry::Affine;
    use mammo_core::record::{LesionKind, Pathology};

    fn lesion(shape: LesionShape) -> Lesion {
        Lesion { kind: LesionKind::Mass, pathology: Pathology::Benign, shape }
    }

    /// 200 x 100 stored pixels, mirrored, halved and moved.
    fn frame() -> InputFrame {
        let halved = Affine::scale(-0.5, 0.5).then(&Affine::translate(100.0, 10.0));
        InputFrame {
            stored_width: 200,
            stored_height: 100,
            width: 120,
            height: 90,
            input_from_stored: halved,
        }
    }

    fn draw(shape: LesionShape, fill: LesionFill) -> Mask {
        lesion_mask(&lesion(shape), fill, &frame(), Path::new(".")).unwrap()
    }

    #[test]
    fn a_box_has_its_area_and_its_ellipse_has_a_quarter_of_pi_of_it() {
        let shape = LesionShape::Box(Rect::new(20.0, 10.0, 80.0, 60.0));
        let whole = draw(shape.clone(), LesionFill::Rectangle);
        assert_eq!(whole.area(), 40 * 30);
        assert_eq!(whole.bounds(), Some(Rect::new(50.0, 15.0, 40.0, 30.0)));
        let ellipse = draw(shape, LesionFill::Ellipse).area() as f64;
        assert!((ellipse / (40.0 * 30.0) - std::f64::consts::FRAC_PI_4).abs() < 0.01, "{ellipse}");
    }

    #[test]
    fn a_circle_is_as_large_as_its_formula_says() {
        let circle = LesionShape::Circle { cx: 100.0, cy: 50.0, radius: 30.0 };
        let area = draw(circle, LesionFill::Ellipse).area() as f64;
        assert!((area / (std::f64::consts::PI * 15.0 * 15.0) - 1.0).abs() < 0.02, "{area}");
    }

    #[test]
    fn a_polygon_holds_what_its_contour_encloses() {
        let points = vec![[20.0, 10.0], [100.0, 10.0], [20.0, 90.0]];
        let triangle = draw(LesionShape::Polygon { points }, LesionFill::Ellipse);
        // Pixels on the slanted side have their centres outside.
        assert_eq!(triangle.bounds(), Some(Rect::new(51.0, 15.0, 39.0, 39.0)));
        assert!((triangle.area() as f64 - 40.0 * 40.0 / 2.0).abs() <= 40.0, "{}", triangle.area());
    }

    #[test]
    fn a_lesion_smaller_than_a_pixel_keeps_one_and_one_outside_has_none() {
        let speck = |x: f64| LesionShape::Box(Rect::new(x, 50.0, 0.4, 0.4));
        assert_eq!(draw(speck(60.0), LesionFill::Ellipse).area(), 1);
        assert_eq!(draw(speck(900.0), LesionFill::Ellipse).area(), 0);
    }

    #[test]
    fn a_mask_file_is_taken_through_the_map_and_must_fit_its_mammogram() {
        let folder = tempfile::tempdir().unwrap();
        let mut marks = GreyImage::black(200, 100);
        (20..60).for_each(|y| marks.pixels[y * 200 + 10..y * 200 + 40].fill(65535));
        mammo_dicom::image_file::write_png16(&folder.path().join("mask.png"), &marks).unwrap();
        let bounds = Rect::new(10.0, 20.0, 30.0, 40.0);
        let lesion = lesion(LesionShape::Mask { file: "mask.png".into(), bounds });
        let drawn = lesion_mask(&lesion, LesionFill::Ellipse, &frame(), folder.path()).unwrap();
        assert_eq!(drawn.bounds(), Some(Rect::new(80.0, 20.0, 15.0, 20.0)));
        assert_eq!(drawn.area(), 15 * 20);
        let mut larger = GreyImage::black(300, 150);
        (30..90).for_each(|y| larger.pixels[y * 300 + 15..y * 300 + 60].fill(1));
        mammo_dicom::image_file::write_png16(&folder.path().join("mask.png"), &larger).unwrap();
        let stretched = lesion_mask(&lesion, LesionFill::Ellipse, &frame(), folder.path()).unwrap();
        assert_eq!(stretched, drawn, "a mask of one and a half times the size says the same");
        mammo_dicom::image_file::write_png16(&folder.path().join("mask.png"), &marks).unwrap();
        let other = InputFrame { stored_width: 230, ..frame() };
        let error = lesion_mask(&lesion, LesionFill::Ellipse, &other, folder.path()).unwrap_err();
        assert!(error.to_string().contains("200x100"), "{error}");
    }
}
