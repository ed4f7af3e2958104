//! Building, reusing, renewing and refusing cache entries.

use std::sync::Mutex;

use super::*;
use crate::preprocess::phantom_for_tests;
use mammo_core::image::GreyImage;
use mammo_core::record::{Laterality, Pathology, Polarity, View};
use mammo_dicom::image_file::write_png16;

fn record(file: &str) -> Mammogram {
    Mammogram { pathology: Pathology::Benign, ..Mammogram::new(file, "P1", Laterality::Left, View::Cc) }
}

fn small() -> Preprocessing {
    Preprocessing { height_px: 128, width_px: 96, ..Preprocessing::default() }
}

/// A folder with two equal names in different folders, and a cache for it.
fn data() -> (tempfile::TempDir, Vec<Mammogram>, InputCache) {
    let folder = tempfile::tempdir().unwrap();
    let images = vec![record("a/one.png"), record("b/one.png")];
    for image in &images {
        write_png16(&folder.path().join(&image.file), &phantom_for_tests()).unwrap();
    }
    let cache = InputCache::open(&folder.path().join("cache"), &small()).unwrap();
    (folder, images, cache)
}

fn silent(_: usize, _: usize) {}

#[test]
fn a_cached_input_is_what_preprocessing_gives() {
    let (folder, images, cache) = data();
    let seen = Mutex::new(Vec::new());
    let failures =
        cache.build(folder.path(), &images, &|done, total| seen.lock().unwrap().push((done, total)));
    assert!(failures.is_empty(), "{failures:?}");
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [(1, 2), (2, 2)]);
    let expected = small().apply(phantom_for_tests(), Polarity::Normal).unwrap();
    let input = cache.get("a/one.png").unwrap();
    assert_eq!(input.pixels(), expected.image.pixels);
    assert_eq!((input.width(), input.height()), (96, 128));
    assert_eq!(input.breast_mask(), &expected.breast_mask);
    assert_eq!((input.breast(), input.doubt()), (expected.breast, expected.doubt));
    assert_eq!(*input.input_from_stored(), expected.input_from_stored);
}

#[test]
fn complete_entries_are_reused_and_cut_ones_made_again() {
    let (folder, images, cache) = data();
    cache.build(folder.path(), &images, &silent);
    let modified = |file: &str| fs::metadata(cache.paths(file).1).unwrap().modified().unwrap();
    let before = (modified("a/one.png"), modified("b/one.png"));
    let (_, pixels) = cache.paths("b/one.png");
    // Replaced by rename, as an unfinished copy would be; shortening in place is forbidden here too.
    write_atomically(&pixels, &[0; 100]).unwrap();
    let error = cache.get("b/one.png").unwrap_err().to_string();
    assert!(error.contains("100 bytes") && error.contains("24576"), "{error}");
    assert!(cache.build(folder.path(), &images, &silent).is_empty());
    assert_eq!(modified("a/one.png"), before.0);
    assert_eq!(cache.get("b/one.png").unwrap().pixels(), cache.get("a/one.png").unwrap().pixels());
}

#[test]
fn a_changed_source_or_polarity_is_prepared_again() {
    let (folder, mut images, cache) = data();
    cache.build(folder.path(), &images, &silent);
    let mirrored = {
        let GreyImage { width, height, mut pixels } = phantom_for_tests();
        pixels.chunks_exact_mut(width).take(height / 2).for_each(|row| row.fill(0));
        GreyImage { width, height, pixels }
    };
    write_png16(&folder.path().join("a/one.png"), &mirrored).unwrap();
    images[1].polarity = Polarity::Inverted;
    let before = cache.get("b/one.png").unwrap().pixels().to_vec();
    assert!(cache.build(folder.path(), &images, &silent).is_empty());
    assert_ne!(cache.get("a/one.png").unwrap().pixels(), before);
    assert_ne!(cache.get("b/one.png").unwrap().pixels(), before);
}

#[test]
fn failures_are_returned_by_file_and_the_rest_is_built() {
    let (folder, mut images, cache) = data();
    images.insert(1, record("missing.png"));
    images.push(record("text.png"));
    fs::write(folder.path().join("text.png"), "no image").unwrap();
    let failures = cache.build(folder.path(), &images, &silent);
    assert_eq!(failures.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), ["missing.png", "text.png"]);
    assert!(cache.get("b/one.png").is_ok() && cache.get("missing.png").is_err());
}

#[test]
fn another_preprocessing_has_another_folder() {
    let (folder, images, cache) = data();
    cache.build(folder.path(), &images, &silent);
    let paper = Preprocessing { height_px: 128, width_px: 96, ..Preprocessing::paper() };
    let other = InputCache::open(&folder.path().join("cache"), &paper).unwrap();
    assert!(other.get("a/one.png").is_err());
    let centred = Preprocessing { mean: 3.0, ..small() };
    let same = InputCache::open(&folder.path().join("cache"), &centred).unwrap();
    assert!(same.get("a/one.png").is_ok());
}

/// Settings that differ by their width, so that each has a cache of its own.
fn cache_of_width(dir: &Path, width_px: usize) -> InputCache {
    InputCache::open(dir, &Preprocessing { width_px, ..small() }).unwrap()
}

#[test]
fn pruning_removes_the_least_recently_opened_first_and_nothing_in_use() {
    let (folder, images, first) = data();
    let dir = folder.path().join("cache");
    let second = cache_of_width(&dir, 128);
    let third = cache_of_width(&dir, 64);
    for cache in [&first, &second, &third] {
        assert!(cache.build(folder.path(), &images, &silent).is_empty());
    }
    let digest = |cache: &InputCache| cache.preprocessing().pixel_digest();
    let [a, b, c] = [&first, &second, &third].map(digest);
    // Opened last, whatever the order of making.
    drop(first);
    std::thread::sleep(std::time::Duration::from_millis(20));
    drop(cache_of_width(&dir, 96));
    drop(second);

    assert_eq!(prune(&dir, u64::MAX).unwrap().removed, Vec::<String>::new());
    let all = prune(&dir, u64::MAX).unwrap().kept_bytes;
    let pruned = prune(&dir, all - 1).unwrap();
    assert_eq!(pruned.removed, [b]);
    assert_eq!(pruned.removed_bytes + pruned.kept_bytes, all);
    let pruned = prune(&dir, 0).unwrap();
    assert_eq!(pruned.removed, [a], "the third is in use");
    assert!(third.get("a/one.png").is_ok());
    let copy = third.clone();
    drop(third);
    assert!(prune(&dir, 0).unwrap().removed.is_empty(), "a clone holds it");
    drop(copy);
    assert_eq!(prune(&dir, 0).unwrap().removed, [c]);
    // What was removed can be made again.
    let again = cache_of_width(&dir, 96);
    assert!(again.build(folder.path(), &images, &silent).is_empty());
    assert!(again.get("b/one.png").is_ok());
}

#[test]
fn pruning_leaves_folders_alone_that_are_no_caches() {
    let (folder, _, cache) = data();
    let dir = folder.path().join("cache");
    std::fs::create_dir(dir.join("notes")).unwrap();
    std::fs::write(dir.join("notes/important.txt"), "x").unwrap();
    drop(cache);
    assert_eq!(prune(&dir, 0).unwrap().removed.len(), 1);
    assert!(dir.join("notes/important.txt").is_file());
}
