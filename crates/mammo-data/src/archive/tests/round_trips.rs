//! Every archive comes back as it was written.

use super::*;

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
