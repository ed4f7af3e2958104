//! Plans for this machine: measures the networks at the sizes that a plan chooses.

use mammo_image::patch_sampling::PatchClass;
use mammo_nn::device;
use mammo_nn::device::Device;
use mammo_nn::model_file::Network;
use mammo_nn::training::step_memory::check_memory;

use super::fingerprint::Fingerprint;
use super::pace::{NetworkPace, Probe};
use super::plan::Plan;
use super::recipe::{IMAGE_BATCH, Recipe};
use super::run::Fit;
use super::situation::Situation;
use super::size::{SizeRule, Sizes, candidates};
use crate::config::RunConfig;
use crate::data::Data;
use crate::{Observer, Result};

/// Measurements at the chosen size, of which the fastest counts: other programs may use the machine at times.
const ROUNDS: usize = 2;

/// Measures this machine and plans the training.
///
/// # Errors
/// As [`Plan::choose`]; images that cannot be prepared; a folder for temporary files that cannot be made.
pub fn plan_for_this_machine(
    fit: &Fit,
    data: &Data,
    fingerprint: &Fingerprint,
    prepare_s: f64,
    observer: &dyn Observer,
) -> Result<Plan> {
    let device = device::by_name(fit.device)?;
    let mut situation = Situation {
        fingerprint,
        start: fit.start,
        hours: fit.hours,
        elapsed_s: fit.begun.elapsed().as_secs_f64(),
        prepare_s,
        pace_per_pixel: NetworkPace { patch_s: 0.0, top_s: 0.0, image_s: 0.0 },
        image_batch: IMAGE_BATCH,
        seed: fit.seed,
    };
    // Refuses what cannot be planned at any speed.
    let mut plan = Plan::choose(&situation)?;
    observer.note("timing a few steps of training on this machine");
    let recipe = Recipe::of(fingerprint, fit.start);
    let sizes = candidates(fingerprint, fit.start, &recipe.trunk);
    let machine = Machine { data, device: &device, observer };
    let smallest = sizes.first().copied().unwrap_or(plan.sizes);
    situation.pace_per_pixel = machine.at(&mut situation, smallest)?;
    situation.elapsed_s = fit.begun.elapsed().as_secs_f64();
    plan = Plan::choose(&situation)?;
    // A measurement at another size only chose this one.
    let mut pace = Some(situation.pace_per_pixel).filter(|_| plan.sizes == smallest);
    for _ in usize::from(pace.is_some())..ROUNDS {
        let again = machine.at(&mut situation, plan.sizes)?;
        pace = Some(pace.map_or(again, |pace: NetworkPace| pace.faster(again)));
    }
    situation.pace_per_pixel = pace.unwrap_or(situation.pace_per_pixel);
    situation.elapsed_s = fit.begun.elapsed().as_secs_f64();
    Plan::choose(&situation)
}

/// What is measured.
struct Machine<'a> {
    data: &'a Data,
    device: &'a Device,
    observer: &'a dyn Observer,
}

impl Machine<'_> {
    /// Seconds for each pixel at a size; lowers the images of a step until they fit into the memory.
    fn at(&self, situation: &mut Situation, sizes: Sizes) -> Result<NetworkPace> {
        // The counts of a plan for any speed; only its networks and sizes matter here.
        let unhurried = |situation: &Situation| {
            let pace_per_pixel = NetworkPace { patch_s: 0.0, top_s: 0.0, image_s: 0.0 };
            Plan::of_sizes(
                &Situation { pace_per_pixel, elapsed_s: 0.0, ..*situation },
                sizes,
                SizeRule::Largest,
            )
        };
        let mut config = unhurried(situation)?.config;
        while situation.image_batch > 1 && !fits(&config, self.device)? {
            situation.image_batch /= 2;
            config = unhurried(situation)?.config;
        }
        let dir = tempfile::tempdir()
            .map_err(|e| mammo_core::Error::io(std::env::temp_dir(), "make a temporary folder", e))?;
        let probe = Probe { config: &config, device: self.device, dir: dir.path(), observer: self.observer };
        let pace = probe.measure_on(self.data)?;
        tracing::debug!("{sizes:?}, {} images a step: {pace:?}", situation.image_batch);
        let per = |seconds: f64, pixels: f64| if pixels > 0.0 { seconds / pixels } else { 0.0 };
        Ok(NetworkPace {
            patch_s: per(pace.patch_s, sizes.patch_pixels()),
            top_s: per(pace.top_s, sizes.image_pixels()),
            image_s: per(pace.image_s, sizes.image_pixels()),
        })
    }
}

/// Whether a step of the whole-image training fits into the memory.
fn fits(config: &RunConfig, device: &Device) -> Result<bool> {
    let network = config.image_network(PatchClass::ALL.len())?;
    let shape = [network.trunk.channels, network.input_px[0], network.input_px[1]];
    Ok(check_memory(&Network::Image(network), shape, 1.0, &config.image()?.training, device).is_ok())
}
