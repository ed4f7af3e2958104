//! The fingerprint of phantoms, and of the same images squeezed to squares.

use std::path::Path;

use mammo_core::image::GreyImage;
use mammo_data::import::{Verify, import_tables};
use mammo_data::split::{SplitConfig, split_by_patient};
use mammo_phantom::{PhantomConfig, write_dataset};

use crate::Silent;
use crate::data::Data;
use crate::fit::fingerprint::Fingerprint;

fn fingerprint(dir: &Path) -> Fingerprint {
    let manifest = import_tables(dir, Verify::Headers, &|_, _| ()).unwrap().manifest;
    let shares = SplitConfig { train: 0.5, validation: 0.25, test: 0.25, seed: 1 };
    split_by_patient(&manifest, &shares).unwrap().write(&dir.join("split.json")).unwrap();
    manifest.write(&dir.join("manifest.json")).unwrap();
    let data = Data::read(&dir.join("manifest.json"), None).unwrap();
    let (fingerprint, prepare_s) = Fingerprint::of(&data, 1, &Silent).unwrap();
    assert!(prepare_s > 0.0);
    fingerprint
}

#[test]
fn phantoms_are_measured_and_squeezed_ones_are_noticed() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let phantoms =
        PhantomConfig { n_patients: 24, height_px: 256, width_px: 160, seed: 3, ..PhantomConfig::default() };
    write_dataset(dir, &phantoms, &|_, _| ()).unwrap();
    let upright = fingerprint(dir);
    assert_eq!(upright.train.patients + upright.validation.patients + upright.test.patients, 24);
    assert_eq!(upright.used_images(), upright.images);
    assert_eq!(upright.measured, upright.train.images, "no image of another side is opened");
    assert!(upright.breast_height_px.most <= 256.0 && upright.breast_height_px.median > 128.0, "{upright:?}");
    assert!(upright.breast_aspect.median > 1.5 && !upright.aspect_lost, "{upright:?}");
    let lesions = upright.lesions.as_ref().unwrap();
    assert!(lesions.share_of_breast_height.median < 0.5, "{lesions:?}");
    assert_eq!(lesions.classes.values().sum::<usize>(), upright.train.lesions);
    assert_eq!((upright.spacing_mm, lesions.mm), (None, None), "PNG files do not state it");
    assert!(upright.views.contains_key("cc") && upright.scanners.is_empty(), "{upright:?}");

    // Outlines are masks of the old size; without them the images alone are looked at.
    std::fs::remove_file(dir.join("lesions.csv")).unwrap();
    let images = std::fs::read_dir(dir.join("images")).unwrap().map(|entry| entry.unwrap().path());
    for path in images {
        let image = mammo_dicom::image_file::read_grey(&path).unwrap();
        let whole = mammo_core::geometry::Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
        let square: GreyImage =
            mammo_core::resample::resample(&image, &whole, 200, 200, mammo_core::resample::Resample::Area);
        mammo_dicom::image_file::write_png16(&path, &square).unwrap();
    }
    let squeezed = fingerprint(dir);
    assert!(squeezed.aspect_lost && squeezed.lesions.is_none(), "{squeezed:?}");
}
