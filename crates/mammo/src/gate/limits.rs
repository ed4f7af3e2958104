//! The signs by which an image is told from a mammogram, and what of each is usual.
//!
//! A mammogram is one bright body that lies along one side of the image, widest at the chest
//! wall, before an even background. Each [`Sign`] is one number of that description. Up to its
//! usual value it adds nothing to the image's deviation; at its rare value it adds its weight,
//! and beyond that up to three times as much. So a sign decides alone only far beyond its rare
//! value: a breast that fills the image, a wide film label or a blacked-out name is scored.

/// Largest deviation of an image that is scored.
pub const MAX_DEVIATION: f64 = 1.0;

/// Deviation from which a scored image carries a warning.
pub const UNUSUAL_DEVIATION: f64 = 0.5;

/// Most that one sign adds to the deviation, in units of its weight.
const MOST_WEIGHTS: f64 = 3.0;

/// What a breast outline that [`preprocess`](crate::preprocess) does not trust adds.
pub const DOUBT_DEVIATION: f64 = 0.1;

/// Least contrast: 99.5th minus 1st percentile as a share of the range of the bits in use.
pub const MIN_CONTRAST: f64 = 0.02;

/// Least share of the image that a breast covers.
pub const MIN_AREA: f64 = 0.01;

/// Share of the breast at the brightest value from which a warning is given.
pub const MAX_SATURATED: f64 = 0.10;

/// Median grey value in the breast, as a share of the breast's range, without a warning: the
/// extremes of the 1,231 films of CBIS-DDSM's mass part with a margin.
pub const MEDIAN: std::ops::RangeInclusive<f64> = 0.08..=0.92;

/// What is known of one sign of mammograms. If `usual` is the larger, small values are suspicious.
struct Limits {
    usual: f64,
    rare: f64,
    weight: f64,
}

/// One number that tells mammograms from other pictures. Shares are 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Share of the rows in which the breast touches the chest wall's side.
    WallContact,
    /// Share of the rows in which it touches the opposite side.
    FarContact,
    /// Share of the columns in which it touches the lower side.
    BottomContact,
    /// Area of the breast over the area between chest wall and outline.
    Filled,
    /// Root mean square distance of the outline from one that recedes from its farthest point in
    /// both directions, over the image's width.
    OutlineSteps,
    /// Difference between the breast's largest height and that near the chest wall, over the
    /// image's height.
    Narrowing,
    /// Distance of the breast's centroid from the chest wall, over the image's width.
    Centroid,
    /// Correlation of the image with its mirror image.
    MirrorCorrelation,
    /// Largest share of the image's variance that agrees with its reflection at a vertical axis in its
    /// middle third.
    Symmetry,
    /// Share of the image's variance that a polynomial of fourth degree explains.
    Ramp,
    /// Share of the background within 6 % of its median.
    BackgroundEvenness,
    /// Median inside minus median outside of the breast.
    BackgroundStep,
    /// Mean difference of a pixel inside the breast from the mean of its neighbourhood.
    Texture,
}

impl Sign {
    /// All signs.
    pub const ALL: [Self; 13] = [
        Self::WallContact,
        Self::FarContact,
        Self::BottomContact,
        Self::Filled,
        Self::OutlineSteps,
        Self::Narrowing,
        Self::Centroid,
        Self::MirrorCorrelation,
        Self::Symmetry,
        Self::Ramp,
        Self::BackgroundEvenness,
        Self::BackgroundStep,
        Self::Texture,
    ];

    /// What is usual, what is rare, and the weight.
    ///
    /// Set on the 1,231 films of CBIS-DDSM's mass part and on four of nine digital scanners of
    /// RSNA 2022 (1,465 images), and counted on the other five: about 99 % of mammograms keep to
    /// the usual value and 99.9 % to the rare one; of the evenness of the background, which film
    /// collections differ in most, more. The weights are those of a logistic regression
    /// of these mammograms against 1,745 other pictures, rounded. `examples/gate_check` measures
    /// both.
    fn limits(self) -> Limits {
        let (usual, rare, weight) = match self {
            Self::WallContact => (0.66, 0.55, 0.39),
            Self::FarContact => (0.36, 0.67, 0.29),
            Self::BottomContact => (0.57, 1.00, 0.26),
            Self::Filled => (0.95, 0.915, 0.10),
            Self::OutlineSteps => (0.025, 0.08, 0.10),
            Self::Narrowing => (0.07, 0.14, 0.22),
            Self::Centroid => (0.43, 0.48, 0.48),
            Self::MirrorCorrelation => (0.35, 0.52, 0.22),
            Self::Symmetry => (0.45, 0.60, 0.25),
            Self::Ramp => (0.95, 0.97, 0.40),
            Self::BackgroundEvenness => (0.86, 0.78, 0.55),
            Self::BackgroundStep => (0.21, 0.16, 0.15),
            Self::Texture => (0.0075, 0.005, 0.20),
        };
        Limits { usual, rare, weight }
    }

    /// The value that mammograms usually do not pass.
    pub fn usual(self) -> f64 {
        self.limits().usual
    }

    /// Whether large values are suspicious, rather than small ones.
    pub fn is_upper_bound(self) -> bool {
        let Limits { usual, rare, .. } = self.limits();
        usual < rare
    }

    /// What this value adds to an image's deviation.
    pub fn deviation(self, value: f64) -> f64 {
        let Limits { usual, rare, weight } = self.limits();
        weight * ((value - usual) / (rare - usual)).clamp(0.0, MOST_WEIGHTS)
    }

    /// The sign in words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::WallContact => "height of the breast at the chest wall",
            Self::FarContact => "contact with the side opposite the chest wall",
            Self::BottomContact => "contact with the lower side",
            Self::Filled => "breast within its outline",
            Self::OutlineSteps => "steps of the outline",
            Self::Narrowing => "narrowing towards the chest wall",
            Self::Centroid => "distance of the centroid from the chest wall",
            Self::MirrorCorrelation => "correlation with the mirror image",
            Self::Symmetry => "symmetry about a vertical axis",
            Self::Ramp => "share explained by a smooth ramp",
            Self::BackgroundEvenness => "evenness of the background",
            Self::BackgroundStep => "brightness of the breast above the background",
            Self::Texture => "texture of the breast",
        }
    }
}
