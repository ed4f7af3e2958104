//! Training curves: loss and validation metric by epoch.

use super::{curve_label, line, xy_chart};
use crate::chart::{Axis, Dot, Ink, Mark, Series, XyChart};
use crate::content::{Epoch, Run};
use mammo_eval::Defined;

/// A value of each epoch; epochs are numbered across all stages.
fn by_epoch(epochs: &[Epoch], value: impl Fn(&Epoch) -> f64) -> Vec<[f64; 2]> {
    epochs.iter().enumerate().map(|(i, epoch)| [(i + 1) as f64, value(epoch)]).collect()
}

fn epoch_axis(n: usize) -> Axis {
    let (min, max) = if n == 1 { (0.5, 1.5) } else { (1.0, n as f64) };
    let step = n.div_ceil(8).max(1) as f64;
    Axis { label: "epoch, through all stages".into(), min, max, step, decimals: 0 }
}

fn over(label: &str, series: &[Series]) -> Axis {
    let points = series.iter().flat_map(|s| match &s.mark {
        Mark::Line { points, .. } => points.iter().map(|p| p[1]).collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let (low, high) = points.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    Axis::over(label, low, high)
}

pub(super) fn loss(runs: &[Run]) -> Defined<XyChart> {
    let Some(run) = runs.first() else { return Defined::undefined("no run") };
    let epochs = match &run.training {
        Defined::Value(epochs) => epochs,
        Defined::Undefined { undefined } => return Defined::undefined(undefined),
    };
    let series = vec![
        Series::new("training", Ink::Neutral, line(by_epoch(epochs, |e| e.train_loss))),
        Series::new("validation", Ink::Accent, line(by_epoch(epochs, |e| e.validation_loss))),
    ];
    let caption = "Mean loss of the training batches, which are augmented and balanced, and loss on the \
                   validation side. A rising validation loss indicates overfitting.";
    let y = over("loss", &series);
    Defined::Value(xy_chart(caption, epoch_axis(epochs.len()), y, series, false))
}

pub(super) fn metric(runs: &[Run]) -> Defined<XyChart> {
    let known: Vec<(usize, &Run, &Vec<Epoch>)> = runs
        .iter()
        .enumerate()
        .filter_map(|(i, run)| Some((i, run, run.training.value().filter(|e| !e.is_empty())?)))
        .collect();
    if known.is_empty() {
        let reason = runs.first().and_then(|run| run.training.reason()).unwrap_or("no epochs");
        return Defined::undefined(reason);
    }
    let longest = known.iter().map(|(_, _, epochs)| epochs.len()).max().unwrap_or(1);
    let mut series: Vec<Series> = known
        .iter()
        .map(|(i, run, epochs)| {
            Series::new(
                curve_label(runs, run, "validation"),
                Ink::of_run(*i),
                line(by_epoch(epochs, |e| e.validation_metric)),
            )
        })
        .collect();
    let y = over("AUC (validation)", &series);
    for (i, _, epochs) in &known {
        let best = epochs.iter().rposition(|e| e.best).map(|at| Dot {
            x: (at + 1) as f64,
            y: epochs[at].validation_metric,
            low: None,
            high: None,
        });
        series.push(Series::new("", Ink::of_run(*i), Mark::Dots { points: best.into_iter().collect() }));
    }
    let caption = "Metric by which the best epoch was chosen, on the validation set. The dot is the chosen \
                   epoch; its value is optimistic, because it is the highest of all epochs.";
    Defined::Value(xy_chart(caption, epoch_axis(longest), y, series, false))
}
