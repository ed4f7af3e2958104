//! Whether an image may be scored: a network gives a number for a holiday picture, too.
//!
//! In: an image as stored, its polarity, what its DICOM header says, and the preprocessing of
//! the model that is to score it. Out: nothing, or a [`Refusal`] with what was found. Rules are
//! few, each on one number that a reader can check ([`Signs`]), and their [`Limits`] were set
//! on the 1,231 films of the mass part of CBIS-DDSM so that hardly any of those is refused;
//! `docs/preprocessing.md` has the rates. The gate sees gross errors only: it is no measure of
//! image quality. After reading, before [`preprocess`](crate::preprocess).

mod limits;
mod signs;

pub use limits::Limits;
pub use signs::Signs;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dicom::Header;
use crate::pixels::GrayImage;
use crate::preprocess::{BreastDoubt, Preprocessing, Window};
use crate::record::Polarity;

/// Why an image is not scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// By its header another projection than CC or MLO.
    OtherView,
    /// By its header only part of the breast, such as a spot or magnification view.
    PartialView,
    /// Fewer pixels than half the network's input.
    TooSmall,
    /// Hardly any contrast.
    Blank,
    /// Much of the breast at the brightest value.
    Saturated,
    /// Background bright and breast dark.
    WrongPolarity,
    /// No breast outline.
    NoBreast,
    /// An outline, but not that of a breast on film or detector.
    NotAMammogram,
    /// Grey values inside the breast unlike all those trained on.
    IntensityRange,
}

impl Refusal {
    /// All codes, in the order in which they are looked for.
    pub const ALL: [Self; 9] = [
        Self::OtherView,
        Self::PartialView,
        Self::TooSmall,
        Self::Blank,
        Self::Saturated,
        Self::WrongPolarity,
        Self::NoBreast,
        Self::NotAMammogram,
        Self::IntensityRange,
    ];

    /// The word that stands in tables.
    pub fn code(self) -> &'static str {
        match self {
            Self::OtherView => "other_view",
            Self::PartialView => "partial_view",
            Self::TooSmall => "too_small",
            Self::Blank => "blank",
            Self::Saturated => "saturated",
            Self::WrongPolarity => "wrong_polarity",
            Self::NoBreast => "no_breast",
            Self::NotAMammogram => "not_a_mammogram",
            Self::IntensityRange => "intensity_range",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// A refusal with the number or word that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// What was found and what was expected.
    pub found: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.found, self.refusal)
    }
}

impl std::error::Error for Refused {}

/// Judges one image for one model's preprocessing.
///
/// # Errors
/// [`Refused`] with the first reason found.
pub fn judge(
    image: &GrayImage,
    polarity: Polarity,
    header: Option<&Header>,
    preprocessing: &Preprocessing,
) -> Result<(), Refused> {
    judge_header(header)?;
    judge_size(image, preprocessing)?;
    judge_signs(&Signs::of(image, polarity), &Limits::default(), preprocessing)
}

fn refuse(refusal: Refusal, found: String) -> Result<(), Refused> {
    Err(Refused { refusal, found })
}

fn judge_header(header: Option<&Header>) -> Result<(), Refused> {
    let Some(header) = header else { return Ok(()) };
    if let Some(projection) = header.projection.filter(|projection| projection.view().is_none()) {
        return refuse(Refusal::OtherView, format!("projection {projection}; expected CC or MLO"));
    }
    match header.view_modifiers.iter().find(|modifier| modifier.is_partial()) {
        Some(modifier) => {
            refuse(Refusal::PartialView, format!("view modifier {modifier:?}; expected the whole breast"))
        }
        None => Ok(()),
    }
}

fn judge_size(image: &GrayImage, preprocessing: &Preprocessing) -> Result<(), Refused> {
    let (found, input) = (image.width.max(image.height), preprocessing.width_px.max(preprocessing.height_px));
    if 2 * found < input {
        let (width, height) = (image.width, image.height);
        let found = format!("{width}x{height} pixels; expected at least half the input's {input}");
        return refuse(Refusal::TooSmall, found);
    }
    Ok(())
}

/// Judges what was measured of an image: [`judge`] without header and size.
///
/// # Errors
/// [`Refused`] with the first reason found.
pub fn judge_signs(signs: &Signs, limits: &Limits, preprocessing: &Preprocessing) -> Result<(), Refused> {
    let share = |value: f64| format!("{:.1} %", 100.0 * value);
    if signs.contrast < limits.contrast {
        let found = format!(
            "contrast of {} of the bits in use; expected {}",
            share(signs.contrast),
            share(limits.contrast)
        );
        return refuse(Refusal::Blank, found);
    }
    if signs.inverted {
        return refuse(
            Refusal::WrongPolarity,
            "a bright background; expected a dark one, or polarity inverted".into(),
        );
    }
    if signs.doubt == Some(BreastDoubt::TooSmall) {
        return refuse(Refusal::NoBreast, BreastDoubt::TooSmall.to_string());
    }
    if signs.saturated > limits.saturated {
        let found = format!("{} of the breast at the brightest value", share(signs.saturated));
        return refuse(Refusal::Saturated, format!("{found}; expected at most {}", share(limits.saturated)));
    }
    let unlike = [
        (signs.roughness > limits.roughness, "change between neighbours", signs.roughness, limits.roughness),
        (signs.edges > limits.edges, "abrupt changes", signs.edges, limits.edges),
        (signs.outside > limits.outside, "brightness outside over inside", signs.outside, limits.outside),
        (signs.wall < limits.wall, "height of the breast at the chest wall", signs.wall, limits.wall),
        (signs.solidity < limits.solidity, "breast over its convex hull", signs.solidity, limits.solidity),
    ];
    if let Some((_, what, found, limit)) = unlike.iter().find(|(unlike, ..)| *unlike) {
        return refuse(Refusal::NotAMammogram, format!("{what} {}; limit {}", share(*found), share(*limit)));
    }
    if let Some(doubt) = signs.doubt {
        return refuse(Refusal::NotAMammogram, doubt.to_string());
    }
    // Under a fixed window the models' own range is that of their scanners, which is not known.
    let measured = matches!(preprocessing.window, Window::Percentiles { .. });
    if measured && !limits.median.contains(&signs.median) {
        let (low, high) = (share(*limits.median.start()), share(*limits.median.end()));
        let found = format!("median at {} of the window; expected {low} to {high}", share(signs.median));
        return refuse(Refusal::IntensityRange, found);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
