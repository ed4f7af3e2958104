//! Charts as data, and as SVG drawn by the crate kuva.
//!
//! The types of this module hold the data of a chart, which `report.json` contains and from which
//! `words` generates the text alternative. `plot` and `forest` translate charts to kuva, with the
//! shared layout of `canvas`; `style` replaces kuva's colours by those of the page and tags the shapes
//! with their series; `svg` writes the `svg` element with its text alternative.

mod canvas;
mod forest;
mod plot;
mod style;
mod svg;
mod words;

pub use svg::{Drawing, inline, standalone};

use serde::Serialize;

/// Identifier, title and caption of a chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Head {
    /// Name in file names and anchors.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What is drawn and what to look for; part of the text alternative.
    pub caption: String,
}

/// A chart with one pair of axes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct XyChart {
    /// Identifier, title and caption.
    #[serde(flatten)]
    pub head: Head,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// The series, from back to front.
    pub series: Vec<Series>,
    /// Whether the plot area is square, for charts whose axes are both shares.
    pub square: bool,
}

/// One axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Left or lower end.
    pub min: f64,
    /// Right or upper end.
    pub max: f64,
    /// Distance between ticks, which are at its multiples.
    pub step: f64,
    /// Decimals of the tick labels.
    pub decimals: usize,
}

impl Axis {
    /// A share from 0 to 1.
    pub fn share(label: &str) -> Self {
        Self { label: label.into(), min: 0.0, max: 1.0, step: 0.2, decimals: 1 }
    }

    /// An axis with round ends that contains the range.
    pub fn over(label: &str, low: f64, high: f64) -> Self {
        let span = if high > low { high - low } else { 1.0 };
        let rough = span / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough);
        let step = step.unwrap_or(10.0 * power);
        let (first, last) = ((low / step).floor(), ((low + span) / step).ceil());
        let decimals = (0..6).find(|d| is_round(step * 10_f64.powi(*d))).unwrap_or(6) as usize;
        Self { label: label.into(), min: first * step, max: last * step, step, decimals }
    }

    /// Positions of the ticks with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let (first, last) = ((self.min / self.step - 1e-9).ceil(), (self.max / self.step + 1e-9).floor());
        (first as i64..=last as i64)
            .map(|i| i as f64 * self.step)
            .map(|at| (at, format!("{at:.*}", self.decimals)))
            .collect()
    }
}

fn is_round(v: f64) -> bool {
    (v - v.round()).abs() < 1e-6
}

/// A colour by its role in the chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ink {
    /// The main series.
    Accent,
    /// A second run.
    Second,
    /// A third run.
    Third,
    /// A fourth run.
    Fourth,
    /// A reference: chance, the other class.
    Neutral,
}

impl Ink {
    /// The ink of run `index`; the fifth and later ones are neutral.
    pub fn of_run(index: usize) -> Self {
        [Self::Accent, Self::Second, Self::Third, Self::Fourth].get(index).copied().unwrap_or(Self::Neutral)
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Accent => "accent",
            Self::Second => "second",
            Self::Third => "third",
            Self::Fourth => "fourth",
            Self::Neutral => "neutral",
        }
    }
}

/// One series of a chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Name in the legend; blank for none.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// Its kind of mark and its data.
    pub mark: Mark,
}

impl Series {
    /// A series.
    pub fn new(name: impl Into<String>, ink: Ink, mark: Mark) -> Self {
        Self { name: name.into(), ink, mark }
    }
}

/// A kind of mark with its data, in the units of the axes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "mark", rename_all = "snake_case")]
pub enum Mark {
    /// Points `[x, y]` connected by straight lines.
    Line {
        /// The points.
        points: Vec<[f64; 2]>,
        /// Whether the line is dashed, as for a reference.
        dashed: bool,
    },
    /// A step function: the value `y` of each point `[x, y]` holds up to the next.
    Steps {
        /// The points.
        points: Vec<[f64; 2]>,
    },
    /// Points `[x, low, high]`; the area between low and high is filled.
    Band {
        /// The points.
        points: Vec<[f64; 3]>,
    },
    /// Dots with vertical intervals.
    Dots {
        /// The dots.
        points: Vec<Dot>,
    },
    /// Bars `[left, right, height]` from zero.
    Bars {
        /// The bars.
        bars: Vec<[f64; 3]>,
    },
}

/// A dot with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dot {
    /// Horizontal coordinate.
    pub x: f64,
    /// Vertical coordinate.
    pub y: f64,
    /// Lower end of the interval of `y`.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// A forest plot: a row per group with its estimate and interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forest {
    /// Identifier, title and caption.
    #[serde(flatten)]
    pub head: Head,
    /// Quantity on the horizontal axis.
    pub label: String,
    /// Ends of the axis.
    pub range: [f64; 2],
    /// The value of all cases, drawn as a vertical line.
    pub overall: Option<f64>,
    /// From top to bottom.
    pub rows: Vec<ForestRow>,
}

/// A chart of either kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Chart {
    /// Curves, dots, bars.
    Xy(XyChart),
    /// Groups with intervals.
    Forest(Forest),
}

impl Chart {
    /// The chart as a trait object.
    pub fn drawing(&self) -> &dyn Drawing {
        match self {
            Self::Xy(chart) => chart,
            Self::Forest(forest) => forest,
        }
    }
}

/// A row of a [`Forest`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForestRow {
    /// Name of the group or heading.
    pub label: String,
    /// Whether this row is the heading of a set of groups.
    pub heading: bool,
    /// Number of cases and of malignant cases.
    pub n: Option<[usize; 2]>,
    /// Estimate, lower and upper end.
    pub estimate: Option<[f64; 3]>,
    /// Why there is no estimate.
    pub note: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_around_the_data() {
        let axis = Axis::over("loss", 0.31, 0.72);
        assert!(axis.min <= 0.31 && axis.max >= 0.72, "{axis:?}");
        assert!((3..=7).contains(&axis.ticks().len()), "{axis:?}");
        assert_eq!(Axis::over("n", 0.0, 40.0).ticks()[1], (10.0, "10".into()));
        assert_eq!(Axis::over("n", 3.0, 3.0).ticks().len(), 5);
    }
}
