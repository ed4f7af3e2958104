//! Hard negatives: background patches on bright blobs of the size of lesions.
//!
//! Blobs are maxima of a difference of Gaussians, an approximation of the scale-normalised
//! Laplacian (Lowe 2004, IJCV 60:91-110). The authors' code used OpenCV's blob detector.

use super::background::BackgroundRule;
use super::frame::PatchFrame;
use super::{ImageSampling, SamplingConfig, ShortfallReason};
use crate::cache::CachedInput;
use crate::preprocess::{Mask, MaskSums, Prepared};
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::image::GreyView;
use mammo_core::record::Mammogram;
use mammo_core::resample::{Resample, resample};

/// Side of a patch in the reduced image in which blobs are detected; fine enough for the smallest blob.
const REDUCED_PATCH_PX: f64 = 32.0;

/// Blob sizes as standard deviations in reduced pixels; the outer Gaussian of each is 1.6 times as
/// wide. In a patch of 224 they correspond to masses of about 20 to 110 input pixels.
const SIGMAS_PX: [f32; 3] = [1.5, 3.0, 6.0];

/// Selects the hard negatives of one image; `lesions` are sums over the union of all lesions.
///
/// Centres are at least half a patch apart. No randomness.
pub(super) fn draw(
    image: &Mammogram,
    input: &CachedInput,
    lesions: &MaskSums,
    frame: &PatchFrame,
    config: &SamplingConfig,
    drawn: &mut ImageSampling,
) {
    let wanted = config.hard_negatives_per_image;
    if wanted == 0 {
        return;
    }
    let rule = BackgroundRule::new(input, lesions, frame, config);
    let apart = frame.side as f64 / 2.0;
    let mut centres: Vec<(f64, f64)> = Vec::new();
    for (x, y) in blobs(input.view(), input.breast_mask(), frame.side) {
        if centres.len() == wanted {
            break;
        }
        if let Some(patch) = rule.patch(image, frame.corner(x, y)) {
            let (x, y) = (patch.center_x, patch.center_y);
            if centres.iter().all(|c| (c.0 - x).hypot(c.1 - y) >= apart) {
                centres.push((x, y));
                drawn.patches.push(patch);
            }
        }
    }
    drawn.report(image, None, wanted, centres.len(), ShortfallReason::NoMoreBlobs);
}

/// Centres of bright blobs of tissue in input pixels, the strongest first.
fn blobs(input: GreyView, tissue: &Mask, patch_px: usize) -> Vec<(f64, f64)> {
    let factor = (patch_px as f64 / REDUCED_PATCH_PX).max(1.0);
    let side = |length: usize| ((length as f64 / factor).round() as usize).max(1);
    let (width, height) = (side(input.width), side(input.height));
    let all = Rect::new(0.0, 0.0, input.width as f64, input.height as f64);
    let small = resample(input, &all, width, height, Resample::Area);
    let scale = (input.width as f64 / width as f64, input.height as f64 / height as f64);
    let centre = |i: usize| (((i % width) as f64 + 0.5) * scale.0, ((i / width) as f64 + 0.5) * scale.1);
    let weights: Vec<f32> = (0..width * height)
        .map(|i| {
            let (x, y) = centre(i);
            let cell = |v: f64, length: usize| (v as usize / Prepared::MASK_CELL_PX).min(length - 1);
            f32::from(tissue.row(cell(y, tissue.height))[cell(x, tissue.width)])
        })
        .collect();
    let mut found: Vec<(f32, usize)> =
        SIGMAS_PX.iter().flat_map(|&sigma| maxima(&small, &weights, sigma)).collect();
    // Equal responses are ordered by position, so that the result is deterministic.
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.into_iter().map(|(_, i)| centre(i)).collect()
}

/// Local maxima of the response on tissue of more than one grey value, with their indices. Both
/// Gaussians average tissue only; with the black background, every skin line would be a blob.
fn maxima(image: &GreyImage, weights: &[f32], sigma: f32) -> Vec<(f32, usize)> {
    let (width, height) = (image.width, image.height);
    let weighted: Vec<f32> = image.pixels.iter().zip(weights).map(|(&v, w)| f32::from(v) * w).collect();
    let mean = |sigma: f32| -> Vec<f32> {
        let (sums, totals) = (blur(&weighted, width, sigma), blur(weights, width, sigma));
        sums.iter().zip(&totals).map(|(sum, total)| sum / total.max(1e-6)).collect()
    };
    let (inner, outer) = (mean(sigma), mean(1.6 * sigma));
    let response: Vec<f32> =
        inner.iter().zip(&outer).zip(weights).map(|((inner, outer), w)| (inner - outer) * w).collect();
    let is_maximum = |i: usize| {
        let (x, y) = (i % width, i / width);
        let columns = x.saturating_sub(1)..(x + 2).min(width);
        let mut rows = y.saturating_sub(1)..(y + 2).min(height);
        rows.all(|row| columns.clone().all(|column| response[row * width + column] <= response[i]))
    };
    (0..response.len()).filter(|&i| response[i] > 1.0 && is_maximum(i)).map(|i| (response[i], i)).collect()
}

/// Gaussian blur, truncated at three standard deviations; border values are repeated.
fn blur(values: &[f32], width: usize, sigma: f32) -> Vec<f32> {
    let radius = (3.0 * sigma).ceil() as usize;
    let weight = |i: usize| (-0.5 * ((i as f32 - radius as f32) / sigma).powi(2)).exp();
    let total: f32 = (0..=2 * radius).map(weight).sum();
    let kernel: Vec<f32> = (0..=2 * radius).map(|i| weight(i) / total).collect();
    let within = |i: usize, length: usize| i.saturating_sub(radius).min(length - 1);
    // One weight at a time over whole rows, so that the compiler vectorises the loop.
    let add = |line: &mut [f32], source: &[f32], weight: f32| {
        line.iter_mut().zip(source).for_each(|(sum, v)| *sum += weight * v);
    };
    let mut across = vec![0.0; values.len()];
    for (line, row) in across.chunks_exact_mut(width).zip(values.chunks_exact(width)) {
        let padded: Vec<f32> = (0..width + 2 * radius).map(|i| row[within(i, width)]).collect();
        kernel.iter().enumerate().for_each(|(i, &weight)| add(line, &padded[i..], weight));
    }
    let height = values.len() / width;
    let mut blurred = vec![0.0; values.len()];
    for (y, line) in blurred.chunks_exact_mut(width).enumerate() {
        for (i, &weight) in kernel.iter().enumerate() {
            add(line, &across[within(y + i, height) * width..], weight);
        }
    }
    blurred
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_blob_is_found_where_it_was_drawn() {
        let (width, height) = (448_usize, 336_usize);
        let spot = |x: f64, y: f64, cx: f64, cy: f64, height: f64| {
            height * (-((x - cx).powi(2) + (y - cy).powi(2)) / (2.0 * 20.0 * 20.0)).exp()
        };
        let value = |i: usize| {
            let (x, y) = ((i % width) as f64, (i / width) as f64);
            (5000.0 + 10.0 * x + spot(x, y, 300.0, 200.0, 20_000.0) + spot(x, y, 100.0, 90.0, 9_000.0)) as u16
        };
        let pixels: Vec<u16> = (0..width * height).map(value).collect();
        let tissue = Mask::filled(width / 8, height / 8, true);
        let found = blobs(GreyView { pixels: &pixels, width, height }, &tissue, 224);
        assert!((found[0].0 - 300.0).abs() < 8.0 && (found[0].1 - 200.0).abs() < 8.0, "{found:?}");
        assert!(found.iter().any(|b| (b.0 - 100.0).abs() < 8.0 && (b.1 - 90.0).abs() < 8.0), "{found:?}");
    }

    #[test]
    fn blurring_keeps_a_constant_and_spreads_a_point_evenly() {
        assert!(blur(&[500.0; 63], 9, 2.0).iter().all(|v| (v - 500.0).abs() < 0.01));
        let mut point = vec![0.0; 41 * 41];
        point[20 * 41 + 20] = 60_000.0;
        let spread = blur(&point, 41, 3.0);
        assert!((spread.iter().sum::<f32>() - 60_000.0).abs() < 10.0);
        assert!((spread[20 * 41 + 23] / spread[20 * 41 + 20] - (-0.5_f32).exp()).abs() < 1e-3);
        assert!((spread[20 * 41 + 25] - spread[15 * 41 + 20]).abs() < 0.01);
    }

    #[test]
    fn the_skin_line_is_no_blob() {
        let (width, height) = (320_usize, 320_usize);
        let inside = |x: usize| x < 160;
        let pixels: Vec<u16> =
            (0..width * height).map(|i| if inside(i % width) { 30_000 } else { 0 }).collect();
        let cells = (0..40 * 40).map(|i| inside(i % 40 * 8)).collect();
        let tissue = Mask { width: 40, height: 40, cells };
        let response = |tissue: &Mask| blobs(GreyView { pixels: &pixels, width, height }, tissue, 64).len();
        assert!(response(&Mask::filled(40, 40, true)) > 0);
        assert_eq!(response(&tissue), 0);
    }
}
