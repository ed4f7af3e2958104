//! The record of a run in its folder, `run.json`: command, settings, data and machine.

use std::path::Path;

use mammo_core::digest::short_hex;
use mammo_core::write::write_json;
use mammo_nn::device;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::Result;
use crate::config::RunConfig;

/// Name of the record in a run folder.
pub const FILE: &str = "run.json";

/// The record of one run.
#[derive(Serialize)]
pub struct RunRecord<'a> {
    /// The command as typed.
    pub command: Vec<String>,
    /// Version of the program.
    pub mammo_version: &'static str,
    /// Tensor framework.
    pub burn_version: &'static str,
    /// The configuration with all defaults filled in.
    pub config: &'a RunConfig,
    /// Digest of the manifest.
    pub manifest_digest: String,
    /// Digest of the split.
    pub split_digest: String,
    /// Digest of the model that training starts from.
    pub started_from: Option<String>,
    /// Device name.
    pub device: String,
    /// The machine.
    pub machine: Machine,
}

/// Processor and system.
#[derive(Serialize)]
pub struct Machine {
    /// Operating system and processor architecture.
    pub platform: String,
    /// Processor model, if the system states it.
    pub cpu: Option<String>,
    /// Instructions that the kernels of the CPU use.
    pub instructions: &'static str,
    /// Threads used.
    pub threads: usize,
    /// Devices compiled in.
    pub devices: Vec<&'static str>,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            line.split_once(':').map(|(_, name)| name.trim().to_string())
        });
        Self {
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cpu,
            instructions: device::cpu_instructions(),
            threads: rayon::current_num_threads(),
            devices: device::available(),
        }
    }
}

impl RunRecord<'_> {
    /// Writes `run.json`.
    pub fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_json(&dir.join(FILE), self)?)
    }
}

/// First 16 hexadecimal digits of the SHA-256 of the parts: the name of a run's settings.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    short_hex(&hash.finalize())
}
