//! Number and kind of patches, and the sampling rules.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Placement of the patches of a lesion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LesionPlacement {
    /// One patch, centred on the lesion's bounding box whatever its overlap (S1).
    Centered,
    /// At random positions that satisfy the overlap rule (S10, S30).
    Overlapping,
}

/// Settings of patch sampling.
///
/// # Example
/// ```
/// use mammo_image::patch_sampling::SamplingConfig;
///
/// let s10: SamplingConfig = "S10".parse()?;
/// assert_eq!((s10.per_lesion, s10.background_per_image), (10, 10));
/// assert!("S0".parse::<SamplingConfig>().is_err());
/// # Ok::<(), mammo_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingConfig {
    /// Side of the square patch in input pixels. Default 224 (paper).
    pub patch_px: usize,
    /// Placement of the patches of a lesion. Default overlapping.
    pub placement: LesionPlacement,
    /// Patches per lesion of known pathology. Default 10 (S10).
    pub per_lesion: usize,
    /// Random background patches per image. Default 10 (S10).
    pub background_per_image: usize,
    /// Hard negatives per image: background patches that resemble a lesion most. Default 0; the
    /// authors' code had 15.
    pub hard_negatives_per_image: usize,
    /// Overlap rule: a patch must contain at least this share of the lesion, or the lesion must cover at
    /// least this share of the patch. Default 0.9 (paper).
    pub min_overlap: f64,
    /// Largest share of a background patch that may be on lesions. Default 0.
    pub max_background_overlap: f64,
    /// Smallest share of a background patch that must be on breast tissue. Default 0.75.
    pub min_tissue: f64,
    /// Tries per wanted patch. Default 200.
    pub max_tries: usize,
    /// Seed of all draws. Default 0; in a run configuration, the run's seed.
    pub seed: u64,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self {
            patch_px: 224,
            placement: LesionPlacement::Overlapping,
            per_lesion: 10,
            background_per_image: 10,
            hard_negatives_per_image: 0,
            min_overlap: 0.9,
            max_background_overlap: 0.0,
            min_tissue: 0.75,
            max_tries: 200,
            seed: 0,
        }
    }
}

impl FromStr for SamplingConfig {
    type Err = Error;

    /// `S1`: the lesion's centre and one background patch. `S<n>`: n per lesion and n
    /// background patches.
    fn from_str(name: &str) -> Result<Self> {
        let number = name.strip_prefix('S').and_then(|digits| digits.parse().ok());
        let per_lesion = number.filter(|n| (1..=1000).contains(n)).ok_or_else(|| {
            Error::setting("patch set", name, "S1, S10, S30, or S and a number from 1 to 1000")
        })?;
        let placement =
            if per_lesion == 1 { LesionPlacement::Centered } else { LesionPlacement::Overlapping };
        Ok(Self { placement, per_lesion, background_per_image: per_lesion, ..Self::default() })
    }
}

impl SamplingConfig {
    /// Checks that the rules can be satisfied.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first invalid one.
    pub fn check(&self) -> Result<()> {
        let share = |v: f64| (0.0..=1.0).contains(&v);
        let is_centred = self.placement == LesionPlacement::Centered;
        let rules = [
            ("patch_px", self.patch_px.to_string(), (8..=4096).contains(&self.patch_px), "8 to 4096"),
            (
                "per_lesion",
                self.per_lesion.to_string(),
                !is_centred || self.per_lesion <= 1,
                "0 or 1 when centered",
            ),
            ("min_overlap", self.min_overlap.to_string(), share(self.min_overlap), "0 to 1"),
            (
                "max_background_overlap",
                self.max_background_overlap.to_string(),
                share(self.max_background_overlap),
                "0 to 1",
            ),
            ("min_tissue", self.min_tissue.to_string(), share(self.min_tissue), "0 to 1"),
            (
                "max_tries",
                self.max_tries.to_string(),
                (1..=1_000_000).contains(&self.max_tries),
                "1 to 1000000",
            ),
        ];
        match rules.into_iter().find(|rule| !rule.2) {
            Some((setting, found, _, expected)) => {
                Err(Error::setting(format!("sampling.{setting}"), found, expected))
            }
            None => Ok(()),
        }
    }
}
