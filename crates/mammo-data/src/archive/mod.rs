//! Readers of public archives in the layouts in which they are downloaded.
//!
//! One reader per archive converts its tables and folder names to the rows of the open table format
//! ([`import`](crate::import)); all further steps are the same for all data sets. The known defects
//! of an archive and their treatment are listed in `docs/datasets.md` and at the top of its reader.
//!
//! Column names and layouts follow the documentation of the archives.

use std::path::Path;

use self::files::Files;
use crate::import::table::Format;
use crate::import::{Imported, Opening, RejectionReason, RowError, check_rows, row_error};
use crate::{Error, Result};
use mammo_core::record::{Pathology, View};
use mammo_core::words;

pub mod cbis_ddsm;
mod cmmd;
mod file_name;
mod files;
mod folder;
pub(crate) mod header;
pub mod image_files;
mod inbreast;
mod mini_mias;
mod original;
mod rsna;
#[cfg(test)]
mod tests;
mod vindr;
mod walk;

/// An archive whose layout is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// CBIS-DDSM, the curated subset of the Digital Database for Screening Mammography.
    CbisDdsm,
    /// INbreast.
    Inbreast,
    /// mini-MIAS.
    MiniMias,
    /// VinDr-Mammo.
    Vindr,
    /// The Chinese Mammography Database.
    Cmmd,
    /// RSNA Screening Mammography Breast Cancer Detection, 2022.
    Rsna,
    /// The files of the original project: `roi_mask_path.csv` and folders of 16-bit PNG.
    Original,
    /// A folder of images without labels.
    Folder,
}

words!(Archive, CbisDdsm: "cbis-ddsm", Inbreast: "inbreast", MiniMias: "mini-mias", Vindr: "vindr",
    Cmmd: "cmmd", Rsna: "rsna", Original: "original", Folder: "folder");

/// The truth for a BI-RADS assessment of 3, "probably benign". Assessments 1 and 2 count as
/// negative, 4, 5 and 6 as positive (the paper's rule for INbreast).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Birads3 {
    /// Unknown: the image can be scored but is used neither for training nor for evaluation, as in
    /// the paper.
    #[default]
    LeftOut,
    /// Negative.
    Negative,
    /// Positive.
    Positive,
}

words!(Birads3, LeftOut: "left-out", Negative: "negative", Positive: "positive");

impl Birads3 {
    /// The truth for an assessment; unknown for 0, "incomplete".
    pub fn truth(self, assessment: Option<u8>) -> Pathology {
        match (assessment, self) {
            (Some(1 | 2), _) | (Some(3), Self::Negative) => Pathology::Benign,
            (Some(4..=6), _) | (Some(3), Self::Positive) => Pathology::Malignant,
            _ => Pathology::Unknown,
        }
    }
}

/// Imports an archive from the folder into which it was downloaded.
///
/// # Inputs
/// - `birads_3`: the truth for BI-RADS 3 in INbreast and VinDr-Mammo, whose labels are assessments;
///   the other archives have labels.
/// - `opening`, `progress`: as for [`import_tables`](crate::import::import_tables).
///
/// # Errors
/// [`Error::Io`] and [`Error::Table`] when a table is missing or lacks a column, or no image is
/// accepted. Errors of single rows are rejections.
pub fn import_archive(
    archive: Archive,
    dir: &Path,
    birads_3: Birads3,
    opening: impl Into<Opening>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Imported> {
    let opening = opening.into();
    if !dir.is_dir() {
        let expected = match archive {
            Archive::Folder => "a folder of images".to_string(),
            _ => format!("the folder that holds {archive}"),
        };
        return Err(Error::table(dir, None, "no such folder", expected));
    }
    let files = Files::below(dir)?;
    let mut rows = match archive {
        Archive::CbisDdsm => cbis_ddsm::rows(dir, &files)?,
        Archive::Inbreast => inbreast::rows(dir, &files, birads_3)?,
        Archive::MiniMias => mini_mias::rows(dir, &files)?,
        Archive::Vindr => vindr::rows(dir, &files, birads_3)?,
        Archive::Cmmd => cmmd::rows(dir, &files)?,
        Archive::Rsna => rsna::rows(dir, &files)?,
        Archive::Original => original::rows(dir, &files)?,
        Archive::Folder => folder::rows(dir, &files, opening.unknown)?,
    };
    files.reject_unnamed(&mut rows.in_images);
    check_rows(rows, opening, progress)
}

/// The archive whose tables a folder contains, if any; the first in the order of [`recognise_all`].
pub fn recognise(dir: &Path) -> Option<Archive> {
    recognise_all(dir).ok()?.first().copied()
}

/// All archives whose tables a folder contains.
///
/// # Errors
/// [`Error::Io`] when a folder cannot be read.
pub fn recognise_all(dir: &Path) -> Result<Vec<Archive>> {
    let files = Files::below(dir)?;
    let is_there = |archive: &Archive| match archive {
        Archive::CbisDdsm => cbis_ddsm::has_case_tables(&files),
        _ => files.find(archive.tables()).is_some(),
    };
    let mut found: Vec<Archive> = Archive::ALL.into_iter().filter(is_there).collect();
    // Other data sets use the same file names as RSNA.
    if found.len() > 1 {
        found.retain(|archive| *archive != Archive::Rsna);
    }
    Ok(found)
}

impl Archive {
    /// Names of the tables by which the archive is recognised, any of them; none for a folder of images.
    pub const fn tables(self) -> &'static [&'static str] {
        match self {
            Self::CbisDdsm => &cbis_ddsm::TABLES,
            Self::Inbreast => &inbreast::TABLES,
            Self::MiniMias => &mini_mias::TABLES,
            Self::Vindr => &vindr::TABLES,
            Self::Cmmd => &cmmd::TABLES,
            Self::Rsna => &rsna::TABLES,
            Self::Original => &original::TABLES,
            Self::Folder => &[],
        }
    }
}

/// A table whose further columns are ignored without a note.
fn plain(key: &'static str) -> Format {
    Format { key, note_others: false }
}

/// A view; views other than CC and MLO are rejected as `other_view`.
fn view(cell: &str) -> Result<View, RowError> {
    let other = || row_error(RejectionReason::OtherView, format!("view '{cell}'; expected CC or MLO"));
    cell.parse().or_else(|_| other())
}
