//! Plans lesions of a breast: kind, truth, form, size, contrast, position.
//!
//! Size and contrast have the same distribution in both classes. The form differs: a benign mass is an
//! oval with a sharp margin, a malignant one irregular with an indistinct or spiculated margin; benign
//! calcifications are coarse or round and scattered, malignant ones fine, uneven and clustered or in a
//! line (BI-RADS atlas, 5th edition). About one lesion in ten has the form of the other class.
//!
//! A lesion's position is its distance from the nipple and one angle per view; the distance is the same
//! in both projections (the arc rule by which readers match the two views).

use rand::RngExt;

use super::breast::{Breast, normal};
use super::frame::Point;
use super::projection::Projection;
use mammo_core::record::{LesionKind, Pathology, View};
use mammo_core::seed::Rng;

/// Appearance of a lesion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Mass, oval or gently lobulated, sharp rim.
    Circumscribed,
    /// Mass, irregular, fading into its surroundings.
    Indistinct,
    /// Mass, irregular, with strands radiating from it.
    Spiculated,
    /// Calcifications of a millimetre and more, some with a lucent centre.
    Coarse,
    /// Small round calcifications of even size, scattered.
    Punctate,
    /// Fine calcifications of uneven size and shape, clustered.
    Pleomorphic,
    /// Fine calcifications along a branching duct.
    Linear,
}

impl Form {
    /// Frequency of each form for lesions of this kind and truth.
    fn shares(kind: LesionKind, pathology: Pathology) -> &'static [(Self, f32)] {
        use Form::*;
        match (kind, pathology) {
            (LesionKind::Mass, Pathology::Malignant) => {
                &[(Spiculated, 0.62), (Indistinct, 0.31), (Circumscribed, 0.07)]
            }
            (LesionKind::Mass, _) => &[(Circumscribed, 0.89), (Indistinct, 0.08), (Spiculated, 0.03)],
            (LesionKind::Calcification, Pathology::Malignant) => {
                &[(Pleomorphic, 0.58), (Linear, 0.34), (Punctate, 0.08)]
            }
            (LesionKind::Calcification, _) => &[(Coarse, 0.52), (Punctate, 0.40), (Pleomorphic, 0.08)],
        }
    }

    fn draw(kind: LesionKind, pathology: Pathology, rng: &mut Rng) -> Self {
        let shares = Self::shares(kind, pathology);
        let mut share = rng.random::<f32>();
        for &(form, of_all) in shares {
            share -= of_all;
            if share < 0.0 {
                return form;
            }
        }
        shares[0].0
    }
}

/// Scale factors of a data set's lesions.
#[derive(Clone, Copy, Debug)]
pub struct Appearance {
    /// Factor on all lengths.
    pub scale: f32,
    /// Factor on the contrast of masses.
    pub mass_contrast: f32,
}

/// One lesion of one breast.
#[derive(Clone, Debug)]
pub struct PlannedLesion {
    /// Mass or calcification.
    pub kind: LesionKind,
    /// Its truth.
    pub pathology: Pathology,
    /// Its form.
    pub form: Form,
    /// Radius of the disc that a mass covers, or half the extent of a group of calcifications.
    pub radius_mm: f32,
    /// Factor on all lengths of its details; 1 is life size.
    pub scale: f32,
    /// Mean attenuation that a mass adds in fat, or that a calcification's core adds.
    pub contrast: f32,
    /// Distance from the nipple, the same in both views.
    pub nipple_distance_mm: f32,
    /// Off the posterior nipple line in the CC view; positive is lateral.
    pub cc_angle_rad: f32,
    /// Off the posterior nipple line in the MLO view; positive is superior.
    pub mlo_angle_rad: f32,
}

/// Number of draws of a position before the lesion is placed on the posterior nipple line.
const PLACEMENT_TRIES: usize = 200;

impl PlannedLesion {
    /// A lesion inside the breast in all `projections` and clear of `others`; `None` when the
    /// breast has no room for one more.
    pub fn draw(
        (kind, pathology): (LesionKind, Pathology),
        look: Appearance,
        breast: &Breast,
        projections: &[Projection],
        others: &[Self],
        rng: &mut Rng,
    ) -> Option<Self> {
        // A mass of the mass training images of CBIS-DDSM stands out from the tissue around it by
        // 0.3, 1.1 and 2.3 standard deviations of that tissue (10th, 50th, 90th percentile);
        // these contrasts give about 0.9, 1.7 and 2.7.
        let spread = normal(rng).clamp(-2.0, 2.0);
        let subtlety = normal(rng).clamp(-2.0, 1.8);
        let (life_size_mm, contrast): (f32, f32) = match kind {
            LesionKind::Mass => (
                (8.0 * (0.32 * spread).exp()).clamp(4.2, 14.0),
                look.mass_contrast * 0.40 * (0.32 * subtlety).exp(),
            ),
            LesionKind::Calcification => {
                ((7.5 * (0.28 * spread).exp()).clamp(4.2, 12.5), 0.75 * (0.28 * subtlety).exp())
            }
        };
        let radius_mm = look.scale * life_size_mm;
        let form = Form::draw(kind, pathology, rng);
        let at = |nipple_distance_mm: f32, cc_angle_rad: f32, mlo_angle_rad: f32| Self {
            kind,
            pathology,
            form,
            radius_mm,
            scale: look.scale,
            contrast,
            nipple_distance_mm,
            cc_angle_rad,
            mlo_angle_rad,
        };
        let (nearest, farthest) = (radius_mm + 8.0, (breast.depth_mm - 0.7 * radius_mm - 4.0));
        for _ in 0..PLACEMENT_TRIES {
            let distance_mm = nearest + (farthest - nearest) * rng.random_range(0.0_f32..1.0).powf(0.8);
            let candidate = at(distance_mm, 0.1 + 0.45 * normal(rng), 0.15 + 0.4 * normal(rng));
            if candidate.fits(projections, others) {
                return Some(candidate);
            }
        }
        Some(at(0.5 * breast.depth_mm, 0.0, 0.0)).filter(|lesion| lesion.fits(projections, others))
    }

    /// Position of its centre in a view.
    pub fn centre(&self, projection: &Projection) -> Point {
        let angle = match projection.view {
            View::Cc => self.cc_angle_rad,
            View::Mlo => self.mlo_angle_rad,
        };
        projection.at_nipple_distance(self.nipple_distance_mm, angle)
    }

    fn fits(&self, projections: &[Projection], others: &[Self]) -> bool {
        projections.iter().all(|projection| {
            let centre = self.centre(projection);
            let clear = |other: &Self| {
                other.centre(projection).distance(centre) > 1.4 * (self.radius_mm + other.radius_mm) + 4.0
            };
            projection.skin_mm(centre) > self.radius_mm + 4.0
                && projection.pectoral_mm(centre) < -0.7 * self.radius_mm
                && centre.x > 0.7 * self.radius_mm + 2.0
                && others.iter().all(clear)
        })
    }
}
