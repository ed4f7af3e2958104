//! All images of a patient, and the rows of the score table that they make.

use mammo_core::record::{Laterality, Mammogram, Pathology};
use mammo_eval::Unit;
use mammo_eval::tables::scores::{NAMES, RowImages};

use super::combine::{Combination, PatientScores, UnitScore, breasts, patient_scores};
use super::opening::Refused;
use super::reading::ReadImage;
use super::score::{Request, in_words};
use super::select::Selected;
use super::units::{RefusedUnit, UnitRow};

/// All images of a patient, with the scores.
pub(super) struct Patient {
    /// Identifier, or the name of the only image if that is of an unknown patient.
    id: String,
    /// Side and truth of every image, in their order.
    sides: Vec<(Option<Laterality>, Pathology)>,
    /// Scored images, each with its place among all.
    pub scored: Vec<(Mammogram, ReadImage)>,
    places: Vec<usize>,
    /// Refused images, each with its place among all.
    pub refused: Vec<(Mammogram, Refused)>,
    refused_places: Vec<usize>,
    /// The scores; positions of images refer to `scored`.
    pub scores: PatientScores,
}

impl Patient {
    pub fn of(
        request: &Request,
        combination: Combination,
        selected: &Selected,
        images: Vec<(Mammogram, Result<ReadImage, Refused>)>,
    ) -> Self {
        let id = images.first().map_or(String::new(), |(image, _)| selected.patient_of(image).to_string());
        let sides = images.iter().map(|(image, _)| (image.laterality, image.pathology)).collect();
        let (mut scored, mut places) = (Vec::new(), Vec::new());
        let (mut refused, mut refused_places) = (Vec::new(), Vec::new());
        for (place, (image, read)) in images.into_iter().enumerate() {
            match read {
                Ok(read) => {
                    scored.push((image, read));
                    places.push(place);
                }
                Err(reason) => {
                    refused.push((image, reason));
                    refused_places.push(place);
                }
            }
        }
        let read: Vec<_> = scored.iter().map(|(image, read)| (read, image.laterality)).collect();
        let scores = patient_scores(request.models, combination, &read);
        Self { id, sides, scored, places, refused, refused_places, scores }
    }

    /// Adds the rows of the breasts or that of the patient.
    pub fn add_rows(
        &self,
        request: &Request,
        unit: Unit,
        rows: &mut Vec<UnitRow>,
        refused: &mut Vec<RefusedUnit>,
    ) {
        if unit == Unit::Patient {
            let all: Vec<usize> = (0..self.sides.len()).collect();
            match &self.scores.patient {
                Some(score) => rows.push(self.row(request, unit, score, &all)),
                None => refused.push(self.refused(unit, None, &all)),
            }
            return;
        }
        let sides: Vec<Option<Laterality>> = self.sides.iter().map(|&(laterality, _)| laterality).collect();
        for breast in breasts(&sides) {
            let is_of_breast = |score: &&UnitScore| breast.contains(&self.places[score.images[0]]);
            match self.scores.breasts.iter().find(is_of_breast) {
                Some(score) => rows.push(self.row(request, unit, score, &breast)),
                None => refused.push(self.refused(unit, sides[breast[0]], &breast)),
            }
        }
    }

    /// The row of a score; `all` are the images of the breast or patient, refused ones included.
    fn row(&self, request: &Request, unit: Unit, score: &UnitScore, all: &[usize]) -> UnitRow {
        let images: Vec<&(Mammogram, ReadImage)> = score.images.iter().map(|&i| &self.scored[i]).collect();
        let views = images.iter().map(|(image, _)| match image.view {
            Some(view) => view.to_string(),
            None => "unknown".to_string(),
        });
        let remarks = images.iter().filter(|(_, read)| !read.remarks.is_empty());
        let remarks = remarks.map(|(image, read)| format!("{}: {}", image.file, in_words(&read.remarks)));
        let refused = self.refused_of(all);
        let reason = remarks.chain(refused.iter().map(|(_, refused)| reason(refused)));
        let record = self.record(names(images.iter().map(|(image, _)| image)), score.laterality, all);
        UnitRow {
            row: request.row(&record, score.score, images.iter().map(|(_, read)| read.seconds).sum()),
            domain: score.domain,
            reason: reason.collect::<Vec<_>>().join("; "),
            images: RowImages {
                by: unit,
                views: views.collect::<Vec<_>>().join(NAMES),
                n_images: images.len(),
                n_refused: refused.len(),
            },
        }
    }

    /// The row of a breast or patient without any scored image.
    fn refused(&self, unit: Unit, laterality: Option<Laterality>, all: &[usize]) -> RefusedUnit {
        let refused = self.refused_of(all);
        let mut codes: Vec<&str> = refused.iter().map(|(_, refused)| refused.code).collect();
        codes.sort_unstable();
        codes.dedup();
        RefusedUnit {
            record: self.record(names(refused.iter().map(|(image, _)| image)), laterality, all),
            codes: codes.join(NAMES),
            reason: refused.iter().map(|(_, refused)| reason(refused)).collect::<Vec<_>>().join("; "),
            images: RowImages { by: unit, views: String::new(), n_images: 0, n_refused: refused.len() },
        }
    }

    /// The refused images among some.
    fn refused_of(&self, all: &[usize]) -> Vec<&(Mammogram, Refused)> {
        let of_unit = self.refused.iter().zip(&self.refused_places).filter(|(_, place)| all.contains(place));
        of_unit.map(|(refused, _)| refused).collect()
    }

    fn record(&self, names: String, laterality: Option<Laterality>, all: &[usize]) -> Mammogram {
        let pathology = truth(all.iter().map(|&image| self.sides[image].1));
        Mammogram { pathology, ..Mammogram::new(&names, &self.id, laterality, None) }
    }
}

fn names<'a>(images: impl Iterator<Item = &'a Mammogram>) -> String {
    images.map(|image| image.file.as_str()).collect::<Vec<_>>().join(NAMES)
}

fn reason(refused: &Refused) -> String {
    format!("refused ({}): {}", refused.code, refused.reason)
}

/// Malignant if any image is, benign if all are.
fn truth(images: impl Iterator<Item = Pathology>) -> Pathology {
    let unless_malignant = |truth, image| match (truth, image) {
        (Pathology::Malignant, _) | (_, Pathology::Malignant) => Pathology::Malignant,
        (Pathology::Unknown, _) | (_, Pathology::Unknown) => Pathology::Unknown,
        (Pathology::Benign, Pathology::Benign) => Pathology::Benign,
    };
    images.reduce(unless_malignant).unwrap_or(Pathology::Unknown)
}

#[cfg(test)]
mod tests {
    use Pathology::{Benign, Malignant, Unknown};

    use super::*;

    #[test]
    fn a_breast_with_a_malignant_image_is_malignant_and_an_unknown_image_leaves_it_unknown() {
        assert_eq!(truth([Benign, Malignant, Unknown].into_iter()), Malignant);
        assert_eq!(truth([Unknown, Malignant].into_iter()), Malignant);
        assert_eq!(truth([Benign, Unknown, Benign].into_iter()), Unknown);
        assert_eq!(truth([Benign, Benign].into_iter()), Benign);
    }
}
