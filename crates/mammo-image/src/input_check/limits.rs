//! Signs that distinguish mammograms from other images, with the usual range of each.
//!
//! A mammogram shows one bright body along one side of the image, widest at the chest wall, on a
//! uniform background. Each [`Sign`] is one number of this description. Up to its usual value it adds
//! nothing to the image's deviation; at its rare value it adds its weight, and beyond that up to three
//! times its weight. A single sign leads to a refusal only far beyond its rare value, so that a breast
//! that fills the image, a wide film label or a blacked-out name is accepted.

/// Largest deviation of an image that is scored.
pub const MAX_DEVIATION: f64 = 1.0;

/// Deviation from which a scored image carries a warning.
pub const UNUSUAL_DEVIATION: f64 = 0.5;

/// An image is inverted if its negative has a deviation smaller by more than this; otherwise the stated
/// polarity is used.
pub const POLARITY_MARGIN: f64 = 0.1;

/// Largest contribution of one sign to the deviation, in units of its weight.
const MOST_WEIGHTS: f64 = 3.0;

/// Smallest contrast: 99.5th minus 1st percentile as a share of the range of the bits in use.
pub const MIN_CONTRAST: f64 = 0.02;

/// Smallest share of the image that a breast covers.
pub const MIN_AREA: f64 = 0.01;

/// Share of the breast at the brightest value above which a warning is given.
pub const MAX_SATURATED: f64 = 0.10;

/// Median grey value in the breast, as a share of the breast's range, without a warning: the
/// extremes of the 1,231 films of CBIS-DDSM's mass part with a margin.
pub const MEDIAN: std::ops::RangeInclusive<f64> = 0.08..=0.92;

/// Limits and weight of one sign. If `usual` is larger than `rare`, small values deviate.
struct Limits {
    usual: f64,
    rare: f64,
    weight: f64,
}

/// One number that distinguishes mammograms from other images. Shares are 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Share of the rows in which the breast touches the chest wall's side.
    WallContact,
    /// Share of the columns in which it touches the lower side.
    BottomContact,
    /// Area of the breast over the area between chest wall and outline.
    Filled,
    /// Difference between the breast's largest height and that near the chest wall, over the
    /// image's height.
    Narrowing,
    /// Distance of the breast's centroid from the chest wall, over the image's width.
    Centroid,
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
    /// Mean depth of dark areas that brighter tissue encloses, as a share of the range.
    EnclosedDark,
    /// Share of the image inside the breast outline.
    Area,
}

impl Sign {
    /// All signs.
    pub const ALL: [Self; 12] = [
        Self::WallContact,
        Self::BottomContact,
        Self::Filled,
        Self::Narrowing,
        Self::Centroid,
        Self::Symmetry,
        Self::Ramp,
        Self::BackgroundEvenness,
        Self::BackgroundStep,
        Self::Texture,
        Self::EnclosedDark,
        Self::Area,
    ];

    /// The usual value, the rare value and the weight.
    ///
    /// Chosen on the 1,231 films of CBIS-DDSM's mass part and on four of nine digital scanners of
    /// RSNA 2022 (1,465 images), and evaluated on the other five: about 99 % of mammograms are within
    /// the usual value and 99.9 % within the rare one. The limits of the evenness of the background and
    /// of the area are wider, because film collections and crops of archives differ most in these. The
    /// weights are the rounded coefficients of a logistic regression of these mammograms against half of
    /// the other images. `examples/gate_check` measures both.
    fn limits(self) -> Limits {
        let (usual, rare, weight) = match self {
            Self::WallContact => (0.66, 0.55, 0.29),
            Self::BottomContact => (0.57, 0.93, 0.37),
            Self::Filled => (0.95, 0.915, 0.22),
            Self::Narrowing => (0.07, 0.14, 0.16),
            Self::Centroid => (0.43, 0.48, 0.62),
            Self::Symmetry => (0.45, 0.60, 0.36),
            Self::Ramp => (0.95, 0.97, 0.38),
            Self::BackgroundEvenness => (0.86, 0.78, 0.48),
            Self::BackgroundStep => (0.21, 0.16, 0.24),
            Self::Texture => (0.0075, 0.005, 0.23),
            Self::EnclosedDark => (0.02, 0.035, 0.35),
            Self::Area => (0.86, 0.94, 0.63),
        };
        Limits { usual, rare, weight }
    }

    /// The usual limit.
    pub fn usual(self) -> f64 {
        self.limits().usual
    }

    /// Whether large values deviate, rather than small ones.
    pub fn is_upper_bound(self) -> bool {
        let Limits { usual, rare, .. } = self.limits();
        usual < rare
    }

    /// The contribution of this value to an image's deviation.
    pub fn deviation(self, value: f64) -> f64 {
        let Limits { usual, rare, weight } = self.limits();
        weight * ((value - usual) / (rare - usual)).clamp(0.0, MOST_WEIGHTS)
    }

    /// The sign in words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::WallContact => "height of the breast at the chest wall",
            Self::BottomContact => "contact with the lower side",
            Self::Filled => "breast within its outline",
            Self::Narrowing => "narrowing towards the chest wall",
            Self::Centroid => "distance of the centroid from the chest wall",
            Self::Symmetry => "symmetry about a vertical axis",
            Self::Ramp => "share explained by a smooth ramp",
            Self::BackgroundEvenness => "evenness of the background",
            Self::BackgroundStep => "brightness of the breast above the background",
            Self::Texture => "texture of the breast",
            Self::EnclosedDark => "depth of dark areas enclosed by brighter tissue",
            Self::Area => "share of the image inside the outline",
        }
    }
}
