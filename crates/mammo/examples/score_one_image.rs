//! Scores one image with one model.
//!
//! ```text
//! cargo run --release -p mammo --example score_one_image -- MODEL IMAGE
//! ```

use std::error::Error;
use std::path::Path;

/// Prints the probability of cancer, or why the image is not scored; returns the probability.
pub fn run(model: &Path, image: &Path) -> Result<Option<f64>, Box<dyn Error>> {
    let model = mammo::Model::open(model)?;
    Ok(match model.score(image) {
        Ok(score) => {
            println!("{}: probability of cancer {:.3}", image.display(), score.probability);
            Some(score.probability)
        }
        Err(refused) => {
            println!("not scored: {} ({})", refused.reason, refused.code);
            None
        }
    })
}

#[allow(dead_code, reason = "the test of the examples calls `run`")]
fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [model, image] = &paths[..] else { return Err("expected MODEL IMAGE".into()) };
    run(model.as_ref(), image.as_ref()).map(|_| ())
}
