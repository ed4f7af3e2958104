//! Whether an image is of a kind for which the model has figures.

/// Whether an image is of a kind for which the model has figures: the column `domain` of score tables. In order: the
/// worse of two is the greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// The model was evaluated on images of this kind.
    Inside,
    /// The image does not state its kind, or the model has no figures.
    #[default]
    Unknown,
    /// The model was not evaluated on images of this kind.
    Outside,
}

mammo_core::words!(Domain, Inside: "inside", Unknown: "unknown", Outside: "outside");
