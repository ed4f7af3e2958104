//! The thresholds of the gate, as one value that a check can vary.

use std::ops::RangeInclusive;

/// What is still taken for a mammogram. The defaults were set by hand on the 1,231 films of the
/// mass part of CBIS-DDSM; `examples/gate_check.rs` derives others from half of the films and
/// counts on the other half.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Least part of the range of its bits that an image must use.
    pub contrast: f64,
    /// Largest share of the breast at the brightest value.
    pub saturated: f64,
    /// Largest change between neighbours, as a share of the range inside the breast.
    pub roughness: f64,
    /// Largest share of abrupt changes inside the breast.
    pub edges: f64,
    /// Largest brightness outside the breast, as a share of that inside.
    pub outside: f64,
    /// Least share of the image's height along which the breast lies at the chest wall.
    pub wall: f64,
    /// Least share of the breast's convex hull that it fills.
    pub solidity: f64,
    /// Range of the median inside the breast, as a share of the model's window: the films' own
    /// extremes and a margin.
    pub median: RangeInclusive<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            contrast: 0.04,
            saturated: 0.10,
            roughness: 0.03,
            edges: 0.02,
            outside: 0.50,
            wall: 0.25,
            solidity: 0.65,
            median: 0.08..=0.92,
        }
    }
}
