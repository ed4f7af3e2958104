//! Rules that every sampling obeys, on drawn films with lesions of every kind.

use std::collections::BTreeMap;

use super::*;
use crate::preprocess::{Preprocessing, phantom_for_tests};
use mammo_core::geometry::Rect;
use mammo_core::record::{Laterality, Lesion, LesionKind, LesionShape, View};
use mammo_dicom::image_file::write_png16;

fn boxed(kind: LesionKind, pathology: Pathology, x: f64, y: f64, width: f64, height: f64) -> Lesion {
    Lesion { kind, pathology, shape: LesionShape::Box(Rect::new(x, y, width, height)) }
}

fn record(file: &str, pathology: Pathology, lesions: Vec<Lesion>) -> Mammogram {
    Mammogram {
        pathology,
        width_px: 200,
        height_px: 240,
        lesions,
        ..Mammogram::new(file, file, Laterality::Left, View::Cc)
    }
}

fn images() -> Vec<Mammogram> {
    use LesionKind::{Calcification, Mass};
    use Pathology::{Benign, Malignant, Unknown};
    let mixed = vec![
        boxed(Mass, Malignant, 30.0, 80.0, 24.0, 18.0),
        boxed(Calcification, Benign, 60.0, 130.0, 10.0, 12.0),
        boxed(Mass, Unknown, 10.0, 150.0, 20.0, 20.0),
    ];
    vec![
        record("mixed.png", Malignant, mixed),
        record("large.png", Benign, vec![boxed(Mass, Benign, 5.0, 60.0, 80.0, 100.0)]),
        record("border.png", Malignant, vec![boxed(Calcification, Malignant, 0.0, 110.0, 14.0, 14.0)]),
        record("normal.png", Benign, Vec::new()),
        record("unmarked.png", Malignant, Vec::new()),
    ]
}

struct Bench {
    folder: tempfile::TempDir,
    images: Vec<Mammogram>,
    cache: InputCache,
}

fn bench() -> Bench {
    let (folder, images) = (tempfile::tempdir().unwrap(), images());
    for image in &images {
        write_png16(&folder.path().join(&image.file), &phantom_for_tests()).unwrap();
    }
    let settings = Preprocessing { height_px: 288, width_px: 224, ..Preprocessing::default() };
    let cache = InputCache::open(&folder.path().join("cache"), &settings).unwrap();
    assert!(cache.build(folder.path(), &images, &|_, _| {}).is_empty());
    Bench { folder, images, cache }
}

fn small(preset: &str) -> SamplingConfig {
    SamplingConfig { patch_px: 48, ..preset.parse().unwrap() }
}

impl Bench {
    fn sample(&self, config: &SamplingConfig) -> Sampling {
        let sampling = sample_patches(&self.images, self.folder.path(), &self.cache, config).unwrap();
        assert!(sampling.failures.is_empty(), "{:?}", sampling.failures);
        sampling
    }

    /// Pixels of a lesion (or of all) that a patch covers, counted one by one, and its area.
    fn count(&self, patch: &Patch, side: usize, lesion: Option<usize>) -> (usize, usize) {
        let image = self.images.iter().find(|image| image.file == patch.file).unwrap();
        let input = self.cache.get(&patch.file).unwrap();
        let mut union = Mask::filled(input.width(), input.height(), false);
        for (index, shape) in image.lesions.iter().enumerate() {
            if lesion.is_none_or(|wanted| wanted == index) {
                union.join(
                    &lesion_mask(shape, LesionFill::Ellipse, input.frame(), self.folder.path()).unwrap(),
                );
            }
        }
        let half = side as f64 / 2.0;
        let covered = |i: usize| {
            let (x, y) = ((i % union.width) as f64 + 0.5, (i / union.width) as f64 + 0.5);
            (x - patch.center_x).abs() < half && (y - patch.center_y).abs() < half
        };
        ((0..union.cells.len()).filter(|&i| union.cells[i] && covered(i)).count(), union.area())
    }
}

#[test]
fn background_never_touches_any_lesion() {
    let bench = bench();
    for seed in 0..40 {
        let config = SamplingConfig {
            patch_px: 16 + (seed as usize * 7) % 60,
            hard_negatives_per_image: 4,
            min_tissue: 0.25 * (seed % 4) as f64,
            max_tries: 50,
            seed,
            ..small("S5")
        };
        for patch in bench.sample(&config).patches.iter().filter(|p| p.class == PatchClass::Background) {
            assert_eq!(bench.count(patch, config.patch_px, None).0, 0, "{patch:?} {config:?}");
            assert_eq!(patch.lesion_index, None);
        }
    }
}

#[test]
fn every_positive_patch_obeys_the_overlap_rule() {
    let bench = bench();
    for seed in 0..20 {
        let config = SamplingConfig { patch_px: 20 + 3 * seed as usize, seed, ..small("S10") };
        for patch in bench.sample(&config).patches.iter().filter(|p| p.class != PatchClass::Background) {
            let (inside, lesion) = bench.count(patch, config.patch_px, patch.lesion_index);
            let overlap = (inside as f64 / lesion as f64)
                .max(inside as f64 / (config.patch_px * config.patch_px) as f64);
            assert!(
                overlap >= 0.9 && (overlap - f64::from(patch.overlap)).abs() < 1e-4,
                "{patch:?} {overlap}"
            );
        }
    }
}

#[test]
fn s10_gives_ten_of_each_and_reports_the_rest() {
    let bench = bench();
    let sampling = bench.sample(&small("S10"));
    let per_image =
        |file: &str, class| sampling.patches.iter().filter(|p| p.file == file && p.class == class).count();
    for (file, class) in [
        ("mixed.png", PatchClass::MassMalignant),
        ("mixed.png", PatchClass::CalcBenign),
        ("mixed.png", PatchClass::Background),
        ("large.png", PatchClass::MassBenign),
        ("border.png", PatchClass::CalcMalignant),
        ("border.png", PatchClass::Background),
        ("normal.png", PatchClass::Background),
    ] {
        assert_eq!(per_image(file, class), 10, "{file} {class}");
    }
    assert_eq!(per_image("unmarked.png", PatchClass::Background), 0);
    let counted: usize = sampling.report.per_class.values().sum();
    assert_eq!(counted, sampling.patches.len());
    let missing = &sampling.report.missing;
    assert_eq!(missing[&ShortfallReason::UnknownPathology], 10);
    assert_eq!(missing[&ShortfallReason::LesionNotLocated], 10);
    // Ten for each of five lesions and for each of five backgrounds.
    let wanted = 100;
    assert_eq!(sampling.patches.len() + missing.values().sum::<usize>(), wanted);
}

#[test]
fn s1_centres_its_patch_on_the_lesion_and_keeps_it_inside() {
    let bench = bench();
    let sampling = bench.sample(&small("S1"));
    let lesion = |file: &str, index| {
        sampling.patches.iter().find(|p| p.file == file && p.lesion_index == Some(index)).unwrap()
    };
    let input = bench.cache.get("mixed.png").unwrap();
    let (x, y) = input.input_from_stored().apply(42.0, 89.0);
    let patch = lesion("mixed.png", 0);
    assert!((patch.center_x - x).abs() <= 1.0 && (patch.center_y - y).abs() <= 1.0, "{patch:?}, ({x}, {y})");
    assert_eq!(lesion("border.png", 0).center_x, 24.0);
    let (width, height) = (input.width() as f64, input.height() as f64);
    assert!(sampling.patches.iter().all(|p| {
        (24.0..=width - 24.0).contains(&p.center_x) && (24.0..=height - 24.0).contains(&p.center_y)
    }));
}

#[test]
fn an_impossible_rule_ends_and_is_reported() {
    let mut bench = bench();
    // Twice as long as the patch along one axis and half as long along the other.
    bench.images.truncate(1);
    bench.images[0].lesions = vec![boxed(LesionKind::Mass, Pathology::Malignant, 10.0, 100.0, 80.0, 12.0)];
    let config = SamplingConfig { max_tries: 30, min_tissue: 1.0, patch_px: 64, ..small("S10") };
    let strict = SamplingConfig { patch_px: 240, ..config.clone() };
    let sampling = bench.sample(&config);
    let expected = Shortfall {
        file: "mixed.png".into(),
        lesion_index: Some(0),
        wanted: 10,
        placed: 0,
        reason: ShortfallReason::OverlapNotReached,
    };
    assert!(sampling.report.shortfalls.contains(&expected), "{:?}", sampling.report);
    // No patch of this size lies on tissue alone.
    assert_eq!(bench.sample(&strict).report.missing[&ShortfallReason::NoFreeTissue], 10);
}

#[test]
fn hard_negatives_stand_apart() {
    let bench = bench();
    let config = SamplingConfig {
        per_lesion: 0,
        background_per_image: 0,
        hard_negatives_per_image: 3,
        min_tissue: 0.5,
        ..small("S10")
    };
    let mut per_image: BTreeMap<String, Vec<Patch>> = BTreeMap::new();
    for patch in bench.sample(&config).patches {
        per_image.entry(patch.file.clone()).or_default().push(patch);
    }
    assert!(!per_image.is_empty());
    for patches in per_image.values() {
        assert!(patches.len() <= 3);
        for (i, a) in patches.iter().enumerate() {
            for b in &patches[..i] {
                assert!((a.center_x - b.center_x).hypot(a.center_y - b.center_y) >= 24.0);
            }
        }
    }
}

#[test]
fn the_seed_alone_decides_not_threads_or_neighbours() {
    let bench = bench();
    let config = SamplingConfig { hard_negatives_per_image: 2, ..small("S10") };
    let in_pool = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bench.sample(&config).patches)
    };
    let patches = in_pool(1);
    assert_eq!(patches, in_pool(3));
    let alone = sample_patches(&bench.images[2..3], bench.folder.path(), &bench.cache, &config).unwrap();
    let among: Vec<Patch> = patches.iter().filter(|p| p.file == "border.png").cloned().collect();
    assert_eq!(alone.patches, among);
    let other = bench.sample(&SamplingConfig { seed: 1, ..config.clone() }).patches;
    assert_ne!(patches, other);
}

#[test]
fn an_image_without_an_input_fails_alone() {
    let mut bench = bench();
    bench.images[1].file = "never_built.png".into();
    let sampling = sample_patches(&bench.images, bench.folder.path(), &bench.cache, &small("S10")).unwrap();
    assert_eq!(sampling.failures.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), ["never_built.png"]);
    assert!(sampling.patches.iter().any(|p| p.file == "border.png"));
}

#[test]
fn patches_survive_the_disk_and_damage_is_located() {
    let bench = bench();
    let config = small("S3");
    let header = PatchHeader {
        manifest_digest: "0123".into(),
        preprocessing_digest: bench.cache.preprocessing().pixel_digest(),
        config: config.clone(),
    };
    let patches = bench.sample(&config).patches;
    let folder = bench.folder.path().join("patches");
    write_patches(&folder, &header, &patches).unwrap();
    assert_eq!(read_patches(&folder).unwrap(), (header, patches));
    let path = folder.join("patches.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("calc_benign", "calc_bening", 1)).unwrap();
    let error = read_patches(&folder).unwrap_err().to_string();
    assert!(error.contains("patches.csv, line"), "{error}");
}

#[test]
fn presets_are_read_by_name_and_nonsense_is_refused() {
    let s1: SamplingConfig = "S1".parse().unwrap();
    assert_eq!((s1.placement, s1.per_lesion, s1.background_per_image), (LesionPlacement::Centered, 1, 1));
    let s30: SamplingConfig = "S30".parse().unwrap();
    assert_eq!((s30.placement, s30.per_lesion, s30.min_overlap), (LesionPlacement::Overlapping, 30, 0.9));
    assert_eq!("S10".parse::<SamplingConfig>().unwrap(), SamplingConfig::default());
    for nonsense in ["", "S", "S0", "s10", "S-1", "S10x", "S99999999999999999999"] {
        assert!(nonsense.parse::<SamplingConfig>().is_err(), "{nonsense}");
    }
    for class in PatchClass::ALL {
        assert_eq!(class.to_string().parse::<PatchClass>(), Ok(class));
        assert_eq!(serde_json::to_value(class).unwrap(), class.name());
    }
}
