//! Counts of sampled patches, and shortfalls with their reasons.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Patch, PatchClass};

/// Why fewer patches than requested were placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortfallReason {
    /// The lesion's pathology is not recorded, so its patches have no class.
    UnknownPathology,
    /// No pixel of the lesion is in the input.
    LesionOutsideInput,
    /// The overlap rule was not satisfied within the number of tries: the lesion is longer than the patch
    /// along one axis and shorter along the other.
    OverlapNotReached,
    /// The image may show a cancer that is not annotated, so it has no background.
    LesionNotLocated,
    /// No breast tissue away from lesions was found within the number of tries.
    NoFreeTissue,
    /// There are no more bright blobs away from lesions.
    NoMoreBlobs,
}

impl fmt::Display for ShortfallReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownPathology => "lesion of unknown pathology",
            Self::LesionOutsideInput => "lesion outside the input",
            Self::OverlapNotReached => "overlap rule not met",
            Self::LesionNotLocated => "cancer possible but not annotated",
            Self::NoFreeTissue => "no breast tissue away from lesions",
            Self::NoMoreBlobs => "no more blobs away from lesions",
        })
    }
}

/// A shortfall: patches that were requested and not placed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shortfall {
    /// The image.
    pub file: String,
    /// The lesion; none for background.
    pub lesion_index: Option<usize>,
    /// How many were requested.
    pub wanted: usize,
    /// How many were placed.
    pub placed: usize,
    /// The reason.
    pub reason: ShortfallReason,
}

/// Counts of a sampling, and its shortfalls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingReport {
    /// Patches per class.
    pub per_class: BTreeMap<PatchClass, usize>,
    /// Patches requested and not placed, per reason.
    pub missing: BTreeMap<ShortfallReason, usize>,
    /// Each shortfall, in the order of the records.
    pub shortfalls: Vec<Shortfall>,
}

impl SamplingReport {
    pub(super) fn add(&mut self, patches: &[Patch], shortfalls: Vec<Shortfall>) {
        for patch in patches {
            *self.per_class.entry(patch.class).or_default() += 1;
        }
        for shortfall in &shortfalls {
            *self.missing.entry(shortfall.reason).or_default() += shortfall.wanted - shortfall.placed;
        }
        self.shortfalls.extend(shortfalls);
    }
}

impl fmt::Display for SamplingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for class in PatchClass::ALL {
            writeln!(f, "{class:<16}{:>8}", self.per_class.get(&class).unwrap_or(&0))?;
        }
        for (reason, missing) in &self.missing {
            writeln!(f, "not placed: {missing} ({reason})")?;
        }
        Ok(())
    }
}
