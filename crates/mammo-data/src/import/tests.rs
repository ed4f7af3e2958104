//! Hand-made data sets of a few images each: what is accepted, and one test per rejection.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::*;
use crate::split::{SplitConfig, split_by_patient};
use mammo_core::geometry::Rect;
use mammo_core::image::GreyImage;
use mammo_core::record::{Laterality, LesionShape, Pathology, Polarity};
use mammo_dicom::image_file::write_png16;

const HEADER: &str = "file,patient_id,side,view,label";
const BOXES: &str = "file,type,pathology,x,y,width,height";

/// A folder with tables and images of 100 x 80 pixels.
struct DataSet {
    folder: tempfile::TempDir,
}

impl DataSet {
    /// Writes `images.csv` and `lesions.csv` (unless empty), and the images `a.png` to `d.png`.
    fn new(images: &[&str], lesions: &[&str]) -> Self {
        let data = Self { folder: tempfile::tempdir().unwrap() };
        data.write("images.csv", images.join("\n").as_bytes());
        if !lesions.is_empty() {
            data.write("lesions.csv", lesions.join("\n").as_bytes());
        }
        for (name, value) in [("a.png", 1), ("b.png", 2), ("c.png", 3), ("d.png", 4)] {
            data.image(name, 100, 80, |x, y| (x * 7 + y * 13) as u16 * value);
        }
        data
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn image(&self, name: &str, width: usize, height: usize, value: impl Fn(usize, usize) -> u16) {
        let pixels = (0..width * height).map(|at| value(at % width, at / width)).collect();
        write_png16(&self.path(name), &GreyImage { width, height, pixels }).unwrap();
    }

    fn try_import(&self) -> Result<Imported> {
        import_tables(self.folder.path(), Verify::Pixels, &|_, _| {})
    }

    fn import(&self) -> Imported {
        self.try_import().unwrap()
    }

    /// Imports and compares the rejections, as `code:line:file`, and the accepted files.
    fn check(&self, rejections: &[&str], accepted: &[&str]) -> Imported {
        let imported = self.import();
        let codes: Vec<String> = imported
            .rejections
            .iter()
            .map(|r| format!("{}:{}:{}", r.reason.code(), r.line.unwrap(), r.file))
            .collect();
        assert_eq!(codes, rejections, "{:#?}", imported.rejections);
        let files: Vec<&str> = imported.manifest.images.iter().map(|image| image.file.as_str()).collect();
        assert_eq!(files, accepted);
        imported
    }
}

fn has_note(imported: &Imported, start: &str) -> bool {
    imported.notes.iter().any(|note| note.starts_with(start))
}

#[test]
fn every_column_arrives_in_its_field() {
    let header = "file,patient_id,side,view,label,breast_density,max_assessment,n_lesions,site,polarity";
    let row = "./a.png,P1,LEFT,MLO,BENIGN_WITHOUT_CALLBACK,c,4b,0,Oslo,MONOCHROME1";
    let imported = DataSet::new(&[header, row, "b.png,P2,r,cc,,,,,,"], &[]).check(&[], &["a.png", "b.png"]);
    let [first, second] = &imported.manifest.images[..] else { panic!("two images") };
    assert_eq!((first.density, first.assessment, first.site.as_deref()), (Some(3), Some(4), Some("Oslo")));
    assert_eq!((first.polarity, first.pathology), (Polarity::Inverted, Pathology::Benign));
    assert_eq!((first.width_px, first.height_px), (100, 80));
    assert_eq!((second.density, second.assessment, second.site.as_deref()), (None, None, None));
    assert_eq!((second.polarity, second.pathology), (Polarity::Normal, Pathology::Unknown));
    assert!(has_note(&imported, "no lesions.csv"), "{:?}", imported.notes);
}

#[test]
fn a_byte_order_mark_crlf_aliases_and_unknown_columns_are_understood() {
    let data = DataSet::new(&[], &[]);
    let table = "\u{feff}Image View,Extra,PatientID,left or right breast,File-Name,Pathology\r\n\
                 CC,7, P1 ,LEFT,\"a.png\",malignant\r\n";
    data.write("images.csv", table.as_bytes());
    let imported = data.check(&[], &["a.png"]);
    assert_eq!(imported.manifest.images[0].patient_id, "P1");
    assert!(has_note(&imported, "1 column of images.csv ignored: Extra"), "{:?}", imported.notes);
}

#[test]
fn a_table_of_another_name_is_accepted_and_files_are_relative_to_it() {
    let data = DataSet::new(&[], &[]);
    data.write("mine.csv", format!("{HEADER}\na.png,P1,left,cc,benign").as_bytes());
    let imported = import_tables(&data.path("mine.csv"), Verify::Headers, &|_, _| {}).unwrap();
    assert_eq!(imported.manifest.image_path(&imported.manifest.images[0]), data.path("a.png"));
}

#[test]
fn box_circle_and_mask_become_lesions_and_the_mask_wins() {
    let lesions = [
        "file,type,pathology,x,y,width,height,cx,cy,radius,mask",
        "a.png,mass,benign,10,20.5,30,15,,,,",
        "a.png,calc,malignant,,,,,50,40,6.5,",
        "a.png,mass,unknown,1,2,3,4,,,,masks\\m.png",
    ];
    let data = DataSet::new(&[HEADER, "a.png,P1,left,cc,malignant"], &lesions);
    data.image("masks/m.png", 100, 80, |x, y| u16::from((20..23).contains(&x) && (70..80).contains(&y)));
    let imported = data.check(&[], &["a.png"]);
    let shapes: Vec<&LesionShape> =
        imported.manifest.images[0].lesions.iter().map(|lesion| &lesion.shape).collect();
    assert_eq!(*shapes[0], LesionShape::Box(Rect::new(10.0, 20.5, 30.0, 15.0)));
    assert_eq!(*shapes[1], LesionShape::Circle { cx: 50.0, cy: 40.0, radius: 6.5 });
    let bounds = Rect::new(20.0, 70.0, 3.0, 10.0);
    assert_eq!(*shapes[2], LesionShape::Mask { file: "masks/m.png".to_string(), bounds });
}

#[test]
fn a_box_over_the_edge_is_clipped_and_a_circle_stays() {
    let lesions = [
        "file,type,pathology,x,y,width,height,cx,cy,radius",
        "a.png,mass,benign,90,-5,20,10,,,",
        "a.png,mass,benign,,,,,-2,40,5",
        // Its right edge rounds to just 100: nothing to clip.
        "a.png,mass,benign,30.1,0,69.9,80,,,",
    ];
    let data = DataSet::new(&[HEADER, "a.png,P1,left,cc,benign"], &lesions);
    let imported = data.check(&[], &["a.png"]);
    let lesions = &imported.manifest.images[0].lesions;
    assert_eq!(lesions[0].shape, LesionShape::Box(Rect::new(90.0, 0.0, 10.0, 5.0)));
    assert_eq!(lesions[1].shape, LesionShape::Circle { cx: -2.0, cy: 40.0, radius: 5.0 });
    assert!(has_note(&imported, "1 lesion box clipped"), "{:?}", imported.notes);
    assert!(has_note(&imported, "1 lesion outline (circle or contour)"), "{:?}", imported.notes);
}

#[test]
fn missing_labels_come_from_the_lesions() {
    let images = [HEADER, "a.png,1,left,cc,", "b.png,2,left,cc,", "c.png,3,left,cc,", "d.png,4,left,cc,"];
    let lesions = [
        BOXES,
        "a.png,mass,benign,1,1,9,9",
        "a.png,mass,malignant,30,30,9,9",
        "b.png,mass,benign,1,1,9,9",
        "c.png,mass,benign,1,1,9,9",
        "c.png,mass,unknown,30,30,9,9",
    ];
    let imported = DataSet::new(&images, &lesions).check(&[], &["a.png", "b.png", "c.png", "d.png"]);
    let truth: Vec<Pathology> = imported.manifest.images.iter().map(|image| image.pathology).collect();
    let expected = [Pathology::Malignant, Pathology::Benign, Pathology::Unknown, Pathology::Unknown];
    assert_eq!(truth, expected);
    assert!(has_note(&imported, "2 missing labels taken from the lesions"), "{:?}", imported.notes);
    assert!(has_note(&imported, "2 images without a label"), "{:?}", imported.notes);
}

#[test]
fn a_lost_lesion_row_never_turns_an_image_benign() {
    let images = [HEADER, "a.png,1,left,cc,", "b.png,2,left,cc,"];
    let lesions = [
        BOXES,
        "a.png,mass,benign,1,1,9,9",
        "a.png,mass,malignant,500,1,9,9",
        "b.png,mass,benign,1,1,9,9",
        "b.png,mass",
    ];
    let rejections = ["lesion_outside:3:a.png", "malformed_row:5:b.png"];
    let imported = DataSet::new(&images, &lesions).check(&rejections, &["a.png", "b.png"]);
    assert_eq!(imported.manifest.images[0].pathology, Pathology::Malignant);
    assert_eq!(imported.manifest.images[1].pathology, Pathology::Unknown);
}

#[test]
fn oddities_that_stay_are_noted_with_counts() {
    let header = "file,patient_id,side,view,label,n_lesions,breast_density";
    let images = [
        header,
        "a.png,P1,left,cc,benign,2,0",
        "b.png,P1,left,mlo,malignant,1,2",
        "c.png,P1,right,cc,benign,,",
    ];
    let lesions = [BOXES, "a.png,mass,benign,1,1,9,9", "b.png,mass,benign,1,1,9,9"];
    let imported = DataSet::new(&images, &lesions).check(&[], &["a.png", "b.png", "c.png"]);
    for start in [
        "1 breast benign in one view",
        "1 image whose number of rows in lesions.csv",
        "1 image labelled malignant although",
        "1 cell of column breast_density other than 1 to 4",
    ] {
        assert!(has_note(&imported, start), "{start}: {:?}", imported.notes);
    }
}

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
    let document = include_str!("../../../../docs/datasets.md");
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

#[test]
fn tables_are_imported_the_same_however_they_are_saved() {
    let rows = [HEADER, "a.png,P1,left,cc,malignant"];
    let lesions = ["file,type,pathology,x,y,width,height", "a.png,mass,malignant,20.5,30,9,9"];
    let plain = DataSet::new(&rows, &lesions).import();
    let saved = |as_text: &dyn Fn(&str) -> Vec<u8>| {
        let data = DataSet::new(&rows, &lesions);
        for name in ["images.csv", "lesions.csv"] {
            let path = data.folder.path().join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, as_text(&text)).unwrap();
        }
        data.import().manifest.images
    };
    let european = |text: &str| text.replace(',', ";").replace('.', ",").replace(",png", ".png");
    let wide = |text: String| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    assert_eq!(saved(&|text| european(text).into_bytes()), plain.manifest.images);
    assert_eq!(
        saved(&|text| wide(format!("\u{feff}{}", european(text).replace(';', "\t")))),
        plain.manifest.images
    );
    assert_eq!(saved(&|text| wide(text.to_string())), plain.manifest.images);
}

#[test]
fn an_absent_column_is_an_error_that_names_the_nearest() {
    let check = |images: &str, lesions: &[&str], says: &[&str]| {
        let data = DataSet::new(&[images, "a.png,P1,left,cc"], lesions);
        let error = data.try_import().unwrap_err().to_string();
        for text in says {
            assert!(error.contains(text), "'{text}' is not in: {error}");
        }
    };
    let good = "file,patient_id,side,view";
    check(
        "file,pateint_id,side,view",
        &[],
        &["'patient_id' (did you mean 'pateint_id'?)", "optional: label"],
    );
    check(
        "file;person;side;view",
        &[],
        &["'patient_id'", "the semicolon-separated header has: file, person"],
    );
    check("file,patient_id,side,SIDE", &[], &["'side' occurs 2 times"]);
    check(good, &["file,type,x,y,width,height"], &["lesions.csv", "'pathology'"]);
    check(good, &["file,type,pathology,x,y,width"], &["cx, cy, radius"]);
    let missing = tempfile::tempdir().unwrap();
    let error = import_tables(missing.path(), Verify::Pixels, &|_, _| {}).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn progress_counts_every_image_and_mask_once() {
    let images = [HEADER, "a.png,P1,left,cc,benign", "b.png,P1,left,mlo,benign", "x.png,P2,left,mlo,benign"];
    let lesions = ["file,type,pathology,mask", "a.png,mass,benign,b.png", "x.png,mass,benign,b.png"];
    let seen = Mutex::new(Vec::new());
    let data = DataSet::new(&images, &lesions);
    import_tables(data.folder.path(), Verify::Pixels, &|done, total| {
        seen.lock().unwrap().push((done, total))
    })
    .unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (1..=5).map(|done| (done, 5)).collect::<Vec<_>>());
}

#[test]
fn rejections_are_written_as_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rejections.csv");
    let rejection = Rejection {
        file: "a,b.png".to_string(),
        line: Some(7),
        reason: RejectionReason::MaskEmpty,
        detail: "says \"no\"".to_string(),
    };
    write_rejections(&path, &[rejection]).unwrap();
    let expected = "file,line,code,detail\n\"a,b.png\",7,mask_empty,\"says \"\"no\"\"\"\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    write_rejections(&path, &[]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "file,line,code,detail\n");
}

#[test]
fn the_real_masses_are_imported_whole() {
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cbis-ddsm-mass-800");
    if !set.is_dir() {
        eprintln!("skipped: no real data at {}", set.display());
        return;
    }
    let started = std::time::Instant::now();
    let imported = import_tables(&set, Verify::Pixels, &|_, _| {}).unwrap();
    let counts = imported.manifest.counts();
    eprintln!("{counts:?} in {:.1} s", started.elapsed().as_secs_f64());
    eprintln!("rejections {:?}, notes {:#?}", imported.rejections_by_reason(), imported.notes);
    assert_eq!((counts.images, counts.patients), (1231, 691));
    assert_eq!((counts.malignant, counts.benign, counts.unknown), (602, 629, 0));
    assert_eq!(counts.lesions + imported.rejections.len(), 1318);

    // The official test part is a set of its own.
    let config = SplitConfig { train: 0.9, validation: 0.1, test: 0.0, seed: 1 };
    let split = split_by_patient(&imported.manifest, &config).unwrap();
    split.verify(&imported.manifest).unwrap();
    let summary = split.summary(&imported.manifest);
    eprintln!("{summary}");
    assert_eq!(summary.sides.map(|side| side.patients), [622, 69, 0]);
    assert_eq!(summary.sides.iter().map(|side| side.images).sum::<usize>(), 1231);
}

#[test]
fn rejections_name_the_row_that_a_spreadsheet_shows() {
    let bad = ["b.png,P2,UP,CC,benign", "c.png,P3,L", ",P4,L,CC,benign"];
    for end in ["\n", "\r\n", "\r"] {
        let data = DataSet::new(&[HEADER, "a.png,P1,L,CC,benign"], &[]);
        let quoted = format!("\"a{end}.png\",P1,L,CC,benign");
        let lines = [HEADER, "a.png,P1,L,CC,benign", &quoted, "", bad[0], bad[1], bad[2]];
        data.write("images.csv", lines.join(end).as_bytes());
        let rejections = data.import().rejections;
        let lines: Vec<u64> = rejections.iter().map(|rejection| rejection.line.unwrap()).collect();
        assert_eq!(lines, [3, 5, 6, 7], "{end:?}: {rejections:#?}");
    }
}

#[test]
fn a_side_or_view_that_nobody_knows_is_written_as_unknown() {
    let rows =
        [HEADER, "a.png,P1,unknown,Unknown,benign", "b.png,P2,L,unknown,malignant", "c.png,P3,,CC,benign"];
    let imported = DataSet::new(&rows, &[]).check(&["missing_value:4:c.png"], &["a.png", "b.png"]);
    assert!(imported.rejections[0].detail.contains("write unknown"), "{:?}", imported.rejections);
    let [first, second] = &imported.manifest.images[..] else { panic!("two images") };
    assert_eq!((first.laterality, first.view), (None, None));
    assert_eq!((second.laterality, second.view), (Some(Laterality::Left), None));
}

#[test]
fn numbers_are_read_as_pandas_writes_them() {
    let header = "file,patient_id,side,view,label,breast_density,max_assessment,n_lesions";
    let rows = [header, "a.png,P1,L,CC,benign,3.0,4.0,0.0", "b.png,P2,L,CC,benign,3.5,,"];
    let imported = DataSet::new(&rows, &[]).check(&[], &["a.png", "b.png"]);
    let first = &imported.manifest.images[0];
    assert_eq!((first.density, first.assessment), (Some(3), Some(4)));
    assert!(has_note(&imported, "1 cell of column breast_density"), "{:?}", imported.notes);
}
