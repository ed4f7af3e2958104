//! Laws of rectangles, maps, resampling and tables, over random inputs.
//!
//! A failing input is kept as a seed in `proptest-regressions/`, which is committed: every later run tries it first.
#![allow(clippy::unwrap_used, missing_docs)]

use mammo_core::GreyImage;
use mammo_core::geometry::{Affine, Rect};
use mammo_core::resample::{Resample, resample};
use mammo_core::table_text::TableText;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "proptest-regressions/properties.txt",
        ))),
        ..ProptestConfig::default()
    }
}

/// Corners on a grid of quarter pixels, so that sums and differences of coordinates are exact.
fn rect() -> impl Strategy<Value = Rect> {
    (-400..400_i32, -400..400_i32, 0..400_i32, 0..400_i32).prop_map(|(x, y, width, height)| {
        let quarter = |n: i32| f64::from(n) / 4.0;
        Rect::new(quarter(x), quarter(y), quarter(width), quarter(height))
    })
}

/// Turn, then scale with or without mirroring, then move: what augmentation and preprocessing compose.
fn map() -> impl Strategy<Value = Affine> {
    let factor = || prop_oneof![0.1..8.0_f64, -8.0..-0.1_f64];
    (-4.0..4.0_f64, factor(), factor(), -500.0..500.0_f64, -500.0..500.0_f64).prop_map(
        |(angle_rad, sx, sy, dx, dy)| {
            Affine::rotate(angle_rad).then(&Affine::scale(sx, sy)).then(&Affine::translate(dx, dy))
        },
    )
}

fn image() -> impl Strategy<Value = GreyImage> {
    (1..24_usize, 1..24_usize).prop_flat_map(|(width, height)| {
        vec(any::<u16>(), width * height).prop_map(move |pixels| GreyImage { width, height, pixels })
    })
}

fn kernel() -> impl Strategy<Value = Resample> {
    prop_oneof![Just(Resample::Area), Just(Resample::Bilinear), Just(Resample::Cubic)]
}

fn whole(image: &GreyImage) -> Rect {
    Rect::new(0.0, 0.0, image.width as f64, image.height as f64)
}

fn mean(image: &GreyImage) -> f64 {
    image.pixels.iter().map(|&value| f64::from(value)).sum::<f64>() / image.pixels.len() as f64
}

/// Whether `outer` holds `inner`, up to a rounding of 1e-6 pixels.
fn holds(outer: &Rect, inner: &Rect) -> bool {
    const ROUNDING: f64 = 1e-6;
    outer.x <= inner.x + ROUNDING
        && outer.y <= inner.y + ROUNDING
        && outer.right() >= inner.right() - ROUNDING
        && outer.bottom() >= inner.bottom() - ROUNDING
}

/// Cells as a program may write them: quotes, delimiters, line breaks and letters of any language. Blanks at the ends
/// are left out, since the reader removes them; so are zero bytes, which no text has.
fn cell() -> impl Strategy<Value = String> {
    "[ -~äßµ→中\n\t]{0,12}".prop_map(|cell| cell.trim().to_string())
}

fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
    (2..6_usize, 0..8_usize).prop_flat_map(|(columns, rows)| vec(vec(cell(), columns), rows))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_map_and_its_inverse_cancel_in_either_order(map in map(), x in -500.0..500.0_f64, y in -500.0..500.0_f64) {
        let inverse = map.inverse().unwrap();
        for both in [map.then(&inverse), inverse.then(&map)] {
            let (back_x, back_y) = both.apply(x, y);
            prop_assert!((back_x - x).abs() < 1e-6 && (back_y - y).abs() < 1e-6, "({back_x}, {back_y})");
        }
    }

    #[test]
    fn one_map_after_another_is_their_composition(first in map(), next in map(), x in -99.0..99.0_f64) {
        let (x1, y1) = first.apply(x, -x);
        let (one_by_one, at_once) = (next.apply(x1, y1), first.then(&next).apply(x, -x));
        prop_assert!((one_by_one.0 - at_once.0).abs() < 1e-6 && (one_by_one.1 - at_once.1).abs() < 1e-6);
    }

    #[test]
    fn a_mapped_rectangle_holds_every_mapped_point(
        map in map(), rect in rect(), along in 0.0..1.0_f64, down in 0.0..1.0_f64,
    ) {
        let (x, y) = map.apply(rect.x + along * rect.width, rect.y + down * rect.height);
        prop_assert!(holds(&map.apply_rect(&rect), &Rect::new(x, y, 0.0, 0.0)));
    }

    #[test]
    fn a_rectangle_mapped_there_and_back_is_held(map in map(), rect in rect()) {
        let back = map.inverse().unwrap().apply_rect(&map.apply_rect(&rect));
        prop_assert!(holds(&back, &rect), "{back:?}");
    }

    #[test]
    fn a_scaled_and_moved_rectangle_scales_its_area(
        rect in rect(), sx in 0.1..8.0_f64, sy in -8.0..-0.1_f64, dx in -99.0..99.0_f64,
    ) {
        let mapped = Affine::scale(sx, sy).then(&Affine::translate(dx, -dx)).apply_rect(&rect);
        let expected = rect.area() * sx * -sy;
        prop_assert!((mapped.area() - expected).abs() <= 1e-9 * (1.0 + expected), "{mapped:?}");
    }

    #[test]
    fn intersection_and_union_obey_the_laws_of_sets(a in rect(), b in rect(), c in rect()) {
        let (common, hull) = (a.intersection(&b), a.union(&b));
        prop_assert_eq!(common, b.intersection(&a));
        prop_assert_eq!(hull, b.union(&a));
        prop_assert_eq!(a.intersection(&a), a);
        prop_assert_eq!(a.union(&a), a);
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&hull), a);
        prop_assert!(holds(&hull, &a) && holds(&hull, &b));
        if common.area() > 0.0 {
            prop_assert!(holds(&a, &common) && holds(&b, &common));
        }
        prop_assert!(common.area() <= a.area().min(b.area()));
        prop_assert!(hull.area() >= a.area().max(b.area()));
        prop_assert!(hull.area() >= a.area() + b.area() - common.area());
    }

    #[test]
    fn a_constant_image_stays_constant_at_any_size(
        value in any::<u16>(), size in (1..24_usize, 1..24_usize), to in (1..40_usize, 1..40_usize), kernel in kernel(),
    ) {
        let constant = GreyImage { width: size.0, height: size.1, pixels: vec![value; size.0 * size.1] };
        let resampled = resample(&constant, &whole(&constant), to.0, to.1, kernel);
        let worst = resampled.pixels.iter().map(|pixel| pixel.abs_diff(value)).max();
        prop_assert!(worst <= Some(1), "{worst:?} off");
    }

    #[test]
    fn shrinking_by_area_keeps_the_mean(image in image(), width in 1..24_usize, height in 1..24_usize) {
        let (width, height) = (width.min(image.width), height.min(image.height));
        let small = resample(&image, &whole(&image), width, height, Resample::Area);
        // Each pixel is rounded to a whole value.
        prop_assert!((mean(&small) - mean(&image)).abs() <= 0.52, "{} to {}", mean(&image), mean(&small));
    }

    #[test]
    fn the_same_size_is_the_same_image(image in image(), kernel in kernel()) {
        prop_assert_eq!(&resample(&image, &whole(&image), image.width, image.height, kernel), &image);
    }

    #[test]
    fn no_kernel_but_the_cubic_leaves_the_range_of_the_image(image in image(), to in (1..40_usize, 1..40_usize)) {
        let [low, high] = [image.pixels.iter().min(), image.pixels.iter().max()].map(|end| *end.unwrap());
        for kernel in [Resample::Area, Resample::Bilinear] {
            for pixel in resample(&image, &whole(&image), to.0, to.1, kernel).pixels {
                prop_assert!((low.saturating_sub(1)..=high.saturating_add(1)).contains(&pixel), "{kernel:?}: {pixel}");
            }
        }
    }

    #[test]
    fn a_table_is_read_as_it_was_written(rows in table(), delimiter in prop::sample::select(&b",;\t|"[..])) {
        let columns = rows.first().map_or(2, Vec::len);
        let header: Vec<String> = (0..columns).map(|column| format!("column_{column}")).collect();
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(vec![]);
        for row in std::iter::once(&header).chain(&rows) {
            writer.write_record(row).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, writer.into_inner().unwrap()).unwrap();
        let text = TableText::read(&path).unwrap();
        let read_header = text.header(&path).unwrap();
        prop_assert_eq!(&read_header, &header);
        let read = text.records(&path, &read_header, |_| false).unwrap();
        let read: Vec<Vec<String>> =
            read.iter().map(|(_, record)| record.iter().map(str::to_string).collect()).collect();
        prop_assert_eq!(read, rows);
    }

    #[test]
    fn no_bytes_stop_the_table_reader(bytes in vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, bytes).unwrap();
        if let Ok(text) = TableText::read(&path) && let Ok(header) = text.header(&path) {
            let _ = text.records(&path, &header, |_| true);
        }
    }
}
