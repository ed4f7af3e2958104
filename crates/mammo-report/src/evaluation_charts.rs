//! The charts of a report, made from its evaluations.

mod training;

use mammo_eval::report::subgroup::Subgroup;
use mammo_eval::roc::decision_curve::DecisionPoint;
use mammo_eval::{Defined, Evaluation, Origin};

use crate::chart::{Axis, Chart, Dot, Forest, ForestRow, Head, Ink, Mark, Series, XyChart};
use crate::content::{Report, Run};
use training::{loss, metric};

/// Section of the page that shows a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Charts of the results, in two columns.
    Results,
    /// The forest plot, over the whole width.
    Subgroups,
    /// Charts of the training.
    Training,
}

/// A chart of the page, or why there is none.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Name in file names and anchors.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// Section of the page.
    pub section: Section,
    /// The chart, or why there is none.
    pub chart: Defined<Chart>,
}

/// All charts of a report, in the order of the page.
pub fn slots(report: &Report) -> Vec<Slot> {
    let runs = &report.runs;
    let slot = |section, id: &'static str, title: &'static str, chart: Defined<XyChart>| {
        let chart = chart.map(|chart| {
            let head = Head { id: id.into(), title: title.into(), ..chart.head };
            Chart::Xy(XyChart { head, ..chart })
        });
        Slot { id, title, section, chart }
    };
    let result = |id, title, chart| slot(Section::Results, id, title, chart);
    let training = |id, title, chart| slot(Section::Training, id, title, chart);
    vec![
        result("roc", "ROC curve", roc(runs)),
        result("precision-recall", "Precision–recall", precision_recall(runs)),
        result("calibration", "Calibration", first(runs, calibration)),
        result("scores", "Scores by truth", first(runs, histogram)),
        result("decision-curve", "Decision curve", first(runs, decision_curve)),
        result("froc", "FROC: lesion localisation", first(runs, froc)),
        Slot {
            id: "subgroups",
            title: "Subgroups",
            section: Section::Subgroups,
            chart: first(runs, subgroups).map(Chart::Forest),
        },
        training("training-loss", "Training: loss", loss(runs)),
        training("training-metric", "Training: validation figure", metric(runs)),
    ]
}

fn first<T>(runs: &[Run], part: impl Fn(&Evaluation) -> Defined<T>) -> Defined<T> {
    runs.first().map_or_else(|| Defined::undefined("no run"), |run| part(&run.evaluation))
}

/// The value of a statistic, or the reason as it is shown in place of a chart.
fn value_of<T>(statistic: &Defined<T>) -> Result<&T, String> {
    statistic
        .value()
        .ok_or_else(|| format!("undefined: {}", statistic.reason().unwrap_or("no reason stored")))
}

fn xy_chart(caption: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>, square: bool) -> XyChart {
    let head = Head { caption: caption.into(), ..Head::default() };
    XyChart { head, x, y, series, square }
}

fn line(points: Vec<[f64; 2]>) -> Mark {
    Mark::Line { points, dashed: false }
}

fn dashed(points: Vec<[f64; 2]>) -> Mark {
    Mark::Line { points, dashed: true }
}

/// The label of a run's curve: the name of the run if there are several, else `alone`.
fn curve_label(runs: &[Run], run: &Run, alone: &str) -> String {
    if runs.len() > 1 { run.name.clone() } else { alone.to_string() }
}

fn roc(runs: &[Run]) -> Defined<XyChart> {
    let mut series = vec![Series::new("chance", Ink::Neutral, dashed(vec![[0.0, 0.0], [1.0, 1.0]]))];
    let Some(main) = runs.first() else { return Defined::undefined("no run") };
    let curve = match value_of(&main.evaluation.images.roc) {
        Ok(curve) => curve,
        Err(reason) => return Defined::undefined(reason),
    };
    let level = percent(main.evaluation.config.bootstrap.level);
    if !curve.band.is_empty() {
        let points = curve.band.iter().map(|p| [p.at, p.low, p.high]).collect();
        series.push(Series::new(format!("{level} % band"), Ink::Accent, Mark::Band { points }));
    }
    for (i, run) in runs.iter().enumerate().rev() {
        if let Some(curve) = run.evaluation.images.roc.value() {
            let points = curve.points.iter().map(|p| [p.false_positive_rate, p.sensitivity]).collect();
            series.push(Series::new(curve_label(runs, run, "model"), Ink::of_run(i), line(points)));
        }
    }
    let operating = main.evaluation.images.operating_points.first();
    let place = operating.and_then(|point| {
        let [sensitivity, specificity, ..] = point.shares();
        Some((specificity.ends()?, sensitivity.ends()?))
    });
    if let Some(((specificity, ..), (sensitivity, low, high))) = place {
        let dot = Dot { x: 1.0 - specificity, y: sensitivity, low: Some(low), high: Some(high) };
        series.push(Series::new("operating point", Ink::Accent, Mark::Dots { points: vec![dot] }));
    }
    let operating = match place {
        Some(_) => " The dot is the threshold chosen on validation data.",
        None => " No threshold was chosen on validation data.",
    };
    let caption = format!(
        "Sensitivity against false-positive rate, per image.{} {operating}",
        if curve.band.is_empty() { "" } else { " The band is pointwise, by resampling patients." }
    );
    let (x, y) = (Axis::share("1 − specificity"), Axis::share("sensitivity"));
    Defined::Value(xy_chart(caption.replace("  ", " "), x, y, series, true))
}

fn precision_recall(runs: &[Run]) -> Defined<XyChart> {
    let Some(main) = runs.first() else { return Defined::undefined("no run") };
    let prevalence = match value_of(&main.evaluation.images.precision_recall) {
        Ok(curve) => curve.prevalence,
        Err(reason) => return Defined::undefined(reason),
    };
    let level = dashed(vec![[0.0, prevalence], [1.0, prevalence]]);
    let mut series = vec![Series::new("prevalence", Ink::Neutral, level)];
    for (i, run) in runs.iter().enumerate().rev() {
        if let Some(curve) = run.evaluation.images.precision_recall.value() {
            let points = curve.points.iter().map(|p| [p.recall, p.precision]).collect();
            series.push(Series::new(curve_label(runs, run, "model"), Ink::of_run(i), Mark::Steps { points }));
        }
    }
    let caption = "Share of the flagged images that are malignant, against the share of malignant images \
                   that are flagged. The broken line is the precision of flagging every image.";
    Defined::Value(xy_chart(
        caption,
        Axis::share("recall (sensitivity)"),
        Axis::share("precision (PPV)"),
        series,
        true,
    ))
}

fn calibration(evaluation: &Evaluation) -> Defined<XyChart> {
    let figures = match value_of(&evaluation.calibration) {
        Ok(figures) => figures,
        Err(reason) => return Defined::undefined(reason),
    };
    let mut series = vec![Series::new("perfect", Ink::Neutral, dashed(vec![[0.0, 0.0], [1.0, 1.0]]))];
    for (i, recalibrated) in evaluation.recalibrated.iter().filter_map(|r| r.value()).enumerate() {
        let points =
            recalibrated.figures.bins.iter().map(|b| [b.mean_probability, b.observed.estimate]).collect();
        let of_model = if recalibrated.origin == Origin::ModelFile { ", as in the model file" } else { "" };
        let name = format!("after {}{of_model}", recalibrated.calibrator.label());
        series.push(Series::new(name, Ink::of_run(i + 1), line(points)));
    }
    let points = figures.bins.iter().map(|b| [b.mean_probability, b.observed.estimate]).collect();
    series.push(Series::new("", Ink::Accent, line(points)));
    let dots = figures.bins.iter().map(|b| Dot {
        x: b.mean_probability,
        y: b.observed.estimate,
        low: Some(b.observed.low),
        high: Some(b.observed.high),
    });
    series.push(Series::new("model, as scored", Ink::Accent, Mark::Dots { points: dots.collect() }));
    let caption = "Share of malignant images in bins of predicted probability, with Wilson intervals. \
                   Below the broken line the model overestimates the probability of cancer.";
    Defined::Value(xy_chart(
        caption,
        Axis::share("mean predicted probability"),
        Axis::share("observed share"),
        series,
        true,
    ))
}

fn histogram(evaluation: &Evaluation) -> Defined<XyChart> {
    let histogram = &evaluation.images.histogram;
    let total = |counts: &[usize]| counts.iter().sum::<usize>();
    let (n_malignant, n_benign) = (total(&histogram.malignant), total(&histogram.benign));
    let (Some(&low), Some(&high)) = (histogram.edges.first(), histogram.edges.last()) else {
        return Defined::undefined("the evaluation holds no histogram");
    };
    // The bars of the two classes stand side by side in a bin: stacked or overlaid bars hide one.
    let bars = |counts: &[usize], total: usize, half: f64| -> Vec<[f64; 3]> {
        let ends = histogram.edges.windows(2);
        ends.zip(counts)
            .map(|(ends, &n)| {
                let (wide, share) = ((ends[1] - ends[0]) / 2.0, n as f64 / total.max(1) as f64);
                [ends[0] + half * wide, ends[0] + (half + 1.0) * wide, share]
            })
            .collect()
    };
    let (benign, malignant) =
        (bars(&histogram.benign, n_benign, 0.0), bars(&histogram.malignant, n_malignant, 1.0));
    let tallest = benign.iter().chain(&malignant).map(|bar| bar[2]).fold(0.0, f64::max);
    let series = vec![
        Series::new(format!("benign ({n_benign})"), Ink::Neutral, Mark::Bars { bars: benign }),
        Series::new(format!("malignant ({n_malignant})"), Ink::Accent, Mark::Bars { bars: malignant }),
    ];
    let caption =
        "Distribution of the scores of benign and malignant images; the bars of each class add up to 1.";
    let x = match (low, high) {
        (0.0, 1.0) => Axis::share("score"),
        _ => Axis::over("score", low, high),
    };
    Defined::Value(xy_chart(caption, x, Axis::over("share of images", 0.0, tallest), series, false))
}

fn decision_curve(evaluation: &Evaluation) -> Defined<XyChart> {
    let curve = match value_of(&evaluation.decision_curve) {
        Ok(curve) => curve,
        Err(reason) => return Defined::undefined(reason),
    };
    // Thresholds far above the prevalence are not used in practice, and the band is wide there.
    let last = (4.0 * curve.prevalence).clamp(0.2, 1.0);
    let shown: Vec<&DecisionPoint> = curve.points.iter().filter(|p| p.threshold <= last).collect();
    let best = shown.iter().map(|p| p.net_benefit.max(p.recall_all)).fold(0.0, f64::max);
    let best = 1.25 * best.max(curve.prevalence);
    let y = Axis::over("net benefit", -0.25 * best, best);
    let x = if last < 1.0 {
        Axis::over("threshold probability", 0.0, last)
    } else {
        Axis::share("threshold probability")
    };
    let all = shown.iter().map(|p| [p.threshold, p.recall_all]).collect();
    let model = shown.iter().map(|p| [p.threshold, p.net_benefit]).collect();
    let band = shown.iter().map(|p| [p.threshold, p.low, p.high]).collect();
    let series = vec![
        Series::new("recall everybody", Ink::Second, dashed(all)),
        Series::new("recall nobody", Ink::Neutral, dashed(vec![[0.0, 0.0], [x.max, 0.0]])),
        Series::new("", Ink::Accent, Mark::Band { points: band }),
        Series::new("model", Ink::Accent, line(model)),
    ];
    let caption = format!(
        "Net benefit in true positives per image at a prevalence of {:.3}, for a reader who recalls from the \
         threshold probability on. The model helps where its line is above both broken ones.",
        curve.prevalence
    );
    Defined::Value(xy_chart(caption, x, y, series, false))
}

fn froc(evaluation: &Evaluation) -> Defined<XyChart> {
    let Some(localisation) = &evaluation.localisation else {
        return Defined::undefined(
            "no findings were evaluated; write them with `mammo heatmap` on a patch model and give them to \
             `mammo evaluate --findings`",
        );
    };
    let curve = match value_of(&localisation.froc) {
        Ok(curve) => curve,
        Err(reason) => return Defined::undefined(reason),
    };
    let widest = curve.points.last().map_or(1.0, |p| p.false_positives_per_image);
    let x = Axis::over("false positives per image", 0.0, widest.clamp(1.0, 8.0));
    let points: Vec<[f64; 2]> = curve
        .points
        .iter()
        .map(|p| [p.false_positives_per_image, p.sensitivity])
        .filter(|p| p[0] <= x.max)
        .collect();
    let dots = curve.at.iter().filter(|p| p.at <= widest.min(x.max)).map(|p| Dot {
        x: p.at,
        y: p.estimate,
        low: Some(p.low),
        high: Some(p.high),
    });
    let series = vec![
        Series::new("lesions found", Ink::Accent, Mark::Steps { points }),
        Series::new("with interval", Ink::Accent, Mark::Dots { points: dots.collect() }),
    ];
    let caption = format!(
        "Share of {} malignant lesions in {} images that a finding hits, against false findings per image. \
         A finding hits when {}.",
        localisation.n_lesions,
        localisation.n_images,
        localisation.hit_rule.in_words()
    );
    Defined::Value(xy_chart(caption, x, Axis::share("lesion sensitivity"), series, false))
}

fn subgroups(evaluation: &Evaluation) -> Defined<Forest> {
    let estimate = |auc: &Defined| auc.value().map(|i| [i.estimate, i.low, i.high]);
    let mut rows = vec![ForestRow {
        label: "All images".into(),
        heading: false,
        n: Some([evaluation.images.n, evaluation.images.n_malignant]),
        estimate: estimate(&evaluation.images.auc),
        note: evaluation.images.auc.reason().unwrap_or_default().into(),
    }];
    for set in &evaluation.subgroups {
        let label = match set.n_missing {
            0 => set.column.replace('_', " "),
            n => format!("{} ({n} unknown)", set.column.replace('_', " ")),
        };
        rows.push(ForestRow { label, heading: true, n: None, estimate: None, note: String::new() });
        rows.extend(set.groups.iter().map(|group| ForestRow {
            label: group.value.clone(),
            heading: false,
            n: Some([group.n, group.n_malignant]),
            estimate: estimate(&group.auc),
            note: note_of_area(group).into(),
        }));
    }
    if rows.len() == 1 {
        return Defined::undefined("the score table has no column that groups the images");
    }
    let lowest = rows.iter().filter_map(|row| row.estimate).map(|e| e[1]).fold(0.5, f64::min);
    let low = (lowest * 5.0).floor() / 5.0;
    let caption = "Area under the ROC curve within groups of images, with intervals by resampling patients. \
                   The broken line is the area of all images. Of many groups, one in twenty intervals misses its \
                   value by chance.";
    Defined::Value(Forest {
        head: Head { id: "subgroups".into(), title: "Subgroups".into(), caption: caption.into() },
        label: "area under the ROC curve".into(),
        range: [low, 1.0],
        overall: evaluation.images.auc.value().map(|i| i.estimate),
        rows,
    })
}

/// Why a group has no area, short enough for a row of the forest plot; empty when it has one.
fn note_of_area(group: &Subgroup) -> &'static str {
    match (&group.auc, group.n_malignant) {
        (Defined::Value(_), _) => "",
        (Defined::Undefined { .. }, n) if n == 0 || n == group.n => "undefined: one truth only",
        (Defined::Undefined { .. }, _) => "undefined: too few patients",
    }
}

/// A level as a percentage, rounded so that 0.95 gives 95 and not 94.99999999999999.
pub fn percent(level: f64) -> f64 {
    (level * 1e6).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_without_an_area_is_labelled_by_its_counts_whatever_the_words_of_the_reason() {
        let note = |n_malignant: usize, reason: &str| {
            note_of_area(&Subgroup {
                value: "dense".into(),
                n: 10,
                n_malignant,
                n_patients: 5,
                auc: Defined::undefined(reason),
                sensitivity: None,
                specificity: None,
            })
        };
        assert_eq!(note(0, "no cancer here"), "undefined: one truth only");
        assert_eq!(note(10, "cancers alone"), "undefined: one truth only");
        assert_eq!(note(4, "both classes in 3 of 1000 resamples"), "undefined: too few patients");
    }
}
