//! `mammo preprocess`: writes network inputs, and images of every preprocessing step.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use mammo_core::image::GreyImage;
use mammo_core::record::Mammogram;
use mammo_core::resample::{Resample, resample};
use mammo_core::write::{read_json, write_json};
use mammo_data::archive::image_files::EXTENSIONS;
use mammo_dicom::StoredImage;
use mammo_dicom::image_file::write_png16;
use mammo_image::input_check::{Warning, polarity_shown};
use mammo_image::preprocess::{ExplainedStep, Preprocessing};
use mammo_models::Registry;
use rayon::prelude::*;

use mammo_pipeline::scoring::{Selected, find_images};

use crate::output::{FEW_IMAGES, LeftOut, count};
use crate::progress::Terminal;
use crate::{Done, models, output, progress};

/// Side of one image on a step sheet, in pixels.
const TILE_PX: usize = 360;
/// Images in a row of a step sheet.
const ACROSS: usize = 3;
const GAP_PX: usize = 12;
/// Side of one dot of a step's number, in pixels.
const DOT_PX: usize = 5;

/// Write network inputs, or show every preprocessing step.
///
/// Writes the network input of every image as a 16-bit PNG, with the same folders as the source, and
/// skips existing files. With --explain it writes a sheet with the image after each step instead, and
/// prints the steps with their settings and units for up to four images, or with --list.
/// docs/preprocessing.md describes the steps.
///
/// Examples:
///   mammo preprocess scans/ --out inputs
///   mammo preprocess --explain scan.dcm
///   mammo preprocess --explain scan.png --preset paper --out sheets
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Image files and folders.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Write a sheet with the image after each step.
    #[arg(long)]
    pub explain: bool,
    /// Settings to use.
    #[arg(long, value_enum, default_value_t = Preset::Default, conflicts_with = "model")]
    pub preset: Preset,
    /// Use the settings of this model: a file, or the name of a bundled model.
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Print the steps of all images of --explain.
    #[arg(long, requires = "explain")]
    pub list: bool,
    /// Folder to write to.
    #[arg(long, default_value = ".")]
    pub out: PathBuf,
}

/// Named settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// The default of training.
    Default,
    /// The paper's preprocessing.
    Paper,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<Done> {
    progress::catch_ctrl_c();
    let preprocessing = match (&args.model, args.preset) {
        (Some(path), _) => models::named(&Registry::bundled(), path)?.card.preprocessing,
        (None, Preset::Default) => Preprocessing::default(),
        (None, Preset::Paper) => Preprocessing::paper(),
    };
    let Selected { root, images, .. } = find_images(&args.images, &Terminal)?;
    let targets = targets(&args.images, &images)?;
    if !args.explain {
        claim(&args.out, &preprocessing)?;
    }
    let started = Instant::now();
    let bar = progress::bar("preparing", images.len() as u64);
    let make = |(image, target): (&Mammogram, &PathBuf)| -> Option<Result<String>> {
        if progress::stop_requested() {
            return None;
        }
        let result = if args.explain {
            explain(&preprocessing, &root.join(&image.file), image, &args.out.join(target))
        } else {
            prepare(&preprocessing, &root.join(&image.file), image, &args.out.join(target))
                .map(|()| String::new())
        };
        bar.inc(1);
        Some(result)
    };
    let made: Vec<Option<Result<String>>> = images.par_iter().zip(&targets).map(make).collect();
    let listed = args.list || images.len() <= FEW_IMAGES;
    let mut rejected = LeftOut::new("rejected");
    let mut n = 0;
    for (image, made) in images.iter().zip(made) {
        match made {
            Some(Ok(steps)) => {
                n += 1;
                output::results(if listed { &steps } else { "" });
            }
            Some(Err(error)) => rejected.add(&image.file, &format!("{error:#}")),
            None => {}
        }
    }
    bar.finish_and_clear();
    if args.explain && !listed {
        tracing::info!("the steps of {} are on the sheets; --list prints them", count(n, "image"));
    }
    let seconds = started.elapsed().as_secs_f64();
    let memory = peak_memory_mib().map(|mib| format!(", peak memory {mib} MiB")).unwrap_or_default();
    output::results(&format!(
        "{}: {}, {} rejected, {:.1} per second{memory}, preprocessing {}\n",
        args.out.display(),
        count(n, "image"),
        rejected.len(),
        n as f64 / seconds,
        preprocessing.digest()
    ));
    if let Some(table) = rejected.write(&args.out)? {
        rejected.print_rest(&format!("all are listed in {}", table.display()));
        output::results(&format!("{} rejected: {}\n", count(rejected.len(), "image"), table.display()));
    }
    if n == 0 && !progress::stop_requested() {
        bail!("none of {} could be prepared", count(images.len(), "image"));
    }
    Ok(match (progress::stop_requested(), rejected.len()) {
        (true, _) => Done::Interrupted,
        (false, 0) => Done::All,
        (false, _) => Done::WithRejections,
    })
}

/// Records the settings in a folder, because inputs of different settings look alike.
fn claim(out: &Path, preprocessing: &Preprocessing) -> Result<()> {
    let path = out.join("preprocessing.json");
    if !path.exists() {
        return Ok(write_json(&path, preprocessing)?);
    }
    let there: Preprocessing = read_json(&path, "preprocessing settings; choose another folder with --out")?;
    if there != *preprocessing {
        bail!(
            "{}: contains inputs of preprocessing {}, the current one is {}; choose another folder with --out",
            out.display(),
            there.digest(),
            preprocessing.digest()
        );
    }
    Ok(())
}

/// The target of each image without the extension of the output: its path below the given folder,
/// without its own extension if the result is unique.
fn targets(given: &[PathBuf], images: &[Mammogram]) -> Result<Vec<PathBuf>> {
    let below = |image: &Mammogram| {
        let path = Path::new(&image.file);
        let below = given.iter().find_map(|given| path.strip_prefix(given).ok());
        let below = below.filter(|below| !below.as_os_str().is_empty());
        below.unwrap_or(Path::new(path.file_name().unwrap_or_default())).to_path_buf()
    };
    let bare = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let known = EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str());
        if known { path.with_extension("") } else { path.to_path_buf() }
    };
    let mut counts: HashMap<PathBuf, usize> = HashMap::new();
    images.iter().for_each(|image| *counts.entry(bare(&below(image))).or_default() += 1);
    let mut taken: HashMap<PathBuf, &str> = HashMap::new();
    let target = |image| {
        let (full, bare) = (below(image), bare(&below(image)));
        let target = if counts[&bare] > 1 { full } else { bare };
        match taken.insert(target.clone(), &image.file) {
            Some(other) => {
                bail!("{other} and {} have the same name; prepare them into different folders", image.file)
            }
            None => Ok(target),
        }
    };
    images.iter().map(target).collect()
}

/// A target with the extension of the output.
fn with_ending(target: &Path, ending: &str) -> PathBuf {
    let mut name = target.as_os_str().to_os_string();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes one network input, unless it exists.
fn prepare(preprocessing: &Preprocessing, path: &Path, image: &Mammogram, target: &Path) -> Result<()> {
    let target = with_ending(target, ".input.png");
    if target.exists() {
        return Ok(());
    }
    let StoredImage { image: stored, notes, .. } = StoredImage::open(path, preprocessing.voi)?;
    for note in notes {
        tracing::info!(label = "note", "{}: {note}", path.display());
    }
    let polarity = polarity_shown(&stored, image.polarity);
    if polarity != image.polarity {
        tracing::info!(label = "note", "{}: {}", path.display(), Warning::Inverted);
    }
    let prepared = preprocessing.apply_file(path, stored, polarity)?;
    Ok(write_png16(&target, &prepared.image)?)
}

/// Writes one step sheet and returns its steps as text.
fn explain(preprocessing: &Preprocessing, path: &Path, image: &Mammogram, target: &Path) -> Result<String> {
    let StoredImage { image: stored, notes, .. } = StoredImage::open(path, preprocessing.voi)?;
    let (width, height) = (stored.width, stored.height);
    let polarity = polarity_shown(&stored, image.polarity);
    let (prepared, steps) =
        preprocessing.explain(stored, polarity).with_context(|| path.display().to_string())?;
    let target = with_ending(target, ".steps.png");
    write_png16(&target, &sheet(&steps)).with_context(|| target.display().to_string())?;
    let mut text = format!("{}: {width}x{height} stored pixels\n", path.display());
    for (number, step) in (1..).zip(&steps) {
        let (name, unit) = (step.step.name(), step.step.unit());
        text += &format!("{number}  {name:<10} {:<52} [{unit}]\n", step.setting);
    }
    for note in notes {
        text += &format!("note: {note}\n");
    }
    if polarity != image.polarity {
        text += &format!("note: {}\n", Warning::Inverted);
    }
    if let Some(doubt) = prepared.doubt {
        text += &format!("note: {doubt}\n");
    }
    Ok(text + &format!("sheet: {}\n", target.display()))
}

/// The images in rows, each with its number in the upper left corner.
fn sheet(steps: &[ExplainedStep]) -> GreyImage {
    let pitch = TILE_PX + GAP_PX;
    let mut sheet = GreyImage::black(ACROSS * pitch + GAP_PX, steps.len().div_ceil(ACROSS) * pitch + GAP_PX);
    sheet.pixels.fill(12_000);
    for (i, step) in steps.iter().enumerate() {
        let image = &step.image;
        let scale = TILE_PX as f64 / image.width.max(image.height) as f64;
        let side = |length: usize| ((length as f64 * scale) as usize).clamp(1, TILE_PX);
        let all = mammo_core::geometry::Rect::new(0.0, 0.0, image.width as f64, image.height as f64);
        let small = resample(image, &all, side(image.width), side(image.height), Resample::Area);
        let (x, y) = (GAP_PX + i % ACROSS * pitch, GAP_PX + i / ACROSS * pitch);
        for row in 0..small.height {
            let start = (y + row) * sheet.width + x;
            sheet.pixels[start..start + small.width].copy_from_slice(small.row(row));
        }
        draw_digit(&mut sheet, i + 1, x, y);
    }
    sheet
}

/// A white digit on black, three by five dots.
fn draw_digit(sheet: &mut GreyImage, digit: usize, x: usize, y: usize) {
    const DIGITS: [u16; 10] =
        [0o75557, 0o26227, 0o71747, 0o71717, 0o55711, 0o74717, 0o74757, 0o71111, 0o75757, 0o75717];
    for (row, column) in (0..7).flat_map(|row| (0..5).map(move |column| (row, column))) {
        let inside = (1..6).contains(&row) && (1..4).contains(&column);
        let lit = inside && DIGITS[digit % 10] >> (3 * (5 - row) + (3 - column)) & 1 == 1;
        for dy in 0..DOT_PX {
            let start = (y + row * DOT_PX + dy) * sheet.width + x + column * DOT_PX;
            sheet.pixels[start..start + DOT_PX].fill(if lit { u16::MAX } else { 0 });
        }
    }
}

/// Peak memory of this process; known on Linux.
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mammo_core::record::{Laterality, View};

    fn names(given: &[&str], files: &[&str]) -> Result<Vec<String>> {
        let given: Vec<PathBuf> = given.iter().map(PathBuf::from).collect();
        let image = |file: &&str| Mammogram::new(file, "P", Laterality::Left, View::Cc);
        let images: Vec<Mammogram> = files.iter().map(image).collect();
        let targets = targets(&given, &images)?;
        Ok(targets.iter().map(|target| target.display().to_string()).collect())
    }

    #[test]
    fn equal_names_in_two_folders_do_not_share_a_file() {
        let found = names(&["set"], &["set/D1/1-1.dcm", "set/D2/1-1.dcm", "set/D2/x.png", "set/D2/x.jpg"]);
        assert_eq!(found.unwrap(), ["D1/1-1", "D2/1-1", "D2/x.png", "D2/x.jpg"]);
        assert_eq!(names(&["a/1.2.840"], &["a/1.2.840"]).unwrap(), ["1.2.840"]);
        let error = names(&["a", "b"], &["a/x.png", "b/x.png"]).unwrap_err().to_string();
        assert!(error.contains("x.png"), "{error}");
    }
}
