//! Records of a data set: one [`Mammogram`] per image, with patient, laterality, view, pathology
//! and lesions. All later stages use these types.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::geometry::Rect;

/// Which breast (DICOM Image Laterality, (0020,0062)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Laterality {
    /// The patient's left breast.
    Left,
    /// The patient's right breast.
    Right,
}

/// Projection (DICOM View Position, (0018,5101)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// Cranio-caudal.
    Cc,
    /// Medio-lateral oblique; shows the pectoral muscle.
    Mlo,
}

/// Truth about a lesion, or about an image (malignant if any of its lesions is).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pathology {
    /// Proven or followed up as benign, "benign without callback" included.
    Benign,
    /// Biopsy-proven cancer.
    Malignant,
    /// Not recorded. Never used as a label.
    #[default]
    Unknown,
}

/// What kind of abnormality a lesion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LesionKind {
    /// A space-occupying density.
    Mass,
    /// One calcification or a cluster of them.
    Calcification,
}

/// Whether a larger stored value means more attenuation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Polarity {
    /// Dense tissue is bright, background dark (MONOCHROME2).
    #[default]
    Normal,
    /// Dense tissue is dark, background bright (MONOCHROME1, and unprocessed film scans).
    Inverted,
}

/// The side of a split: what an image is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Used to train.
    Train,
    /// Used to adjust the learning rate and to select the epoch.
    Validation,
    /// Used once, for the final evaluation.
    Test,
}

/// The position and shape of a lesion, in pixels of the image **as stored**.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "lowercase")]
pub enum LesionShape {
    /// An axis-aligned box; the lesion is taken to fill its inscribed ellipse.
    Box(Rect),
    /// A circle.
    Circle {
        /// Centre column in pixels.
        cx: f64,
        /// Centre row in pixels.
        cy: f64,
        /// Radius in pixels.
        radius: f64,
    },
    /// A closed contour; its interior by the even-odd rule is the lesion.
    Polygon {
        /// Vertices as `[x, y]`, in order; the last is connected to the first.
        points: Vec<[f64; 2]>,
    },
    /// An image file; non-zero pixels are the lesion. A mask whose size differs from the mammogram's
    /// is scaled to it, see [`mask_fits`].
    Mask {
        /// Path relative to the data set's root.
        file: String,
        /// Bounding box of its non-zero pixels, in pixels of the mammogram.
        bounds: Rect,
    },
}

/// Largest difference of the aspect ratios of a mask and its mammogram, as a share.
const MASK_ASPECT_TOLERANCE: f64 = 0.02;

/// Whether a mask can be scaled to the size of a mammogram: by nearly the same factor in width and
/// height, and by a factor of at most two either way.
///
/// Some masks of CBIS-DDSM are up to 15 % smaller or larger than their mammogram.
pub fn mask_fits(mask: (u32, u32), mammogram: (u32, u32)) -> bool {
    let factor = |of: u32, to: u32| f64::from(to) / f64::from(of.max(1));
    let (x, y) = (factor(mask.0, mammogram.0), factor(mask.1, mammogram.1));
    (x / y - 1.0).abs() <= MASK_ASPECT_TOLERANCE && (0.5..=2.0).contains(&x)
}

impl LesionShape {
    /// The bounding box of the lesion, in pixels of the image as stored.
    pub fn bounds(&self) -> Rect {
        match self {
            Self::Box(bounds) | Self::Mask { bounds, .. } => *bounds,
            Self::Circle { cx, cy, radius } => {
                Rect::new(cx - radius, cy - radius, 2.0 * radius, 2.0 * radius)
            }
            Self::Polygon { points } => {
                let corner = |&[x, y]: &[f64; 2]| Rect::new(x, y, 0.0, 0.0);
                points.iter().map(corner).reduce(|all, point| all.union(&point)).unwrap_or_default()
            }
        }
    }
}

/// One annotated lesion in one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lesion {
    /// Mass or calcification.
    pub kind: LesionKind,
    /// Pathology of this lesion; an image can have benign and malignant lesions.
    pub pathology: Pathology,
    /// Position and shape.
    #[serde(flatten)]
    pub shape: LesionShape,
}

/// One image of one breast: a row of the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mammogram {
    /// Path of the image file relative to the manifest's root; unique, so it identifies the image.
    pub file: String,
    /// The patient. Splits and intervals are by patient.
    pub patient_id: String,
    /// Which breast; `None` when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub laterality: Option<Laterality>,
    /// Which projection; `None` when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    /// Image-level truth; `Unknown` for images that are only to be scored.
    pub pathology: Pathology,
    /// Width of the stored image in pixels.
    pub width_px: u32,
    /// Height of the stored image in pixels.
    pub height_px: u32,
    /// Whether dense tissue is stored bright.
    #[serde(default)]
    pub polarity: Polarity,
    /// ACR breast density, 1 (fatty) to 4 (dense), when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<u8>,
    /// BI-RADS assessment, 0 to 6, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<u8>,
    /// Hospital or scanner, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The side in the official split of the data set, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub official_side: Option<Side>,
    /// All annotated lesions of this image.
    #[serde(default)]
    pub lesions: Vec<Lesion>,
}

impl Mammogram {
    /// A record with patient, laterality and view only: the size is zero until the file is opened,
    /// the pathology is unknown, there are no lesions, and dense tissue is bright.
    ///
    /// `laterality` and `view` are `None` when unknown.
    pub fn new(
        file: &str,
        patient_id: &str,
        laterality: impl Into<Option<Laterality>>,
        view: impl Into<Option<View>>,
    ) -> Self {
        Self {
            file: file.to_string(),
            patient_id: patient_id.to_string(),
            laterality: laterality.into(),
            view: view.into(),
            pathology: Pathology::Unknown,
            width_px: 0,
            height_px: 0,
            polarity: Polarity::Normal,
            density: None,
            assessment: None,
            site: None,
            official_side: None,
            lesions: Vec::new(),
        }
    }

    /// Whether side and view are both known.
    pub fn has_side_and_view(&self) -> bool {
        self.laterality.is_some() && self.view.is_some()
    }

    /// Side and view as text: `left MLO`; `CC, side unknown`; `right, view unknown`.
    pub fn side_and_view(&self) -> String {
        let side = self.laterality.map(|side| side.to_string());
        let view = self.view.map(|view| view.to_string().to_uppercase());
        match (side, view) {
            (Some(side), Some(view)) => format!("{side} {view}"),
            (Some(side), None) => format!("{side}, view unknown"),
            (None, Some(view)) => format!("{view}, side unknown"),
            (None, None) => "side and view unknown".to_string(),
        }
    }

    /// Whether the image is a positive case; `None` when its truth is not recorded.
    pub fn malignant(&self) -> Option<bool> {
        match self.pathology {
            Pathology::Malignant => Some(true),
            Pathology::Benign => Some(false),
            Pathology::Unknown => None,
        }
    }
}

/// A word that is not a value of its type.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// The word that was found.
    pub found: String,
    /// The accepted words.
    pub expected: &'static str,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not one of {}", self.found, self.expected)
    }
}

impl std::error::Error for UnknownWord {}

/// The words of an enum without data: `Display`, `FromStr`, a method that returns the word and a constant
/// `ALL` with all values in their order, from one list.
///
/// The first word of a value is its name, others are accepted in input too. Input is compared without regard
/// to case, outer spaces, and whether words are joined by spaces or underscores. The method is called `name`
/// unless the list says otherwise (`words!(Kind.code, ...)`). The error message lists the names, or the
/// literal before the list.
///
/// ```
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Kind { Mass, Calcification }
/// mammo_core::words!(Kind, Mass: "mass", Calcification: "calcification" | "calc");
///
/// assert_eq!(Kind::Calcification.to_string(), "calcification");
/// assert_eq!(" Calc ".parse(), Ok(Kind::Calcification));
/// assert_eq!(Kind::ALL.map(Kind::name), ["mass", "calcification"]);
/// assert_eq!("cyst".parse::<Kind>().unwrap_err().to_string(), "'cyst' is not one of mass, calcification");
/// ```
#[macro_export]
macro_rules! words {
    (@table $type:ident.$method:ident, $($value:ident: $name:literal),+) => {
        impl $type {
            /// All values in their order.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$value),+];

            /// The word of this value in tables and messages.
            pub const fn $method(self) -> &'static str {
                match self { $(Self::$value => $name),+ }
            }
        }
    };
    (@text $type:ident.$method:ident, $expected:expr, $($value:ident: $name:literal $(| $alias:literal)*),+) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.$method())
            }
        }
        impl std::str::FromStr for $type {
            type Err = $crate::record::UnknownWord;
            fn from_str(word: &str) -> std::result::Result<Self, Self::Err> {
                match word.trim().to_ascii_lowercase().replace(' ', "_").as_str() {
                    $($name $(| $alias)* => Ok(Self::$value),)+
                    _ => Err($crate::record::UnknownWord { found: word.to_string(), expected: $expected }),
                }
            }
        }
    };
    ($type:ident.$method:ident, $expected:literal, $($value:ident: $name:literal $(| $alias:literal)*),+ $(,)?) => {
        $crate::words!(@table $type.$method, $($value: $name),+);
        $crate::words!(@text $type.$method, $expected, $($value: $name $(| $alias)*),+);
    };
    (
        $type:ident.$method:ident,
        $first:ident: $first_name:literal $(| $first_alias:literal)*
        $(, $value:ident: $name:literal $(| $alias:literal)*)* $(,)?
    ) => {
        $crate::words!(@table $type.$method, $first: $first_name $(, $value: $name)*);
        $crate::words!(
            @text $type.$method, concat!($first_name $(, ", ", $name)*),
            $first: $first_name $(| $first_alias)* $(, $value: $name $(| $alias)*)*
        );
    };
    ($type:ident, $($list:tt)+) => { $crate::words!($type.name, $($list)+); };
}

/// A word for a table; blank for what is not known.
pub fn word_or_blank(value: Option<impl fmt::Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

words!(Laterality, Left: "left" | "l", Right: "right" | "r");
words!(View, "CC, MLO", Cc: "cc", Mlo: "mlo");
words!(Pathology, Benign: "benign" | "benign_without_callback", Malignant: "malignant", Unknown: "unknown" | "");
words!(LesionKind, Mass: "mass", Calcification: "calcification" | "calc");
// In the order in which a run uses them.
words!(Side, Train: "train" | "training", Validation: "validation", Test: "test");
words!(Polarity, Normal: "normal" | "monochrome2" | "", Inverted: "inverted" | "monochrome1");
