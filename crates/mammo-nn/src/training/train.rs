//! The training loop, top to bottom.
//!
//! Build or resume. For each stage: freeze layers and set the learning rate. For each step: batch, forward, loss,
//! backward, update. After each epoch: validate, save the best model and a checkpoint. Patches and images are trained
//! by the same loop.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, ModuleOptimizer};

use crate::model_file;
use crate::networks::Classifier;
use crate::networks::state::{StateDict, interpolated, load_state_dict, state_dict, training_flags};
use crate::training::batches::{Examples, Pass, epoch_order, training_batches};
use crate::training::features::Features;
use crate::training::optimizer::optimizer;
use crate::training::resume;
use crate::training::resume::{Position, Saved};
use crate::training::run;
use crate::training::run::{EpochRow, MODEL_FILE, Outcome, StepReport, TrainingObserver, TrainingRun};
use crate::training::schedule::{RateSchedule, StageProgress};
use crate::training::step_memory::check_memory;
use crate::training::validation::{Metric, assess, calibrate_on_validation, metric, sample};
use crate::{Error, Result};

/// Trains a network. The same seed, data, configuration and device give the same weights, also if the run was stopped
/// and resumed.
///
/// # Errors
/// Before training: unusable settings, a validation set with one class. During training: a loss that is not finite,
/// unreadable inputs, a full disk; what was saved is kept.
pub fn train<C: Classifier>(
    model: C,
    training: &dyn Examples,
    validation: &dyn Examples,
    run: &TrainingRun,
    observer: &mut dyn TrainingObserver,
) -> Result<Outcome> {
    run.config.check()?;
    let precision = run.config.precision.on(run.device)?;
    check_examples(training, validation)?;
    check_memory(&run.card.network, training.shape(), images_per_example(training), run.config, run.device)?;
    let config = run.config;
    let start = (run.start_share > 0.0).then(|| state_dict(&model));
    let resume_path = run.dir.join(resume::FILE);
    let saved = match run.resume && resume_path.exists() {
        true => Some(Saved::load(&resume_path, &run.digest)?),
        false => None,
    };
    let mut model = model.train();
    let mut position = Position { digest: run.digest.clone(), ..Position::default() };
    if let Some(saved) = &saved {
        model = saved.model(&resume_path, model)?;
        position = saved.position.clone();
    }
    let mut moments = saved;

    while !position.finished && position.stage < config.stages.len() {
        let stage = position.stage;
        let stage_config = config.stages[stage];
        let mut trained = model.trained_parameters(stage_config.train);
        if stage_config.keep_norm_statistics {
            trained = trained.exclude(training_flags(&model));
        }
        model = model.freeze().unfreeze_group(trained);
        let depthwise = model.trunk().depthwise_kernels();
        let mut optimizer = optimizer(config.optimizer, stage_config.weight_decay, depthwise.clone())?;
        if let Some(saved) = moments.take() {
            optimizer = saved.optimizer(&resume_path, optimizer)?;
        }
        // A frozen trunk keeps its weights for the whole stage, so it is compiled once.
        let features = match model.trunk_is_frozen(stage_config.train) {
            true => Features::of_frozen(model.trunk(), training.shape()[0], precision, run.device),
            false => Features::of_trained(precision),
        };
        let mut of_stage = OfStage { features, optimizer };
        while position.epoch < stage_config.epochs {
            let started = std::time::Instant::now();
            let first_step = position.step;
            let outcome = train_epoch(model, &mut of_stage, training, run, &mut position, observer)?;
            model = outcome.model;
            if outcome.interrupted {
                resume::save(&resume_path, &position, &model, &of_stage.optimizer)?;
                return Ok(Outcome::Interrupted);
            }
            let n_pictures = ((position.step - first_step) * config.batch_size) as f64;
            let pictures_per_s = n_pictures / started.elapsed().as_secs_f64();
            let interpolated = interpolate_with_start(model.valid(), start.as_ref(), run.start_share)?;
            let ends = end_epoch(&interpolated, validation, run, &mut position, pictures_per_s, observer)?;
            if ends || position.epoch == stage_config.epochs {
                break;
            }
            resume::save(&resume_path, &position, &model, &of_stage.optimizer)?;
            if observer.stop_requested() {
                return Ok(Outcome::Interrupted);
            }
        }
        position = Position {
            stage: stage + 1,
            epoch: 0,
            step: 0,
            progress: StageProgress::default(),
            finished: stage + 1 == config.stages.len(),
            ..position
        };
        // The next stage starts with a new optimizer, so no moments are saved between stages.
        let fresh = crate::training::optimizer::optimizer(config.optimizer, 0.0, depthwise)?;
        resume::save(&resume_path, &position, &model, &fresh)?;
        if observer.stop_requested() && !position.finished {
            return Ok(Outcome::Interrupted);
        }
    }
    let best_metric = position.best_metric.ok_or_else(|| {
        Error::network("stages", "no epoch was trained", "at least one stage with at least one epoch")
    })?;
    Ok(Outcome::Finished { best_metric })
}

/// Mean number of images of an example.
fn images_per_example(examples: &dyn Examples) -> f64 {
    let n_images: usize = (0..examples.len()).map(|index| examples.views(index).len()).sum();
    n_images as f64 / examples.len().max(1) as f64
}

/// Checks that the data allow training and the choice of a best epoch.
fn check_examples(training: &dyn Examples, validation: &dyn Examples) -> Result<()> {
    for (side, examples) in [("training", training), ("validation", validation)] {
        let mut present = vec![false; examples.n_classes()];
        (0..examples.len()).for_each(|i| present[examples.class(i)] = true);
        let n_present = present.iter().filter(|&&p| p).count();
        if n_present < 2 {
            let found = format!("{} examples of {n_present} class(es)", examples.len());
            return Err(Error::network(
                format!("the {side} side"),
                found,
                "examples of at least two classes; make another split or use more patients",
            ));
        }
    }
    Ok(())
}

/// What the epochs of one stage share.
struct OfStage {
    features: Features,
    optimizer: ModuleOptimizer,
}

struct EpochOutcome<C> {
    model: C,
    interrupted: bool,
}

/// Runs the steps of one epoch from `position.step` on; `position` is then at the next step to run.
fn train_epoch<C: Classifier>(
    mut model: C,
    of_stage: &mut OfStage,
    training: &dyn Examples,
    run: &TrainingRun,
    position: &mut Position,
    observer: &mut dyn TrainingObserver,
) -> Result<EpochOutcome<C>> {
    let config = run.config;
    let n_steps = config.examples_per_epoch.unwrap_or(training.len()).div_ceil(config.batch_size);
    let (stage, epoch) = (position.stage, position.epoch);
    let n_epochs = config.stages[stage].epochs;
    let pass = Pass { seed: run.seed, stage, epoch };
    let n = n_steps * config.batch_size;
    let order = epoch_order(training, n, config.batch_size, config.balanced, pass);
    let device = run.device.clone().autodiff();
    let smoothing = (config.label_smoothing > 0.0).then_some(config.label_smoothing as f32);
    let criterion = CrossEntropyLossConfig::new().with_smoothing(smoothing).init(&device);

    std::thread::scope(|scope| {
        let first_step = position.step;
        let batches = training_batches(scope, training, order, config.batch_size, pass, first_step);
        for (step, batch) in (first_step..).zip(batches.iter()) {
            let batch = batch?;
            let (targets, views) = (batch.targets(&device), batch.views.clone());
            let map = of_stage.features.of(model.trunk(), batch, &device); // [n, c_out, rows, cols]
            let mut rng = pass.stream("dropout", step);
            let logits = model.logits_of_features(map, &views, Some(&mut rng));
            let loss = criterion.forward(logits, targets);
            let value = loss.clone().into_scalar::<f32>();
            let done = (epoch * n_steps + step) as f64 / (n_epochs * n_steps) as f64;
            let learning_rate = config.learning_rate(stage, done, position.progress.rate_factor);
            if !value.is_finite() {
                let (stage, epoch, step) = (stage + 1, epoch + 1, step + 1);
                return Err(Error::Diverged { stage, epoch, step, loss: value, learning_rate });
            }
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = of_stage.optimizer.step(learning_rate, model, gradients);

            position.loss_sum += f64::from(value);
            position.step = step + 1;
            observer.step(&StepReport {
                stage: [stage + 1, config.stages.len()],
                epoch: [epoch + 1, n_epochs],
                step: [step + 1, n_steps],
                loss: position.loss_sum / (step + 1) as f64,
            });
            if observer.stop_requested() && step + 1 < n_steps {
                return Ok(EpochOutcome { model, interrupted: true });
            }
        }
        Ok(EpochOutcome { model, interrupted: false })
    })
}

/// The model that is validated and saved: trained weights interpolated with the starting ones.
fn interpolate_with_start<C: Classifier>(trained: C, start: Option<&StateDict>, share: f64) -> Result<C> {
    let Some(start) = start else { return Ok(trained) };
    let interpolated = interpolated(start, share, state_dict(&trained));
    load_state_dict(trained, interpolated).map_err(|problem| {
        Error::network("start_share", problem, "a model of the network that training started with")
    })
}

/// Validates `model`, saves it if it is the best, and moves `position` from the epoch's last step to the next epoch;
/// true if the stage should stop early.
fn end_epoch<C: Classifier>(
    model: &C,
    validation: &dyn Examples,
    run: &TrainingRun,
    position: &mut Position,
    pictures_per_s: f64,
    observer: &mut dyn TrainingObserver,
) -> Result<bool> {
    let config = run.config;
    let precision = config.precision.on(run.device)?;
    let assessment = assess(model, validation, config.batch_size, run.device, precision)?;
    let metric = metric(run.metric, &assessment, validation.n_classes())?;
    let best = position.best_metric.is_none_or(|best| metric > best);
    if best {
        position.best_metric = Some(metric);
        let mut card = run.card.clone();
        card.training.best_epoch = Some([position.stage + 1, position.epoch + 1]);
        card.training.validation_metric = Some(metric);
        if run.metric == Metric::Auc {
            calibrate_on_validation(&mut card, &sample(&assessment, validation), run.calibration)?;
        }
        model_file::save(&run.dir.join(MODEL_FILE), &card, &state_dict(model))?;
    }
    let n_epochs = config.stages[position.stage].epochs;
    let done = match config.schedule {
        RateSchedule::Cosine => (position.epoch + 1) as f64 / n_epochs as f64,
        RateSchedule::Constant | RateSchedule::Plateau { .. } => 0.0,
    };
    let row = EpochRow {
        stage: position.stage + 1,
        epoch: position.epoch + 1,
        learning_rate: config.learning_rate(position.stage, done, position.progress.rate_factor),
        train_loss: position.loss_sum / position.step as f64,
        validation_loss: assessment.loss,
        validation_metric: metric,
        pictures_per_s,
        best,
    };
    observer.epoch(&row);
    position.history.push(row);
    let ends = position.progress.epoch_ended(assessment.loss, config);
    position.epoch += 1;
    position.step = 0;
    position.loss_sum = 0.0;
    run::write_metrics(run.dir, &position.history)?;
    Ok(ends)
}
