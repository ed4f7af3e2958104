//! One image: truth and masks are computed first, pixels on demand.

use super::breast::Breast;
use super::calcification::Calcifications;
use super::canvas::Canvas;
use super::frame::Frame;
use super::lesion::PlannedLesion;
use super::mass::Mass;
use super::plan::Streams;
use super::projection::Projection;
use super::tissue::Tissue;
use super::{PhantomConfig, Site, digital, film};
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::record::{Laterality, Lesion, LesionKind, LesionShape, Mammogram, Pathology, Polarity, View};

/// Loss of a mass's contrast where it replaces parenchyma instead of fat, as a share.
const MASKING: f32 = 0.5;

/// One image, ready to be drawn.
pub struct ImagePlan {
    /// Names, truth and lesions.
    pub record: Mammogram,
    /// Which breast is drawn.
    pub laterality: Laterality,
    /// In which view.
    pub view: View,
    /// One mask per lesion, as stored.
    pub masks: Vec<GreyImage>,
    breast: Breast,
    projection: Projection,
    drawings: Vec<Drawing>,
    streams: Streams,
}

enum Drawing {
    Mass(Mass),
    Calcifications(Calcifications),
}

impl ImagePlan {
    /// The projection of a breast with its lesions; patient and assessment are filled in later.
    pub fn new(
        config: &PhantomConfig,
        streams: Streams,
        laterality: Laterality,
        breast: &Breast,
        projection: Projection,
        planned: &[PlannedLesion],
    ) -> Self {
        let frame = Frame::new(config);
        let view = projection.view;
        let name = format!("{}_{:05}_{laterality}_{view}", config.site.letter(), streams.index);
        let name = name.to_uppercase();
        let (mut drawings, mut masks, mut lesions) = (Vec::new(), Vec::new(), Vec::new());
        for (number, lesion) in (1_u64..).zip(planned) {
            let mut rng = streams.of(&format!("lesion {laterality} {view} {number}"));
            let centre = lesion.centre(&projection);
            let (drawing, inside) = match lesion.kind {
                LesionKind::Mass => {
                    let mass = Mass::draw(lesion, centre, &mut rng);
                    let inside = mass.mask(frame);
                    (Drawing::Mass(mass), inside)
                }
                LesionKind::Calcification => {
                    let group = Calcifications::draw(lesion, centre, &mut rng);
                    let inside = group.mask(frame);
                    (Drawing::Calcifications(group), inside)
                }
            };
            let (mask, bounds) = stored_mask(frame, laterality, &inside);
            let shape = LesionShape::Mask { file: format!("masks/{name}_{number}.png"), bounds };
            lesions.push(Lesion { kind: lesion.kind, pathology: lesion.pathology, shape });
            masks.push(mask);
            drawings.push(drawing);
        }
        let malignant = lesions.iter().any(|lesion| lesion.pathology == Pathology::Malignant);
        let record = Mammogram {
            file: format!("images/{name}.png"),
            patient_id: String::new(),
            laterality: Some(laterality),
            view: Some(view),
            pathology: if malignant { Pathology::Malignant } else { Pathology::Benign },
            width_px: frame.width_px as u32,
            height_px: frame.height_px as u32,
            polarity: match config.site {
                Site::Film => Polarity::Normal,
                Site::Digital => Polarity::Inverted,
            },
            density: Some(breast.density),
            assessment: None,
            site: Some(config.site.to_string()),
            official_side: None,
            lesions,
        };
        Self { record, laterality, view, masks, breast: breast.clone(), projection, drawings, streams }
    }

    /// Draws the image: anatomy, lesions, exposure. This is the slow part.
    pub fn render(&self, config: &PhantomConfig) -> GreyImage {
        let frame = Frame::new(config);
        let (laterality, view) = (self.laterality, self.view);
        let stream = |purpose: &str| self.streams.of(&format!("{purpose} {laterality} {view}"));
        let mut tissue = Tissue::draw(&self.breast, &self.projection, frame, &mut stream("tissue"));

        let (mut masses, mut calcium) = (Canvas::zeros(frame), Canvas::zeros(frame));
        for drawing in &self.drawings {
            match drawing {
                Drawing::Mass(mass) => mass.paint(&mut masses),
                Drawing::Calcifications(group) => group.paint(&mut calcium),
            }
        }
        for (i, value) in tissue.attenuation.values.iter_mut().enumerate() {
            *value += masses.values[i] * (1.0 - MASKING * tissue.gland.values[i]) + calcium.values[i];
        }
        if laterality == Laterality::Right {
            tissue.mirror();
        }
        let (mut setting, mut noise) = (stream("exposure"), stream("noise"));
        let stored = match config.site {
            Site::Film => film::expose(&tissue, laterality, view, &mut setting, &mut noise),
            Site::Digital => digital::expose(&tissue, laterality, view, &mut setting, &mut noise),
        };
        GreyImage {
            width: frame.width_px,
            height: frame.height_px,
            pixels: stored.values.iter().map(|&v| v.round() as u16).collect(),
        }
    }
}

/// The mask image and its bounding box, mirrored for a right breast.
fn stored_mask(frame: Frame, laterality: Laterality, inside: &[usize]) -> (GreyImage, Rect) {
    let mut mask = GreyImage::black(frame.width_px, frame.height_px);
    let mut bounds: Option<Rect> = None;
    for &i in inside {
        let (row, left_column) = (i / frame.width_px, i % frame.width_px);
        let column = match laterality {
            Laterality::Left => left_column,
            Laterality::Right => frame.width_px - 1 - left_column,
        };
        mask.pixels[row * frame.width_px + column] = u16::MAX;
        let pixel = Rect::new(column as f64, row as f64, 1.0, 1.0);
        bounds = Some(bounds.map_or(pixel, |bounds| bounds.union(&pixel)));
    }
    (mask, bounds.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Point;
    use crate::plan::PatientPlan;

    #[test]
    fn a_lesion_lies_inside_the_breast_at_one_nipple_distance_in_both_views() {
        let config = PhantomConfig { height_px: 576, width_px: 448, ..PhantomConfig::default() };
        let frame = Frame::new(&config);
        let mut n_compared = 0;
        for index in 0..60 {
            let plan = PatientPlan::new(&config, index);
            for pair in plan.images.chunks_exact(2) {
                let distances = |image: &ImagePlan| -> Vec<(LesionKind, f32)> {
                    let nipple = image.projection.nipple;
                    let centroid = |mask: &GreyImage| {
                        let (mut x, mut y, mut n) = (0.0, 0.0, 0.0_f32);
                        for i in (0..mask.pixels.len()).filter(|&i| mask.pixels[i] > 0) {
                            let column = match image.laterality {
                                Laterality::Left => i % mask.width,
                                Laterality::Right => mask.width - 1 - i % mask.width,
                            };
                            let p = Point { x: frame.centre_mm(column), y: frame.centre_mm(i / mask.width) };
                            assert!(image.projection.skin_mm(p) > 0.0, "{} outside", image.record.file);
                            (x, y, n) = (x + p.x, y + p.y, n + 1.0);
                        }
                        Point { x: x / n, y: y / n }
                    };
                    let lesions = image.record.lesions.iter().zip(&image.masks);
                    lesions.map(|(lesion, mask)| (lesion.kind, centroid(mask).distance(nipple))).collect()
                };
                for ((kind, cc), (_, mlo)) in distances(&pair[0]).into_iter().zip(distances(&pair[1])) {
                    // Each view draws its own outline and grains, so centroids differ a little.
                    let tolerance_mm = if kind == LesionKind::Mass { 3.0 } else { 10.0 };
                    assert!((cc - mlo).abs() < tolerance_mm, "patient {index}: {cc:.1} mm and {mlo:.1} mm");
                    n_compared += 1;
                }
            }
        }
        assert!(n_compared > 30);
    }
}
