//! The plan of a patient: anatomy and lesions, before images are drawn.
//!
//! Truth, boxes and masks follow from the plan; drawing the pixels is slow and is skipped when a file
//! already exists.

use rand::RngExt;

use super::breast::Breast;
use super::frame::Frame;
use super::image::ImagePlan;
use super::lesion::{Appearance, PlannedLesion};
use super::projection::Projection;
use super::{PhantomConfig, Site};
use mammo_core::record::{Laterality, LesionKind, Pathology};
use mammo_core::seed::{Rng, stream};

/// The random streams of one patient.
#[derive(Clone, Copy)]
pub struct Streams {
    /// Seed of the data set.
    pub seed: u64,
    /// The site; patients of the two sites are different.
    pub site: Site,
    /// Number of the patient.
    pub index: u64,
}

impl Streams {
    /// The stream for one purpose.
    pub fn of(self, purpose: &str) -> Rng {
        stream(self.seed, &format!("phantom {} {purpose}", self.site), self.index)
    }
}

/// One patient, ready to be drawn.
pub struct PatientPlan {
    /// Site letter and number.
    pub patient_id: String,
    /// Left before right, views in the order of the configuration.
    pub images: Vec<ImagePlan>,
}

/// The lesions of one breast.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finding {
    Normal,
    Benign,
    Malignant,
}

impl PatientPlan {
    /// Draws the plan of patient number `index`.
    pub fn new(config: &PhantomConfig, index: usize) -> Self {
        let patient_id = format!("{}_{index:05}", config.site.letter());
        let streams = Streams { seed: config.seed, site: config.site, index: index as u64 };
        let mut case = streams.of("case");
        let not_malignant = |share: f64| {
            if share < config.benign_share { Finding::Benign } else { Finding::Normal }
        };
        let share = case.random::<f64>() - config.malignant_share;
        let finding = if share < 0.0 { Finding::Malignant } else { not_malignant(share) };
        let other = not_malignant(case.random::<f64>() * (1.0 - config.malignant_share));
        let affected = [Laterality::Left, Laterality::Right][case.random_range(0..2_usize)];
        let both = case.random::<f64>() < config.both_breasts_share;

        let mut anatomy = streams.of("breast");
        let left = Breast::draw(&mut anatomy);
        let right = left.contralateral(&mut anatomy);
        let mut images = Vec::new();
        for (laterality, breast) in [(Laterality::Left, left), (Laterality::Right, right)] {
            if laterality == affected {
                images.extend(plan_breast(config, streams, laterality, &breast, finding));
            } else if both {
                images.extend(plan_breast(config, streams, laterality, &breast, other));
            }
        }
        images.iter_mut().for_each(|image| image.record.patient_id.clone_from(&patient_id));
        Self { patient_id, images }
    }
}

fn plan_breast(
    config: &PhantomConfig,
    streams: Streams,
    laterality: Laterality,
    breast: &Breast,
    finding: Finding,
) -> Vec<ImagePlan> {
    let frame = Frame::new(config);
    let mut positioning = streams.of(&format!("positioning {laterality}"));
    let projections: Vec<Projection> =
        config.views.iter().map(|&view| Projection::draw(breast, view, frame, &mut positioning)).collect();
    let mut rng = streams.of(&format!("lesions {laterality}"));
    let lesions = plan_lesions(config, breast, &projections, finding, &mut rng);
    let assessment = match finding {
        Finding::Normal => 1,
        Finding::Benign => rng.random_range(2..=4),
        Finding::Malignant => rng.random_range(4..=5),
    };
    projections
        .into_iter()
        .map(|projection| {
            let mut image = ImagePlan::new(config, streams, laterality, breast, projection, &lesions);
            image.record.assessment = Some(assessment);
            image
        })
        .collect()
}

/// The lesion that determines the class of the breast, and sometimes a further one.
fn plan_lesions(
    config: &PhantomConfig,
    breast: &Breast,
    projections: &[Projection],
    finding: Finding,
    rng: &mut Rng,
) -> Vec<PlannedLesion> {
    let pathologies: &[Pathology] = match (finding, rng.random::<f32>()) {
        (Finding::Normal, _) => &[],
        (Finding::Benign, share) if share < 0.18 => &[Pathology::Benign, Pathology::Benign],
        (Finding::Benign, _) => &[Pathology::Benign],
        (Finding::Malignant, share) if share < 0.06 => &[Pathology::Malignant, Pathology::Malignant],
        (Finding::Malignant, share) if share < 0.18 => &[Pathology::Malignant, Pathology::Benign],
        (Finding::Malignant, _) => &[Pathology::Malignant],
    };
    let mut lesions = Vec::new();
    for &pathology in pathologies {
        let calcified = rng.random::<f64>() < config.calcification_share;
        let kind = if calcified { LesionKind::Calcification } else { LesionKind::Mass };
        let look =
            Appearance { scale: config.lesion_scale as f32, mass_contrast: config.mass_contrast as f32 };
        lesions.extend(PlannedLesion::draw((kind, pathology), look, breast, projections, &lesions, rng));
    }
    lesions
}
