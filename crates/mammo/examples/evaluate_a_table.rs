//! Evaluates a table of scores, of this program or of any other.
//!
//! ```text
//! cargo run --release -p mammo --example evaluate_a_table -- SCORES_CSV
//! ```

use std::error::Error;
use std::path::Path;

use mammo::eval::FigureTable;

/// Prints the evaluation and returns the area under the ROC curve per image.
pub fn run(scores: &Path) -> Result<f64, Box<dyn Error>> {
    let evaluation = mammo::evaluate(scores)?;
    print!("{}", evaluation.to_markdown());
    let auc = evaluation.images.auc.value().ok_or("the area is undefined")?;
    Ok(auc.estimate)
}

#[allow(dead_code, reason = "the test of the examples calls `run`")]
fn main() -> Result<(), Box<dyn Error>> {
    let scores = std::env::args().nth(1).ok_or("expected SCORES_CSV")?;
    run(scores.as_ref()).map(|_| ())
}
