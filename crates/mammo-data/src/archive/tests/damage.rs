//! Missing and damaged files.

use super::*;

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
    let workbook = include_bytes!("../../../../../fixtures/archives/INbreast.xls");
    std::fs::write(folder.path().join("INbreast.xls"), workbook).unwrap();
    let imported = import(Archive::Inbreast, folder.path()).unwrap();
    let first = &imported.manifest.images[0];
    assert_eq!((first.assessment, first.density, first.pathology), (Some(4), Some(2), Pathology::Malignant));
    assert_eq!(imported.rejections_by_reason().get(&crate::import::RejectionReason::MissingFile), Some(&1));
}
