//! Shared by `train patch`, `train image`, `train exam` and `transfer`: arguments, the run folder and the outcome.

use std::path::{Path, PathBuf};

use anyhow::Result;
use mammo_nn::training::run::Outcome;
use mammo_pipeline::config::RunConfig;
use mammo_pipeline::data::Data;
use mammo_pipeline::training::{RunPlace, Trained};

use crate::{Done, output, progress};

/// Arguments of every training command.
#[derive(clap::Args)]
pub struct RunArgs {
    /// Manifest of the data set to train on, written by `mammo import`.
    pub manifest: PathBuf,
    /// Run configuration.
    #[arg(long)]
    pub config: PathBuf,
    /// Split written by `mammo split` [default: split.json beside the manifest].
    #[arg(long)]
    pub split: Option<PathBuf>,
    /// Run folder.
    #[arg(long)]
    pub out: PathBuf,
    /// Where to compute: cpu, or what this build was compiled with.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Continue a stopped run.
    #[arg(long)]
    pub resume: bool,
    /// Override a setting: section.key=value; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl RunArgs {
    /// The configuration with the settings of `--set`.
    ///
    /// # Errors
    /// A file that cannot be read, or settings that are not valid.
    pub fn config(&self) -> Result<RunConfig> {
        Ok(RunConfig::read(&self.config, &self.set)?)
    }

    /// The data and the run folder, which is checked before the data are read; from here on Ctrl-C stops the run after
    /// the current step.
    ///
    /// # Errors
    /// A folder that holds another run; a manifest or a split that cannot be read or do not fit each other.
    pub fn start(&self) -> Result<(Data, RunPlace)> {
        let place = place(&self.out, &self.device, self.resume);
        place.check()?;
        let data = Data::read(&self.manifest, self.split.as_deref())?;
        progress::catch_ctrl_c();
        Ok((data, place))
    }
}

/// The run folder, with the command line.
pub fn place(out: &Path, device: &str, resume: bool) -> RunPlace {
    RunPlace {
        out: out.to_path_buf(),
        device: device.to_string(),
        resume,
        command: std::env::args().collect(),
    }
}

/// Prints the outcome of a run on stdout and converts it to an exit code.
pub fn report(trained: &Trained) -> Result<Done> {
    let Trained { outcome, metric, n_failed, model } = trained;
    match outcome {
        Outcome::Finished { best_metric } => {
            output::results(&format!(
                "{}: the best epoch, {metric} {best_metric:.3} on the validation side\n",
                model.display()
            ));
            Ok(if *n_failed == 0 { Done::All } else { Done::WithRejections })
        }
        Outcome::Interrupted => {
            let out = model.parent().unwrap_or(model);
            output::results(&format!(
                "{}: stopped; the same command with --resume continues\n",
                out.display()
            ));
            Ok(Done::Interrupted)
        }
    }
}
