//! An [`Evaluation`] as a list of named figures, for CSV and Markdown.

use crate::calibration::reliability::{CalibrationFigures, Estimate, Recalibrated};
use crate::defined::Defined;
use crate::intervals::delong::AucError;
use crate::origin::Origin;
use crate::report::figure::{Figure, FigureTable, p_in_words};
use crate::report::unit::{OperatingFigures, UnitFigures};
use crate::report::{Evaluation, PoolingFigures};
use crate::roc::decision_curve::DecisionPoint;
use crate::tables::aggregate::Pooling;
use crate::tables::unit::Unit;

/// With fewer patients of a class the coverage of some intervals is not nominal (docs/evaluation.md).
const FEW_PATIENTS: usize = 20;

/// Threshold probabilities whose net benefit the table shows.
const NET_BENEFIT_AT: [f64; 5] = [0.05, 0.1, 0.2, 0.3, 0.5];

impl FigureTable for Evaluation {
    fn figures(&self) -> Vec<Figure> {
        let mut figures = counts(self);
        for (name, unit) in units(self) {
            figures.push(Figure::measured(&format!("auc_{name}"), &unit.auc, unit.n));
        }
        for (name, unit) in units(self) {
            figures.extend(discrimination(name, unit));
        }
        figures.extend(poolings(self));
        figures.extend(calibration("", &self.calibration, self.images.n));
        let by_model_file = |r: &&Defined<Recalibrated>| r.value().is_some_and(of_model_file);
        if let Some(recalibrated) = self.recalibrated.iter().find(by_model_file) {
            let figures_after = recalibrated.clone().map(|r| r.figures);
            figures.extend(calibration("calibrated_", &figures_after, self.images.n));
        }
        figures.extend(recalibrated(self));
        if let Some(first) = self.images.operating_points.first() {
            figures.extend(operating_point("", first));
        }
        for other in self.images.operating_points.iter().skip(1) {
            figures.extend(operating_point(&format!("{}_", other.point.rule.name()), other));
        }
        for (name, unit) in units(self).into_iter().skip(1) {
            // Only the first operating point of a unit; all are in the JSON.
            if let Some(first) = unit.operating_points.first() {
                figures.extend(operating_point(&format!("{name}_"), first));
            }
        }
        figures.extend(net_benefits(self));
        figures.extend(subgroups(self));
        figures.extend(localisation(self));
        figures.extend(readers(self));
        figures
    }

    fn level(&self) -> Option<f64> {
        Some(self.config.bootstrap.level)
    }
}

/// The units, each with the suffix of the names of its figures.
fn units(evaluation: &Evaluation) -> Vec<(&'static str, &UnitFigures)> {
    let mut units = vec![(evaluation.unit.name(), &evaluation.images)];
    units.extend(evaluation.breasts.as_ref().map(|breasts| ("breast", breasts)));
    if evaluation.unit != Unit::Patient {
        units.push(("patient", &evaluation.patients));
    }
    units
}

fn counts(evaluation: &Evaluation) -> Vec<Figure> {
    let mut figures = vec![];
    for (name, unit) in units(evaluation) {
        figures.push(Figure::count(&format!("n_{name}s"), unit.n));
        let mut malignant = Figure::count(&format!("n_{name}s_malignant"), unit.n_malignant);
        if name == "patient" && unit.n_malignant.min(unit.n - unit.n_malignant) < FEW_PATIENTS {
            malignant.note = "few of a class: 95 % intervals covered 92 to 99 % in simulations".into();
        }
        figures.push(malignant);
        if name == evaluation.unit.name() {
            figures.push(Figure::count(&format!("n_{name}s_unlabelled"), evaluation.n_unlabelled));
            if evaluation.n_without_side > 0 {
                let mut without = Figure::count("n_images_side_unknown", evaluation.n_without_side);
                without.note = "counted per patient, not per breast".into();
                figures.push(without);
            }
        }
    }
    figures
}

fn discrimination(name: &str, unit: &UnitFigures) -> Vec<Figure> {
    let n = unit.n;
    let logit = match unit.delong.value() {
        Some(delong) => delong.logit.clone().map(|ends| (delong.auc, ends.low, ends.high)),
        None => Defined::undefined(unit.delong.reason().unwrap_or_default()),
    };
    let standardised = unit.partial_auc.clone().map(|partial| partial.standardised);
    let mut figures = vec![
        Figure::ends(&format!("auc_{name}_delong_logit"), &logit, n),
        Figure::measured(&format!("partial_auc_standardised_{name}"), &standardised, n),
        Figure::measured(&format!("average_precision_{name}"), &unit.average_precision, n),
    ];
    let n_benign = n - unit.n_malignant;
    for at in &unit.sensitivity_at_specificity {
        let name = format!("sensitivity_{name}_at_specificity_{}", at.at);
        figures.push(Figure::measured(&name, &at.value, unit.n_malignant));
    }
    for at in &unit.specificity_at_sensitivity {
        let name = format!("specificity_{name}_at_sensitivity_{}", at.at);
        figures.push(Figure::measured(&name, &at.value, n_benign));
    }
    figures
}

fn poolings(evaluation: &Evaluation) -> Vec<Figure> {
    let Some(breasts) = &evaluation.breasts else { return vec![] };
    let of_pooling = |figures: &PoolingFigures| {
        let mut figure = Figure::measured(
            &format!("auc_breast_views_{}", figures.pooling.name()),
            &figures.auc,
            breasts.n,
        );
        if let Pooling::Learned { weight_of_max } = figures.pooling {
            figure.note += &format!("weight of the highest view {weight_of_max}, learned");
        }
        figure
    };
    evaluation.poolings.iter().map(of_pooling).collect()
}

/// Three calibration figures after each calibrator that does not come from the model file.
fn recalibrated(evaluation: &Evaluation) -> Vec<Figure> {
    let mut list = vec![];
    for after in &evaluation.recalibrated {
        let (method, figures) = match after {
            Defined::Value(after) if of_model_file(after) => continue,
            Defined::Value(after) => (after.calibrator.name(), &after.figures),
            Defined::Undefined { undefined } => {
                list.push(Figure::undefined("recalibrated", undefined, evaluation.images.n));
                continue;
            }
        };
        let slope = figures.slope.clone().map(|e| (e.estimate, e.low, e.high));
        list.extend([
            Figure::measured(&format!("brier_after_{method}"), &figures.brier, figures.n),
            Figure::value(&format!("ece_after_{method}"), Some(figures.ece), figures.n),
            Figure::ends(&format!("calibration_slope_after_{method}"), &slope, figures.n),
        ]);
    }
    list
}

fn of_model_file(recalibrated: &Recalibrated) -> bool {
    recalibrated.origin == Origin::ModelFile
}

fn calibration(prefix: &str, calibration: &Defined<CalibrationFigures>, n: usize) -> Vec<Figure> {
    let name = |name: &str| format!("{prefix}{name}");
    let figures = match calibration {
        Defined::Value(figures) => figures,
        Defined::Undefined { undefined } => {
            return vec![Figure::undefined(&name("brier"), undefined, n)];
        }
    };
    let ends = |estimate: &Defined<Estimate>| estimate.clone().map(|e| (e.estimate, e.low, e.high));
    vec![
        Figure::measured(&name("brier"), &figures.brier, n),
        Figure::value(&name("brier_reliability"), Some(figures.brier_parts.reliability), figures.n),
        Figure::value(&name("brier_resolution"), Some(figures.brier_parts.resolution), figures.n),
        Figure::value(&name("brier_uncertainty"), Some(figures.brier_parts.uncertainty), figures.n),
        Figure::value(&name("log_loss"), Some(figures.log_loss), n),
        Figure::value(&name("ece"), Some(figures.ece), n),
        Figure::value(&name("ece_by_chance"), Some(figures.ece_by_chance), n),
        Figure::ends(&name("calibration_in_the_large"), &ends(&figures.in_the_large), n),
        Figure::ends(&name("calibration_slope"), &ends(&figures.slope), n),
        Figure::ends(&name("calibration_intercept"), &ends(&figures.intercept), n),
    ]
}

fn operating_point(prefix: &str, figures: &OperatingFigures) -> Vec<Figure> {
    let threshold = Figure::value(&format!("{prefix}threshold"), Some(figures.result.threshold), 0);
    let mut list = vec![Figure { n: None, ..threshold }];
    list.extend(figures.shares().map(|share| {
        let (value, n) = (share.ends(), share.counted.map_or(0, |counted| counted.n));
        Figure {
            interval: value.map(|(_, low, high)| (low, high)),
            note: share.note(),
            ..Figure::value(&format!("{prefix}{}", share.name), value.map(|value| value.0), n)
        }
    }));
    if let Some(at) = &figures.at_prevalence {
        let n = figures.result.recall_rate.map_or(0, |counted| counted.n);
        list.extend([
            Figure::measured(&format!("{prefix}ppv_at_prevalence_{}", at.prevalence), &at.ppv, n),
            Figure::measured(&format!("{prefix}npv_at_prevalence_{}", at.prevalence), &at.npv, n),
            Figure::measured(
                &format!("{prefix}recall_rate_at_prevalence_{}", at.prevalence),
                &at.recall_rate,
                n,
            ),
        ]);
    }
    list
}

/// A few points of the decision curve; all are in the JSON.
fn net_benefits(evaluation: &Evaluation) -> Vec<Figure> {
    let n = evaluation.images.n;
    let curve = match &evaluation.decision_curve {
        Defined::Value(curve) => curve,
        Defined::Undefined { undefined } => return vec![Figure::undefined("net_benefit", undefined, n)],
    };
    let shown = |point: &&DecisionPoint| NET_BENEFIT_AT.contains(&point.threshold);
    let figure = |point: &DecisionPoint| {
        let ends = Defined::Value((point.net_benefit, point.low, point.high));
        let mut figure = Figure::ends(&format!("net_benefit_at_{}", point.threshold), &ends, n);
        figure.note = format!("recalling everybody {:.4}, nobody 0", point.recall_all);
        figure
    };
    curve.points.iter().filter(shown).map(figure).collect()
}

fn subgroups(evaluation: &Evaluation) -> Vec<Figure> {
    let (mut figures, unit) = (vec![], evaluation.unit);
    for subgroups in &evaluation.subgroups {
        for group in &subgroups.groups {
            let name = format!("auc_{unit}_{}={}", subgroups.column, group.value);
            figures.push(Figure::measured(&name, &group.auc, group.n));
        }
    }
    for shortcut in &evaluation.shortcuts {
        let name = format!("auc_{unit}_within_{}", shortcut.column);
        let n = shortcut.sites.iter().map(|site| site.n).sum();
        figures.push(Figure::measured(&name, &shortcut.within_auc, n));
        let alone = format!("auc_of_{}_alone", shortcut.column);
        figures.push(match &shortcut.site_alone_auc {
            Defined::Value(auc) => Figure::value(&alone, Some(*auc), n),
            Defined::Undefined { undefined } => Figure::undefined(&alone, undefined, n),
        });
        for site in &shortcut.sites {
            let name = format!("auc_of_telling_{}={}_benign", shortcut.column, site.value);
            figures.push(Figure::measured(&name, &site.site_auc_benign, site.n - site.n_malignant));
        }
    }
    figures
}

fn localisation(evaluation: &Evaluation) -> Vec<Figure> {
    let Some(found) = &evaluation.localisation else { return vec![] };
    let mean = found.froc.clone().map(|froc| froc.mean_sensitivity);
    let mut figures = vec![Figure::measured("lesion_sensitivity_mean", &mean, found.n_lesions)];
    for at in found.froc.value().map(|froc| &froc.at[..]).unwrap_or_default() {
        let name = format!("lesion_sensitivity_at_{}_fp_per_image", at.at);
        let value = Defined::Value((at.estimate, at.low, at.high));
        figures.push(Figure::ends(&name, &value, found.n_lesions));
    }
    figures.push(Figure::measured("pointing_game", &found.pointing_game, found.n_images_with_lesion));
    figures.push(Figure::measured("mean_overlap", &found.mean_overlap, found.n_lesions));
    figures
}

fn readers(evaluation: &Evaluation) -> Vec<Figure> {
    let Some(study) = &evaluation.readers else { return vec![] };
    let n = study.n_images;
    let mut figures = vec![];
    let area =
        |name: &str, auc: &Defined<AucError>| Figure::ends(name, &auc.clone().map(|auc| auc.best()), n);
    figures.push(area("auc_model_where_all_read", &study.model));
    for reader in &study.readers {
        figures.push(area(&format!("auc_reader_{}", reader.name), &reader.auc));
    }
    figures.push(match &study.mean_auc {
        Defined::Value(mean) => Figure::value("auc_readers_mean", Some(*mean), n),
        Defined::Undefined { undefined } => Figure::undefined("auc_readers_mean", undefined, n),
    });
    for (kind, difference) in [("fixed", &study.fixed_readers), ("random", &study.random_readers)] {
        let ends = difference.clone().map(|d| (d.difference, d.low, d.high));
        let mut figure = Figure::ends(&format!("auc_model_minus_{kind}_readers"), &ends, n);
        if let Some(difference) = difference.value() {
            figure.note = p_in_words(difference.p_value);
        }
        figures.push(figure);
    }
    figures
}
