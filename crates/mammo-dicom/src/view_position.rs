//! The text of View Position, (0018,5101): side, projection and modifiers in one value.
//!
//! By the standard it contains the projection only (PS3.3 C.8.11.7.1: `CC`, `MLO`); real files have
//! `LCC`, `RMLO`, `MLO SPOT`, `R-CC`, `RMLOID`, `LMCC`. This is the labelling of the ACR
//! Mammography Quality Control Manual (1999), whose abbreviations PS3.16 CID 4014 and 4015 quote:
//! side, then `M` or `S` (magnification, spot compression), then the projection, then the other
//! modifiers. A word that this grammar does not produce is not read.

use super::view::{Projection, ViewModifier};
use mammo_core::record::Laterality;

/// The content of View Position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewPosition {
    /// The side; `None` also when words contradict each other.
    pub laterality: Option<Laterality>,
    /// The projection; `None` also when words contradict each other or a word is unknown, because it may
    /// mean a partial view.
    pub projection: Option<Projection>,
    /// The recognised modifiers.
    pub modifiers: Vec<ViewModifier>,
}

/// Modifiers before the projection.
const PREFIXES: [(&str, ViewModifier); 2] =
    [("M", ViewModifier::Magnification), ("S", ViewModifier::SpotCompression)];

/// Modifiers after the projection, or in its place.
const SUFFIXES: [(&str, ViewModifier); 8] = [
    ("TAN", ViewModifier::Tangential),
    ("CV", ViewModifier::Cleavage),
    ("AT", ViewModifier::AxillaryTail),
    ("ID", ViewModifier::ImplantDisplaced),
    ("RL", ViewModifier::Rolled),
    ("RM", ViewModifier::Rolled),
    ("RI", ViewModifier::Rolled),
    ("RS", ViewModifier::Rolled),
];

/// Modifiers written as separate words.
const WORDS: [(&str, ViewModifier); 8] = [
    ("SPOT", ViewModifier::SpotCompression),
    ("MAG", ViewModifier::Magnification),
    ("MAGN", ViewModifier::Magnification),
    ("MAGNIFICATION", ViewModifier::Magnification),
    ("MAGNIFIED", ViewModifier::Magnification),
    ("TANGENTIAL", ViewModifier::Tangential),
    ("CLEAVAGE", ViewModifier::Cleavage),
    ("ROLLED", ViewModifier::Rolled),
];

/// Ambiguous words: `LAT` is usually a lateral view, but the left axillary tail by the grammar; `RM`
/// and `RS` are rolled breasts, or a right breast magnified or spot-compressed.
const AMBIGUOUS: [&str; 3] = ["LAT", "RM", "RS"];

impl ViewPosition {
    /// Reads the text, ignoring case, with blanks, hyphens, underscores or other separators between words.
    pub fn read(text: &str) -> Self {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let (mut all, mut unread) = (Self::default(), false);
        let (mut sides, mut projections) = (Vec::new(), Vec::new());
        for word in words.map(str::to_ascii_uppercase) {
            match Self::of_word(&word) {
                Some(word) => {
                    sides.extend(word.laterality);
                    projections.extend(word.projection);
                    all.modifiers.extend(word.modifiers);
                }
                None => unread = true,
            }
        }
        all.laterality = unanimous(sides.into_iter());
        all.projection = unanimous(projections.into_iter()).filter(|_| !unread);
        all.modifiers.sort_unstable();
        all.modifiers.dedup();
        all
    }

    /// One word in upper case: without a side if it can be read so (`LM` and `LMO` are
    /// projections), else with one.
    pub fn of_word(word: &str) -> Option<Self> {
        if AMBIGUOUS.contains(&word) {
            return None;
        }
        if let Ok(laterality) = word.parse::<Laterality>() {
            return Some(Self { laterality: Some(laterality), ..Self::default() });
        }
        if let Some((_, modifier)) = WORDS.iter().find(|(name, _)| *name == word) {
            return Some(Self { modifiers: vec![*modifier], ..Self::default() });
        }
        Self::without_side(word).or_else(|| {
            let (letter, rest) = word.split_at_checked(1)?;
            let laterality = Some(letter.parse().ok()?);
            Some(Self { laterality, ..Self::without_side(rest)? })
        })
    }

    /// Prefixes, projection, suffixes; nothing may be left over.
    fn without_side(word: &str) -> Option<Self> {
        if word.is_empty() {
            return Some(Self::default());
        }
        if let Ok(projection) = word.parse() {
            return Some(Self { projection: Some(projection), ..Self::default() });
        }
        let with = |modifier: ViewModifier, mut rest: Self| {
            rest.modifiers.push(modifier);
            rest
        };
        let before = PREFIXES.iter().find_map(|(prefix, modifier)| {
            Some(with(*modifier, Self::without_side(word.strip_prefix(prefix)?)?))
        });
        before.or_else(|| {
            SUFFIXES.iter().find_map(|(suffix, modifier)| {
                Some(with(*modifier, Self::without_side(word.strip_suffix(suffix)?)?))
            })
        })
    }
}

/// The common value; `None` when there are none or they differ.
pub fn unanimous<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::ViewModifier::*;
    use super::*;

    type Read = (Option<Laterality>, Option<Projection>, Vec<ViewModifier>);

    fn read(text: &str) -> Read {
        let ViewPosition { laterality, projection, modifiers } = ViewPosition::read(text);
        (laterality, projection, modifiers)
    }

    const LEFT: Option<Laterality> = Some(Laterality::Left);
    const RIGHT: Option<Laterality> = Some(Laterality::Right);

    #[test]
    fn side_projection_and_modifiers_are_told_apart() {
        let cases: [(&str, Read); 27] = [
            ("CC", (None, Some(Projection::Cc), vec![])),
            ("mlo", (None, Some(Projection::Mlo), vec![])),
            ("LCC", (LEFT, Some(Projection::Cc), vec![])),
            ("rmlo", (RIGHT, Some(Projection::Mlo), vec![])),
            ("L-CC", (LEFT, Some(Projection::Cc), vec![])),
            ("R_MLO", (RIGHT, Some(Projection::Mlo), vec![])),
            ("CC LEFT", (LEFT, Some(Projection::Cc), vec![])),
            ("MLO SPOT", (None, Some(Projection::Mlo), vec![SpotCompression])),
            ("CC SPOT MAG", (None, Some(Projection::Cc), vec![Magnification, SpotCompression])),
            ("LMCC", (LEFT, Some(Projection::Cc), vec![Magnification])),
            ("RSMLO", (RIGHT, Some(Projection::Mlo), vec![SpotCompression])),
            ("RMSCC", (RIGHT, Some(Projection::Cc), vec![Magnification, SpotCompression])),
            ("ML", (None, Some(Projection::Ml), vec![])),
            ("LM", (None, Some(Projection::Lm), vec![])),
            ("LMO", (None, Some(Projection::Lmo), vec![])),
            ("LML", (LEFT, Some(Projection::Ml), vec![])),
            ("RLM", (RIGHT, Some(Projection::Lm), vec![])),
            ("XCCL", (None, Some(Projection::Xccl), vec![])),
            ("LXCCL", (LEFT, Some(Projection::Xccl), vec![])),
            ("RXCCM", (RIGHT, Some(Projection::Xccm), vec![])),
            ("AT", (None, None, vec![AxillaryTail])),
            ("RAT", (RIGHT, None, vec![AxillaryTail])),
            ("CV", (None, None, vec![Cleavage])),
            ("RMLOID", (RIGHT, Some(Projection::Mlo), vec![ImplantDisplaced])),
            ("LCCRL", (LEFT, Some(Projection::Cc), vec![Rolled])),
            ("RCCTAN", (RIGHT, Some(Projection::Cc), vec![Tangential])),
            ("L", (LEFT, None, vec![])),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_contradicts_itself_is_unknown() {
        for text in ["", "LAT", "RM", "BREAST", "SCOUT", "CCC", "XLCC", "7", "\u{fffd}", "CC MLO"] {
            assert_eq!(read(text), (None, None, vec![]), "{text}");
        }
        assert_eq!(read("LCC R"), (None, Some(Projection::Cc), vec![]));
        // The word that is not read may be what makes it a partial view.
        assert_eq!(read("L MLO FANCY"), (LEFT, None, vec![]));
        assert_eq!(read("MLO SPOT FANCY"), (None, None, vec![SpotCompression]));
    }
}
