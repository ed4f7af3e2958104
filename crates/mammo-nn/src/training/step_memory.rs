//! Estimates the memory of a training step before training starts.
//!
//! A failed allocation ends the process without naming the batch size as the cause. So the memory is computed from
//! the network's outline and compared with what is available.

use burn::tensor::Device;
use mammo_kernels::bf16;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use crate::cpu;
use crate::model_file::Network;
use crate::networks::Scope;
use crate::networks::conventions::Padding;
use crate::networks::outline::{ConvStep, Outline, Step};
use crate::networks::precision::Precision;
use crate::training::batches::AHEAD;
use crate::training::schedule::TrainingConfig;
use crate::{Error, Result};

/// Refuses a training whose steps need more memory than is available to this machine, or to the control group of this
/// process. Accepts it if the available memory is unknown, and on devices with memory of their own.
///
/// # Shapes
/// `image`: channels, rows, columns of one image; `images_per_example`: their mean number, 1 unless examples are exams.
///
/// # Errors
/// [`Error::Network`] for `batch_size`, with the memory that a step needs and the available memory; a network that
/// cannot be built; a precision that `device` does not have.
pub fn check_memory(
    network: &Network,
    image: [usize; 3],
    images_per_example: f64,
    training: &TrainingConfig,
    device: &Device,
) -> Result<()> {
    let precision = training.precision.on(device)?;
    let (needed, available) =
        (step_bytes(network, image, images_per_example, training, precision)?, available_bytes());
    match available.filter(|_| cpu::supports(device)) {
        Some(available) => fits(training.batch_size, needed, available),
        None => Ok(()),
    }
}

fn fits(batch_size: usize, needed: f64, available: u64) -> Result<()> {
    if needed <= available as f64 {
        return Ok(());
    }
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    Err(Error::network(
        "training.batch_size",
        format!("{batch_size}, with which a step needs about {:.1} GiB of memory", gib(needed)),
        format!("a smaller one: {:.1} GiB are available", gib(available as f64)),
    ))
}

/// Available memory in bytes; `None` where the system does not report it.
fn available_bytes() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory();
    let of_machine = Some(system.available_memory()).filter(|bytes| *bytes > 0);
    // Cached files count as used in a control group, but are evicted when memory is needed.
    let left = |limits: sysinfo::CGroupLimits| limits.total_memory.saturating_sub(limits.rss);
    let of_root = system.cgroup_limits().map(left);
    let of_process = sysinfo::get_current_pid().ok().and_then(|pid| {
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[pid]),
            false,
            ProcessRefreshKind::nothing().without_tasks(),
        );
        system.process(pid)?.cgroup_limits().map(left)
    });
    [of_machine, of_root, of_process].into_iter().flatten().min()
}

/// Memory in bytes of the largest training step: feature maps saved for the backward pass, gradients, prefetched
/// batches and copies of the weights. An `f64`, since it may exceed any integer.
fn step_bytes(
    network: &Network,
    [channels, h, w]: [usize; 3],
    images_per_example: f64,
    training: &TrainingConfig,
    precision: Precision,
) -> Result<f64> {
    let outline = network.outline()?;
    let number = match precision {
        Precision::F32 => size_of::<f32>(),
        Precision::Bf16 => size_of::<bf16>(),
    };
    let is_image = matches!(network, Network::Image(_));
    let trunk_is_frozen = |scope: Scope| if is_image { scope != Scope::All } else { scope == Scope::Head };
    let always_frozen = training.stages.iter().all(|stage| trunk_is_frozen(stage.train));
    let trunk_steps = Outline::trunk(network.trunk())?.steps.len();
    let (mut grid, mut c, mut saved, mut largest) = ([h, w], channels, 0.0_f64, 0.0_f64);
    for (i, step) in outline.steps.iter().enumerate() {
        let maps = maps_of(step, &mut grid, &mut c);
        largest = largest.max(maps);
        // A frozen trunk is compiled, and its maps share buffers.
        if i >= trunk_steps || !always_frozen {
            saved += maps;
        }
    }
    let batch = training.batch_size as f64 * images_per_example;
    let maps = batch * number as f64 * (GRADIENTS * saved + 2.0 * largest);
    let images = batch * (channels * h * w * size_of::<f32>()) as f64 * (AHEAD + 3) as f64;
    let order = (training.examples_per_epoch.unwrap_or(0) * size_of::<usize>()) as f64;
    let weights = (outline.summary([h, w]).n_parameters * size_of::<f32>()) as f64 * WEIGHT_COPIES;
    Ok(maps + images + order + weights)
}

/// Memory of maps and gradients as a multiple of the maps alone: buffers of finished gradients are used again. In ten
/// trainings of all configurations in `configs/`, in both number types, peaks were between 0.7 and 1.2 of the
/// estimate.
const GRADIENTS: f64 = 1.2;
/// Copies of the weights: weights, gradients, two moments, and those that are validated, compiled and saved after an
/// epoch.
const WEIGHT_COPIES: f64 = 14.0;

/// Number of values that a step saves for the backward pass; updates `grid` and `channels`.
fn maps_of(step: &Step, grid: &mut [usize; 2], channels: &mut usize) -> f64 {
    let window = |grid: &mut [usize; 2], kernel: usize, stride: usize, padding: Padding| {
        *grid = grid.map(|n| padding.n_out(n, kernel, stride));
    };
    let conv = |step: &ConvStep, grid: &mut [usize; 2]| {
        window(grid, step.shape.kernel, step.shape.stride, step.shape.padding);
        let map = grid[0] as f64 * grid[1] as f64 * step.shape.c_out as f64;
        // The input of the norm and its output.
        if step.norm.is_some() { 2.0 * map } else { map }
    };
    match step {
        Step::Conv(step) => {
            *channels = step.shape.c_out;
            conv(step, grid)
        }
        Step::Residual { branch, shortcut, .. } => {
            *channels = branch.last().map_or(*channels, |step| step.shape.c_out);
            let mut beside = *grid;
            let shortcut = shortcut.as_ref().map_or(0.0, |step| conv(step, &mut beside));
            shortcut + branch.iter().map(|step| conv(step, grid)).sum::<f64>()
        }
        Step::MaxPool { kernel, stride, padding } => {
            window(grid, *kernel, *stride, *padding);
            // The map, and the position of each maximum.
            2.0 * grid[0] as f64 * grid[1] as f64 * *channels as f64
        }
        Step::AveragePool { window: side } => {
            window(grid, *side, 1, Padding::Valid);
            0.0
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::patch_classifier::PatchClassifierConfig;
    use crate::networks::precision::PrecisionChoice;
    use crate::networks::trunk::{Family, TrunkConfig};
    use crate::training::optimizer::OptimizerKind;
    use crate::training::schedule::{RateSchedule, StageConfig};

    fn training(batch_size: usize, train: Scope) -> TrainingConfig {
        let stage = StageConfig {
            train,
            epochs: 1,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            keep_norm_statistics: false,
        };
        TrainingConfig {
            batch_size,
            optimizer: OptimizerKind::Adam,
            schedule: RateSchedule::Constant,
            early_stopping: None,
            balanced: true,
            examples_per_epoch: None,
            label_smoothing: 0.0,
            precision: PrecisionChoice::F32,
            stages: vec![stage],
        }
    }

    fn patches() -> Network {
        let trunk = TrunkConfig { width: 0.5, stages: Some(5), ..TrunkConfig::new(Family::Yaroslav) };
        Network::Patch(PatchClassifierConfig { trunk, n_classes: 5, dropout: 0.0 })
    }

    fn gib(batch_size: usize, train: Scope, precision: Precision) -> f64 {
        let training = training(batch_size, train);
        step_bytes(&patches(), [1, 64, 64], 1.0, &training, precision).unwrap() / f64::from(1 << 30)
    }

    #[test]
    fn the_estimate_is_near_the_peaks_that_were_measured() {
        // `mammo train patch` with configs/demo.toml and batches of 256: 0.807 GiB in f32, 0.438 in bf16.
        let (f32, bf16) = (gib(256, Scope::All, Precision::F32), gib(256, Scope::All, Precision::Bf16));
        assert!((0.75..1.2).contains(&f32), "{f32}");
        assert!((0.4..0.65).contains(&bf16), "{bf16}");
        assert!(gib(256, Scope::Head, Precision::F32) < f32 / 2.0, "a frozen trunk keeps no maps");
    }

    #[test]
    fn a_batch_beyond_the_memory_is_refused_with_both_numbers() {
        let needed =
            step_bytes(&patches(), [1, 64, 64], 1.0, &training(100_000, Scope::All), Precision::F32).unwrap();
        assert!(needed > 88e9, "{needed}");
        assert!(fits(100_000, needed, u64::MAX).is_ok());
        let refusal = fits(100_000, needed, 3 << 30).unwrap_err().to_string();
        assert!(
            refusal.starts_with("training.batch_size: 100000, with which a step needs about "),
            "{refusal}"
        );
        assert!(refusal.ends_with("3.0 GiB are available"), "{refusal}");
    }

    #[test]
    fn this_machine_says_how_much_memory_is_left() {
        if cfg!(any(target_os = "linux", target_os = "macos", target_os = "windows")) {
            assert!(available_bytes().unwrap() > 1 << 20);
        }
    }
}
