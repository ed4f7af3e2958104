//! Tables as other programs write them, progress, and what is written.

use super::*;

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
