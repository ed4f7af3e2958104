//! How long the evaluation of a million scores takes.
//!
//! ```sh
//! cargo run --release -p mammo-eval --example evaluation_speed            # 250,000 patients, 2,000 resamples
//! cargo run --release -p mammo-eval --example evaluation_speed 1000 200   # fewer
//! ```

use std::time::Instant;

use mammo_core::record::{Laterality, Pathology, View};
use mammo_core::seed::stream;
use mammo_eval::{
    BootstrapConfig, EvalConfig, EvalInputs, RankedScores, Sample, Scale, ScoreRow, ScoreTable, bootstrap,
    evaluate_scores,
};
use rand::RngExt;

fn main() -> mammo_core::Result<()> {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let n_patients = numbers.first().copied().unwrap_or(250_000);
    let n_resamples = numbers.get(1).copied().unwrap_or(2000);
    let table = ScoreTable::from(rows(n_patients));
    println!(
        "{} scores of {n_patients} patients, {n_resamples} resamples, {} threads",
        table.rows.len(),
        rayon::current_num_threads()
    );
    let bootstrap_config = BootstrapConfig { n_resamples, ..Default::default() };

    let begun = Instant::now();
    let images: Vec<_> = table.rows.iter().filter_map(mammo_eval::Case::of_image).collect();
    let sample = Sample::of(&images);
    let ranked: RankedScores = sample.ranked()?;
    println!("{:>7.2} s  cases sorted by score", begun.elapsed().as_secs_f64());

    let begun = Instant::now();
    let scale = Scale::area(ranked.units_by_class());
    let auc = |times: &[u8]| Ok([ranked.resampled_auc(times)?]);
    let [area] = bootstrap(sample.patients.n(), &bootstrap_config, [scale], auc)?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seconds:>7.2} s  area alone: {:.4} ({:.4} to {:.4})", area.estimate, area.low, area.high);

    let begun = Instant::now();
    let config = EvalConfig { bootstrap: bootstrap_config, ..Default::default() };
    let evaluation = evaluate_scores(&table, &EvalInputs::default(), &config)?;
    println!("{:>7.2} s  the whole evaluation", begun.elapsed().as_secs_f64());
    assert_eq!(evaluation.images.auc.value(), Some(&area), "both ways give the same interval");
    Ok(())
}

/// Two views of two breasts of each patient; one in twenty has a cancer in one breast.
fn rows(n_patients: usize) -> Vec<ScoreRow> {
    let mut rows = Vec::with_capacity(4 * n_patients);
    for patient in 0..n_patients {
        let mut rng = stream(0, "example evaluation speed", patient as u64);
        let (cancer, shared): (bool, f64) = (rng.random_bool(0.05), rng.random());
        for laterality in [Laterality::Left, Laterality::Right] {
            let malignant = cancer && laterality == Laterality::Left;
            for view in [View::Cc, View::Mlo] {
                let own: f64 = rng.random();
                let signal = if malignant { 0.3 } else { 0.0 };
                rows.push(ScoreRow {
                    file: format!("{patient}-{laterality}-{view}.png"),
                    patient_id: format!("p{patient:06}"),
                    laterality: Some(laterality),
                    view: Some(view),
                    label: if malignant { Pathology::Malignant } else { Pathology::Benign },
                    probability: 0.35 * shared + 0.35 * own + signal,
                    calibrated: None,
                    model: "example".into(),
                    preprocessing: String::new(),
                    tta: "none".into(),
                    seconds: 0.0,
                });
            }
        }
    }
    rows
}
