//! Laterality, projection and view modifiers from all attributes that state them.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::attributes::text;
use super::view::{Projection, ViewModifier};
use super::view_position::ViewPosition;
use mammo_core::record::Laterality;

/// Side, projection and modifiers of one image.
pub(super) struct SideAndView {
    pub laterality: Option<Laterality>,
    /// Attributes with different sides; the one in use is first.
    pub conflict: Option<String>,
    pub projection: Option<Projection>,
    pub modifiers: Vec<ViewModifier>,
}

impl SideAndView {
    /// From the decoded data set. Codes take precedence over View Position, whose text is free in
    /// practice.
    pub fn of(object: &InMemDicomObject) -> Self {
        let position = ViewPosition::read(&text(object, tags::VIEW_POSITION));
        let coded = items(object, tags::VIEW_CODE_SEQUENCE).first();
        let coded = coded.and_then(|item| Projection::by_code(&text(item, tags::CODE_VALUE)));
        let (laterality, conflict) = laterality(object, position.laterality);
        let mut modifiers = coded_modifiers(object);
        let in_text = position.modifiers.into_iter().filter(|modifier| !modifiers.contains(modifier));
        let in_text: Vec<ViewModifier> = in_text.collect();
        modifiers.extend(in_text);
        Self { laterality, conflict, projection: coded.or(position.projection), modifiers }
    }
}

/// The side in the first attribute with a value, and the attributes that contradict it.
///
/// Image Laterality describes the image, Laterality the series (PS3.3 C.7.3.1.1.2 and C.7.6.16.2),
/// the anatomic region the examination. `B` (both breasts) and `U` (unpaired) give no side, and
/// attributes of lower precedence do not change that.
fn laterality(
    object: &InMemDicomObject,
    in_position: Option<Laterality>,
) -> (Option<Laterality>, Option<String>) {
    let of_text = |tag| match text(object, tag).to_ascii_uppercase().as_str() {
        "" => None,
        "B" | "BOTH" | "U" => Some(None),
        word => word.parse().ok().map(Some),
    };
    let region = items(object, tags::ANATOMIC_REGION_SEQUENCE).first();
    let stated = [
        ("Image Laterality", of_text(tags::IMAGE_LATERALITY)),
        ("Laterality", of_text(tags::LATERALITY)),
        ("Anatomic Region", region.and_then(|item| by_region(&text(item, tags::CODE_VALUE)))),
        ("View Position", in_position.map(Some)),
    ];
    let stated: Vec<(&str, Option<Laterality>)> =
        stated.into_iter().filter_map(|(place, side)| Some((place, side?))).collect();
    let Some(&(_, first)) = stated.first() else { return (None, None) };
    let disagree = stated.iter().any(|(_, side)| *side != first);
    let named = |(place, side): &(&str, Option<Laterality>)| {
        format!("{place} {}", side.map_or("both".to_string(), |side| side.to_string()))
    };
    let conflict = disagree.then(|| stated.iter().map(named).collect::<Vec<_>>().join(", "));
    (first, conflict)
}

/// Left, right or both breasts by SNOMED CT, or the SRT code of older files.
fn by_region(code: &str) -> Option<Option<Laterality>> {
    match code {
        "80248007" | "T-04030" => Some(Some(Laterality::Left)),
        "73056007" | "T-04020" => Some(Some(Laterality::Right)),
        "63762007" | "T-04080" => Some(None),
        _ => None,
    }
}

/// Modifiers are inside the view's item (PS3.3 C.8.11.7), in some files next to it.
fn coded_modifiers(object: &InMemDicomObject) -> Vec<ViewModifier> {
    let view = items(object, tags::VIEW_CODE_SEQUENCE).first();
    let inside = view.map(|view| items(view, tags::VIEW_MODIFIER_CODE_SEQUENCE)).unwrap_or_default();
    let beside = items(object, tags::VIEW_MODIFIER_CODE_SEQUENCE);
    inside.iter().chain(beside).map(|item| ViewModifier::by_code(&text(item, tags::CODE_VALUE))).collect()
}

fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    object.get(tag).and_then(|element| element.items()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use dicom_core::value::DataSetSequence;
    use dicom_core::{DataElement, PrimitiveValue, VR};

    use super::*;

    const LEFT: Option<Laterality> = Some(Laterality::Left);
    const RIGHT: Option<Laterality> = Some(Laterality::Right);

    type Texts<'t> = &'t [(Tag, &'t str)];

    fn with_texts(texts: Texts) -> InMemDicomObject {
        let mut object = InMemDicomObject::new_empty();
        for (tag, text) in texts {
            object.put(DataElement::new(*tag, VR::CS, PrimitiveValue::from(*text)));
        }
        object
    }

    fn put_item(object: &mut InMemDicomObject, tag: Tag, item: InMemDicomObject) {
        object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(vec![item])));
    }

    #[test]
    fn the_side_comes_from_the_first_place_that_names_one() {
        let (image, series, position) = (tags::IMAGE_LATERALITY, tags::LATERALITY, tags::VIEW_POSITION);
        let cases: [(Texts, Option<Laterality>, Option<&str>); 9] = [
            (&[], None, None),
            (&[(image, "L")], LEFT, None),
            (&[(image, "r")], RIGHT, None),
            (&[(series, "R")], RIGHT, None),
            (&[(position, "LCC")], LEFT, None),
            (&[(image, "L"), (series, "R")], LEFT, Some("Image Laterality left, Laterality right")),
            (&[(image, "L"), (position, "RMLO")], LEFT, Some("Image Laterality left, View Position right")),
            (&[(image, "B"), (series, "R")], None, Some("Image Laterality both, Laterality right")),
            (&[(image, "?"), (series, "R"), (position, "R CC")], RIGHT, None),
        ];
        for (texts, side, conflict) in cases {
            let shown = SideAndView::of(&with_texts(texts));
            assert_eq!((shown.laterality, shown.conflict.as_deref()), (side, conflict), "{texts:?}");
        }
        for (code, side) in [("80248007", LEFT), ("T-04020", RIGHT), ("63762007", None), ("76752008", None)] {
            let mut object = with_texts(&[(tags::BODY_PART_EXAMINED, "BREAST")]);
            put_item(&mut object, tags::ANATOMIC_REGION_SEQUENCE, with_texts(&[(tags::CODE_VALUE, code)]));
            assert_eq!(SideAndView::of(&object).laterality, side, "{code}");
        }
    }

    #[test]
    fn codes_and_text_give_the_projection_and_all_modifiers() {
        let code = |value: &str| with_texts(&[(tags::CODE_VALUE, value)]);
        let mut object = with_texts(&[(tags::VIEW_POSITION, "CC SPOT")]);
        let mut view = code("399368009");
        put_item(&mut view, tags::VIEW_MODIFIER_CODE_SEQUENCE, code("R-102D6"));
        put_item(&mut object, tags::VIEW_CODE_SEQUENCE, view);
        put_item(&mut object, tags::VIEW_MODIFIER_CODE_SEQUENCE, code("399209000"));
        let shown = SideAndView::of(&object);
        assert_eq!(shown.projection, Some(Projection::Mlo), "codes are believed before the text");
        let all =
            [ViewModifier::Magnification, ViewModifier::ImplantDisplaced, ViewModifier::SpotCompression];
        assert_eq!(shown.modifiers, all);

        let mut unknown_code = with_texts(&[(tags::VIEW_POSITION, "RMLO")]);
        put_item(&mut unknown_code, tags::VIEW_CODE_SEQUENCE, code("123"));
        let shown = SideAndView::of(&unknown_code);
        assert_eq!((shown.projection, shown.laterality), (Some(Projection::Mlo), RIGHT));
    }
}
