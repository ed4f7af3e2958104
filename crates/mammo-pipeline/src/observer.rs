//! Progress of a step, reported to its caller.

use mammo_nn::training::run::{EpochRow, StepReport, TrainingObserver};

/// Receives the progress of a step. Every method has a default that does nothing.
pub trait Observer: Sync {
    /// A task of `total` parts begins; it ends when the returned value is dropped.
    fn begin(&self, _task: &'static str, _total: usize) -> Box<dyn Task + '_> {
        Box::new(Silent)
    }

    /// A note for the user, in one or more whole lines.
    fn note(&self, _text: &str) {}

    /// The next part of a long run begins; by default a note.
    fn step(&self, text: &str) {
        self.note(text);
    }

    /// A training begins, whose best epoch is chosen by `metric`; it ends when the returned value is dropped.
    fn training(&self, _what: &'static str, _metric: &'static str) -> Box<dyn TrainingObserver + '_> {
        Box::new(Silent)
    }

    /// Whether the step should stop as soon as its state is saved.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// Receives the progress of a task, from any thread.
pub trait Task: Sync {
    /// The number of parts that are done.
    fn done(&self, _parts: usize) {}

    /// The number of parts that are done, and how many there are, for tasks whose total is not known in advance.
    fn counted(&self, parts: usize, _total: usize) {
        self.done(parts);
    }

    /// A part is left out; `how` is the word for it, such as `refused`.
    fn left_out(&self, _how: &'static str, _file: &str, _reason: &str) {}
}

/// The observer that shows nothing and never requests a stop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

impl Task for Silent {}

impl TrainingObserver for Silent {
    fn step(&mut self, _: &StepReport) {}

    fn epoch(&mut self, _: &EpochRow) {}

    fn stop_requested(&self) -> bool {
        false
    }
}
