//! One test per rejection.

use super::*;

#[test]
fn malformed_row() {
    let data = DataSet::new(&[], &[]);
    let table = [HEADER, "\na.png,P1,left,cc,benign\nb.png,P2\n"].concat();
    data.write("images.csv", &[table.as_bytes(), b"c.png,M\xFCller,left,cc,benign\n"].concat());
    data.check(&["malformed_row:3:b.png", "malformed_row:4:c.png"], &["a.png"]);
}

#[test]
fn missing_value() {
    let images = [HEADER, "a.png,P1,left,cc,benign", "b.png, ,left,cc,benign", ",P2,left,cc,benign"];
    DataSet::new(&images, &[]).check(&["missing_value:3:b.png", "missing_value:4:"], &["a.png"]);
}

#[test]
fn unknown_word() {
    let images = [
        "file,patient_id,side,view,label,polarity",
        "a.png,P1,left,cc,benign,",
        "b.png,P2,up,cc,benign,",
        "b.png,P2,left,lateral,benign,",
        "c.png,P2,left,cc,cancer,",
        "d.png,P2,left,cc,benign,negative",
    ];
    let lesions = [BOXES, "a.png,cyst,benign,1,1,9,9", "a.png,mass,maybe,1,1,9,9"];
    let rejections = [
        "unknown_word:3:b.png",
        "unknown_word:4:b.png",
        "unknown_word:5:c.png",
        "unknown_word:6:d.png",
        "unknown_word:2:a.png",
        "unknown_word:3:a.png",
    ];
    let imported = DataSet::new(&images, &lesions).check(&rejections, &["a.png"]);
    assert_eq!(imported.rejections[0].detail, "images.csv: side 'up' is not one of left, right");
    assert_eq!(imported.rejections_by_reason()[&RejectionReason::UnknownWord], 6);
}

#[test]
fn bad_number() {
    let lesions = [
        "file,type,pathology,x,y,width,height,cx,cy,radius",
        "a.png,mass,benign,1,1,9,nan,,,",
        "a.png,mass,benign,1,1,0,9,,,",
        "a.png,mass,benign,1,,9,9,,,",
        "a.png,mass,benign,,,,,5,5,-1",
    ];
    let rejections = ["bad_number:2:a.png", "bad_number:3:a.png", "bad_number:4:a.png", "bad_number:5:a.png"];
    DataSet::new(&[HEADER, "a.png,P1,left,cc,benign"], &lesions).check(&rejections, &["a.png"]);
}

#[test]
fn path_escapes_root() {
    let images = [
        HEADER,
        "a.png,P1,left,cc,benign",
        "../b.png,P2,left,cc,benign",
        "x/../../b.png,P2,left,cc,benign",
        "/etc/b.png,P2,left,cc,benign",
        "C:\\b.png,P2,left,cc,benign",
    ];
    let lesions = ["file,type,pathology,mask", "a.png,mass,benign,../m.png"];
    let rejections = [
        "path_escapes_root:3:../b.png",
        "path_escapes_root:4:x/../../b.png",
        "path_escapes_root:5:/etc/b.png",
        "path_escapes_root:6:C:\\b.png",
        "path_escapes_root:2:a.png",
    ];
    DataSet::new(&images, &lesions).check(&rejections, &["a.png"]);
}

#[test]
fn duplicate_row() {
    let row = "a.png,P1,left,cc,benign";
    let lesions = [BOXES, "a.png,mass,benign,1,1,9,9", "a.png,mass,benign,1.0,1,9,9"];
    let rejections = ["duplicate_row:3:a.png", "duplicate_row:3:a.png"];
    let imported = DataSet::new(&[HEADER, row, &format!("./{row}")], &lesions).check(&rejections, &["a.png"]);
    assert_eq!(imported.manifest.images[0].lesions.len(), 1);
}

#[test]
fn contradicting_rows() {
    let images =
        [HEADER, "a.png,P1,left,cc,benign", "a.png,P1,left,cc,malignant", "b.png,P1,left,mlo,benign"];
    let rejections = ["contradicting_rows:2:a.png", "contradicting_rows:3:a.png"];
    DataSet::new(&images, &[]).check(&rejections, &["b.png"]);
}

#[test]
fn label_conflict_and_its_lesions() {
    let images = [HEADER, "a.png,P1,left,cc,benign", "b.png,P1,left,mlo,malignant"];
    let lesions = [BOXES, "a.png,mass,malignant,1,1,9,9", "b.png,mass,malignant,1,1,9,9"];
    let rejections = ["label_conflict:2:a.png", "no_such_image:2:a.png"];
    DataSet::new(&images, &lesions).check(&rejections, &["b.png"]);
}

#[test]
fn missing_file() {
    let images = [HEADER, "a.png,P1,left,cc,benign", "gone.png,P1,left,mlo,benign"];
    let lesions = ["file,type,pathology,mask", "a.png,mass,benign,gone.png"];
    DataSet::new(&images, &lesions).check(&["missing_file:3:gone.png", "missing_file:2:a.png"], &["a.png"]);
}

#[test]
fn unreadable_image() {
    let images = [
        HEADER,
        "a.png,P1,left,cc,benign",
        "text.png,P1,left,mlo,benign",
        "cut.png,P2,left,cc,benign",
        "cut.jpg,P2,left,cc,benign",
    ];
    let data = DataSet::new(&images, &["file,type,pathology,mask", "a.png,mass,benign,text.png"]);
    data.write("text.png", b"not an image");
    let png = fs::read(data.path("b.png")).unwrap();
    data.write("cut.png", &png[..png.len() * 2 / 3]);
    let jpeg = data.path("cut.jpg");
    image::GrayImage::from_fn(100, 80, |x, y| image::Luma([(x * y) as u8])).save(&jpeg).unwrap();
    let whole = fs::read(&jpeg).unwrap();
    fs::write(&jpeg, &whole[..whole.len() * 2 / 3]).unwrap();

    let mask_is_text = "unreadable_image:2:a.png";
    let found_by_header = "unreadable_image:3:text.png";
    let found_by_pixels = ["unreadable_image:4:cut.png", "unreadable_image:5:cut.jpg"];
    data.check(&[found_by_header, found_by_pixels[0], found_by_pixels[1], mask_is_text], &["a.png"]);
    let quick = import_tables(data.folder.path(), Verify::Headers, &|_, _| {}).unwrap();
    assert_eq!(quick.manifest.images.len(), 3, "headers do not tell that a file was cut");
}

#[test]
fn wrong_size() {
    let images = [HEADER, "a.png,P1,left,cc,benign", "thumbnail.png,P1,left,mlo,benign"];
    let data = DataSet::new(&images, &[]);
    data.image("thumbnail.png", 100, 63, |x, _| x as u16);
    data.check(&["wrong_size:3:thumbnail.png"], &["a.png"]);
}

#[test]
fn same_file_other_patient() {
    let images =
        [HEADER, "a.png,P1,left,cc,benign", "again.png,P1,left,mlo,benign", "stolen.png,P2,left,mlo,benign"];
    let data = DataSet::new(&images, &[]);
    fs::copy(data.path("a.png"), data.path("again.png")).unwrap();
    fs::copy(data.path("a.png"), data.path("stolen.png")).unwrap();
    let imported = data.check(&["same_file_other_patient:4:stolen.png"], &["a.png", "again.png"]);
    assert!(has_note(&imported, "1 image byte-identical to another image"), "{:?}", imported.notes);
}

#[test]
fn no_such_image() {
    let lesions = [BOXES, "b.png,mass,benign,1,1,9,9"];
    DataSet::new(&[HEADER, "a.png,P1,left,cc,benign"], &lesions)
        .check(&["no_such_image:2:b.png"], &["a.png"]);
}

#[test]
fn no_shape() {
    let lesions = [BOXES, "a.png,mass,benign,,,,"];
    DataSet::new(&[HEADER, "a.png,P1,left,cc,benign"], &lesions).check(&["no_shape:2:a.png"], &["a.png"]);
}

#[test]
fn lesion_outside() {
    let lesions = [
        "file,type,pathology,x,y,width,height,cx,cy,radius",
        "a.png,mass,benign,100,1,9,9,,,",
        "a.png,mass,benign,-9,1,9,9,,,",
        // The circle's bounding box touches the image's corner, the circle does not.
        "a.png,mass,benign,,,,,-4,-4,5",
    ];
    let rejections = ["lesion_outside:2:a.png", "lesion_outside:3:a.png", "lesion_outside:4:a.png"];
    DataSet::new(&[HEADER, "a.png,P1,left,cc,benign"], &lesions).check(&rejections, &["a.png"]);
}

#[test]
fn mask_size_and_mask_empty() {
    let lesions = ["file,type,pathology,mask", "a.png,mass,benign,small.png", "a.png,mass,benign,black.png"];
    let data = DataSet::new(&[HEADER, "a.png,P1,left,cc,benign"], &lesions);
    data.image("small.png", 99, 80, |_, _| 1);
    data.image("black.png", 100, 80, |_, _| 0);
    data.check(&["mask_size:2:a.png", "mask_empty:3:a.png"], &["a.png"]);
}

#[test]
fn every_reason_has_a_code_of_its_own_in_the_document() {
    let document = include_str!("../../../../../docs/datasets.md");
    let mut codes: Vec<&str> = RejectionReason::ALL.iter().map(|reason| reason.code()).collect();
    for (code, reason) in codes.iter().zip(RejectionReason::ALL) {
        assert!(document.contains(&format!("`{code}`")), "docs/datasets.md lacks {code}: {reason}");
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), RejectionReason::ALL.len());
}

#[test]
fn nothing_accepted_is_an_error_with_counts() {
    let error = DataSet::new(&[HEADER, "x.png,P1,left,cc,benign"], &[]).try_import().unwrap_err();
    assert!(error.to_string().contains("1 missing_file"), "{error}");
    let error = DataSet::new(&[HEADER], &[]).try_import().unwrap_err();
    assert!(error.to_string().contains("no row below the header"), "{error}");
}
