//! Copies of archives in other formats and folders, and plain folders.

use super::*;

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
