//! Measures how often the gate refuses real mammograms, and how often it lets through images
//! that nobody should score.
//!
//! ```text
//! cargo run --release -p mammo --example gate_check -- IMAGES_CSV
//! ```
//!
//! Takes a table in the open format. Prints refusals of its images as they are; refusals on one
//! half of the patients by limits derived from the other half, over twenty random halves; the
//! extremes of every sign; refusals of phantoms of both sites; and the share caught of each kind
//! of bad image, one per tenth image. About two minutes for 1,200 small images.

mod pictures;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

use mammo::gate::{Limits, Signs, judge, judge_signs};
use mammo::import::{Verify, import_tables};
use mammo::phantom::{PhantomConfig, Site, patient};
use mammo::pixels::read_gray;
use mammo::preprocess::Preprocessing;
use mammo::record::{Mammogram, Polarity};
use mammo::seed::stream;
use pictures::KINDS;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// Random halves of the patients.
const HALVES: u64 = 20;

/// What a derived limit grants beyond the extreme of its half, as a share of the distance of
/// that extreme from the median.
const MARGIN: f64 = 0.25;

/// Patients of each phantom site.
const PHANTOM_PATIENTS: usize = 60;

/// The signs by name, how they are read, and whether a large or a small value is suspicious.
type Sign = (&'static str, fn(&Signs) -> f64, Bound);

#[derive(Clone, Copy, PartialEq)]
enum Bound {
    Most,
    Least,
    Both,
}

const SIGNS: [Sign; 8] = [
    ("contrast", |signs| signs.contrast, Bound::Least),
    ("saturated", |signs| signs.saturated, Bound::Most),
    ("roughness", |signs| signs.roughness, Bound::Most),
    ("edges", |signs| signs.edges, Bound::Most),
    ("outside", |signs| signs.outside, Bound::Most),
    ("wall", |signs| signs.wall, Bound::Least),
    ("solidity", |signs| signs.solidity, Bound::Least),
    ("median", |signs| signs.median, Bound::Both),
];

struct Measured {
    patient_id: String,
    signs: Signs,
}

fn main() -> Result<(), Box<dyn Error>> {
    let table = std::env::args().nth(1).ok_or("usage: gate_check IMAGES_CSV")?;
    let manifest = import_tables(Path::new(&table), Verify::Headers, &|_, _| {})?.manifest;
    let settings = Preprocessing::default();
    let films: Vec<Measured> = manifest
        .images
        .par_iter()
        .map(|image| {
            let signs = Signs::of(&read_gray(&manifest.image_path(image))?, image.polarity);
            Ok(Measured { patient_id: image.patient_id.clone(), signs })
        })
        .collect::<Result<_, mammo::Error>>()?;
    let all: Vec<&Signs> = films.iter().map(|film| &film.signs).collect();
    let refused = |signs: &[&Signs], limits: &Limits| {
        signs.iter().filter(|signs| judge_signs(signs, limits, &settings).is_err()).count()
    };
    println!("{} of {} mammograms refused", refused(&all, &Limits::default()), all.len());
    for (name, of, _) in SIGNS {
        let values = sorted(&all, of);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        let [a, b, c, d, e] = [0.0, 0.005, 0.5, 0.995, 1.0].map(at);
        println!("{name:>10}  min {a:.3}  0.5 % {b:.3}  median {c:.3}  99.5 % {d:.3}  max {e:.3}");
    }

    let tenth: Vec<&Mammogram> = manifest.images.iter().step_by(10).collect();
    let mut bad: Vec<(&str, Vec<Signs>)> = Vec::new();
    for (kind, picture) in KINDS {
        let judged: Vec<(String, Signs)> = tenth
            .par_iter()
            .enumerate()
            .map(|(i, image)| {
                let image = picture(&read_gray(&manifest.image_path(image))?, i as u64);
                let refused = judge(&image, Polarity::Normal, None, &settings).err();
                let code = refused.map_or("let through".to_string(), |refused| refused.refusal.to_string());
                Ok((code, Signs::of(&image, Polarity::Normal)))
            })
            .collect::<Result<_, mammo::Error>>()?;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        judged.iter().for_each(|(code, _)| *counts.entry(code).or_default() += 1);
        let caught = judged.len() - counts.get("let through").copied().unwrap_or(0);
        println!("{kind:>18}  caught {caught:>3} of {}  {counts:?}", judged.len());
        bad.push((kind, judged.into_iter().map(|(_, signs)| signs).collect()));
    }

    let (mut refused_other_half, mut n_other_half) = (0, 0);
    let mut caught: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..HALVES {
        let (mine, other) = halves(&films, seed);
        let limits = derived(&mine);
        refused_other_half += refused(&other, &limits);
        n_other_half += other.len();
        for (kind, signs) in &bad {
            let signs: Vec<&Signs> = signs.iter().collect();
            *caught.entry(kind).or_default() += refused(&signs, &limits);
        }
    }
    println!("limits derived from half of the patients, {HALVES} random halves:");
    println!(
        "{refused_other_half} of {n_other_half} on the other half refused ({:.2} %)",
        100.0 * refused_other_half as f64 / n_other_half as f64
    );
    for (kind, signs) in &bad {
        let n = signs.len() as f64 * HALVES as f64;
        println!("{kind:>18}  caught {:.1} % by signs alone", 100.0 * caught[kind] as f64 / n);
    }

    for site in [Site::Film, Site::Digital] {
        let config = PhantomConfig { n_patients: PHANTOM_PATIENTS, site, ..PhantomConfig::default() };
        let outcomes: Vec<Option<String>> = (0..PHANTOM_PATIENTS)
            .into_par_iter()
            .flat_map_iter(|number| patient(&config, number).images)
            .map(|image| judge(&image.pixels, image.record.polarity, None, &settings).err())
            .map(|refused| refused.map(|refused| refused.to_string()))
            .collect();
        let reasons: Vec<&String> = outcomes.iter().flatten().collect();
        println!("{} of {} phantoms of site {site} refused {reasons:?}", reasons.len(), outcomes.len());
    }
    Ok(())
}

fn sorted(signs: &[&Signs], of: fn(&Signs) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = signs.iter().map(|signs| of(signs)).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The films of a random half of the patients, and those of the others.
fn halves(films: &[Measured], seed: u64) -> (Vec<&Signs>, Vec<&Signs>) {
    let mut patients: Vec<&str> =
        films.iter().map(|film| film.patient_id.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    patients.shuffle(&mut stream(seed, "gate check halves", 0));
    let mine: BTreeSet<&str> = patients[..patients.len() / 2].iter().copied().collect();
    let of = |is_mine: bool| {
        let films = films.iter().filter(|film| mine.contains(film.patient_id.as_str()) == is_mine);
        films.map(|film| &film.signs).collect()
    };
    (of(true), of(false))
}

/// Each sign's extreme on these films and a margin.
fn derived(signs: &[&Signs]) -> Limits {
    let [contrast, saturated, roughness, edges, outside, wall, solidity, median] =
        SIGNS.map(|(_, of, bound)| {
            let values = sorted(signs, of);
            let middle = values[values.len() / 2];
            let beyond = |extreme: f64| extreme + MARGIN * (extreme - middle);
            let (low, high) = (beyond(values[0]), beyond(values[values.len() - 1]));
            match bound {
                Bound::Most => (high, high),
                Bound::Least => (low, low),
                Bound::Both => (low, high),
            }
        });
    Limits {
        contrast: contrast.0,
        saturated: saturated.0,
        roughness: roughness.0,
        edges: edges.0,
        outside: outside.0,
        wall: wall.0,
        solidity: solidity.0,
        median: median.0..=median.1,
    }
}
