//! Patient, side and view from the words of a file name.

use mammo_core::record::{Laterality, View};
use mammo_dicom::{ViewPosition, unanimous};

/// Patient, side and view in a file name.
pub(super) struct FileName {
    /// The words before side and view, else the whole name.
    pub patient_id: String,
    /// Whether there are words before side and view.
    pub patient_is_stated: bool,
    /// The side; `None` when words contradict each other.
    pub laterality: Option<Laterality>,
    /// The view; `None` when words contradict each other.
    pub view: Option<View>,
}

impl FileName {
    /// From the name without folders and extension.
    pub fn of(stem: &str) -> Self {
        let words: Vec<&str> = stem.split(SEPARATORS).collect();
        let read: Vec<(Option<Laterality>, Option<View>)> =
            words.iter().map(|word| side_and_view(word)).collect();
        let is_read = |(side, view): &(Option<Laterality>, Option<View>)| side.is_some() || view.is_some();
        let n = read.iter().position(is_read).unwrap_or(words.len());
        // Separators have one byte each.
        let length: usize = words[..n].iter().map(|word| word.len() + 1).sum();
        let before = &stem[..length.saturating_sub(1)];
        let patient_is_stated = n < words.len() && !before.is_empty();
        Self {
            patient_id: if patient_is_stated { before.to_string() } else { stem.to_string() },
            patient_is_stated,
            laterality: unanimous(read.iter().filter_map(|(side, _)| *side)),
            view: unanimous(read.iter().filter_map(|(_, view)| *view)),
        }
    }
}

/// Between the words of a file's name.
const SEPARATORS: [char; 4] = ['_', '-', '.', ' '];

/// Side and view in one word of a name: `L`, `right`, `CC`, `RMLO`. Other codes of View Position
/// (`M`, `AT`, `ID`) are not read, because they often mean something else in a name.
fn side_and_view(word: &str) -> (Option<Laterality>, Option<View>) {
    if let Ok(laterality) = word.parse() {
        return (Some(laterality), None);
    }
    match ViewPosition::of_word(&word.to_ascii_uppercase()) {
        Some(ViewPosition { laterality, projection: Some(projection), modifiers })
            if modifiers.is_empty() =>
        {
            (laterality, projection.view())
        }
        _ => (None, None),
    }
}
