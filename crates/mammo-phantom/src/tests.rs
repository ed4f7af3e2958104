//! Tests of whole patients and whole data sets.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use mammo_core::record::{LesionKind, LesionShape, Pathology, Polarity};
use mammo_dicom::image_file::read_grey;

fn small(site: Site, seed: u64) -> PhantomConfig {
    PhantomConfig { site, seed, height_px: 288, width_px: 224, ..PhantomConfig::default() }
}

/// At least `n` images of consecutive patients.
fn images(config: &PhantomConfig, n: usize) -> Vec<PhantomImage> {
    use rayon::prelude::*;
    (0..n / 2).into_par_iter().flat_map(|index| patient(config, index).images).collect()
}

/// Brightness as a reader sees it, from 0 to 1.
fn brightness(image: &PhantomImage) -> Vec<f64> {
    let shown = |v: u16| match image.record.polarity {
        Polarity::Normal => f64::from(v) / 65535.0,
        Polarity::Inverted => 1.0 - f64::from(v) / 4095.0,
    };
    image.pixels.pixels.iter().map(|&v| shown(v)).collect()
}

/// Chance that a malignant case exceeds a benign one; half a point for a tie.
fn auc(cases: &[(f64, bool)]) -> f64 {
    let values = |malignant: bool| cases.iter().filter(move |c| c.1 == malignant).map(|c| c.0);
    let mut points = 0.0;
    for m in values(true) {
        points += values(false)
            .map(|b| {
                if m > b {
                    1.0
                } else if m < b {
                    0.0
                } else {
                    0.5
                }
            })
            .sum::<f64>();
    }
    points / (values(true).count() * values(false).count()) as f64
}

fn area(mask: &GreyImage) -> f64 {
    mask.pixels.iter().filter(|&&v| v > 0).count() as f64
}

#[test]
fn trivial_features_do_not_separate_the_classes() {
    for site in [Site::Film, Site::Digital] {
        let images = images(&small(site, 11), 200);
        let mut features: BTreeMap<&str, Vec<(f64, bool)>> = BTreeMap::new();
        for image in &images {
            let malignant = image.record.malignant().unwrap();
            let values = brightness(image);
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            let breast = values.iter().filter(|&&v| v > 0.22).count() as f64;
            let density = f64::from(image.record.density.unwrap());
            for (name, value) in [
                ("mean", mean),
                ("standard deviation", sd),
                ("maximum", values.iter().copied().fold(0.0, f64::max)),
                ("breast area", breast),
                ("density", density),
            ] {
                features.entry(name).or_default().push((value, malignant));
            }
            for (lesion, mask) in image.record.lesions.iter().zip(&image.masks) {
                let malignant = lesion.pathology == Pathology::Malignant;
                features.entry("lesion area").or_default().push((area(mask), malignant));
            }
        }
        for (name, cases) in features {
            let auc = auc(&cases);
            assert!((0.4..=0.6).contains(&auc), "{site}: {name} has AUC {auc:.3} over {} cases", cases.len());
        }
    }
}

#[test]
fn shape_separates_what_size_does_not() {
    // Perimeter squared over area, from the mask alone: large for irregular outlines.
    let irregularity = |mask: &GreyImage| {
        let on = |i: usize| mask.pixels[i] > 0;
        let edges = (0..mask.pixels.len() - mask.width)
            .map(|i| usize::from(on(i) != on(i + 1)) + usize::from(on(i) != on(i + mask.width)))
            .sum::<usize>() as f64;
        edges * edges / area(mask)
    };
    let mut cases = Vec::new();
    for image in images(&small(Site::Film, 12), 200) {
        for (lesion, mask) in image.record.lesions.iter().zip(&image.masks) {
            if lesion.kind == LesionKind::Mass {
                cases.push((irregularity(mask), lesion.pathology == Pathology::Malignant));
            }
        }
    }
    let auc = auc(&cases);
    assert!((0.75..0.99).contains(&auc), "AUC {auc:.3} over {} masses", cases.len());
}

#[test]
fn most_masses_stand_out_from_the_texture_around_them_and_some_hide() {
    for site in [Site::Film, Site::Digital] {
        let mut contrasts = Vec::new();
        for image in images(&small(site, 13), 120) {
            let values = brightness(&image);
            for (lesion, mask) in image.record.lesions.iter().zip(&image.masks) {
                let LesionShape::Mask { bounds, .. } = &lesion.shape else {
                    panic!("a phantom lesion has a mask")
                };
                if lesion.kind != LesionKind::Mass {
                    continue;
                }
                let near = |i: &usize| {
                    let (x, y) = ((i % mask.width) as f64 + 0.5, (i / mask.width) as f64 + 0.5);
                    let (cx, cy) = bounds.centre();
                    (x - cx).abs() < bounds.width && (y - cy).abs() < bounds.height
                };
                let (inside, around): (Vec<usize>, Vec<usize>) =
                    (0..values.len()).filter(near).partition(|&i| mask.pixels[i] > 0);
                let mean = |of: &[usize]| of.iter().map(|&i| values[i]).sum::<f64>() / of.len() as f64;
                let surroundings = mean(&around);
                let spread = around.iter().map(|&i| (values[i] - surroundings).powi(2)).sum::<f64>();
                contrasts.push((mean(&inside) - surroundings) / (spread / around.len() as f64).sqrt());
            }
        }
        contrasts.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| contrasts[(share * contrasts.len() as f64) as usize];
        let (subtle, typical, plain) = (at(0.1), at(0.5), at(0.9));
        let found = format!("{site}: contrast to texture {subtle:.2}, {typical:.2}, {plain:.2}");
        assert!(subtle > 0.3 && subtle < 1.0 && typical > 1.2 && plain > 2.0, "{found}");
    }
}

#[test]
fn labels_follow_lesions_and_at_most_one_breast_is_malignant() {
    let config =
        PhantomConfig { height_px: 72, width_px: 64, both_breasts_share: 0.5, ..small(Site::Film, 14) };
    let (mut n_normal, mut n_malignant, mut n_both) = (0, 0, 0);
    for index in 0..120 {
        let patient = patient(&config, index);
        let mut sides = Vec::new();
        for image in &patient.images {
            let any = image.record.lesions.iter().any(|lesion| lesion.pathology == Pathology::Malignant);
            assert_eq!(image.record.malignant(), Some(any), "{}", image.record.file);
            assert_eq!(image.masks.len(), image.record.lesions.len());
            assert_eq!(image.record.patient_id, patient.patient_id);
            if any {
                sides.push(image.laterality);
            }
            n_normal += usize::from(image.record.lesions.is_empty());
        }
        sides.dedup();
        assert!(sides.len() <= 1, "{} has cancer on both sides", patient.patient_id);
        n_malignant += sides.len();
        n_both += usize::from(patient.images.len() == 4);
    }
    assert!((35..=75).contains(&n_malignant), "{n_malignant} of 120 patients are malignant");
    assert!((40..=80).contains(&n_both), "{n_both} of 120 patients have both breasts imaged");
    assert!(n_normal > 30, "{n_normal} normal images");
}

#[test]
fn resolution_changes_the_raster_and_not_the_patient() {
    let coarse = small(Site::Digital, 15);
    let fine = PhantomConfig { height_px: 576, width_px: 448, ..coarse.clone() };
    for index in 0..4 {
        for (small, large) in patient(&coarse, index).images.iter().zip(&patient(&fine, index).images) {
            let pixels = &large.pixels;
            let halved: Vec<f64> = (0..small.pixels.pixels.len())
                .map(|i| {
                    let corner = i / 224 * 2 * pixels.width + i % 224 * 2;
                    let block = [corner, corner + 1, corner + pixels.width, corner + pixels.width + 1];
                    block.iter().map(|&i| f64::from(pixels.pixels[i])).sum::<f64>() / 4.0
                })
                .collect();
            let pairs = halved.iter().zip(&small.pixels.pixels);
            let error = pairs.map(|(a, &b)| (a - f64::from(b)).abs()).sum::<f64>() / halved.len() as f64;
            assert!(error < 40.0, "{}: {error:.1} of 4095 grey values", small.record.file);

            assert_eq!(small.record.lesions.len(), large.record.lesions.len());
            for (a, b) in small.record.lesions.iter().zip(&large.record.lesions) {
                let (LesionShape::Mask { bounds: a, .. }, LesionShape::Mask { bounds: b, .. }) =
                    (&a.shape, &b.shape)
                else {
                    panic!("a phantom lesion has a mask")
                };
                assert!(
                    (2.0 * a.x - b.x).abs() <= 3.0 && (2.0 * a.width - b.width).abs() <= 4.0,
                    "{a:?} {b:?}"
                );
            }
        }
    }
}

#[test]
fn the_two_sites_store_opposite_polarities_and_ranges() {
    let film = &patient(&small(Site::Film, 16), 0).images[0];
    let digital = &patient(&small(Site::Digital, 16), 0).images[0];
    let median = |image: &PhantomImage| {
        let mut values = image.pixels.pixels.clone();
        values.sort_unstable();
        values[values.len() / 8]
    };
    assert_eq!((film.record.polarity, digital.record.polarity), (Polarity::Normal, Polarity::Inverted));
    assert!(digital.pixels.pixels.iter().all(|&v| v <= 4095));
    assert!(film.pixels.pixels.iter().any(|&v| v > 40_000));
    assert!(median(film) < 12_000 && digital.pixels.pixels.iter().filter(|&&v| v > 3800).count() > 10_000);
}

/// All files below `dir` with their bytes.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn tiny() -> PhantomConfig {
    PhantomConfig { n_patients: 6, height_px: 144, width_px: 112, ..small(Site::Film, 17) }
}

#[test]
fn bytes_depend_neither_on_threads_nor_on_an_interruption() {
    let (one, four) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |dir: &Path, n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| write_dataset(dir, &tiny(), &|_, _| {})).unwrap()
    };
    let summary = write(one.path(), 1);
    assert_eq!(write(four.path(), 4), summary);
    let expected = contents(one.path());
    assert_eq!(contents(four.path()), expected);

    let lost = expected.keys().filter(|name| name.ends_with("CC.png") || name.ends_with("csv"));
    lost.for_each(|name| fs::remove_file(four.path().join(name)).unwrap());
    assert_eq!(write(four.path(), 2), summary);
    assert_eq!(contents(four.path()), expected);
}

#[test]
fn tables_agree_with_the_files_they_name() {
    let dir = tempfile::tempdir().unwrap();
    let done = std::sync::Mutex::new(Vec::new());
    let summary =
        write_dataset(dir.path(), &tiny(), &|n, total| done.lock().unwrap().push((n, total))).unwrap();
    let mut done = done.into_inner().unwrap();
    done.sort_unstable();
    assert_eq!(done, (1..=6).map(|n| (n, 6)).collect::<Vec<_>>());

    let table = |name: &str| {
        let mut reader = csv::Reader::from_path(dir.path().join(name)).unwrap();
        let header = reader.headers().unwrap().iter().collect::<Vec<_>>().join(",");
        let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(|row| row.unwrap()).collect();
        (header, rows)
    };
    let (header, images) = table("images.csv");
    assert_eq!(
        header,
        "file,patient_id,side,view,label,breast_density,max_assessment,n_lesions,site,polarity"
    );
    let (header, lesions) = table("lesions.csv");
    assert_eq!(header, "file,x,y,width,height,type,pathology,mask");
    assert_eq!((images.len(), lesions.len()), (summary.n_images, summary.n_lesions));
    for image in &images {
        assert_eq!(
            image["file"],
            format!("images/{}_{}_{}.png", image["patient_id"], image["side"], image["view"])
        );
        assert_eq!(read_grey(&dir.path().join(&image["file"])).unwrap().height, 144);
        let n_lesions = lesions.iter().filter(|lesion| lesion["file"] == image["file"]).count();
        assert_eq!(image["n_lesions"], n_lesions.to_string());
    }
    for lesion in &lesions {
        let mask = read_grey(&dir.path().join(&lesion["mask"])).unwrap();
        let lit = || (0..mask.pixels.len()).filter(|&i| mask.pixels[i] > 0);
        let columns = || lit().map(|i| i % mask.width);
        let rows = || lit().map(|i| i / mask.width);
        let (left, top) = (columns().min().unwrap(), rows().min().unwrap());
        let size = (columns().max().unwrap() + 1 - left, rows().max().unwrap() + 1 - top);
        let number = |column: &str| lesion[column].parse::<f64>().unwrap();
        assert_eq!((number("x"), number("y")), (left as f64, top as f64), "{}", lesion["mask"]);
        assert_eq!((number("width"), number("height")), (size.0 as f64, size.1 as f64), "{}", lesion["mask"]);
    }
}

#[test]
fn a_set_can_grow_but_not_change() {
    let dir = tempfile::tempdir().unwrap();
    let write = |config: &PhantomConfig| write_dataset(dir.path(), config, &|_, _| {});
    write(&PhantomConfig { n_patients: 2, ..tiny() }).unwrap();
    let first = contents(dir.path());
    let grown = write(&PhantomConfig { n_patients: 3, ..tiny() }).unwrap();
    assert_eq!(grown.n_patients, 3);
    let images = first.iter().filter(|(name, _)| name.ends_with("png"));
    images.for_each(|(name, bytes)| assert_eq!(fs::read(dir.path().join(name)).unwrap(), *bytes, "{name}"));
    let error = write(&PhantomConfig { seed: 99, ..tiny() }).unwrap_err().to_string();
    assert!(error.contains("phantom.json"), "{error}");
}

#[test]
fn settings_out_of_range_and_unknown_ones_are_errors() {
    let refused = |config: PhantomConfig| config.check().unwrap_err().to_string();
    assert!(refused(PhantomConfig { n_patients: 0, ..tiny() }).contains("n_patients"));
    assert!(refused(PhantomConfig { height_px: 20, ..tiny() }).contains("height_px"));
    assert!(refused(PhantomConfig { malignant_share: 0.9, ..tiny() }).contains("benign_share"));
    assert!(
        refused(PhantomConfig { calcification_share: f64::NAN, ..tiny() }).contains("calcification_share")
    );
    assert!(refused(PhantomConfig { views: vec![View::Cc, View::Cc], ..tiny() }).contains("views"));
    assert!(serde_json::from_str::<PhantomConfig>(r#"{"site": "digital", "seed": 3}"#).is_ok());
    assert!(serde_json::from_str::<PhantomConfig>(r#"{"sites": "digital"}"#).is_err());
    assert_eq!("Digital".parse(), Ok(Site::Digital));
    assert!("xray".parse::<Site>().is_err());
}
