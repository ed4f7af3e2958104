//! The steps together, on a drawn film with a label and bright edges.

use super::*;
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;

/// A film of 200 x 240 pixels: half an ellipse of tissue at the left, brighter in its middle,
/// a label at the upper right, a bright edge below, background not quite black.
pub(crate) fn phantom_for_tests() -> GreyImage {
    let mut image = GreyImage::black(200, 240);
    for (i, v) in image.pixels.iter_mut().enumerate() {
        let (x, y) = ((i % 200) as f64, (i / 200) as f64);
        let distance = (x / 110.0).powi(2) + ((y - 115.0) / 90.0).powi(2);
        let noise = ((i * 7919) % 301) as f64;
        let tissue = if distance < 1.0 { 15_000.0 + 20_000.0 * (1.0 - distance) } else { 900.0 };
        let label = (160.0..185.0).contains(&x) && (10.0..24.0).contains(&y) && (i / 3) % 2 == 0;
        *v = if label || y >= 234.0 { 65_000 } else { (tissue + noise) as u16 };
    }
    image
}

fn mirrored(image: &GreyImage) -> GreyImage {
    let mut image = image.clone();
    image.pixels.chunks_exact_mut(image.width).for_each(<[u16]>::reverse);
    image
}

fn small() -> Preprocessing {
    Preprocessing { height_px: 240, width_px: 160, ..Preprocessing::default() }
}

#[test]
fn the_breast_is_found_and_label_and_edge_are_not() {
    let prepared = small().apply(phantom_for_tests(), Polarity::Normal).unwrap();
    assert_eq!(prepared.doubt, None);
    let drawn = Rect::new(0.0, 25.0, 110.0, 180.0);
    let expected = prepared.input_from_stored.apply_rect(&drawn);
    let shared = expected.intersection(&prepared.breast).area();
    assert!(shared > 0.99 * expected.area() && shared > 0.8 * prepared.breast.area(), "{prepared:?}");
}

#[test]
fn outside_the_breast_all_is_black_and_inside_the_window_is_used() {
    let uncropped = Preprocessing { crop: Crop::None, ..small() };
    let prepared = uncropped.apply(phantom_for_tests(), Polarity::Normal).unwrap();
    let at = |x: f64, y: f64| {
        let (x, y) = prepared.input_from_stored.apply(x, y);
        prepared.image.row(y as usize)[x as usize]
    };
    for (x, y) in [(172.0, 17.0), (100.0, 238.0), (190.0, 120.0), (150.0, 30.0)] {
        assert_eq!(at(x, y), 0, "({x}, {y})");
    }
    assert!(at(5.0, 115.0) > 60_000);
}

#[test]
fn a_mirrored_film_gives_the_same_input() {
    let plain = small().apply(phantom_for_tests(), Polarity::Normal).unwrap();
    let turned = small().apply(mirrored(&phantom_for_tests()), Polarity::Normal).unwrap();
    let worst = plain.image.pixels.iter().zip(&turned.image.pixels).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(2), "{worst:?}");
    let (x, y) = turned.input_from_stored.apply(200.0 - 30.0, 100.0);
    let (px, py) = plain.input_from_stored.apply(30.0, 100.0);
    assert!((x - px).abs() < 0.5 && (y - py).abs() < 0.5);
}

#[test]
fn an_inverted_film_gives_the_same_input() {
    let plain = phantom_for_tests();
    let mut negative = plain.clone();
    negative.pixels.iter_mut().for_each(|v| *v = u16::MAX - *v);
    let expected = small().apply(plain, Polarity::Normal).unwrap();
    assert_eq!(small().apply(negative, Polarity::Inverted).unwrap(), expected);
}

#[test]
fn points_follow_their_pixels_and_come_back() {
    let mut image = phantom_for_tests();
    // A white square, large enough to keep its middle white at any scale.
    (96..104).for_each(|y| image.pixels[y * 200 + 46..y * 200 + 54].fill(65_535));
    for orient in [Orient::AsStored, Orient::ChestWallLeft] {
        for aspect in [Aspect::Keep, Aspect::Stretch] {
            for (film, x) in [(image.clone(), 50.0), (mirrored(&image), 150.0)] {
                let settings = Preprocessing { orient, aspect, ..small() };
                let prepared = settings.apply(film, Polarity::Normal).unwrap();
                let (input_x, input_y) = prepared.input_from_stored.apply(x, 100.0);
                let v = prepared.image.row(input_y as usize)[input_x as usize];
                assert!(v > 65_000, "{orient:?} {aspect:?} at {x}: {v}");
                let (back_x, back_y) = prepared.input_from_stored.inverse().unwrap().apply(input_x, input_y);
                assert!((back_x - x).abs() < 1e-9 && (back_y - 100.0).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn keep_pads_away_from_the_chest_wall() {
    let wide = Preprocessing { width_px: 480, ..small() };
    let prepared = wide.apply(mirrored(&phantom_for_tests()), Polarity::Normal).unwrap();
    assert!(prepared.image.row(120)[300..].iter().all(|&v| v == 0));
    let as_stored = Preprocessing { orient: Orient::AsStored, ..wide };
    let prepared = as_stored.apply(mirrored(&phantom_for_tests()), Polarity::Normal).unwrap();
    assert!(prepared.image.row(120)[..180].iter().all(|&v| v == 0));
    assert!(prepared.image.row(120)[479] > 30_000);
}

#[test]
fn the_paper_preset_keeps_every_pixel_of_an_image_of_its_size() {
    let image = phantom_for_tests();
    let paper = Preprocessing { height_px: 240, width_px: 200, ..Preprocessing::paper() };
    let prepared = paper.apply(image.clone(), Polarity::Normal).unwrap();
    assert_eq!(prepared.image, image);
    assert!(
        (paper.normalise(image.pixels[777]) - (f32::from(image.pixels[777]) * 0.003891 - 52.18)).abs() < 0.01
    );
}

#[test]
fn a_doubtful_outline_falls_back_to_the_whole_image() {
    let mut speck = GreyImage::black(200, 200);
    (80..100).for_each(|y| speck.pixels[y * 200 + 80..y * 200 + 100].fill(50_000));
    let prepared = small().apply(speck, Polarity::Normal).unwrap();
    assert_eq!(prepared.doubt, Some(BreastDoubt::TooSmall));
    let (x, y) = prepared.input_from_stored.apply(90.0, 90.0);
    assert!(prepared.image.row(y as usize)[x as usize] > 60_000);
}

#[test]
fn unusable_images_are_errors_not_panics() {
    for image in [GreyImage::black(64, 64), GreyImage { width: 9, height: 9, pixels: vec![1; 80] }] {
        let error = small().apply(image, Polarity::Normal).unwrap_err().to_string();
        assert!(error.contains("expected a mammogram"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flat.png");
    mammo_dicom::image_file::write_png16(&path, &GreyImage::black(64, 64)).unwrap();
    let error = small().read(&path, Polarity::Normal).unwrap_err().to_string();
    assert!(error.contains("flat.png"), "{error}");
}

#[test]
fn every_field_changes_the_digest() {
    let default = serde_json::to_value(Preprocessing::default()).unwrap();
    let paper = serde_json::to_value(Preprocessing {
        version: 9,
        height_px: 640,
        width_px: 512,
        ..Preprocessing::paper()
    })
    .unwrap();
    let mut digests = vec![Preprocessing::default().digest()];
    for (field, value) in paper.as_object().unwrap() {
        let mut changed = default.clone();
        changed[field] = value.clone();
        digests.push(serde_json::from_value::<Preprocessing>(changed).unwrap().digest());
    }
    let n = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!((digests.len(), digests[0].len()), (n, 16));
}

#[test]
fn the_mean_does_not_rename_the_pixels() {
    let default = Preprocessing::default();
    let centred = Preprocessing { mean: 1.0, std: 2.0, ..default.clone() };
    assert_eq!(centred.pixel_digest(), default.pixel_digest());
    let smaller = Preprocessing { width_px: 512, ..default.clone() };
    assert_ne!(smaller.pixel_digest(), default.pixel_digest());
}

#[test]
fn settings_survive_json_and_unknown_ones_are_refused() {
    for settings in [Preprocessing::default(), Preprocessing::paper()] {
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&json).unwrap(), settings);
    }
    assert!(serde_json::from_str::<Preprocessing>(r#"{"widht_px": 3}"#).is_err());
    assert!(serde_json::from_str::<Preprocessing>(r#"{"crop": {"breast": {"margin": 3}}}"#).is_err());
}

#[test]
fn impossible_settings_are_named() {
    let default = Preprocessing::default;
    let window = Window::Percentiles { low_percent: 50.0, high_percent: 50.0 };
    let bad = [
        ("version", Preprocessing { version: 0, ..default() }),
        ("height_px", Preprocessing { height_px: 0, ..default() }),
        (
            "crop.margin_fraction",
            Preprocessing { crop: Crop::Breast { margin_fraction: f64::NAN }, ..default() },
        ),
        ("window", Preprocessing { window, ..default() }),
        ("std", Preprocessing { std: 0.0, ..default() }),
    ];
    assert!(default().check().is_ok() && Preprocessing::paper().check().is_ok());
    for (setting, settings) in bad {
        let message = settings.check().unwrap_err().to_string();
        assert!(message.starts_with(&format!("preprocessing.{setting}:")), "{message}");
    }
}

/// Outside oracle: OpenCV 5.0.0, `fixtures/preprocess/make.py`.
#[test]
fn the_paper_preset_gives_the_network_values_of_opencv() {
    #[derive(serde::Deserialize)]
    struct Reference {
        cases: Vec<Case>,
    }
    #[derive(serde::Deserialize)]
    struct Case {
        height: usize,
        width: usize,
        mean: f32,
        samples: Vec<(usize, usize, f32)>,
        sum: f64,
    }
    let json = include_str!("../../../../fixtures/preprocess/paper.json");
    let reference: Reference = serde_json::from_str(json).unwrap();
    assert_eq!(reference.cases.len(), 3);
    for Case { height, width, mean, samples, sum } in reference.cases {
        let pixels = (0..(height * width) as u64).map(|i| (i * i * 7919 % 65536) as u16).collect();
        let settings = Preprocessing { mean, ..Preprocessing::paper() };
        let prepared = settings.apply(GreyImage { width, height, pixels }, Polarity::Normal).unwrap();
        assert_eq!((prepared.image.height, prepared.image.width), (1152, 896));
        for (y, x, expected) in samples {
            let found = settings.normalise(prepared.image.row(y)[x]);
            // Half a step of 16 bits, rounded either way.
            assert!((found - expected).abs() < 0.004, "{width}x{height} at {x}, {y}: {found} {expected}");
        }
        let total: f64 = prepared.image.pixels.iter().map(|&v| f64::from(settings.normalise(v))).sum();
        assert!((total - sum).abs() / (1152.0 * 896.0) < 1e-3, "{total} {sum}");
    }
}
