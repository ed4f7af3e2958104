//! Every layout is written from phantoms, defects included, and imported: the same labels,
//! lesions and pixels must come back, and what is left out must be counted.

mod copies;
mod damage;
mod round_trips;

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
