//! Exact views, the geometry of random ones, and the border.

use super::*;
use crate::preprocess::Preprocessing;
use mammo_core::seed::stream;

const PLAIN: Normalise = Normalise { scale: 1.0, offset: 0.0 };

/// 37 x 29 pixels without any symmetry.
fn pixels() -> Vec<u16> {
    (0..37 * 29_u32).map(|i| (i.wrapping_mul(i * 7919) % 65536) as u16).collect()
}

fn show(warp: &Warp, pixels: &[u16], width: usize, window: &PatchWindow) -> Vec<f32> {
    let mut out = vec![f32::NAN; window.width * window.height];
    let input = GreyView { pixels, width, height: pixels.len() / width };
    warp.window(input, window, PLAIN, &mut out);
    out
}

fn whole() -> PatchWindow {
    PatchWindow { center_x: 18.5, center_y: 14.5, width: 37, height: 29 }
}

#[test]
fn the_identity_gives_every_pixel_and_none_draws_it() {
    let pixels = pixels();
    let settings = Preprocessing::default();
    let mut out = vec![0.0; pixels.len()];
    let input = GreyView { pixels: &pixels, width: 37, height: 29 };
    Warp::IDENTITY.window(input, &PatchWindow::whole(&input), settings.normaliser(), &mut out);
    let expected: Vec<f32> = pixels.iter().map(|&v| settings.normalise(v)).collect();
    assert_eq!(out, expected);
    assert_eq!(Augmentation::none().draw(&mut stream(1, "test", 0)), Warp::IDENTITY);
}

#[test]
fn flips_mirror_exactly() {
    let pixels = pixels();
    for (horizontal, vertical) in [(true, false), (false, true), (true, true)] {
        let [sx, sy] = [horizontal, vertical].map(|mirrored| if mirrored { -1.0 } else { 1.0 });
        let flip = Warp { input_from_output: Affine::scale(sx, sy), ..Warp::IDENTITY };
        let out = show(&flip, &pixels, 37, &whole());
        for y in 0..29 {
            for x in 0..37 {
                let from_x = if horizontal { 36 - x } else { x };
                let from_y = if vertical { 28 - y } else { y };
                assert_eq!(out[y * 37 + x], f32::from(pixels[from_y * 37 + from_x]), "{x} {y}");
            }
        }
    }
}

#[test]
fn a_patch_is_cut_out_exactly_and_padded_with_black() {
    let pixels = pixels();
    let window = PatchWindow { center_x: 3.0, center_y: 26.0, width: 10, height: 8 };
    let out = show(&Warp::IDENTITY, &pixels, 37, &window);
    for y in 0..8 {
        for x in 0..10 {
            let (column, row) = (x as i64 - 2, y as i64 + 22);
            let inside = column >= 0 && row < 29;
            let expected = if inside { f32::from(pixels[row as usize * 37 + column as usize]) } else { 0.0 };
            assert_eq!(out[y * 10 + x], expected, "{x} {y}");
        }
    }
}

/// A plane is reproduced by bilinear interpolation wherever it is sampled, so its values tell
/// where each output pixel looked.
#[test]
fn random_warps_look_where_their_map_says() {
    let (width, height) = (200_usize, 160_usize);
    let plane = |x: f64, y: f64| 1000.0 + 120.0 * x + 90.0 * y;
    let pixels: Vec<u16> = (0..width * height)
        .map(|i| plane((i % width) as f64 + 0.5, (i / width) as f64 + 0.5) as u16)
        .collect();
    let window = PatchWindow { center_x: 95.0, center_y: 84.25, width: 61, height: 40 };
    let augmentation = Augmentation { intensity_shift: 0.0, ..Augmentation::default() };
    for item in 0..200 {
        let warp = augmentation.draw(&mut stream(3, "test", item));
        let out = show(&warp, &pixels, width, &window);
        for (i, &value) in out.iter().enumerate() {
            let (x, y) = ((i % 61) as f64 + 0.5 - 30.5, (i / 61) as f64 + 0.5 - 20.0);
            let (x, y) = warp.input_from_output.apply(x, y);
            let expected = plane(95.0 + x, 84.25 + y);
            assert!((f64::from(value) - expected).abs() < 1.0, "draw {item}, {i}: {value}, not {expected}");
        }
    }
}

/// The fast path for inner pixels and the careful one for the border are one function.
#[test]
fn a_frame_of_black_changes_nothing() {
    let pixels = pixels();
    let (width, height) = (37 + 2 * 40, 29 + 2 * 40);
    let mut framed = vec![0_u16; width * height];
    for (y, row) in pixels.chunks_exact(37).enumerate() {
        framed[(y + 40) * width + 40..][..37].copy_from_slice(row);
    }
    for item in 0..50 {
        let warp = Augmentation::default().draw(&mut stream(5, "test", item));
        let inner = PatchWindow { center_x: 18.25, center_y: 14.5, width: 41, height: 33 };
        let outer = PatchWindow { center_x: 58.25, center_y: 54.5, ..inner };
        assert_eq!(show(&warp, &pixels, 37, &inner), show(&warp, &framed, width, &outer), "draw {item}");
    }
}

#[test]
fn inputs_of_one_pixel_and_far_windows_are_black_beyond() {
    let far = PatchWindow { center_x: 1e6, center_y: -1e6, width: 5, height: 3 };
    let warp = Augmentation::default().draw(&mut stream(5, "test", 1));
    let black = Warp { intensity_shift: 0.0, ..warp };
    assert!(show(&black, &pixels(), 37, &far).iter().all(|&v| v == 0.0));
    let one = PatchWindow { center_x: 0.5, center_y: 0.5, width: 3, height: 3 };
    let out = show(&Warp::IDENTITY, &[500], 1, &one);
    assert_eq!(out, [0.0, 0.0, 0.0, 0.0, 500.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn intensity_shifts_all_values_and_clips() {
    let warp = Warp { intensity_shift: 0.5, ..Warp::IDENTITY };
    let row = PatchWindow { center_x: 1.5, center_y: 0.5, width: 3, height: 1 };
    assert_eq!(show(&warp, &[0, 10_000, 60_000], 3, &row), [32_767.5, 42_767.5, 65_535.0]);
}

#[test]
fn gamma_bends_the_display_curve_between_black_and_white() {
    let warp = Warp { gamma: 2.0, ..Warp::IDENTITY };
    let row = PatchWindow { center_x: 1.5, center_y: 0.5, width: 3, height: 1 };
    let out = show(&warp, &[0, 32_768, 65_535], 3, &row);
    assert_eq!((out[0], out[2]), (0.0, 65_535.0));
    assert!((out[1] - 32_768.0 * (32_768.0 / 65_535.0)).abs() < 0.1, "{}", out[1]);
}

/// Against `scipy.ndimage.convolve1d` with weights [1, 2, 1] / 4 along both axes, mode "nearest":
/// fixtures/augment/sharpness.py.
#[test]
fn sharpness_adds_what_a_blur_takes_away() {
    let pixels = [100, 900, 400, 1600, 2500, 300, 700, 1200, 50, 60, 3000, 10];
    let window = PatchWindow { center_x: 2.0, center_y: 1.5, width: 4, height: 3 };
    let blurred = [
        712.5, 668.75, 800.0, 1243.75, 1063.125, 816.875, 948.125, 1051.875, 526.875, 831.875, 1319.375,
        836.875,
    ];
    for amount in [-1.0, 0.5] {
        let out = show(&Warp { sharpness: amount, ..Warp::IDENTITY }, &pixels, 4, &window);
        for ((found, &grey), blurred) in out.iter().zip(&pixels).zip(blurred) {
            let expected = (f64::from(grey) + amount * (f64::from(grey) - blurred)).max(0.0);
            assert!((f64::from(*found) - expected).abs() < 0.01, "{found} {expected}");
        }
    }
    let column = PatchWindow { center_x: 0.5, center_y: 1.0, width: 1, height: 2 };
    let soft = Warp { sharpness: -1.0, ..Warp::IDENTITY };
    assert_eq!(show(&soft, &[0, 4000], 1, &column), [1000.0, 3000.0]);
}

#[test]
fn draws_stay_in_their_ranges_and_use_them() {
    let augmentation = Augmentation::default();
    let warps: Vec<Warp> = (0..2000).map(|item| augmentation.draw(&mut stream(9, "test", item))).collect();
    let shifts = warps.iter().map(|w| w.intensity_shift);
    let (least, most) = shifts.fold((f64::MAX, f64::MIN), |m, s| (m.0.min(s), m.1.max(s)));
    let limit = 20.0 / 255.0;
    assert!(least >= -limit && most <= limit && least < -0.99 * limit && most > 0.99 * limit);
    let areas = warps.iter().map(|w| {
        let m = w.input_from_output;
        m.xx * m.yy - m.xy * m.yx
    });
    // The determinant is the product of flips, zooms and the cosine of the shear.
    assert!(areas.clone().all(|a| (0.64 * 0.2_f64.cos()..=1.44).contains(&a.abs())));
    let mirrored = areas.filter(|a| *a < 0.0).count();
    assert!((900..1100).contains(&mirrored), "{mirrored} of 2000 flipped once");
}

#[test]
fn switching_one_part_off_leaves_the_others() {
    let all = Augmentation::default();
    let unturned = Augmentation { rotation_deg: 0.0, zoom: [1.0, 1.0], ..all.clone() };
    let shift = |augmentation: &Augmentation| augmentation.draw(&mut stream(2, "test", 4)).intensity_shift;
    assert_eq!(shift(&all), shift(&unturned));
}

#[test]
fn impossible_ranges_are_named() {
    let default = Augmentation::default;
    let bad = [
        ("rotation_deg", Augmentation { rotation_deg: -1.0, ..default() }),
        ("zoom", Augmentation { zoom: [0.0, 1.0], ..default() }),
        ("zoom", Augmentation { zoom: [1.2, 0.8], ..default() }),
        ("shear_rad", Augmentation { shear_rad: f64::NAN, ..default() }),
        ("intensity_shift", Augmentation { intensity_shift: 20.0, ..default() }),
        ("gamma", Augmentation { gamma: [0.0, 1.0], ..default() }),
        ("gamma", Augmentation { gamma: [2.0, 1.0], ..default() }),
        ("sharpness", Augmentation { sharpness: [-2.0, 0.0], ..default() }),
        ("sharpness", Augmentation { sharpness: [0.0, f64::NAN], ..default() }),
    ];
    assert!(default().check().is_ok() && Augmentation::none().check().is_ok());
    for (setting, augmentation) in bad {
        let message = augmentation.check().unwrap_err().to_string();
        assert!(message.starts_with(&format!("augmentation.{setting}:")), "{message}");
    }
    assert!(serde_json::from_str::<Augmentation>(r#"{"rotation": 3}"#).is_err());
}
