//! Every layout is written from phantoms, defects included, and imported: the same labels,
//! lesions and pixels must come back, and what is left out must be counted.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::import::Verify;
use crate::manifest::Manifest;
use mammo_core::geometry::Rect;
use mammo_core::record::{Laterality, LesionKind, Mammogram, Polarity, Side};
use mammo_dicom::image_file::read_grey;
use mammo_phantom::{ArchiveLayout, PhantomConfig, PhantomImage, patient, write_layout};

const PATIENTS: usize = 14;

fn config(layout: ArchiveLayout) -> PhantomConfig {
    PhantomConfig {
        n_patients: PATIENTS,
        site: layout.site(),
        seed: 5,
        height_px: 160,
        width_px: 125,
        // So that a mask nine tenths as large still fits its lesion to the pixel.
        lesion_scale: 1.5,
        both_breasts_share: 0.4,
        ..PhantomConfig::default()
    }
}

/// A layout on disk, imported.
struct Set {
    folder: tempfile::TempDir,
    imported: Imported,
    truth: BTreeMap<(usize, Laterality, View), PhantomImage>,
}

fn set(layout: ArchiveLayout, archive: Archive) -> Set {
    let (folder, config) = (tempfile::tempdir().unwrap(), config(layout));
    write_layout(folder.path(), layout, &config, &|_, _| {}).unwrap();
    let imported = import(archive, folder.path()).unwrap();
    let truth = (0..PATIENTS)
        .flat_map(|number| patient(&config, number).images.into_iter().map(move |image| (number, image)))
        .map(|(number, image)| ((number, image.laterality, image.view), image))
        .collect();
    Set { folder, imported, truth }
}

fn import(archive: Archive, dir: &Path) -> crate::Result<Imported> {
    import_archive(archive, dir, Birads3::default(), Verify::Pixels, &|_, _| {})
}

/// Dense tissue bright, over the full range of 16 bits.
fn full_scale(image: &PhantomImage, to_bits: impl Fn(u16) -> u16, bits: u32) -> Vec<u16> {
    let top = f64::from((1_u32 << bits) - 1);
    let bright = |value: u16| match image.record.polarity {
        Polarity::Normal => value,
        Polarity::Inverted => 4095 - value,
    };
    let scaled = |value: &u16| (f64::from(to_bits(bright(*value))) * 65535.0 / top).round() as u16;
    image.pixels.pixels.iter().map(scaled).collect()
}

fn overlap(a: &Rect, b: &Rect) -> f64 {
    let common = a.intersection(b).area();
    common / (a.area() + b.area() - common)
}

impl Set {
    fn manifest(&self) -> &Manifest {
        &self.imported.manifest
    }

    fn rejected(&self) -> BTreeMap<&'static str, usize> {
        let counts = self.imported.rejections_by_reason();
        counts.into_iter().map(|(reason, n)| (reason.code(), n)).collect()
    }

    fn noted(&self, start: &str) -> bool {
        self.imported.notes.iter().any(|note| note.starts_with(start))
    }

    /// Images with their truth; `number` finds the phantom's number in a record.
    fn pairs(&self, number: impl Fn(&Mammogram) -> usize) -> Vec<(&Mammogram, &PhantomImage, usize)> {
        let pair = |image| {
            let number = number(image);
            (image, &self.truth[&(number, image.laterality.unwrap(), image.view.unwrap())], number)
        };
        self.manifest().images.iter().map(pair).collect()
    }

    /// The largest difference of a pixel from what the phantom was drawn as.
    fn difference(&self, image: &Mammogram, expected: &[u16]) -> u16 {
        let read = read_grey(&self.manifest().image_path(image)).unwrap();
        assert_eq!(read.pixels.len(), expected.len(), "{}", image.file);
        read.pixels.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }
}

fn last_number(id: &str) -> usize {
    id.rsplit(['_', '-']).next().unwrap().parse().unwrap()
}

/// Every lesion of the phantom is there with its kind and truth, and nothing else is.
fn check_lesions(image: &Mammogram, truth: &PhantomImage, least_overlap: f64) {
    assert_eq!(image.lesions.len(), truth.record.lesions.len(), "{}", image.file);
    for lesion in &truth.record.lesions {
        let same = |other: &&mammo_core::record::Lesion| {
            other.kind == lesion.kind
                && other.pathology == lesion.pathology
                && overlap(&other.shape.bounds(), &lesion.shape.bounds()) >= least_overlap
        };
        assert_eq!(
            image.lesions.iter().filter(same).count(),
            1,
            "{}: {lesion:?} in {:?}",
            image.file,
            image.lesions
        );
    }
}

#[test]
fn cbis_ddsm_comes_back_from_all_four_downloads() {
    for layout in [
        ArchiveLayout::CbisDdsm,
        ArchiveLayout::CbisDdsmNbia,
        ArchiveLayout::CbisDdsmTcia,
        ArchiveLayout::CbisDdsmJpeg,
    ] {
        let set = set(layout, Archive::CbisDdsm);
        assert_eq!(set.rejected(), BTreeMap::new(), "{layout}: {:#?}", set.imported.rejections);
        let with_lesions = set.truth.values().filter(|image| !image.masks.is_empty()).count();
        assert_eq!(set.manifest().images.len(), with_lesions, "{layout}");
        let (mut stretched, mut in_two_lists) = (0, 0);
        for (image, truth, number) in set.pairs(|image| last_number(&image.patient_id)) {
            assert_eq!(image.pathology, truth.record.pathology, "{layout}: {}", image.file);
            assert_eq!((image.density, image.assessment), (truth.record.density, truth.record.assessment));
            let shrunken = number % 5 == 4;
            stretched += usize::from(shrunken) * truth.masks.len();
            check_lesions(image, truth, if shrunken { 0.75 } else { 0.98 });
            let kinds = |kind| truth.record.lesions.iter().any(|lesion| lesion.kind == kind);
            let (mass, calc) = (kinds(LesionKind::Mass), kinds(LesionKind::Calcification));
            in_two_lists += usize::from(mass && calc);
            let sides: std::collections::BTreeSet<Side> = [(mass, number % 4 == 3), (calc, number % 3 == 2)]
                .into_iter()
                .filter_map(|(listed, test)| listed.then_some(if test { Side::Test } else { Side::Train }))
                .collect();
            let expected = if sides.len() == 1 { sides.first().copied() } else { None };
            assert_eq!(image.official_side, expected, "{}", image.file);
            if layout == ArchiveLayout::CbisDdsmJpeg {
                let read = read_grey(&set.manifest().image_path(image)).unwrap();
                let sum: u64 = read
                    .pixels
                    .iter()
                    .zip(&truth.pixels.pixels)
                    .map(|(a, b)| u64::from(a.abs_diff(*b)))
                    .sum();
                assert!(sum / (read.pixels.len() as u64) < 1500, "{}", image.file);
            } else {
                assert_eq!(set.difference(image, &truth.pixels.pixels), 0, "{}", image.file);
            }
        }
        assert!(stretched > 0 && set.noted(&format!("{stretched} lesion masks of another size")));
        assert!(in_two_lists > 0 && set.noted(&format!("{in_two_lists} images in both the mass and")));
    }
}

#[test]
fn inbreast_comes_back_by_its_rule() {
    let set = set(ArchiveLayout::Inbreast, Archive::Inbreast);
    // The patient is told by the file name alone; the number is in the first part of it.
    let number = |image: &Mammogram| {
        let name: usize = files::stem(&image.file).split('_').next().unwrap().parse().unwrap();
        (name - 20_580_000) / 16
    };
    assert_eq!(set.manifest().images.len(), set.truth.len());
    assert_eq!(set.manifest().counts().patients, PATIENTS);
    let (mut asymmetries, mut left_out) = (0, 0);
    for (image, truth, number) in set.pairs(number) {
        left_out += usize::from(number % 8 == 7);
        let expected = if number % 8 == 7 { Pathology::Unknown } else { truth.record.pathology };
        assert_eq!(image.pathology, expected, "{}", image.file);
        assert_eq!(image.density, if number % 6 == 5 { None } else { truth.record.density });
        let marked = number % 4 == 1 && !truth.masks.is_empty();
        asymmetries += usize::from(marked);
        assert_eq!(image.lesions.len(), truth.masks.len() + usize::from(marked), "{}", image.file);
        for lesion in &truth.record.lesions {
            let found = image.lesions.iter().find(|other| {
                other.kind == lesion.kind && overlap(&other.shape.bounds(), &lesion.shape.bounds()) > 0.99
            });
            let alone = image.lesions.len() == 1;
            let known = match image.pathology {
                Pathology::Malignant if !alone => Pathology::Unknown,
                of_image => of_image,
            };
            assert_eq!(found.unwrap().pathology, known, "{}", image.file);
        }
        let expected = full_scale(truth, |value| value * 4, 14);
        assert!(set.difference(image, &expected) <= 1, "{}", image.file);
    }
    assert!(asymmetries > 0 && left_out > 0);
    assert_eq!(set.rejected(), BTreeMap::from([("other_finding", asymmetries)]));
    assert!(set.noted(&format!("{left_out} images of BI-RADS 3")), "{:?}", set.imported.notes);
    let positive =
        import_archive(Archive::Inbreast, set.folder.path(), Birads3::Positive, Verify::Headers, &|_, _| {});
    assert_eq!(positive.unwrap().manifest.counts().unknown, 0);
}

#[test]
fn mini_mias_comes_back_with_its_origin_turned() {
    let set = set(ArchiveLayout::MiniMias, Archive::MiniMias);
    let number = |image: &Mammogram| last_number(&image.patient_id) - 1;
    let mlo = set.truth.values().filter(|image| image.view == View::Mlo).count();
    assert_eq!(set.manifest().images.len(), mlo);
    let mut without_place = 0;
    for (image, truth, number) in set.pairs(number) {
        assert_eq!(image.pathology, truth.record.pathology, "{}", image.file);
        assert_eq!((image.width_px, image.height_px), (160, 160));
        let read = read_grey(&set.manifest().image_path(image)).unwrap();
        for y in 0..160 {
            let row: Vec<u16> = truth.pixels.row(y).iter().map(|value| (value >> 8) * 257).collect();
            assert_eq!(read.row(y)[..125], row, "{}", image.file);
        }
        for lesion in &truth.record.lesions {
            if lesion.kind == LesionKind::Calcification && number % 3 < 2 {
                without_place += 1;
                continue;
            }
            let bounds = lesion.shape.bounds();
            let found = image.lesions.iter().any(|other| {
                let circle = other.shape.bounds();
                let ((x, y), (cx, cy)) = (bounds.centre(), circle.centre());
                other.kind == lesion.kind
                    && other.pathology == lesion.pathology
                    && (x - cx).abs() <= 0.5
                    && (y - cy).abs() <= 0.5
                    && circle.width >= bounds.width.max(bounds.height)
            });
            assert!(found, "{}: {lesion:?} in {:?}", image.file, image.lesions);
        }
    }
    assert!(without_place > 0);
    assert_eq!(set.rejected(), BTreeMap::from([("no_shape", without_place)]));
}

#[test]
fn vindr_comes_back_from_five_transfer_syntaxes() {
    let set = set(ArchiveLayout::Vindr, Archive::Vindr);
    let studies: Vec<String> = (0..PATIENTS)
        .map(|number| {
            let uid = mammo_phantom::layout::dicom::uid(&format!("vindr study {number}"));
            format!("{:032x}", uid[5..].parse::<u128>().unwrap())
        })
        .collect();
    let number = |image: &Mammogram| studies.iter().position(|study| *study == image.patient_id).unwrap();
    assert_eq!(set.manifest().images.len(), set.truth.len());
    let mut asymmetries = 0;
    for (image, truth, number) in set.pairs(number) {
        let unknown = number % 8 == 7;
        assert_eq!(image.pathology, if unknown { Pathology::Unknown } else { truth.record.pathology });
        asymmetries += usize::from(number % 4 == 2);
        if !unknown {
            check_lesions(image, truth, 1.0);
        }
        let side = if number % 5 == 4 { Side::Test } else { Side::Train };
        assert_eq!((image.official_side, image.density), (Some(side), truth.record.density));
        assert!(image.site.as_deref().is_some_and(|site| site.contains(' ')));
        assert!(set.difference(image, &full_scale(truth, |value| value, 12)) <= 1, "{}", image.file);
    }
    let syntaxes: std::collections::BTreeSet<String> = (set.manifest().images.iter())
        .map(|image| mammo_dicom::read_header(&set.manifest().image_path(image)).unwrap().transfer_syntax)
        .collect();
    assert_eq!(syntaxes.len(), 5);
    assert_eq!(set.rejected(), BTreeMap::from([("other_finding", asymmetries)]));
}

#[test]
fn cmmd_comes_back_from_headers_and_a_workbook() {
    let set = set(ArchiveLayout::Cmmd, Archive::Cmmd);
    assert_eq!(set.manifest().images.len(), set.truth.len());
    let mut unlisted = 0;
    for (image, truth, number) in set.pairs(|image| last_number(&image.patient_id) - 1) {
        let breast: Vec<&PhantomImage> = (set.truth.iter())
            .filter(|((of, laterality, _), _)| *of == number && Some(*laterality) == image.laterality)
            .map(|(_, image)| image)
            .collect();
        let listed = breast.iter().any(|image| !image.masks.is_empty());
        unlisted += usize::from(!listed);
        let malignant = breast.iter().any(|image| image.record.malignant() == Some(true));
        let expected = match (listed, malignant) {
            (false, _) => Pathology::Unknown,
            (true, true) => Pathology::Malignant,
            (true, false) => Pathology::Benign,
        };
        assert_eq!(image.pathology, expected, "{}", image.file);
        assert!(set.difference(image, &full_scale(truth, |value| value >> 4, 8)) <= 1, "{}", image.file);
    }
    assert!(unlisted > 0);
    assert_eq!(set.rejected(), BTreeMap::new(), "{:#?}", set.imported.rejections);
    let loose = import(Archive::Folder, set.folder.path()).unwrap();
    assert_eq!(loose.manifest.counts().unknown, set.truth.len());
    assert!(loose.manifest.images.iter().zip(&set.manifest().images).all(|(a, b)| {
        (&a.file, &a.patient_id, a.laterality, a.view) == (&b.file, &b.patient_id, b.laterality, b.view)
    }));
}

#[test]
fn rsna_comes_back_by_breast() {
    let set = set(ArchiveLayout::Rsna, Archive::Rsna);
    assert_eq!(set.manifest().images.len(), set.truth.len());
    for (image, truth, number) in set.pairs(|image| (image.patient_id.parse::<usize>().unwrap() - 10_006) / 7)
    {
        let malignant = (set.truth.iter())
            .filter(|((of, laterality, _), _)| *of == number && Some(*laterality) == image.laterality)
            .any(|(_, image)| image.record.malignant() == Some(true));
        assert_eq!(image.malignant(), Some(malignant), "{}", image.file);
        let site = if number % 2 == 0 { "site 1 machine 49" } else { "site 2 machine 21" };
        assert_eq!(image.site.as_deref(), Some(site));
        let at_first_site = number % 2 == 0;
        assert_eq!((image.assessment, image.density.is_some()), (at_first_site.then_some(0), at_first_site));
        assert!(set.difference(image, &full_scale(truth, |value| value, 12)) <= 1, "{}", image.file);
    }
    assert_eq!(set.rejected(), BTreeMap::from([("other_view", PATIENTS / 5)]));
}

#[test]
fn the_original_projects_folders_come_back() {
    let set = set(ArchiveLayout::Original, Archive::Original);
    let with_lesions = set.truth.values().filter(|image| !image.masks.is_empty()).count();
    assert_eq!(set.manifest().images.len(), with_lesions);
    for (image, truth, number) in set.pairs(|image| last_number(&image.patient_id)) {
        assert_eq!(image.pathology, truth.record.pathology, "{}", image.file);
        check_lesions(image, truth, if number % 3 == 2 { 0.75 } else { 1.0 });
        let side = if number % 4 == 3 { Side::Test } else { Side::Train };
        assert_eq!(image.official_side, Some(side));
        assert_eq!(set.difference(image, &truth.pixels.pixels), 0);
    }
    assert_eq!(set.rejected(), BTreeMap::new());
}

#[test]
fn one_seed_writes_the_same_bytes() {
    for layout in [ArchiveLayout::Cmmd, ArchiveLayout::Inbreast] {
        let bytes = || {
            let folder = tempfile::tempdir().unwrap();
            write_layout(
                folder.path(),
                layout,
                &PhantomConfig { n_patients: 3, ..config(layout) },
                &|_, _| {},
            )
            .unwrap();
            let files = files::Files::below(folder.path()).unwrap();
            files
                .all
                .iter()
                .map(|file| (file.clone(), std::fs::read(folder.path().join(file)).unwrap()))
                .collect::<Vec<_>>()
        };
        assert!(bytes() == bytes(), "{layout}");
    }
}

#[test]
fn a_missing_mask_crop_or_image_is_counted_and_the_label_stays() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(ArchiveLayout::CbisDdsm);
    write_layout(folder.path(), ArchiveLayout::CbisDdsm, &config, &|_, _| {}).unwrap();
    let before = import(Archive::CbisDdsm, folder.path()).unwrap().manifest;
    let malignant = before.images.iter().find(|image| image.malignant() == Some(true)).unwrap();
    // A film of one list: one of two lists would still be there under its other name.
    let one_list =
        |image: &&Mammogram| image.lesions.iter().all(|lesion| lesion.kind == image.lesions[0].kind);
    let mut others = before.images.iter().filter(|image| image.patient_id != malignant.patient_id);
    let other = others.find(one_list).unwrap();
    // Take away the mask of one lesion: the crop that is left is not taken for it.
    let mammo_core::record::LesionShape::Mask { file: mask, .. } = &malignant.lesions[0].shape else {
        panic!("a mask")
    };
    std::fs::remove_file(folder.path().join(mask)).unwrap();
    std::fs::remove_file(before.image_path(other)).unwrap();
    let after = import(Archive::CbisDdsm, folder.path()).unwrap();
    let same = after.manifest.find(&malignant.file).unwrap();
    assert_eq!((same.pathology, same.lesions.len()), (Pathology::Malignant, malignant.lesions.len() - 1));
    assert_eq!(after.manifest.images.len(), before.images.len() - 1);
    let codes: Vec<&str> = after.rejections.iter().map(|rejection| rejection.reason.code()).collect();
    assert!(codes.contains(&"missing_file") && codes.contains(&"no_such_image"), "{:#?}", after.rejections);
}

/// Tables cut, with flipped bits, emptied: an error or counted rejections, never a panic, and
/// never an image that was not there.
#[test]
fn damaged_tables_end_in_errors_or_counted_rejections() {
    let layouts = [
        (ArchiveLayout::CbisDdsm, Archive::CbisDdsm),
        (ArchiveLayout::CbisDdsmJpeg, Archive::CbisDdsm),
        (ArchiveLayout::Inbreast, Archive::Inbreast),
        (ArchiveLayout::MiniMias, Archive::MiniMias),
        (ArchiveLayout::Vindr, Archive::Vindr),
        (ArchiveLayout::Cmmd, Archive::Cmmd),
        (ArchiveLayout::Rsna, Archive::Rsna),
        (ArchiveLayout::Original, Archive::Original),
    ];
    let (mut errors, mut with_rejections, mut unharmed) = (0, 0, 0);
    for (layout, archive) in layouts {
        let folder = tempfile::tempdir().unwrap();
        let config = PhantomConfig { n_patients: 4, height_px: 80, width_px: 64, ..config(layout) };
        write_layout(folder.path(), layout, &config, &|_, _| {}).unwrap();
        let quick =
            || import_archive(archive, folder.path(), Birads3::default(), Verify::Headers, &|_, _| {});
        let whole = quick().unwrap().manifest.images.len();
        let files = files::Files::below(folder.path()).unwrap();
        let is_table =
            |file: &&String| matches!(files::extension(file).as_str(), "csv" | "txt" | "xlsx" | "xml");
        for file in files.all.iter().filter(is_table).take(6) {
            let path = folder.path().join(file);
            let bytes = std::fs::read(&path).unwrap();
            let mut rng = mammo_core::seed::stream(1, "damaged tables", bytes.len() as u64);
            for attempt in 0..24 {
                let mut damaged = bytes.clone();
                let at = rand::RngExt::random_range(&mut rng, 0..bytes.len());
                match attempt % 4 {
                    0 => damaged.truncate(at),
                    1 => damaged[at] ^= 1 << (attempt % 8),
                    2 => drop(damaged.splice(at..(at + 9).min(bytes.len()), *b"\"\n,;\xFF\0")),
                    _ => damaged = if attempt == 3 { Vec::new() } else { damaged[at..].to_vec() },
                }
                std::fs::write(&path, &damaged).unwrap();
                match quick() {
                    Err(_) => errors += 1,
                    Ok(imported) => {
                        assert!(imported.manifest.images.len() <= whole, "{layout} {file}");
                        let is_whole = imported.rejections.is_empty();
                        if is_whole { unharmed += 1 } else { with_rejections += 1 }
                    }
                }
            }
            std::fs::write(&path, &bytes).unwrap();
        }
    }
    let all = errors + with_rejections + unharmed;
    assert!(all > 400 && errors > 50 && with_rejections > 50, "{errors} {with_rejections} {unharmed}");
}

#[test]
fn a_folder_without_the_archives_table_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    for (archive, table) in [
        (Archive::CbisDdsm, "case description"),
        (Archive::Inbreast, "INbreast.csv"),
        (Archive::MiniMias, "Info.txt"),
        (Archive::Vindr, "breast-level_annotations.csv"),
        (Archive::Cmmd, "CMMD_clinicaldata_revision.xlsx"),
        (Archive::Rsna, "train.csv"),
        (Archive::Original, "roi_mask_path.csv"),
        (Archive::Folder, "no row"),
    ] {
        let error = import(archive, folder.path()).unwrap_err().to_string();
        assert!(error.contains(table), "{archive}: {error}");
    }
    assert!(
        import(Archive::Rsna, &folder.path().join("gone"))
            .unwrap_err()
            .to_string()
            .contains("no such folder")
    );
}

#[test]
fn the_old_workbook_of_inbreast_is_read_as_its_table() {
    let folder = tempfile::tempdir().unwrap();
    write_layout(folder.path(), ArchiveLayout::Inbreast, &config(ArchiveLayout::Inbreast), &|_, _| {})
        .unwrap();
    std::fs::remove_file(folder.path().join("INbreast.csv")).unwrap();
    // Written by xlwt with the columns of the archive's own workbook, for the first patient's
    // images; see fixtures/archives/make.py.
    let workbook = include_bytes!("../../../../fixtures/archives/INbreast.xls");
    std::fs::write(folder.path().join("INbreast.xls"), workbook).unwrap();
    let imported = import(Archive::Inbreast, folder.path()).unwrap();
    let first = &imported.manifest.images[0];
    assert_eq!((first.assessment, first.density, first.pathology), (Some(4), Some(2), Pathology::Malignant));
    assert_eq!(imported.rejections_by_reason().get(&crate::import::RejectionReason::MissingFile), Some(&1));
}

/// The phantom's RSNA images as 16-bit PNG or JPEG where a copy of the archive has them; the DICOM
/// files are gone.
fn rsna_copy(dir: &Path, place: impl Fn(&str, &str) -> String, scale: u32) {
    for file in files::Files::below(dir).unwrap().all.iter().filter(|file| file.ends_with(".dcm")) {
        let parts: Vec<&str> = file.split('/').collect();
        let image = read_grey(&dir.join(file)).unwrap();
        let target = dir.join(place(parts[1], files::stem(file)));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let bytes: Vec<u8> = image.pixels.iter().map(|value| (value >> 8) as u8).collect();
        let picture = image::GrayImage::from_raw(image.width as u32, image.height as u32, bytes).unwrap();
        let (width, height) = (picture.width() * scale / 4, picture.height() * scale / 4);
        image::imageops::resize(&picture, width, height, image::imageops::FilterType::Triangle)
            .save(target)
            .unwrap();
    }
}

fn remove_dicom(dir: &Path) {
    std::fs::remove_dir_all(dir.join("train_images")).unwrap();
}

#[test]
fn copies_of_rsna_are_found_by_patient_and_image() {
    let places: [fn(&str, &str) -> String; 5] = [
        |_, image| format!("png/{image}.png"),
        |_, image| format!("{image}.png"),
        |patient, image| format!("train_images_processed/{patient}/{image}.png"),
        |patient, image| format!("{patient}_{image}.jpeg"),
        |patient, image| format!("deep/er/{patient}_{image}.JPG"),
    ];
    for (number, place) in places.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        write_layout(folder.path(), ArchiveLayout::Rsna, &config(ArchiveLayout::Rsna), &|_, _| {}).unwrap();
        let original = import(Archive::Rsna, folder.path()).unwrap();
        rsna_copy(folder.path(), place, 4);
        remove_dicom(folder.path());
        let copy = import(Archive::Rsna, folder.path()).unwrap();
        let records = |imported: &Imported| -> Vec<_> {
            let record = |i: &Mammogram| {
                (
                    i.patient_id.clone(),
                    i.laterality,
                    i.view.map(|v| v.to_string()),
                    i.pathology,
                    i.site.clone(),
                )
            };
            let mut records: Vec<_> = imported.manifest.images.iter().map(record).collect();
            records.sort_by_key(|record| format!("{record:?}"));
            records
        };
        assert_eq!(records(&copy), records(&original), "layout {number}");
        assert!(copy.notes.is_empty(), "{:?}", copy.notes);
    }
}

#[test]
fn of_two_sizes_side_by_side_the_larger_is_taken_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    write_layout(dir, ArchiveLayout::Rsna, &config(ArchiveLayout::Rsna), &|_, _| {}).unwrap();
    let original = import(Archive::Rsna, dir).unwrap();
    rsna_copy(dir, |patient, image| format!("png_512/{patient}/{image}.png"), 3);
    rsna_copy(dir, |patient, image| format!("png_1024/{patient}/{image}.png"), 4);
    remove_dicom(dir);
    let copy = import(Archive::Rsna, dir).unwrap();
    assert_eq!(copy.manifest.images.len(), original.manifest.images.len());
    assert!(copy.manifest.images.iter().all(|image| image.file.starts_with("png_1024/")));
    let note = copy.notes.iter().find(|note| note.contains("stored in several files")).unwrap();
    assert!(note.contains("png_1024/") && note.contains("and not png_512/"), "{note}");
}

#[test]
fn another_patients_folder_lends_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let table = "patient_id,image_id,laterality,view,cancer\n1,10,L,CC,True\n2,20,R,MLO,0.0\n3.0,30.0,L,CC,1.0\n4,40,L,CC,maybe\n5,50,L,CC,false\n";
    std::fs::write(dir.join("train.csv"), table).unwrap();
    for (number, file) in ["x/2/10.png", "x/2/20.png", "3/30.png", "4/40.png", "50.png"].iter().enumerate() {
        std::fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
        image::GrayImage::from_pixel(80, 90, image::Luma([number as u8])).save(dir.join(file)).unwrap();
    }
    let imported = import(Archive::Rsna, dir).unwrap();
    let found: Vec<(&str, &str, Pathology)> = (imported.manifest.images.iter())
        .map(|image| (image.file.as_str(), image.patient_id.as_str(), image.pathology))
        .collect();
    let expected = [
        ("3/30.png", "3", Pathology::Malignant),
        ("50.png", "5", Pathology::Benign),
        ("x/2/20.png", "2", Pathology::Benign),
    ];
    assert_eq!(found, expected);
    let rejected: Vec<(&str, u64)> =
        imported.rejections.iter().map(|r| (r.reason.code(), r.line.unwrap())).collect();
    assert_eq!(rejected, [("missing_file", 2), ("unknown_word", 5)], "{:?}", imported.rejections);
    assert!(imported.rejections[1].detail.contains("cancer 'maybe'"));
}

#[cfg(unix)]
#[test]
fn a_folder_is_read_once_and_names_that_are_not_utf_8_are_listed() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::create_dir(dir.join("sub")).unwrap();
    let write = |name: &std::ffi::OsStr, value: u8| {
        let picture = image::GrayImage::from_pixel(80, 90, image::Luma([value]));
        picture.save_with_format(dir.join(name), image::ImageFormat::Png).unwrap();
    };
    write("sub/P1_L_CC.png".as_ref(), 1);
    write("P2.png".as_ref(), 2);
    write("back\\slash_RMLO.png".as_ref(), 3);
    write(std::ffi::OsStr::from_bytes(b"caf\xe9_L_CC.png"), 4);
    std::os::unix::fs::symlink("..", dir.join("sub/up")).unwrap();
    std::fs::hard_link(dir.join("P2.png"), dir.join("sub/P3.png")).unwrap();
    let imported = import(Archive::Folder, dir).unwrap();
    let sides: Vec<_> =
        imported.manifest.images.iter().map(|i| (i.file.as_str(), i.side_and_view())).collect();
    let expected = [
        ("P2.png", "side and view unknown"),
        ("back\\slash_RMLO.png", "right MLO"),
        ("sub/P1_L_CC.png", "left CC"),
    ];
    assert_eq!(sides, expected.map(|(file, shown)| (file, shown.to_string())));
    let [rejection] = &imported.rejections[..] else { panic!("{:?}", imported.rejections) };
    assert_eq!((rejection.reason.code(), rejection.file.as_str()), ("file_name", "caf\u{fffd}_L_CC.png"));
    assert!(rejection.detail.contains(r"caf\xE9_L_CC.png"), "{}", rejection.detail);
    let notes = imported.notes.join("; ");
    assert!(notes.contains("1 image of unknown side or view"), "{notes}");
    assert!(notes.contains("1 additional file name of files listed already"), "{notes}");
}

#[test]
fn a_folder_refuses_partial_views_and_splits_view_positions() {
    use mammo_phantom::layout::dicom::{Coding, DicomAttributes, DicomPixels, write_dicom};
    let folder = tempfile::tempdir().unwrap();
    for (number, position) in ["LCC", "RMLO", "MLO SPOT", "LXCCL", "AT", "SOMETHING"].iter().enumerate() {
        let values = (0..80 * 90).map(|at| (at % 4000 + number) as u16).collect();
        let picture = DicomPixels { width: 80, height: 90, values, bits: 12, inverted: false };
        let about = DicomAttributes {
            name: number.to_string(),
            patient_id: format!("P{number}"),
            view_position: Some(*position),
            ..DicomAttributes::default()
        };
        write_dicom(&folder.path().join(format!("{number}.dcm")), &picture, &about, Coding::Explicit)
            .unwrap();
    }
    let imported = import(Archive::Folder, folder.path()).unwrap();
    let shown: Vec<String> = imported.manifest.images.iter().map(Mammogram::side_and_view).collect();
    assert_eq!(shown, ["left CC", "right MLO", "side and view unknown"]);
    let rejected: Vec<(&str, &str)> =
        imported.rejections.iter().map(|r| (r.file.as_str(), r.reason.code())).collect();
    assert_eq!(rejected, [("2.dcm", "other_view"), ("3.dcm", "other_view"), ("4.dcm", "other_view")]);
}
