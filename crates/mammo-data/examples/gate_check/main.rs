//! Measures how often the input check refuses real mammograms, and how many other pictures it
//! lets through.
//!
//! ```text
//! cargo run --release -p mammo-data --example gate_check -- [--calibrate SITE,SITE] IMAGES_CSV... PICTURE_FOLDER...
//! ```
//!
//! A table in the open format holds mammograms, which are counted by the column `site`. A folder
//! holds pictures that are no mammograms. Mammograms are checked as they are, inverted (with and
//! without being told so), mirrored, and as 12 bits in 16; every tenth is made worse in each of
//! the ways of `pictures.rs`. Prints refusals with 95 % intervals and, for `Sign::limits`, the
//! extremes of every sign over all mammograms or the sites of `--calibrate`. The file named by the
//! variable `SIGNS_CSV` receives every sign of every image, for a study of the limits. About five minutes
//! for 7,000 small images on two cores.

mod pictures;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use mammo_core::image::GreyImage;
use mammo_core::record::Polarity;
use mammo_data::import::{Verify, import_tables};
use mammo_dicom::image_file::read_grey;
use mammo_eval::intervals::proportion::Proportion;
use mammo_image::input_check::{ImageFeatures, Rejected, Sign, check};
use mammo_image::preprocess::Preprocessing;
use pictures::KINDS;
use rayon::prelude::*;

/// One in this many mammograms is made worse.
const STEP: usize = 10;

/// An image file to check, with what is known of it.
struct Item {
    group: String,
    path: PathBuf,
    polarity: Polarity,
}

/// A name, how an image is changed before it is checked, and the polarity that the check is told.
type Change = (&'static str, fn(GreyImage) -> GreyImage, fn(Polarity) -> Polarity);

const CHANGES: [Change; 6] = [
    ("as they are", |image| image, |told| told),
    ("as they are, polarity not told", |image| image, |_| Polarity::Normal),
    ("inverted, told", |image| each(image, |v| u16::MAX - v), other),
    ("inverted, not told", |image| each(image, |v| u16::MAX - v), |told| told),
    ("mirrored", mirrored, |told| told),
    ("12 bits in 16", |image| each(image, |v| v >> 4), |told| told),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut calibrate, mut mammograms, mut others) = (None, Vec::new(), Vec::new());
    while let Some(argument) = arguments.next() {
        match Path::new(&argument) {
            _ if argument == "--calibrate" => calibrate = arguments.next(),
            folder if folder.is_dir() => others.extend(pictures_in(folder)?),
            table => mammograms.extend(mammograms_of(table)?),
        }
    }
    if let Ok(path) = std::env::var("SIGNS_CSV") {
        write_signs(Path::new(&path), mammograms.iter().chain(&others))?;
    }
    for (name, change, told) in CHANGES {
        println!("\nmammograms, {name}:");
        report(&mammograms, change, told)?;
    }
    println!("\nother pictures:");
    report(&others, |image| image, |told| told)?;
    println!("\nmammograms made worse:");
    let some: Vec<&Item> = mammograms.iter().step_by(STEP).collect();
    for (kind, picture) in KINDS {
        let outcomes = some.par_iter().enumerate().filter_map(|(i, item)| {
            let image = picture(&read_grey(&item.path).ok()?, i as u64);
            Some(Outcome::of(&image, item.polarity))
        });
        let outcomes: Vec<Outcome> = outcomes.collect();
        println!("{kind:>18}  {:?}", counted(&outcomes));
    }
    let sites: Option<Vec<String>> = calibrate.map(|sites| sites.split(',').map(str::to_string).collect());
    let is_chosen = |item: &&Item| sites.as_ref().is_none_or(|sites| sites.contains(&item.group));
    extremes(&mammograms.iter().filter(is_chosen).collect::<Vec<_>>());
    Ok(())
}

fn mammograms_of(table: &Path) -> Result<Vec<Item>, Box<dyn Error>> {
    let manifest = import_tables(table, Verify::Headers, &|_, _| {})?.manifest;
    let item = |image: &mammo_core::record::Mammogram| Item {
        group: image.site.clone().unwrap_or_else(|| table.display().to_string()),
        path: manifest.image_path(image),
        polarity: image.polarity,
    };
    Ok(manifest.images.iter().map(item).collect())
}

fn pictures_in(folder: &Path) -> Result<Vec<Item>, Box<dyn Error>> {
    let group = folder.file_name().unwrap_or_default().to_string_lossy().to_string();
    let mut items = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        items.push(Item { group: group.clone(), path: entry?.path(), polarity: Polarity::Normal });
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// Prints refusals by group and in all, and the files that are the exception.
fn report(
    items: &[Item],
    change: fn(GreyImage) -> GreyImage,
    told: fn(Polarity) -> Polarity,
) -> Result<(), Box<dyn Error>> {
    let outcomes: Vec<(&Item, Outcome)> =
        items.par_iter().map(|item| (item, Outcome::of_file(item, change, told))).collect();
    let mut groups: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for (item, outcome) in &outcomes {
        groups.entry(&item.group).or_default().push(outcome);
    }
    let line = |name: &str, outcomes: &[&Outcome]| -> Result<(), Box<dyn Error>> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let refused = outcomes.iter().filter(|outcome| outcome.is_refusal()).count();
        let share = Proportion::wilson(refused, outcomes.len(), 0.95)?;
        let [estimate, low, high] = [share.estimate, share.low, share.high].map(|share| 100.0 * share);
        println!(
            "{name:>24}  {refused} of {} refused, {estimate:.2} % ({low:.2} to {high:.2} %)  {:?}",
            outcomes.len(),
            counted(outcomes.iter().copied())
        );
        Ok(())
    };
    groups.iter().try_for_each(|(name, outcomes)| line(name, outcomes))?;
    line("all", &outcomes.iter().map(|(_, outcome)| outcome).collect::<Vec<_>>())?;
    let n_refused = outcomes.iter().filter(|(_, outcome)| outcome.is_refusal()).count();
    let rare_is_refused = 2 * n_refused < outcomes.len();
    for (item, outcome) in outcomes.iter().filter(|(_, outcome)| outcome.is_refusal() == rare_is_refused) {
        println!("    {}: {outcome}", item.path.display());
    }
    Ok(())
}

/// Settings of a network with a small input: no picture is refused for its size.
fn small_input() -> Preprocessing {
    Preprocessing { height_px: 288, width_px: 224, ..Preprocessing::default() }
}

/// What the check says of an image.
#[derive(Clone, Debug)]
enum Outcome {
    Scored,
    ScoredTurned,
    ScoredWithWarning,
    /// With the reason.
    Refused(Rejected),
    /// The file was not read; with the reason. A colour image is one.
    Unreadable(String),
}

impl Outcome {
    fn of(image: &GreyImage, told: Polarity) -> Self {
        match check(image, told, None, &small_input()) {
            Ok(accepted) if accepted.polarity != told => Self::ScoredTurned,
            Ok(accepted) if accepted.warnings.is_empty() => Self::Scored,
            Ok(_) => Self::ScoredWithWarning,
            Err(refused) => Self::Refused(refused),
        }
    }

    fn of_file(item: &Item, change: fn(GreyImage) -> GreyImage, told: fn(Polarity) -> Polarity) -> Self {
        match read_grey(&item.path) {
            Ok(image) => Self::of(&change(image), told(item.polarity)),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unreadable(_))
    }

    /// The name under which it is counted.
    fn name(&self) -> &'static str {
        match self {
            Self::Scored => "scored",
            Self::ScoredTurned => "scored turned",
            Self::ScoredWithWarning => "scored with a warning",
            Self::Refused(refused) => refused.failure.code(),
            Self::Unreadable(_) => "unreadable",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Unreadable(reason) => write!(f, "{reason} (unreadable)"),
            _ => self.name().fmt(f),
        }
    }
}

/// How often each outcome occurs; refusals by their code.
fn counted<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    outcomes.into_iter().for_each(|outcome| *counts.entry(outcome.name()).or_default() += 1);
    counts
}

/// Writes group, file, doubt and every sign, for a study of the limits.
fn write_signs<'a>(path: &Path, items: impl Iterator<Item = &'a Item>) -> Result<(), Box<dyn Error>> {
    let items: Vec<&Item> = items.collect();
    let lines: Vec<String> = items
        .par_iter()
        .filter_map(|item| {
            let f = features(item)?;
            let signs = f.signs.map(|value| format!("{value:.4}")).join(",");
            Some(format!(
                "{},{},{:?},{:.3},{:.3},{signs}\n",
                item.group,
                item.path.display(),
                f.doubt,
                f.contrast,
                f.area
            ))
        })
        .collect();
    Ok(std::fs::write(path, lines.concat())?)
}

fn features(item: &Item) -> Option<ImageFeatures> {
    let image = read_grey(&item.path).ok()?;
    Some(match item.polarity {
        Polarity::Normal => ImageFeatures::of(&image),
        Polarity::Inverted => ImageFeatures::of_negative(&image),
    })
}

/// Prints the distribution of every sign.
fn extremes(items: &[&Item]) {
    let features: Vec<ImageFeatures> = items.par_iter().filter_map(|item| features(item)).collect();
    if features.is_empty() {
        return;
    }
    println!("\nsigns of {} mammograms:", features.len());
    let print = |name: &str, mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        let shares = [0.0, 0.001, 0.01, 0.5, 0.99, 0.999, 1.0].map(|share| format!("{:.3}", at(share)));
        println!("{name:>48}  {}", shares.join("  "));
    };
    for (i, sign) in Sign::ALL.iter().enumerate() {
        print(sign.words(), features.iter().map(|features| features.signs[i]).collect());
    }
    print("deviation", features.iter().map(ImageFeatures::deviation).collect());
}

fn other(polarity: Polarity) -> Polarity {
    match polarity {
        Polarity::Normal => Polarity::Inverted,
        Polarity::Inverted => Polarity::Normal,
    }
}

fn each(mut image: GreyImage, change: fn(u16) -> u16) -> GreyImage {
    image.pixels.iter_mut().for_each(|v| *v = change(*v));
    image
}

fn mirrored(mut image: GreyImage) -> GreyImage {
    let width = image.width;
    image.pixels.chunks_exact_mut(width).for_each(<[u16]>::reverse);
    image
}
