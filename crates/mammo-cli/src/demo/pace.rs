//! Measures the speed of this machine: drawing and preparing a few phantoms, and a few training steps on them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mammo_data::import::{Verify, import_tables};
use mammo_data::manifest::Manifest;
use mammo_image::cache::InputCache;
use mammo_nn::device;
use mammo_phantom::{PhantomConfig, Site, write_dataset};
use mammo_pipeline::config::RunConfig;
use mammo_pipeline::fit::pace::{NetworkPace, Probe};
use serde::{Deserialize, Serialize};

use super::CONTINUES;
use super::steps::phantoms;
use crate::progress::Terminal;

/// Patients of the phantoms for the measurement: the fewest that use all cores and contain every class.
const PATIENTS: usize = 8;
/// Number of measurements of each part, at different times. The fastest is used, because other processes
/// may use the machine temporarily.
const ROUNDS: usize = 4;
/// Time after which no further round is started, on a slow machine.
const LONG: Duration = Duration::from_secs(12);

/// Seconds per unit of work of the demo's parts on this machine, with all threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// To draw, import and prepare the images of a patient of the first site.
    pub patient_s: f64,
    /// To train networks.
    pub network: NetworkPace,
}

impl Pace {
    /// Measures this machine: the minimum of several rounds, which takes some seconds.
    ///
    /// # Errors
    /// When phantoms cannot be written to the system's temporary folder, and for unknown devices.
    pub fn measure(config: &RunConfig, device: &str) -> Result<Self> {
        let device = device::by_name(device)?;
        let folder = tempfile::tempdir().context("a temporary folder to measure speed in")?;
        let mut best: Option<Self> = None;
        let begun = Instant::now();
        for round in 0..ROUNDS {
            if begun.elapsed() > LONG {
                break;
            }
            let dir = folder.path().join(round.to_string());
            let (cache, manifest, patient_s) = prepare(&dir, config)?;
            let probe = Probe { config, device: &device, dir: &dir, observer: &Terminal };
            let measured = probe.measure(&cache, &manifest.images, &manifest.root);
            let network = measured.map_err(|error| CONTINUES.instead_of_stop(error))?;
            best = Some(match best {
                Some(best) => {
                    Self { patient_s: best.patient_s.min(patient_s), network: best.network.faster(network) }
                }
                None => Self { patient_s, network },
            });
        }
        best.context("no round of measuring")
    }
}

/// Phantoms, imported and prepared, and the seconds for each patient.
fn prepare(dir: &Path, config: &RunConfig) -> Result<(InputCache, Manifest, f64)> {
    let started = Instant::now();
    let phantoms = PhantomConfig { n_patients: PATIENTS, ..phantoms(Site::Film, config)? };
    write_dataset(dir, &phantoms, &|_, _| ())?;
    let manifest = import_tables(dir, Verify::Pixels, &|_, _| ())?.manifest;
    let cache = InputCache::open(&dir.join("cache"), config.preprocessing()?)?;
    if let Some((_, error)) = cache.build(&manifest.root, &manifest.images, &|_, _| ()).into_iter().next() {
        return Err(error).context("a phantom to measure speed on");
    }
    Ok((cache, manifest, started.elapsed().as_secs_f64() / PATIENTS as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_demo_on_smaller_images_are_measured() {
        let changes = ["preprocessing.height_px=128", "preprocessing.width_px=96", "patch.trunk.width=0.25"];
        let changes = changes.map(String::from);
        let config = RunConfig::parse(include_str!("../../configs/demo.toml"), &changes).unwrap();
        let pace = Pace::measure(&config, "cpu").unwrap();
        let NetworkPace { patch_s, top_s, image_s } = pace.network;
        for seconds in [pace.patient_s, patch_s, top_s, image_s] {
            assert!(seconds.is_finite() && seconds > 0.0, "{pace:?}");
        }
        assert!(Pace::measure(&config, "abacus").unwrap_err().to_string().contains("abacus"));
    }
}
