//! Shared by `train patch`, `train image` and `transfer`: the run folder and the outcome.

use std::path::Path;

use anyhow::Result;
use mammo_nn::training::run::Outcome;
use mammo_pipeline::training::{RunPlace, Trained};

use crate::{Done, output};

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
