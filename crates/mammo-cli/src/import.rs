//! `mammo import`: writes the manifest of a data set.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Subcommand;
use mammo_data::archive::{Archive, Birads3, import_archive, recognise};
use mammo_data::import::{Imported, Opening, Verify, import_tables, write_rejections};

use crate::output::count;
use crate::predict::unknown_objects;
use crate::{Done, output, progress};

/// Read a data set and write its manifest.
///
/// For a folder with images.csv and, optionally, lesions.csv give only the folder; docs/datasets.md
/// describes the columns. For a public archive give its name and the folder into which it was
/// downloaded. Rows that cannot be used are left out and listed with a reason in rejected.csv; the
/// exit code is then 1.
///
/// Examples:
///   mammo import data/film
///   mammo import cbis-ddsm downloads/CBIS-DDSM --out runs/cbis/manifest.json
///   mammo import inbreast downloads/INbreast --birads-3 negative
#[derive(clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// A public archive, in the layout in which it is downloaded.
    #[command(subcommand)]
    archive: Option<ArchiveCommand>,
    /// Folder with images.csv.
    #[arg(required = true)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Flags of every import.
#[derive(clap::Args, Default)]
struct Output {
    /// Manifest to write [default: DIR/manifest.json].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Read image headers only: faster, but truncated images are not detected.
    #[arg(long)]
    headers_only: bool,
    /// Accept DICOM files whose header does not identify them as mammograms.
    #[arg(long)]
    assume_mammography: bool,
}

impl Output {
    fn opening(&self) -> Opening {
        let verify = if self.headers_only { Verify::Headers } else { Verify::Pixels };
        Opening { verify, unknown: unknown_objects(self.assume_mammography) }
    }
}

#[derive(Subcommand)]
enum ArchiveCommand {
    #[command(alias = "cbis")]
    /// CBIS-DDSM: case descriptions with DICOM (classic, NBIA or series folders) or the JPEG re-issue.
    CbisDdsm(Plain),
    /// INbreast: INbreast.csv or .xls, AllDICOMs, AllXML.
    Inbreast(ByAssessment),
    #[command(alias = "mias")]
    /// mini-MIAS: Info.txt and PGM images.
    MiniMias(Plain),
    #[command(alias = "vindr-mammo")]
    /// VinDr-Mammo: breast-level and finding annotations, images by study.
    Vindr(ByAssessment),
    /// CMMD: clinical data (XLSX or CSV), images by patient.
    Cmmd(Plain),
    /// RSNA 2022: train.csv, images by patient.
    Rsna(Plain),
    /// The original project's roi_mask_path.csv, patient lists and PNG folders.
    Original(Plain),
    /// Any folder of images without labels, for prediction.
    Folder(Plain),
}

/// Arguments of most archives.
#[derive(clap::Args)]
struct Plain {
    /// Folder into which the archive was downloaded.
    dir: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Arguments of archives whose labels are BI-RADS assessments.
#[derive(clap::Args)]
struct ByAssessment {
    #[command(flatten)]
    plain: Plain,
    /// Label of BI-RADS 3: left-out (the paper's rule), negative, positive. Assessments 1 and 2 are
    /// negative, 4, 5 and 6 positive.
    #[arg(long, default_value_t = Birads3::LeftOut)]
    birads_3: Birads3,
}

impl ArchiveCommand {
    fn parts(&self) -> (Archive, &Plain, Birads3) {
        let (archive, plain) = match self {
            Self::Inbreast(args) => return (Archive::Inbreast, &args.plain, args.birads_3),
            Self::Vindr(args) => return (Archive::Vindr, &args.plain, args.birads_3),
            Self::CbisDdsm(plain) => (Archive::CbisDdsm, plain),
            Self::MiniMias(plain) => (Archive::MiniMias, plain),
            Self::Cmmd(plain) => (Archive::Cmmd, plain),
            Self::Rsna(plain) => (Archive::Rsna, plain),
            Self::Original(plain) => (Archive::Original, plain),
            Self::Folder(plain) => (Archive::Folder, plain),
        };
        (archive, plain, Birads3::default())
    }
}

impl Args {
    /// Import of a folder in the open table format, with the manifest beside its tables.
    pub fn of_tables(dir: PathBuf) -> Self {
        Self { archive: None, dir: Some(dir), output: Output::default() }
    }

    /// Import of a folder in the layout of INbreast, with the manifest beside its table.
    pub fn of_inbreast(dir: PathBuf) -> Self {
        let plain = Plain { dir, output: Output::default() };
        let archive = ArchiveCommand::Inbreast(ByAssessment { plain, birads_3: Birads3::LeftOut });
        Self { archive: Some(archive), dir: None, output: Output::default() }
    }

    /// The folder of the data set and the flags, which follow the name of an archive if there is one.
    fn parts(&self) -> (Option<&PathBuf>, &Output) {
        match (&self.archive, &self.dir) {
            (Some(archive), _) => (Some(&archive.parts().1.dir), &archive.parts().1.output),
            (None, dir) => (dir.as_ref(), &self.output),
        }
    }

    /// The manifest to write, or `None` when its folder does not exist; the import then reports the missing
    /// folder.
    pub fn output(&self) -> Option<PathBuf> {
        let (dir, output) = self.parts();
        (output.out.is_some() || dir.is_some_and(|dir| dir.is_dir())).then(|| self.manifest())
    }

    /// The path of the manifest.
    pub fn manifest(&self) -> PathBuf {
        let (dir, output) = self.parts();
        output.out.clone().unwrap_or_else(|| dir.cloned().unwrap_or_default().join("manifest.json"))
    }

    fn import(&self) -> Result<Imported> {
        let bar = progress::bar("reading images", 0);
        let imported = match (&self.archive, &self.dir) {
            (Some(command), _) => {
                let (archive, plain, birads_3) = command.parts();
                import_archive(
                    archive,
                    &plain.dir,
                    birads_3,
                    plain.output.opening(),
                    &progress::counter(&bar),
                )?
            }
            (None, Some(dir)) => {
                refuse_without_tables(dir)?;
                import_tables(dir, self.output.opening(), &progress::counter(&bar))?
            }
            (None, None) => bail!("name a folder, or an archive and its folder"),
        };
        bar.finish_and_clear();
        Ok(imported)
    }
}

/// Error for a folder without tables in the open format: often the name of the archive is missing.
fn refuse_without_tables(dir: &Path) -> Result<()> {
    if !dir.is_dir() || dir.join("images.csv").is_file() {
        return Ok(());
    }
    let shown = dir.display();
    match recognise(dir) {
        Some(archive) => bail!(
            "{shown}: no images.csv, but tables of {archive}; name the archive: mammo import {archive} {shown}"
        ),
        None => bail!(
            "{shown}: no images.csv; name the archive (mammo import --help), write the table \
             (docs/datasets.md), or import the images without labels: mammo import folder {shown}"
        ),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    let imported = args.import()?;
    let out = args.manifest();
    imported.manifest.write(&out)?;
    let rejected = out.with_file_name("rejected.csv");
    write_rejections(&rejected, &imported.rejections)?;
    for note in &imported.notes {
        tracing::info!(label = "note", "{note}");
    }
    let counts = imported.manifest.counts();
    let mut summary = format!(
        "{}: {} of {} (images: {} malignant, {} benign, {} unknown), {}, {} rejected\n",
        out.display(),
        count(counts.images, "image"),
        count(counts.patients, "patient"),
        counts.malignant,
        counts.benign,
        counts.unknown,
        count(counts.lesions, "lesion"),
        count(imported.rejections.len(), "row")
    );
    for (reason, n) in imported.rejections_by_reason() {
        summary += &format!("  rejected {n:>5}  {}\n", reason.phrase());
    }
    if !imported.rejections.is_empty() {
        summary += &format!("  listed in {}\n", rejected.display());
    }
    output::results(&summary);
    Ok(if imported.rejections.is_empty() { Done::All } else { Done::WithRejections })
}
