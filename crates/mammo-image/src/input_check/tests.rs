//! A drawn film passes; what nobody should score does not.

use super::*;
use crate::preprocess::phantom_for_tests;
use mammo_dicom::{Projection, ViewModifier, read_header};

fn small() -> Preprocessing {
    Preprocessing { height_px: 240, width_px: 160, ..Preprocessing::default() }
}

#[track_caller]
fn refused(image: &GreyImage) -> CheckFailure {
    check(image, Polarity::Normal, None, &small()).unwrap_err().failure
}

#[track_caller]
fn accepted(image: &GreyImage, polarity: Polarity) -> Accepted {
    check(image, polarity, None, &small()).unwrap()
}

/// The drawn film with the grain of a real one.
fn film() -> GreyImage {
    let mut image = phantom_for_tests();
    image.pixels.iter_mut().enumerate().for_each(|(i, v)| *v = v.saturating_add(hash(i) / 20));
    image
}

/// Noise that is the same in every run.
fn hash(i: usize) -> u16 {
    ((i as u32).wrapping_mul(2_654_435_761) >> 16) as u16
}

fn changed(change: impl Fn(usize, u16) -> u16) -> GreyImage {
    let mut image = film();
    image.pixels.iter_mut().enumerate().for_each(|(i, v)| *v = change(i, *v));
    image
}

#[test]
fn a_film_passes_either_way_up_and_a_negative_is_turned() {
    let clean = |polarity| Accepted { polarity, warnings: vec![] };
    let film = film();
    assert_eq!(accepted(&film, Polarity::Normal), clean(Polarity::Normal));
    let negative = changed(|_, v| u16::MAX - v);
    assert_eq!(accepted(&negative, Polarity::Inverted), clean(Polarity::Inverted));
    let turned = |polarity| Accepted { polarity, warnings: vec![Warning::Inverted] };
    assert_eq!(accepted(&negative, Polarity::Normal), turned(Polarity::Inverted));
    assert_eq!(accepted(&film, Polarity::Inverted), turned(Polarity::Normal));
}

#[test]
fn twelve_bits_in_sixteen_pass_either_way_up() {
    assert_eq!(accepted(&changed(|_, v| v >> 4), Polarity::Normal).warnings, []);
    let negative = changed(|_, v| 4_095 - (v >> 4));
    assert_eq!(accepted(&negative, Polarity::Inverted).warnings, []);
}

#[test]
fn what_only_looks_unusual_is_scored_with_a_warning() {
    let burnt_out = accepted(&changed(|_, v| v.saturating_mul(3)), Polarity::Normal);
    assert!(matches!(burnt_out.warnings[..], [Warning::Saturated(_), ..]), "{burnt_out:?}");
    // Sharpened as modern processing does it: neighbours differ by a tenth of the range.
    let sharpened = changed(|i, v| if v < 8_000 { v } else { v + 3_000 * (i % 2) as u16 });
    assert_eq!(accepted(&sharpened, Polarity::Normal).warnings, []);
    // A wide bright label, and film that was not exposed along the upper side.
    let label = changed(|i, v| {
        let (x, y) = (i % 200, i / 200);
        let is_label = (130..190).contains(&x) && (30..60).contains(&y);
        if is_label || y < 20 { 64_000 } else { v }
    });
    assert_eq!(accepted(&label, Polarity::Normal).polarity, Polarity::Normal);
}

#[test]
fn what_is_no_mammogram_is_refused_with_its_code() {
    assert_eq!(refused(&changed(|_, _| 7_000)), CheckFailure::Blank);
    assert_eq!(refused(&changed(|_, v| 30_000 + v / 100)), CheckFailure::Blank);
    let no_breast = [CheckFailure::NoBreast, CheckFailure::NotAMammogram];
    assert!(no_breast.contains(&refused(&changed(|i, _| hash(i)))));
    // A disc in the middle, as of a head in computed tomography.
    let disc = changed(|i, _| {
        let (x, y) = ((i % 200).abs_diff(100), (i / 200).abs_diff(120));
        if x * x + y * y < 70 * 70 { 40_000 + hash(i) / 8 } else { 900 }
    });
    assert_eq!(refused(&disc), CheckFailure::NotAMammogram);
    // A body from side to side with two dark lungs.
    let chest = changed(|i, _| {
        let (x, y) = ((i % 200).abs_diff(100), i / 200);
        let is_lung = (20..60).contains(&x) && (60..180).contains(&y);
        if y < 30 || is_lung { 900 } else { 40_000 + hash(i) / 8 }
    });
    assert_eq!(refused(&chest), CheckFailure::NotAMammogram);
}

#[test]
fn an_image_much_smaller_than_the_input_is_refused() {
    let large = Preprocessing { height_px: 1152, ..small() };
    let refused = check(&phantom_for_tests(), Polarity::Normal, None, &large).unwrap_err();
    assert_eq!(refused.failure, CheckFailure::TooSmall);
    assert!(refused.to_string().contains("200x240"), "{refused}");
}

#[test]
fn views_that_were_not_trained_on_are_refused_by_their_header() {
    let fixture =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dicom/explicit_u12.dcm");
    let header = read_header(&fixture).unwrap();
    let with = |header: &Header| check(&film(), Polarity::Normal, Some(header), &small());
    assert_eq!(with(&header).unwrap().warnings, []);
    let lateral = Header { projection: Some(Projection::Ml), ..header.clone() };
    assert_eq!(with(&lateral).unwrap_err().failure, CheckFailure::OtherView);
    let spot = Header { view_modifiers: vec![ViewModifier::SpotCompression], ..header };
    assert_eq!(with(&spot).unwrap_err().failure, CheckFailure::PartialView);
}

#[test]
fn every_refusal_has_a_code_of_its_own() {
    let mut codes: Vec<&str> = CheckFailure::ALL.iter().map(|refusal| refusal.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), CheckFailure::ALL.len());
    let in_json = serde_json::to_string(&CheckFailure::OtherView).unwrap();
    assert_eq!(in_json, "\"other_view\"");
}

#[test]
fn every_refusal_stands_in_the_table_of_the_documentation() {
    let document = include_str!("../../../../docs/preprocessing.md");
    let (_, table) = document.split_once("## The gate").unwrap();
    for refusal in CheckFailure::ALL {
        assert!(table.contains(&format!("\n| `{refusal}` |")), "docs/preprocessing.md lacks {refusal}");
    }
}
