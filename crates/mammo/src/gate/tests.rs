//! A drawn film passes; what nobody should score does not.

use super::*;
use crate::dicom::{Projection, ViewModifier, read_header};
use crate::preprocess::phantom_for_tests;

fn small() -> Preprocessing {
    Preprocessing { height_px: 240, width_px: 160, ..Preprocessing::default() }
}

#[track_caller]
fn check(image: &GrayImage, expected: Option<Refusal>) {
    let found = judge(image, Polarity::Normal, None, &small()).err();
    let signs = Signs::of(image, Polarity::Normal);
    assert_eq!(found.as_ref().map(|refused| refused.refusal), expected, "{found:?} {signs:?}");
}

fn changed(change: impl Fn(usize, u16) -> u16) -> GrayImage {
    let mut image = phantom_for_tests();
    image.pixels.iter_mut().enumerate().for_each(|(i, v)| *v = change(i, *v));
    image
}

#[test]
fn a_film_passes_and_its_negative_only_when_it_is_said_to_be_one() {
    check(&phantom_for_tests(), None);
    let negative = changed(|_, v| u16::MAX - v);
    check(&negative, Some(Refusal::WrongPolarity));
    assert_eq!(judge(&negative, Polarity::Inverted, None, &small()), Ok(()));
}

#[test]
fn twelve_bits_in_sixteen_pass_either_way_up() {
    check(&changed(|_, v| v >> 4), None);
    let negative = changed(|_, v| 4_095 - (v >> 4));
    assert_eq!(judge(&negative, Polarity::Inverted, None, &small()), Ok(()));
}

#[test]
fn bad_images_are_refused_with_their_code() {
    check(&changed(|_, _| 7_000), Some(Refusal::Blank));
    check(&changed(|_, v| 30_000 + v / 50), Some(Refusal::Blank));
    check(&changed(|_, v| v.saturating_mul(3)), Some(Refusal::Saturated));
    let hash = |i: usize| (i as u32).wrapping_mul(2_654_435_761) as u16;
    let noise = judge(&changed(|i, _| hash(i)), Polarity::Normal, None, &small()).unwrap_err();
    assert!(
        matches!(noise.refusal, Refusal::NoBreast | Refusal::NotAMammogram | Refusal::WrongPolarity),
        "{noise}"
    );
    let speck =
        changed(
            |i, _| {
                if (80..110).contains(&(i % 200)) && (100..130).contains(&(i / 200)) { 60_000 } else { 900 }
            },
        );
    check(&speck, Some(Refusal::NoBreast));
}

#[test]
fn an_image_much_smaller_than_the_input_is_refused() {
    let large = Preprocessing { height_px: 1152, ..small() };
    let refused = judge(&phantom_for_tests(), Polarity::Normal, None, &large).unwrap_err();
    assert_eq!(refused.refusal, Refusal::TooSmall);
    assert!(refused.to_string().contains("200x240"), "{refused}");
}

#[test]
fn views_that_were_not_trained_on_are_refused_by_their_header() {
    let fixture =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom/explicit_u12.dcm");
    let header = read_header(&fixture).unwrap();
    let with = |header: &Header| judge(&phantom_for_tests(), Polarity::Normal, Some(header), &small());
    assert_eq!(with(&header), Ok(()));
    let lateral = Header { projection: Some(Projection::Ml), ..header.clone() };
    assert_eq!(with(&lateral).unwrap_err().refusal, Refusal::OtherView);
    let spot = Header { view_modifiers: vec![ViewModifier::SpotCompression], ..header };
    assert_eq!(with(&spot).unwrap_err().refusal, Refusal::PartialView);
}

#[test]
fn every_refusal_has_a_code_of_its_own() {
    let mut codes: Vec<&str> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Refusal::ALL.len());
    let in_json = serde_json::to_string(&Refusal::OtherView).unwrap();
    assert_eq!(in_json, "\"other_view\"");
}

#[test]
fn every_refusal_stands_in_the_table_of_the_documentation() {
    let document = include_str!("../../../../docs/preprocessing.md");
    let (_, table) = document.split_once("## The gate").unwrap();
    for refusal in Refusal::ALL {
        assert!(table.contains(&format!("\n| `{refusal}` |")), "docs/preprocessing.md lacks {refusal}");
    }
}
