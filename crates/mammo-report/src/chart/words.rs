//! Charts in words: the text alternative for readers who cannot see the drawing.

use super::{Axis, Dot, Forest, ForestRow, Mark, Series, XyChart};

impl XyChart {
    /// The values of the named series at the ticks of the horizontal axis.
    pub(super) fn words(&self) -> String {
        let named = self.series.iter().filter(|series| !series.name.is_empty());
        named.filter_map(|series| series_in_words(series, &self.x, &self.y)).collect::<Vec<_>>().join(" ")
    }
}

impl Forest {
    /// All rows.
    pub(super) fn words(&self) -> String {
        self.rows.iter().map(row_in_words).collect::<Vec<_>>().join(" ")
    }
}

fn series_in_words(series: &Series, x: &Axis, y: &Axis) -> Option<String> {
    let name = &series.name;
    let at_ticks = |values: Vec<(String, String)>| {
        let (at, values): (Vec<String>, Vec<String>) = values.into_iter().unzip();
        let (at, values) = (at.join(", "), values.join(", "));
        (!at.is_empty()).then(|| format!("{name}: {} {values} at {} {at}.", y.label, x.label))
    };
    match &series.mark {
        Mark::Line { points, .. } => {
            let pairs: Vec<(f64, f64)> = points.iter().map(|p| (p[0], p[1])).collect();
            at_ticks(ticks(x, |tick| on_line(&pairs, tick).map(number)))
        }
        Mark::Steps { points } => {
            let value = |tick: f64| {
                let after = points.partition_point(|p| p[0] <= tick);
                points.get(after.checked_sub(1)?).map(|p| number(p[1]))
            };
            at_ticks(ticks(x, value))
        }
        Mark::Band { points } => {
            let [low, high]: [Vec<(f64, f64)>; 2] =
                [1, 2].map(|end| points.iter().map(|p| (p[0], p[end])).collect());
            let value =
                |tick| Some(format!("{} to {}", number(on_line(&low, tick)?), number(on_line(&high, tick)?)));
            at_ticks(ticks(x, value))
        }
        Mark::Dots { points } => {
            let dot = |dot: &Dot| {
                let interval = match (dot.low, dot.high) {
                    (Some(low), Some(high)) => format!(" ({} to {})", number(low), number(high)),
                    _ => String::new(),
                };
                format!("{}{interval} at {}", number(dot.y), number(dot.x))
            };
            let dots = points.iter().map(dot).collect::<Vec<_>>().join(", ");
            (!dots.is_empty()).then(|| format!("{name}: {} {dots}.", y.label))
        }
        Mark::Bars { bars } => {
            let bar = |&[from, to, height]: &[f64; 3]| {
                (height > 0.0).then(|| format!("{} from {} to {}", number(height), number(from), number(to)))
            };
            let bars: Vec<String> = bars.iter().filter_map(bar).collect();
            (!bars.is_empty()).then(|| format!("{name}: {} {}.", y.label, bars.join(", ")))
        }
    }
}

/// The ticks of an axis that have a value.
fn ticks(axis: &Axis, value: impl Fn(f64) -> Option<String>) -> Vec<(String, String)> {
    axis.ticks().into_iter().filter_map(|(at, text)| Some((text, value(at)?))).collect()
}

/// Linear interpolation between points sorted by `x`; at a vertical step, its upper end.
fn on_line(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let after = points.partition_point(|p| p.0 <= x);
    let &(x0, y0) = points.get(after.checked_sub(1)?)?;
    match points.get(after) {
        Some(&(x1, y1)) => Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0)),
        None => (x - x0 < 1e-9).then_some(y0),
    }
}

fn row_in_words(row: &ForestRow) -> String {
    if row.heading {
        return format!("By {}:", row.label);
    }
    let n = row.n.map_or(String::new(), |[n, malignant]| format!(", {n} images, {malignant} malignant"));
    match row.estimate {
        Some([estimate, low, high]) => {
            format!("{}: {} ({} to {}){n}.", row.label, number(estimate), number(low), number(high))
        }
        None => format!("{}: {}{n}.", row.label, row.note),
    }
}

fn number(value: f64) -> String {
    crate::table::number(value, 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Head, Ink};

    fn words(mark: Mark) -> String {
        let head = Head::default();
        let (x, y) = (Axis::share("false positives"), Axis::share("found"));
        XyChart { head, x, y, series: vec![Series::new("model", Ink::Accent, mark)], square: true }.words()
    }

    #[test]
    fn lines_are_read_at_the_ticks() {
        let line = words(Mark::Line { points: vec![[0.0, 0.0], [0.0, 0.5], [1.0, 1.0]], dashed: false });
        let expected = "model: found 0.500, 0.600, 0.700, 0.800, 0.900, 1.000 at false positives \
                        0.0, 0.2, 0.4, 0.6, 0.8, 1.0.";
        assert_eq!(line, expected);
        let steps = words(Mark::Steps { points: vec![[0.1, 0.25], [0.5, 0.75]] });
        assert_eq!(
            steps,
            "model: found 0.250, 0.250, 0.750, 0.750, 0.750 at false positives 0.2, 0.4, 0.6, 0.8, 1.0."
        );
        let band = words(Mark::Band { points: vec![[0.4, 0.1, 0.3], [0.6, 0.2, 0.5]] });
        assert_eq!(band, "model: found 0.100 to 0.300, 0.200 to 0.500 at false positives 0.4, 0.6.");
    }

    #[test]
    fn dots_and_bars_are_listed() {
        let dot = Dot { x: 0.5, y: 0.7, low: Some(0.6), high: Some(0.8) };
        assert_eq!(words(Mark::Dots { points: vec![dot] }), "model: found 0.700 (0.600 to 0.800) at 0.500.");
        let bars = words(Mark::Bars { bars: vec![[0.0, 0.1, 0.25], [0.1, 0.2, 0.0]] });
        assert_eq!(bars, "model: found 0.250 from 0.000 to 0.100.");
        assert_eq!(words(Mark::Dots { points: vec![] }), "");
    }
}
