//! The same image stored under two names: other files, formats, brightness or sizes of one film,
//! and mirror images.
//!
//! Two steps. A perceptual hash (crate `image_hasher`: signs of the low frequencies of a cosine
//! transform, 256 bits) selects candidates among all pairs. Each candidate pair is then compared by
//! the correlation of thumbnails after local normalisation of mean and contrast; without it the
//! bright edges of film and breast outweigh the tissue. Among 1,231 films of CBIS-DDSM the highest
//! correlation of two different films is 0.56; copies with other brightness, size, gamma or JPEG
//! quality correlate by 0.96 or more.
//! Not found: images cropped differently or rotated by 90 degrees.

use std::collections::BTreeMap;

use image_hasher::{HashAlg, Hasher, HasherConfig};
use rayon::prelude::*;
use serde::Serialize;

use super::leaks::{Groups, sides, truth};
use super::{Finding, Severity};
use crate::manifest::Manifest;
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::record::{Mammogram, Polarity};
use mammo_core::resample::{Resample, resample};
use mammo_dicom::image_file::read_grey;

/// Bits of a hash.
const HASH_BITS: u32 = 256;
/// Pairs whose hashes differ in more bits are no candidates.
const MAX_DISTANCE: u32 = 64;
/// Side of the thumbnail in pixels.
const THUMBNAIL_PX: usize = 96;
/// Half of the side of the square over which mean and contrast are normalised.
const LOCAL_PX: usize = 3;
/// Added to the local standard deviation, as a share of the image's range, so that noise is not amplified.
const NOISE: f32 = 0.01;
/// The stored value of one local standard deviation.
const DETAIL_UNIT: f32 = 32.0;
/// Smallest correlation of two normalised thumbnails that counts as a duplicate.
const MIN_CORRELATION: f32 = 0.8;

/// Two files with the same image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DuplicatePair {
    /// Name of the first image.
    pub first: String,
    /// Name of the second.
    pub second: String,
    /// Whether one is the mirror image of the other.
    pub mirrored: bool,
    /// Correlation of their normalised thumbnails.
    pub correlation: f32,
}

/// What is compared of one image.
struct Signature {
    hash: [u64; 4],
    mirrored_hash: [u64; 4],
    details: Vec<i8>,
    length: f32,
}

/// Compares every image of a manifest with every other, on all threads; also returns the number of
/// images that could not be read. `progress` is called as `(done, total)` per image.
///
/// Memory: 9 kB per image.
pub fn find_duplicates(
    manifest: &Manifest,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> (Vec<DuplicatePair>, usize) {
    let hasher = HasherConfig::new().hash_size(16, 16).hash_alg(HashAlg::Mean).preproc_dct().to_hasher();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let signatures: Vec<Option<Signature>> = manifest
        .images
        .par_iter()
        .map(|image| {
            let signature =
                read_grey(&manifest.image_path(image)).ok().map(|pixels| signature(image, &pixels, &hasher));
            let n_done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            progress(n_done, manifest.images.len());
            signature
        })
        .collect();
    let pairs = |i: usize| {
        let signatures = &signatures;
        let images = &manifest.images;
        signatures[i + 1..].iter().enumerate().filter_map(move |(offset, other)| {
            let (first, second) = (signatures[i].as_ref()?, other.as_ref()?);
            let (mirrored, correlation) = same_image(first, second)?;
            let name = |at: usize| images[at].file.clone();
            Some(DuplicatePair { first: name(i), second: name(i + 1 + offset), mirrored, correlation })
        })
    };
    let duplicates = (0..signatures.len()).into_par_iter().flat_map_iter(pairs).collect();
    (duplicates, signatures.iter().filter(|signature| signature.is_none()).count())
}

fn signature(record: &Mammogram, image: &GreyImage, hasher: &Hasher) -> Signature {
    let whole = Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
    let mut thumbnail = resample(image, &whole, THUMBNAIL_PX, THUMBNAIL_PX, Resample::Area);
    if record.polarity == Polarity::Inverted {
        thumbnail.pixels.iter_mut().for_each(|value| *value = u16::MAX - *value);
    }
    let mirrored = mirror(&thumbnail);
    let details = details(&thumbnail);
    let length = details.iter().map(|value| f32::from(*value).powi(2)).sum::<f32>().sqrt().max(1.0);
    Signature { hash: hash(&thumbnail, hasher), mirrored_hash: hash(&mirrored, hasher), details, length }
}

fn mirror(image: &GreyImage) -> GreyImage {
    let pixels = (0..image.height).flat_map(|y| image.row(y).iter().rev().copied()).collect();
    GreyImage { pixels, ..*image }
}

/// The hash of a thumbnail after scaling its values to full range, so that 12-bit images match 16-bit copies.
fn hash(thumbnail: &GreyImage, hasher: &Hasher) -> [u64; 4] {
    let (low, high) = thumbnail.pixels.iter().fold((u16::MAX, 0), |(l, h), v| (l.min(*v), h.max(*v)));
    let scale = 255.0 / f32::from(high.saturating_sub(low).max(1));
    let side = THUMBNAIL_PX as u32;
    let grey = image::GrayImage::from_fn(side, side, |x, y| {
        let value = thumbnail.pixels[(y * side + x) as usize];
        image::Luma([(f32::from(value - low) * scale) as u8])
    });
    let mut words = [0_u64; 4];
    for (at, byte) in hasher.hash_image(&grey).as_bytes().iter().take(HASH_BITS as usize / 8).enumerate() {
        words[at / 8] |= u64::from(*byte) << (8 * (at % 8));
    }
    words
}

fn distance(a: &[u64; 4], b: &[u64; 4]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// Local normalisation: a thumbnail minus its local means, divided by its local standard deviations.
fn details(thumbnail: &GreyImage) -> Vec<i8> {
    let values: Vec<f32> = thumbnail.pixels.iter().map(|value| f32::from(*value)).collect();
    let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let noise = NOISE * (high - low).max(1.0);
    let mean = local_mean(&values);
    let left: Vec<f32> = values.iter().zip(&mean).map(|(value, mean)| value - mean).collect();
    let squares: Vec<f32> = left.iter().map(|value| value * value).collect();
    let even = |(value, square): (&f32, &f32)| {
        (DETAIL_UNIT * value / (square.sqrt() + noise)).clamp(f32::from(i8::MIN), f32::from(i8::MAX)) as i8
    };
    left.iter().zip(&local_mean(&squares)).map(even).collect()
}

/// The mean over the square around each value, clipped at the border.
fn local_mean(values: &[f32]) -> Vec<f32> {
    let last = THUMBNAIL_PX - 1;
    let around = |at: usize| at.saturating_sub(LOCAL_PX)..=(at + LOCAL_PX).min(last);
    let mean = |at: usize| {
        let (rows, columns) = (around(at / THUMBNAIL_PX), around(at % THUMBNAIL_PX));
        let n = rows.clone().count() * columns.clone().count();
        let row = |y: usize| &values[y * THUMBNAIL_PX + columns.start()..=y * THUMBNAIL_PX + columns.end()];
        rows.flat_map(row).sum::<f32>() / n as f32
    };
    (0..values.len()).map(mean).collect()
}

fn same_image(first: &Signature, second: &Signature) -> Option<(bool, f32)> {
    let straight = distance(&first.hash, &second.hash) <= MAX_DISTANCE;
    let mirrored = distance(&first.hash, &second.mirrored_hash) <= MAX_DISTANCE;
    let correlation = |is_mirrored: bool| -> f32 {
        let product = |(a, b): (&i8, &i8)| i32::from(*a) * i32::from(*b);
        let rows = first.details.chunks_exact(THUMBNAIL_PX).zip(second.details.chunks_exact(THUMBNAIL_PX));
        let sum: i32 = if is_mirrored {
            rows.map(|(a, b)| a.iter().zip(b.iter().rev()).map(product).sum::<i32>()).sum()
        } else {
            rows.map(|(a, b)| a.iter().zip(b).map(product).sum::<i32>()).sum()
        };
        sum as f32 / (first.length * second.length)
    };
    let candidates = [(false, straight), (true, mirrored)];
    let held = candidates.into_iter().filter(|(_, is_candidate)| *is_candidate);
    held.map(|(is_mirrored, _)| (is_mirrored, correlation(is_mirrored)))
        .filter(|(_, correlation)| *correlation >= MIN_CORRELATION)
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Findings about duplicates on two sides, with two labels or of two patients.
pub fn find(pairs: &[DuplicatePair], images: &Groups) -> Vec<Finding> {
    let mut cases: BTreeMap<(Severity, &'static str, &'static str), Vec<String>> = BTreeMap::new();
    for pair in pairs {
        let (Some(first), Some(second)) = (images.get(&pair.first), images.get(&pair.second)) else {
            continue;
        };
        let how = if pair.mirrored { ", mirrored" } else { "" };
        let name = format!("{} = {} (correlation {:.3}{how})", pair.first, pair.second, pair.correlation);
        let mut add =
            |severity, code, what| cases.entry((severity, code, what)).or_default().push(name.clone());
        let (side_a, side_b) = (sides(first), sides(second));
        if !side_a.is_empty() && !side_b.is_empty() && side_a != side_b {
            add(Severity::Leak, "picture_on_two_sides", "images are on two sides under two names");
        }
        if let (Some(a), Some(b)) = (truth(first), truth(second))
            && a != b
        {
            add(Severity::Conflict, "picture_with_two_labels", "images have two names and two labels");
        }
        if first[0].patient_id != second[0].patient_id {
            add(
                Severity::Conflict,
                "picture_of_two_patients",
                "images belong to two patients under two names",
            );
        } else {
            add(Severity::Note, "picture_twice", "images of one patient are stored twice");
        }
    }
    let finding = |((severity, code, what), cases): ((Severity, &'static str, &'static str), Vec<String>)| {
        Finding { code, severity, count: cases.len(), what: what.to_string(), cases }
    };
    cases.into_iter().map(finding).collect()
}
