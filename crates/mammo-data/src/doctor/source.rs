//! Entries from manifests and from the case descriptions of CBIS-DDSM.

use std::path::Path;

use super::Entry;
use crate::Result;
use crate::archive::cbis_ddsm::{case_tables, read_cases};
use crate::import::{Rejection, TableProblems};
use crate::manifest::Manifest;
use crate::split::Split;
use mammo_core::record::Pathology;

/// One entry per image of a manifest. Sides come from the split or, without one, from the official
/// split of the data set.
pub fn entries_of_manifest(manifest: &Manifest, split: Option<&Split>) -> Vec<Entry> {
    let entry = |image: &mammo_core::record::Mammogram| Entry {
        image: image.file.clone(),
        list: "manifest".to_string(),
        patient_id: image.patient_id.clone(),
        laterality: image.laterality,
        view: image.view,
        side: split.map_or(image.official_side, |split| split.assignment.get(&image.patient_id).copied()),
        malignant: image.malignant(),
        site: image.site.clone(),
    };
    manifest.images.iter().map(entry).collect()
}

/// One entry per row of the case descriptions below a folder, and the rejected rows. An image is
/// one view of a patient's breast: mass and calcification tables name different files of the same
/// film.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) and [`Error::Table`](crate::Error::Table) when there are no
/// tables or a column is missing.
pub fn entries_of_cases(dir: &Path) -> Result<(Vec<Entry>, Vec<Rejection>)> {
    let (mut entries, mut rejections) = (Vec::new(), Vec::new());
    for table in case_tables(dir)? {
        let mut findings = TableProblems::of(&table);
        for row in read_cases(&table, &mut findings)? {
            entries.push(Entry {
                image: format!("{} {} {}", row.patient_id, row.laterality, row.view),
                list: row.table,
                patient_id: row.patient_id,
                laterality: Some(row.laterality),
                view: Some(row.view),
                side: Some(row.side),
                malignant: match row.pathology {
                    Pathology::Malignant => Some(true),
                    Pathology::Benign => Some(false),
                    Pathology::Unknown => None,
                },
                site: None,
            });
        }
        rejections.extend(findings.into_rejections());
    }
    Ok((entries, rejections))
}
