//! Memory that a training step needs, estimated before it starts.
//!
//! An allocation that the system cannot serve ends the process without a word about batches. So the need is counted
//! from the network's outline and compared with what is there.

use burn::tensor::Device;
use mammo_kernels::bf16;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use crate::batches::AHEAD;
use crate::cpu;
use crate::model_file::Network;
use crate::outline::{ConvStep, Outline, Step};
use crate::plan::Precision;
use crate::schedule::{Scope, TrainingConfig};
use crate::{Error, Result};

/// Refuses a training whose steps need more memory than this machine, or the control group of this process, has left.
/// Goes on where that is unknown, and on devices with memory of their own.
///
/// # Shapes
/// `picture`: channels, rows, columns of one example.
///
/// # Errors
/// [`Error::Network`] for `batch_size`, with what a step needs and what is there; a network that cannot be built; a
/// precision that `device` does not have.
pub fn check_memory(
    network: &Network,
    picture: [usize; 3],
    training: &TrainingConfig,
    device: &Device,
) -> Result<()> {
    let precision = training.precision.on(device)?;
    let (needed, available) = (step_bytes(network, picture, training, precision)?, available_bytes());
    eprintln!("DEBUG step needs {:.3} GiB, available {available:?}", needed / f64::from(1 << 30));
    match available.filter(|_| cpu::is_here(device)) {
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

/// Bytes left to this process; `None` where the system does not say.
fn available_bytes() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory();
    let of_machine = Some(system.available_memory()).filter(|bytes| *bytes > 0);
    // Cached files count as used in a control group, but are dropped when memory is asked for.
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

/// Bytes of the largest step of a training: maps that are kept for gradients, gradients, batches read ahead, and
/// copies of the weights. A `f64`, for it may be beyond any integer.
fn step_bytes(
    network: &Network,
    [channels, h, w]: [usize; 3],
    training: &TrainingConfig,
    precision: Precision,
) -> Result<f64> {
    let outline = network.outline()?;
    let number = match precision {
        Precision::F32 => size_of::<f32>(),
        Precision::Bf16 => size_of::<bf16>(),
    };
    let is_image = matches!(network, Network::Image(_));
    let trunk_waits = |scope: Scope| if is_image { scope != Scope::All } else { scope == Scope::Head };
    let all_wait = training.stages.iter().all(|stage| trunk_waits(stage.train));
    let trunk_steps = Outline::trunk(network.trunk())?.steps.len();
    let (mut grid, mut kept, mut largest) = ([h, w], 0.0_f64, 0.0_f64);
    for (i, step) in outline.steps.iter().enumerate() {
        let maps = maps_of(step, &mut grid);
        largest = largest.max(maps);
        // A frozen trunk is compiled, and its maps share buffers.
        if i >= trunk_steps || !all_wait {
            kept += maps;
        }
    }
    let batch = training.batch_size as f64;
    let maps = batch * number as f64 * (GRADIENTS * kept + 2.0 * largest);
    let pictures = batch * (channels * h * w * size_of::<f32>()) as f64 * (AHEAD + 3) as f64;
    let order = (training.examples_per_epoch.unwrap_or(0) * size_of::<usize>()) as f64;
    let weights = (outline.summary([h, w]).n_parameters * size_of::<f32>()) as f64 * WEIGHT_COPIES;
    Ok(maps + pictures + order + weights)
}

/// Maps with their gradients, as a multiple of the maps alone: gradients of blocks that are done are used again.
const GRADIENTS: f64 = 1.2;
/// Weights, gradients, two moments, and the copy that is validated.
const WEIGHT_COPIES: f64 = 5.0;

/// Numbers of all maps that a step leaves for its gradients; `grid` moves on.
fn maps_of(step: &Step, grid: &mut [usize; 2]) -> f64 {
    let conv = |conv: &ConvStep, grid: &mut [usize; 2]| {
        *grid = grid.map(|n| conv.shape.padding.n_out(n, conv.shape.kernel, conv.shape.stride));
        let map = (grid[0] * grid[1] * conv.shape.c_out) as f64;
        // Before its norm and after it.
        if conv.norm.is_some() { 2.0 * map } else { map }
    };
    match step {
        Step::Conv(step) => conv(step, grid),
        Step::Residual { branch, shortcut } => {
            let mut beside = *grid;
            let shortcut = shortcut.as_ref().map_or(0.0, |step| conv(step, &mut beside));
            shortcut + branch.iter().map(|step| conv(step, grid)).sum::<f64>()
        }
        Step::MaxPool { kernel, stride, padding } => {
            *grid = grid.map(|n| padding.n_out(n, *kernel, *stride));
            0.0
        }
        Step::AveragePool { window } => {
            *grid = grid.map(|n| n.saturating_sub(window - 1));
            0.0
        }
        _ => 0.0,
    }
}
