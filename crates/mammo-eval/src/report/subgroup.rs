//! Figures of subgroups: images with one value of a column, such as view, density, lesion type, site.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::defined::Defined;
use crate::intervals::bootstrap::BootstrapConfig;
use crate::intervals::proportion::Proportion;
use crate::roc::operating_point::OperatingPoint;
use crate::tables::aggregate::Case;
use crate::tables::grouping::Grouping;
use crate::tables::sample::Sample;

/// The images split by one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroups {
    /// Name of the column, such as `density`.
    pub column: String,
    /// One per value, in order of value.
    pub groups: Vec<Subgroup>,
    /// Number of labelled images without a value.
    pub n_missing: usize,
    /// Number of benign images without any lesion. In a column about lesions they are controls of
    /// every group, because a normal mammogram has no lesion type.
    pub n_shared_controls: usize,
}

/// The images with one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroup {
    /// The value.
    pub value: String,
    /// Labelled images.
    pub n: usize,
    /// Those that are malignant.
    pub n_malignant: usize,
    /// Patients they belong to.
    pub n_patients: usize,
    /// Area under the ROC curve with a bootstrap interval over patients.
    pub auc: Defined,
    /// Sensitivity at the first operating point of the images; `None` without one or without
    /// malignant images.
    pub sensitivity: Option<Proportion>,
    /// Specificity there; `None` without an operating point or without benign images.
    pub specificity: Option<Proportion>,
}

impl Subgroups {
    /// The figures of each group; `images[i]` is the row with `grouping.values[i]`.
    ///
    /// # Errors
    /// As [`Sample::auc`], except that undefined statistics are not errors.
    pub fn of(
        grouping: &Grouping,
        images: &[Case],
        point: Option<&OperatingPoint>,
        config: &BootstrapConfig,
    ) -> Result<Self> {
        let is_control = |&row: &usize| grouping.without_lesion[row] && !images[row].malignant;
        let n_shared_controls = (0..images.len()).filter(is_control).count();
        let n_missing =
            (0..images.len()).filter(|row| grouping.values[*row].is_none() && !is_control(row)).count();
        let group = |value: &String| {
            let in_group = |row: &usize| grouping.values[*row].as_ref() == Some(value) || is_control(row);
            let rows = (0..images.len()).filter(in_group);
            Subgroup::of(value, &Sample::of(rows.map(|row| &images[row])), point, config)
        };
        Ok(Self {
            column: grouping.column.clone(),
            groups: grouping.order.iter().map(group).collect::<Result<_>>()?,
            n_missing,
            n_shared_controls,
        })
    }
}

impl Subgroup {
    fn of(
        value: &str,
        sample: &Sample,
        point: Option<&OperatingPoint>,
        config: &BootstrapConfig,
    ) -> Result<Self> {
        let applied =
            point.map(|point| point.apply(&sample.scores, &sample.malignant, config.level)).transpose()?;
        Ok(Self {
            value: value.to_string(),
            n: sample.n(),
            n_malignant: sample.n_malignant(),
            n_patients: sample.patients.n(),
            auc: Defined::of(sample.auc(config))?,
            sensitivity: applied.as_ref().and_then(|result| result.sensitivity),
            specificity: applied.as_ref().and_then(|result| result.specificity),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OperatingRule;

    fn image(patient: usize, malignant: bool, score: f64) -> Case {
        Case { patient_id: format!("p{patient}"), laterality: None, malignant, score, n_images: 1 }
    }

    #[test]
    fn each_group_has_its_own_figures_and_an_empty_class_its_reason() {
        let images: Vec<Case> = (0..40)
            .map(|i| {
                image(
                    i,
                    i.is_multiple_of(4),
                    if i.is_multiple_of(4) { 0.7 } else { 0.2 } + (i % 7) as f64 / 25.0,
                )
            })
            .collect();
        let value = |i: usize| match i {
            0..10 => Some("a".to_string()),
            10..20 if !i.is_multiple_of(4) => Some("b".to_string()),
            _ => None,
        };
        let without_lesion = (0..40).map(|i| i == 39).collect();
        let grouping = Grouping {
            column: "vendor".into(),
            values: (0..40).map(value).collect(),
            order: vec!["a".into(), "b".into()],
            without_lesion,
        };
        let point = OperatingPoint {
            threshold: 0.5,
            rule: OperatingRule::Fixed(0.5),
            sensitivity: 1.0,
            specificity: 1.0,
        };
        let config = BootstrapConfig { n_resamples: 100, ..Default::default() };
        let found = Subgroups::of(&grouping, &images, Some(&point), &config).unwrap();
        let [a, b] = &found.groups[..] else { panic!("{found:?}") };
        // Image 39 is benign and without lesion: a control in both groups.
        assert_eq!((a.n, a.n_malignant, b.n, b.n_malignant), (11, 3, 8 + 1, 0));
        assert_eq!((found.n_shared_controls, found.n_missing), (1, 40 - 10 - 8 - 1));
        assert_eq!(a.auc.value().unwrap().estimate, 1.0);
        assert!(b.auc.reason().unwrap().contains("no malignant"));
        assert_eq!((a.sensitivity.unwrap().n, b.sensitivity), (3, None));
    }
}
