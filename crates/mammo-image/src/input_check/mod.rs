//! Input check: a network scores any image, so images that are not mammograms are rejected first.
//!
//! In: an image as stored, its polarity, its DICOM header, and the preprocessing of the model
//! that is to score it. Out: the polarity to read it with and [`Warning`]s, or a [`Rejected`].
//!
//! An image is rejected only when it is certainly unsuitable: the header states another projection, the
//! image is too small or blank, no region is large enough for a breast, or its shape is not that of a
//! mammogram. The criterion of shape is the [`deviation`](ImageFeatures::deviation) from a bright body
//! along one side on a uniform background; grey values, sharpness and film labels are not used, because
//! they differ between scanners. An image whose negative is a mammogram is inverted. Unusual images are
//! scored with a warning. `docs/preprocessing.md` lists the measured rates.

mod enclosed;
mod features;
mod limits;
mod ramp;
mod reflection;
mod shape;

pub use features::ImageFeatures;
pub use limits::{MAX_DEVIATION, Sign};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::preprocess::{BreastDoubt, Preprocessing, Window};
use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_core::words;
use mammo_dicom::Header;

/// The check that an image failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckFailure {
    /// The header states a projection other than CC and MLO.
    OtherView,
    /// The header states a view of part of the breast, such as a spot or magnification view.
    PartialView,
    /// Smaller than half the network's input.
    TooSmall,
    /// Too little contrast.
    Blank,
    /// No region large enough for a breast.
    NoBreast,
    /// Neither the image nor its negative has the shape of a mammogram.
    NotAMammogram,
}

// In the order of the checks.
words!(CheckFailure.code, OtherView: "other_view", PartialView: "partial_view", TooSmall: "too_small",
    Blank: "blank", NoBreast: "no_breast", NotAMammogram: "not_a_mammogram");

/// An image that is not scored, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The failed check.
    pub failure: CheckFailure,
    /// What was found and what was expected.
    pub found: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.found, self.failure)
    }
}

impl std::error::Error for Rejected {}

/// An irregularity of an image that is scored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The image is stored inverted, against its stated polarity; it is inverted again.
    Inverted,
    /// Share of the breast at the brightest value, caused by an implant or a wrong exposure, for example.
    Saturated(f64),
    /// Median grey value of the breast as a share of its range, outside the range of all films.
    Median(f64),
    /// The signs with the largest deviation, and their values.
    Unusual(Vec<(Sign, f64)>),
    /// The breast outline is unreliable, so the whole image is the network's input.
    Outline(BreastDoubt),
}

impl Warning {
    /// The kind as text, without the values of the image.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Inverted => "stored inverted; turned",
            Self::Saturated(_) => "saturated in places",
            Self::Median(_) => "unusual grey values",
            Self::Unusual(_) => "unusual shape",
            Self::Outline(_) => "breast outline not trusted; whole image used",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inverted => f.write_str(self.kind()),
            Self::Saturated(share) => write!(f, "{:.0} % of the breast saturated", 100.0 * share),
            Self::Median(median) => write!(f, "{} (median at {:.0} %)", self.kind(), 100.0 * median),
            Self::Unusual(signs) => write!(f, "{} ({})", self.kind(), described(signs)),
            Self::Outline(doubt) => doubt.fmt(f),
        }
    }
}

/// At most two signs with their values and usual limits.
fn described(signs: &[(Sign, f64)]) -> String {
    let one = |(sign, value): &(Sign, f64)| {
        let bound = if sign.is_upper_bound() { "at most" } else { "at least" };
        format!("{} {value:.2}, usually {bound} {:.2}", sign.words(), sign.usual())
    };
    signs.iter().take(2).map(one).collect::<Vec<_>>().join("; ")
}

/// An image that may be scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The polarity to prepare the image with.
    pub polarity: Polarity,
    /// Its irregularities.
    pub warnings: Vec<Warning>,
}

/// Checks one image for one model's preprocessing. `polarity` is that of the table or the header.
///
/// # Errors
/// [`Rejected`] with the first failed check.
pub fn check(
    image: &GreyImage,
    polarity: Polarity,
    header: Option<&Header>,
    preprocessing: &Preprocessing,
) -> Result<Accepted, Rejected> {
    check_header(header)?;
    check_size(image, preprocessing)?;
    let (polarity, features, turned) = better_polarity(image, polarity);
    check_features(&features)?;
    let mut warnings = warnings(&features, preprocessing);
    if turned {
        warnings.insert(0, Warning::Inverted);
    }
    Ok(Accepted { polarity, warnings })
}

/// The polarity of an image: the given one, unless only with the other it is a mammogram.
pub fn polarity_shown(image: &GreyImage, given: Polarity) -> Polarity {
    better_polarity(image, given).0
}

/// The features of the image with the given polarity, or with the other one if its deviation is
/// smaller; and whether it is the other one. The other is tried only if the deviation is not zero.
fn better_polarity(image: &GreyImage, polarity: Polarity) -> (Polarity, ImageFeatures, bool) {
    let of = |polarity| match polarity {
        Polarity::Normal => ImageFeatures::of(image),
        Polarity::Inverted => ImageFeatures::of_negative(image),
    };
    let given = of(polarity);
    let is_accepted = |features: &ImageFeatures| check_features(features).is_ok();
    if is_accepted(&given) && given.deviation() == 0.0 {
        return (polarity, given, false);
    }
    let other = match polarity {
        Polarity::Normal => Polarity::Inverted,
        Polarity::Inverted => Polarity::Normal,
    };
    let turned = of(other);
    let is_better = !is_accepted(&given) || turned.deviation() + limits::POLARITY_MARGIN < given.deviation();
    if is_accepted(&turned) && is_better { (other, turned, true) } else { (polarity, given, false) }
}

fn reject(failure: CheckFailure, found: String) -> Result<(), Rejected> {
    Err(Rejected { failure, found })
}

fn check_header(header: Option<&Header>) -> Result<(), Rejected> {
    let Some(header) = header else { return Ok(()) };
    if let Some(projection) = header.projection.filter(|projection| projection.view().is_none()) {
        return reject(CheckFailure::OtherView, format!("projection {projection}; expected CC or MLO"));
    }
    match header.view_modifiers.iter().find(|modifier| modifier.is_partial()) {
        Some(modifier) => reject(
            CheckFailure::PartialView,
            format!("view modifier {modifier:?}; expected the whole breast"),
        ),
        None => Ok(()),
    }
}

fn check_size(image: &GreyImage, preprocessing: &Preprocessing) -> Result<(), Rejected> {
    let (found, input) = (image.width.max(image.height), preprocessing.width_px.max(preprocessing.height_px));
    if 2 * found < input {
        let (width, height) = (image.width, image.height);
        let found = format!("{width}x{height} pixels; expected at least half the input's {input}");
        return reject(CheckFailure::TooSmall, found);
    }
    Ok(())
}

/// Checks the features of an image: [`check`] without header, size and polarity.
///
/// # Errors
/// [`Rejected`] with the first failed check.
pub fn check_features(features: &ImageFeatures) -> Result<(), Rejected> {
    let share = |value: f64| format!("{:.1} %", 100.0 * value);
    if features.contrast < limits::MIN_CONTRAST {
        let (found, least) = (share(features.contrast), share(limits::MIN_CONTRAST));
        return reject(
            CheckFailure::Blank,
            format!("contrast of {found} of the bits in use; expected {least}"),
        );
    }
    if features.area < limits::MIN_AREA {
        let (found, least) = (share(features.area), share(limits::MIN_AREA));
        return reject(
            CheckFailure::NoBreast,
            format!("largest bright region covers {found}; expected at least {least}"),
        );
    }
    let deviation = features.deviation();
    if deviation > MAX_DEVIATION {
        let signs = described(&features.deviating());
        let found = format!("shape deviates by {deviation:.1}, limit {MAX_DEVIATION:.0}: {signs}");
        return reject(CheckFailure::NotAMammogram, found);
    }
    Ok(())
}

fn warnings(features: &ImageFeatures, preprocessing: &Preprocessing) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if features.deviation() > limits::UNUSUAL_DEVIATION {
        warnings.push(Warning::Unusual(features.deviating()));
    }
    if features.saturated > limits::MAX_SATURATED {
        warnings.push(Warning::Saturated(features.saturated));
    }
    // With a fixed window the usual range is that of the model's training scanners, which is unknown.
    let measured = matches!(preprocessing.window, Window::Percentiles { .. });
    if measured && !limits::MEDIAN.contains(&features.median) {
        warnings.push(Warning::Median(features.median));
    }
    warnings.extend(features.doubt.map(Warning::Outline));
    warnings
}

#[cfg(test)]
mod tests;
