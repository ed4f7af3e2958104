//! Progress on stderr: bars on a terminal, plain lines elsewhere; and Ctrl-C.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mammo_nn::training::run::{EpochRow, StepReport, TrainingObserver};

static STOP: AtomicBool = AtomicBool::new(false);
static HANDLER: OnceLock<()> = OnceLock::new();

/// From now on the first Ctrl-C asks for a stop after the current step, a second one ends the
/// program at once.
pub fn catch_ctrl_c() {
    HANDLER.get_or_init(|| {
        let handler = || {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            eprintln!("\nstopping after this step and saving; press Ctrl-C again to end at once");
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            eprintln!("note: Ctrl-C will end the program without saving ({error})");
        }
    });
}

/// Whether Ctrl-C was pressed.
pub fn stop_requested() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// A counting bar with rate and time left; silent when stderr is no terminal.
pub fn bar(what: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), target());
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

fn target() -> ProgressDrawTarget {
    match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr_with_hz(4),
        false => ProgressDrawTarget::hidden(),
    }
}

/// Shows a training run: a bar per epoch, a line for each finished one.
pub struct TrainingProgress {
    bar: ProgressBar,
    metric: &'static str,
    /// Stages, and epochs of the present one.
    totals: [usize; 2],
}

impl TrainingProgress {
    /// `what` names the run, `metric` what the best model is chosen by.
    pub fn new(what: &str, metric: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(1), target());
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {msg} {wide_bar:.cyan/blue} {pos}/{len} {eta:>5}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(500));
        eprintln!("{what}");
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
             validation {} {:.3}{}  {:.1} pictures/s",
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
        self.bar.suspend(|| eprintln!("{line}"));
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
