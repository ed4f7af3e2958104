//! How large a demo this machine manages in ten minutes.

use std::path::Path;

use anyhow::{Result, bail};
use mammo::write::{read_json, write_json};
use mammo_nn::speed::cpu_gflops;
use serde::{Deserialize, Serialize};

/// Which demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// Ten minutes on two cores that multiply bf16, or on a GPU.
    Full,
    /// The same networks on fewer patients, in fewer steps: ten minutes on two cores that have AVX2.
    Small,
}

/// Speed, in GFLOP/s, from which on the full demo takes less than ten minutes. It was sized on two
/// cores at about 900.
const FULL_GFLOPS: f64 = 850.0;

/// Name of the file that keeps the choice, so that a stopped demo goes on as it began.
const FILE: &str = "size.json";

impl Size {
    /// Patients of the first site, whose lesions are annotated.
    pub fn n_film(self) -> usize {
        match self {
            Self::Full => 1400,
            Self::Small => 640,
        }
    }

    /// What differs from the embedded configuration, as `--set` takes it.
    pub fn changes(self) -> Vec<String> {
        let changes: &[&str] = match self {
            Self::Full => &[],
            Self::Small => &[
                "patch.training.examples_per_epoch=5200",
                "patch.training.stages=[{train=\"all\",epochs=7,learning_rate=1e-2,weight_decay=1e-3}]",
                "image.training.examples_per_epoch=192",
                "image.training.stages=[{train=\"top\",epochs=3,learning_rate=2e-3,weight_decay=1e-3},\
                 {train=\"all\",keep_norm_statistics=true,epochs=1,learning_rate=5e-5,weight_decay=1e-2}]",
                "transfer.training.examples_per_epoch=32",
            ],
        };
        changes.iter().map(ToString::to_string).collect()
    }
}

/// `size.json`: which demo a folder holds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Choice {
    /// Which.
    pub size: Size,
    /// How fast the machine was when it was chosen; `None` when the user or a GPU chose.
    pub cpu_gflops: Option<f64>,
}

impl Choice {
    /// The size of the demo begun in `out`, else the one asked for, else the one that fits.
    ///
    /// # Errors
    /// A folder that holds a demo of another size than the one asked for.
    pub fn make(out: &Path, asked: Option<Size>, device: &str) -> Result<Self> {
        let path = out.join(FILE);
        if path.exists() {
            let begun: Self = read_json(&path, "the size of a demo; remove it")?;
            if asked.is_some_and(|asked| asked != begun.size) {
                bail!("{}: a demo of another size was begun here; choose another --out", out.display());
            }
            return Ok(begun);
        }
        let choice = match asked {
            Some(size) => Self { size, cpu_gflops: None },
            None if device != "cpu" => Self { size: Size::Full, cpu_gflops: None },
            None => {
                let speed = cpu_gflops();
                let size = if speed < FULL_GFLOPS { Size::Small } else { Size::Full };
                Self { size, cpu_gflops: Some(speed) }
            }
        };
        write_json(&path, &choice)?;
        Ok(choice)
    }

    /// What it is called in results.
    pub fn name(&self) -> &'static str {
        match self.size {
            Size::Full => "full demo",
            Size::Small => "small demo",
        }
    }

    /// A line about it.
    pub fn explained(&self) -> String {
        match (self.size, self.cpu_gflops) {
            (Size::Small, Some(speed)) => format!(
                "the small demo: this processor convolves at {speed:.0} GFLOP/s, and the full one (--size full) \
                 takes over ten minutes below {FULL_GFLOPS:.0}"
            ),
            _ => format!("the {}", self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::RunConfig;

    #[test]
    fn every_size_changes_settings_that_exist() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("demo.toml");
        fs::write(&path, include_str!("../../../../configs/demo.toml")).unwrap();
        let [full, small] = [Size::Full, Size::Small].map(|s| RunConfig::read(&path, &s.changes()).unwrap());
        assert_eq!(small.patch().unwrap().trunk, full.patch().unwrap().trunk);
        let examples = |config: &RunConfig| config.transfer().unwrap().training.examples_per_epoch;
        assert!(examples(&small) < examples(&full));
        assert_eq!(small.preprocessing().unwrap(), full.preprocessing().unwrap());
    }

    #[test]
    fn a_demo_goes_on_in_its_size_and_in_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let choose = |asked| Choice::make(dir.path(), asked, "cpu");
        assert_eq!(choose(Some(Size::Small)).unwrap().size, Size::Small);
        assert_eq!(choose(None).unwrap().size, Size::Small);
        let refusal = choose(Some(Size::Full)).unwrap_err().to_string();
        assert!(refusal.contains("another size") && refusal.contains("--out"), "{refusal}");
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(format!("{:#}", choose(None).unwrap_err()).contains("remove it"));
    }
}
