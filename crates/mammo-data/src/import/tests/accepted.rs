//! What is accepted, and how.

use super::*;

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
