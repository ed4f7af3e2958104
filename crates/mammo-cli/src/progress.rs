//! Progress on stderr: bars on a terminal, plain lines elsewhere; and Ctrl-C.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use mammo_nn::training::run::{EpochRow, StepReport, TrainingObserver};
use mammo_pipeline::{Observer, Task};

use crate::logging;
use crate::output::FirstOnly;

static STOP: AtomicBool = AtomicBool::new(false);
static HANDLER: OnceLock<()> = OnceLock::new();

/// Installs the handler of Ctrl-C: the first requests a stop after the current step, the second ends
/// the program immediately.
pub fn catch_ctrl_c() {
    HANDLER.get_or_init(|| {
        let handler = || {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            tracing::warn!(
                label = "",
                "\nstopping after this step and saving; press Ctrl-C again to end immediately"
            );
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            tracing::warn!("Ctrl-C will end the program without saving ({error})");
        }
    });
}

/// Whether Ctrl-C was pressed.
pub fn stop_requested() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// A counting bar with rate and remaining time; hidden when stderr is not a terminal.
pub fn bar(what: &str, total: u64) -> ProgressBar {
    let bar = logging::add_bar(total);
    let template = "{msg:<22} {wide_bar:.cyan/blue} {pos}/{len} {per_sec:>12} {eta:>5}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what.to_string());
    bar
}

/// A callback for stages that report `(done, total)` from any thread.
pub fn counter(bar: &ProgressBar) -> impl Fn(usize, usize) + Sync + '_ {
    |done, total| {
        bar.set_length(total as u64);
        bar.set_position(bar.position().max(done as u64));
    }
}

/// Shows the progress of the pipeline on stderr, and requests a stop after Ctrl-C.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal;

impl Observer for Terminal {
    fn begin(&self, task: &'static str, total: usize) -> Box<dyn Task + '_> {
        Box::new(TaskBar { bar: bar(task, total as u64), left_out: FirstOnly::default() })
    }

    fn note(&self, text: &str) {
        tracing::info!(label = "note", "{text}");
    }

    fn step(&self, text: &str) {
        tracing::info!("\n{text}");
    }

    fn training(&self, what: &'static str, metric: &'static str) -> Box<dyn TrainingObserver + '_> {
        Box::new(TrainingProgress::new(what, metric))
    }

    fn stop_requested(&self) -> bool {
        stop_requested()
    }
}

/// The bar of one task. The first left-out items are printed, the others counted.
struct TaskBar {
    bar: ProgressBar,
    left_out: FirstOnly,
}

impl Task for TaskBar {
    fn done(&self, parts: usize) {
        self.bar.set_position(self.bar.position().max(parts as u64));
    }

    fn counted(&self, parts: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.done(parts);
    }

    fn left_out(&self, how: &'static str, file: &str, reason: &str) {
        // Errors of the pipeline contain the file name; those of a cache may not.
        let named = if reason.contains(file) { String::new() } else { format!("{file}: ") };
        self.left_out.print(how, &format!("{named}{reason}"));
    }
}

impl Drop for TaskBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.left_out.print_rest("");
    }
}

/// Shows a training run: a bar per epoch, a line per finished epoch.
struct TrainingProgress {
    bar: ProgressBar,
    metric: &'static str,
    /// Stages, and epochs of the present one.
    totals: [usize; 2],
}

impl TrainingProgress {
    /// `what` names the run, `metric` the metric by which the best model is chosen.
    fn new(what: &str, metric: &'static str) -> Self {
        let bar = logging::add_bar(1);
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {msg} {wide_bar:.cyan/blue} {pos}/{len} {eta:>5}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(500));
        tracing::info!("{what}");
        Self { bar, metric, totals: [0; 2] }
    }
}

impl TrainingObserver for TrainingProgress {
    fn step(&mut self, report: &StepReport) {
        let [step, n_steps] = report.step;
        if step == 1 {
            self.bar.reset();
            self.bar.set_length(n_steps as u64);
        }
        self.bar.set_position(step as u64);
        let ([stage, n_stages], [epoch, n_epochs]) = (report.stage, report.epoch);
        self.totals = [n_stages, n_epochs];
        self.bar.set_message(format!(
            "stage {stage}/{n_stages} epoch {epoch}/{n_epochs} loss {:.4}",
            report.loss
        ));
    }

    fn epoch(&mut self, row: &EpochRow) {
        let [n_stages, n_epochs] = self.totals;
        let line = format!(
            "  stage {}/{n_stages} epoch {:>2}/{n_epochs}  learning rate {:.1e}  loss {:.3}, validation {:.3}  \
             validation {} {:.3}{}  {:.1} images/s",
            row.stage,
            row.epoch,
            row.learning_rate,
            row.train_loss,
            row.validation_loss,
            self.metric,
            row.validation_metric,
            if row.best { " (best)" } else { "       " },
            row.pictures_per_s,
        );
        tracing::info!("{line}");
    }

    fn stop_requested(&self) -> bool {
        stop_requested()
    }
}

impl Drop for TrainingProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
